SELECT date, model
FROM daily_pnl
WHERE closing_equity IS NOT NULL
    OR date NOT IN (SELECT date FROM prices WHERE close IS NOT NULL)
