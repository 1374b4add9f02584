-- The model-days of the mart in the shape in which they are scored; previous_date is NULL on a model's first.
INSERT INTO sessions BY NAME
SELECT
    d.date,
    d.model,
    d.kind,
    d.source,
    CASE WHEN d.days_since_last_session > 0 THEN d.date - d.days_since_last_session END AS previous_date,
    d.initial_cash,
    p.cash AS start_cash,
    d.cash AS end_cash,
    d.trades,
    d.costs
FROM daily_pnl AS d
JOIN positions AS p ON p.date = d.date AND p.model = d.model AND p.action_id = 0
