SELECT DISTINCT model FROM portfolio_timeseries ORDER BY model
