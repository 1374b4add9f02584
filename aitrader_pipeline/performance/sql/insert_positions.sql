-- portfolio_value is marked at today's opens right after the action; the profit columns are the day's.
INSERT INTO positions BY NAME
WITH marked AS (
    SELECT date, model, action_id, sum(quantity * open_price) AS holdings_value FROM valued_holdings GROUP BY ALL
)
SELECT
    a.job_id,
    a.date,
    a.model,
    a.action_id,
    a.action_type,
    a.symbol,
    a.amount,
    a.price,
    a.costs,
    a.cash,
    a.cash + coalesce(m.holdings_value, 0) AS portfolio_value,
    d.daily_profit,
    d.daily_return_pct,
    d.cumulative_profit,
    d.cumulative_return_pct,
    a.created_at
FROM session_actions AS a
JOIN scored_sessions AS d USING (date, model)
LEFT JOIN marked AS m USING (date, model, action_id)
