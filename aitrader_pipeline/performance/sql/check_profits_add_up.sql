-- A day's profit counts from the closing equity of the session before, the first one's from the initial cash: then
-- the sum of daily profits is the last closing equity less the initial cash.
SELECT
    d.model,
    d.date,
    'daily profit ' || d.daily_profit || ' counts from ' || (d.closing_equity - d.daily_profit) || ', not from '
    || CASE WHEN d.days_since_last_session = 0 THEN d.initial_cash ELSE previous.closing_equity END AS problem
FROM daily_pnl AS d
LEFT JOIN daily_pnl AS previous
    ON previous.model = d.model AND previous.date = d.date - d.days_since_last_session
    AND d.days_since_last_session > 0
WHERE d.closing_equity - d.daily_profit
    <> CASE WHEN d.days_since_last_session = 0 THEN d.initial_cash ELSE previous.closing_equity END
ORDER BY d.model, d.date
