-- Model-days whose figures are those that the prices give: nothing was completed or restated since they were scored.
WITH marks AS (
    SELECT date, model, action_id, sum(quantity * open_price) AS holdings_value FROM valued_holdings GROUP BY ALL
),
remarked AS (
    SELECT DISTINCT p.date, p.model
    FROM positions AS p
    LEFT JOIN marks AS m USING (date, model, action_id)
    WHERE p.portfolio_value IS DISTINCT FROM p.cash + coalesce(m.holdings_value, 0)
)
SELECT stored.date, stored.model
FROM daily_pnl AS stored
JOIN scored_sessions AS now USING (date, model)
ANTI JOIN remarked USING (date, model)
WHERE stored.opening_equity = now.opening_equity
    AND stored.closing_equity IS NOT DISTINCT FROM now.closing_equity
    AND stored.daily_profit IS NOT DISTINCT FROM now.daily_profit
    AND stored.carried_symbols = now.carried_symbols
