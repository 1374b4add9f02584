DELETE FROM leak_counts USING session_cells AS s WHERE leak_counts.date = s.date AND leak_counts.model = s.model
