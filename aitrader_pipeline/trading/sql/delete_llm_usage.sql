DELETE FROM llm_usage USING session_cells AS s WHERE llm_usage.date = s.date AND llm_usage.model = s.model
