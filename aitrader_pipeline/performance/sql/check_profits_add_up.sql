-- The sum of daily profits is the last closing equity less the initial cash.
SELECT
    model,
    max(date) AS date,
    'daily profits add up to ' || sum(daily_profit) || ', equity grew by '
    || (max_by(closing_equity, date) - min_by(initial_cash, date)) AS problem
FROM daily_pnl
WHERE closing_equity IS NOT NULL
GROUP BY model
HAVING sum(daily_profit) <> max_by(closing_equity, date) - min_by(initial_cash, date)
ORDER BY model
