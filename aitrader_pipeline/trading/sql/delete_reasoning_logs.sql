DELETE FROM reasoning_logs USING session_cells AS s WHERE reasoning_logs.date = s.date AND reasoning_logs.model = s.model
