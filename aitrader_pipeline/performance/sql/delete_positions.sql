DELETE FROM positions USING sessions AS s WHERE positions.date = s.date AND positions.model = s.model
