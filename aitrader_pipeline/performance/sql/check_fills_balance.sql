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
fills AS (
    SELECT model, date, action_id, symbol, CASE action_type WHEN 'buy' THEN amount ELSE -amount END AS traded
    FROM positions
    WHERE action_type IN ('buy', 'sell')
),
-- Every symbol that is held after a fill, was held before it, or is traded by it.
share_steps AS (
    SELECT model, date, action_id, symbol, sum(change) AS change, sum(traded) AS expected
    FROM (
        SELECT model, date, action_id, symbol, quantity AS change, 0 AS traded FROM holdings
        UNION ALL
        SELECT model, date, action_id + 1, symbol, -quantity, 0 FROM holdings
        UNION ALL
        SELECT model, date, action_id, symbol, 0, traded FROM fills
    )
    SEMI JOIN fills USING (model, date, action_id)
    GROUP BY ALL
)
SELECT model, date, 'action ' || action_id || ': cash changed by ' || change || ', not ' || expected AS problem
FROM cash_steps
WHERE action_id > 0 AND change <> expected
UNION ALL
SELECT model, date, 'action ' || action_id || ': ' || symbol || ' changed by ' || change || ', not ' || expected
FROM share_steps
WHERE change <> expected
UNION ALL
SELECT model, date, symbol || ' is held after action ' || action_id || ', which there is not'
FROM holdings
ANTI JOIN positions USING (model, date, action_id)
ORDER BY model, date, problem
