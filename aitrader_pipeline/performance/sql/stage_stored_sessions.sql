-- The model-days of the mart in the shape in which they are scored; previous_date is NULL on a model's first.
INSERT INTO sessions BY NAME
WITH starts AS (
    SELECT
        date,
        model,
        min_by(cash, action_id) AS start_cash,
        max_by(cash, action_id) FILTER (action_type NOT IN ('buy', 'sell')) AS opening_cash,
        count(*) FILTER (action_type NOT IN ('no_trade', 'buy', 'sell')) AS events
    FROM positions
    GROUP BY ALL
)
SELECT
    d.date,
    d.model,
    d.kind,
    d.source,
    CASE WHEN d.days_since_last_session > 0 THEN d.date - d.days_since_last_session END AS previous_date,
    d.initial_cash,
    s.start_cash,
    s.opening_cash,
    d.cash AS end_cash,
    s.events,
    d.trades,
    d.costs
FROM daily_pnl AS d
JOIN starts AS s USING (date, model)
