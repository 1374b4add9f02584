-- A session opens with exactly what the same model's session before it closed with; one whose session before is not
-- in the tables (yet) is the matter of no_day_missing.
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
)
SELECT b.model, b.date, 'does not open with what ' || previous.date || ' closed with: run it again' AS problem
FROM books AS b
JOIN daily_pnl AS d USING (model, date)
JOIN books AS previous ON previous.model = b.model AND previous.date = d.date - d.days_since_last_session
WHERE d.days_since_last_session > 0
    AND (b.start_cash <> previous.end_cash OR b.start_shares IS DISTINCT FROM previous.end_shares)
ORDER BY b.model, b.date
