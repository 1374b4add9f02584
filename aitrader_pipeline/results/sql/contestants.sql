SELECT DISTINCT model FROM daily_pnl ORDER BY model
