-- portfolio_value is marked at today's opens right after the action; the profit columns are the day's. Shares of before
-- a split have no value at opens of after it: up to the last corporate action it is the value after that.
INSERT INTO positions BY NAME
WITH marked AS (
    SELECT date, model, action_id, sum(quantity * open_price) AS holdings_value FROM valued_holdings GROUP BY ALL
)
SELECT
    a.*,
    CASE WHEN a.action_id <= s.events THEN d.opening_equity ELSE a.cash + coalesce(m.holdings_value, 0) END
        AS portfolio_value,
    d.daily_profit,
    d.daily_return_pct,
    d.cumulative_profit,
    d.cumulative_return_pct
FROM session_actions AS a
JOIN sessions AS s USING (date, model)
JOIN scored_sessions AS d USING (date, model)
LEFT JOIN marked AS m USING (date, model, action_id)
