-- A session opens with exactly what the same model's session before it closed with.
WITH days AS (
    SELECT model, date, max(action_id) AS last_action, min_by(cash, action_id) AS start_cash,
        max_by(cash, action_id) AS end_cash
    FROM positions
    GROUP BY ALL
),
books AS (
    SELECT
        d.model,
        d.date,
        d.start_cash,
        d.end_cash,
        list(h.symbol || ' ' || h.quantity ORDER BY h.symbol) FILTER (h.action_id = 0) AS start_shares,
        list(h.symbol || ' ' || h.quantity ORDER BY h.symbol) FILTER (h.action_id = d.last_action) AS end_shares
    FROM days AS d
    LEFT JOIN holdings AS h USING (model, date)
    GROUP BY ALL
),
links AS (
    SELECT
        *,
        lag(date) OVER chain AS previous_date,
        lag(end_cash) OVER chain AS previous_cash,
        lag(end_shares) OVER chain AS previous_shares
    FROM books
    WINDOW chain AS (PARTITION BY model ORDER BY date)
)
SELECT model, date, 'does not open with what ' || previous_date || ' closed with: run it again' AS problem
FROM links
WHERE previous_date IS NOT NULL
    AND (start_cash <> previous_cash OR start_shares IS DISTINCT FROM previous_shares)
ORDER BY model, date
