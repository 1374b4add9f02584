DELETE FROM leak_findings USING session_cells AS s WHERE leak_findings.date = s.date AND leak_findings.model = s.model
