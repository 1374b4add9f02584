-- Model-days whose figures are those that the prices give, since nothing was completed or restated after they were
-- scored, and whose transcript is that of the same session.
WITH marks AS (
    SELECT date, model, action_id, sum(quantity * open_price) AS holdings_value FROM valued_holdings GROUP BY ALL
),
remarked AS (
    SELECT DISTINCT p.date, p.model
    FROM positions AS p
    JOIN sessions AS s USING (date, model)
    LEFT JOIN marks AS m USING (date, model, action_id)
    WHERE p.action_id >= s.events
        AND p.portfolio_value IS DISTINCT FROM p.cash + coalesce(m.holdings_value, 0)
),
told AS (
    SELECT log.date, log.model
    FROM reasoning_logs AS log
    JOIN positions AS p USING (date, model, job_id)
    WHERE log.step_number = 1 AND p.action_id = 0
)
SELECT stored.date, stored.model
FROM daily_pnl AS stored
JOIN scored_sessions AS now USING (date, model)
ANTI JOIN remarked USING (date, model)
WHERE stored.opening_equity = now.opening_equity
    AND stored.closing_equity IS NOT DISTINCT FROM now.closing_equity
    AND stored.daily_profit IS NOT DISTINCT FROM now.daily_profit
    AND stored.carried_symbols = now.carried_symbols
    -- An imported book has no transcript.
    AND (stored.source = 'import' OR (stored.date, stored.model) IN (FROM told))
