DELETE FROM holdings USING sessions AS s WHERE holdings.date = s.date AND holdings.model = s.model
