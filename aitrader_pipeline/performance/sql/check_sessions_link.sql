-- A session opens with exactly what the same model's session before it closed with; one whose session before is not
-- in the tables (yet) is the matter of no_day_missing.
WITH days AS (
    SELECT model, date, max(action_id) AS last_action, min_by(cash, action_id) AS start_cash,
        max_by(cash, action_id) AS end_cash
    FROM positions
    GROUP BY ALL
),
links AS (
    SELECT d.model, d.date, d.start_cash, previous.date AS previous_date, previous.end_cash,
        previous.last_action AS previous_action
    FROM days AS d
    JOIN daily_pnl AS p USING (model, date)
    JOIN days AS previous ON previous.model = d.model AND previous.date = d.date - p.days_since_last_session
    WHERE p.days_since_last_session > 0
),
shares AS (
    SELECT l.model, l.date, h.symbol, h.quantity, 1 AS side
    FROM links AS l
    JOIN holdings AS h ON h.model = l.model AND h.date = l.date AND h.action_id = 0
    UNION ALL
    SELECT l.model, l.date, h.symbol, h.quantity, -1
    FROM links AS l
    JOIN holdings AS h ON h.model = l.model AND h.date = l.previous_date AND h.action_id = l.previous_action
),
parted AS (SELECT model, date FROM shares GROUP BY model, date, symbol, quantity HAVING sum(side) <> 0)
SELECT l.model, l.date, 'does not open with what ' || l.previous_date || ' closed with: run it again' AS problem
FROM links AS l
WHERE l.start_cash <> l.end_cash OR (l.model, l.date) IN (SELECT (model, date) FROM parted)
ORDER BY l.model, l.date
