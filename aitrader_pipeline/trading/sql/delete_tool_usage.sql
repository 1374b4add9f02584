DELETE FROM tool_usage USING session_cells AS s WHERE tool_usage.date = s.date AND tool_usage.model = s.model
