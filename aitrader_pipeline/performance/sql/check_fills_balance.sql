-- start + fills + corporate actions - costs = end, for cash and for every symbol's shares, action by action.
WITH cash_steps AS (
    SELECT
        model,
        date,
        action_id,
        cash - lag(cash) OVER day AS change,
        CASE action_type WHEN 'buy' THEN -price * amount WHEN 'sell' THEN price * amount ELSE 0 END - costs AS expected
    FROM positions
    WINDOW day AS (PARTITION BY model, date ORDER BY action_id)
),
share_steps AS (
    SELECT p.model, p.date, p.action_id, p.symbol, p.action_type, p.amount,
        coalesce(after.quantity, 0) - coalesce(before.quantity, 0) AS change
    FROM positions AS p
    LEFT JOIN holdings AS after USING (model, date, action_id, symbol)
    LEFT JOIN holdings AS before
        ON before.model = p.model AND before.date = p.date
        AND before.symbol = p.symbol AND before.action_id = p.action_id - 1
    WHERE p.action_type IN ('buy', 'sell')
)
SELECT model, date, 'action ' || action_id || ': cash changed by ' || change || ', not ' || expected AS problem
FROM cash_steps
WHERE action_id > 0 AND change <> expected
UNION ALL
SELECT model, date, 'action ' || action_id || ': ' || symbol || ' changed by ' || change
FROM share_steps
WHERE change <> CASE action_type WHEN 'buy' THEN amount ELSE -amount END
ORDER BY model, date
