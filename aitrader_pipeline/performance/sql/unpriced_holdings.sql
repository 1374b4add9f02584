SELECT DISTINCT model, date, symbol FROM valued_holdings WHERE open_price IS NULL ORDER BY ALL LIMIT 5
