-- The scored sessions of the portfolios that trade, with the state at both marks: after the corporate actions of the
-- day (opening_action) and after its last fill (closing_action), and what its splits and delistings were.
CREATE OR REPLACE TEMP TABLE scored_days AS
WITH days AS (
    SELECT
        model,
        date,
        max(action_id) FILTER (action_type NOT IN ('buy', 'sell')) AS opening_action,
        max(action_id) AS closing_action,
        max_by(cash, action_id) FILTER (action_type NOT IN ('buy', 'sell')) AS opening_cash,
        count(*) FILTER (action_type = 'buy') AS bought,
        map_from_entries(list((action_id, action_type)) FILTER (action_type IN ('split', 'delisting'))) AS events,
        any_value(created_at) AS created_at
    FROM positions
    GROUP BY ALL
)
SELECT days.*, pnl.opening_equity, curve.* EXCLUDE (model, date)
FROM portfolio_timeseries AS curve
JOIN days USING (model, date)
JOIN daily_pnl AS pnl USING (model, date)
