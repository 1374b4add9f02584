-- start + fills + corporate actions - costs = end, for cash and for every symbol's shares, action by action.
WITH corporate AS (
    -- What was held before, of those actions that it matters to.
    SELECT p.model, p.date, p.action_id, h.quantity AS held
    FROM positions AS p
    JOIN holdings AS h
        ON h.model = p.model AND h.date = p.date AND h.action_id = p.action_id - 1 AND h.symbol = p.symbol
    WHERE p.action_type IN ('split', 'dividend')
),
steps AS (
    SELECT p.*, p.cash - lag(p.cash) OVER day AS change, coalesce(c.held, 0) AS held
    FROM positions AS p
    LEFT JOIN corporate AS c USING (model, date, action_id)
    WINDOW day AS (PARTITION BY p.model, p.date ORDER BY p.action_id)
),
cash_steps AS (
    SELECT
        *,
        CASE
            WHEN action_type = 'buy' THEN -price * amount
            WHEN action_type IN ('sell', 'dividend', 'delisting') THEN coalesce(price * amount, 0)
            -- The fraction of a share that is left: a third of one is no decimal number.
            WHEN action_type = 'split' THEN (coalesce(price, 0) * (held * ratio::DOUBLE - amount))::DECIMAL(18, 6)
            ELSE 0
        END - costs AS expected,
        CASE WHEN action_type = 'split' THEN 0.000001 + 1e-12 * held * coalesce(price, 0)::DOUBLE ELSE 0 END
            AS tolerance
    FROM steps
    WHERE action_id > 0
),
actions AS (
    SELECT
        model,
        date,
        action_id,
        symbol,
        CASE action_type
            WHEN 'buy' THEN amount
            WHEN 'split' THEN amount - held
            WHEN 'dividend' THEN 0
            ELSE -amount
        END AS moved
    FROM steps
    WHERE action_id > 0
    UNION ALL
    SELECT model, date, action_id, new_symbol, amount FROM positions WHERE new_symbol IS NOT NULL
),
suspects AS (
    -- An action by which a sum over all shares, each symbol's with a factor of its own, changes otherwise than by what
    -- it moves. Only there every symbol is looked at.
    SELECT model, date, action_id
    FROM (
        SELECT model, date, action_id, quantity * (hash(symbol) >> 16)::HUGEINT AS shares, false AS acts
        FROM holdings
        UNION ALL
        SELECT model, date, action_id + 1, -quantity * (hash(symbol) >> 16)::HUGEINT, false
        FROM holdings
        UNION ALL
        SELECT model, date, action_id, -coalesce(moved, 0) * (hash(symbol) >> 16)::HUGEINT, true
        FROM actions
    )
    GROUP BY ALL
    HAVING bool_or(acts) AND sum(shares) <> 0
),
-- Every symbol that is held after such an action, was held before it, or is moved by it.
share_steps AS (
    SELECT model, date, action_id, symbol, sum(change) AS change, sum(moved) AS expected
    FROM (
        SELECT model, date, action_id, symbol, quantity AS change, 0 AS moved FROM holdings
        UNION ALL
        SELECT model, date, action_id + 1, symbol, -quantity, 0 FROM holdings
        UNION ALL
        SELECT model, date, action_id, symbol, 0, moved FROM actions
    )
    SEMI JOIN suspects USING (model, date, action_id)
    GROUP BY ALL
),
unmade AS (
    SELECT model, date, action_id
    FROM (SELECT DISTINCT model, date, action_id FROM holdings)
    ANTI JOIN positions USING (model, date, action_id)
)
SELECT model, date, 'action ' || action_id || ': cash changed by ' || change || ', not ' || expected AS problem
FROM cash_steps
WHERE abs(change - expected) > tolerance
UNION ALL
SELECT model, date, 'action ' || action_id || ': ' || symbol || ' changed by ' || change || ', not ' || expected
FROM share_steps
WHERE change <> expected
UNION ALL
SELECT model, date,
    'action ' || action_id || ': a split of ' || held || ' ' || symbol || ' leaves ' || amount || ', not '
    || floor(held * ratio::DOUBLE + 1e-6)::BIGINT
FROM steps
WHERE action_type = 'split' AND amount NOT BETWEEN held * ratio::DOUBLE - 1 - 1e-6 AND held * ratio::DOUBLE + 1e-6
UNION ALL
SELECT model, date, 'action ' || action_id || ': the dividend is paid on ' || amount || ' ' || symbol || ', not ' || held
FROM steps
WHERE action_type = 'dividend' AND amount <> held
UNION ALL
SELECT model, date, symbol || ' is held after action ' || action_id || ', which there is not'
FROM holdings
SEMI JOIN unmade USING (model, date, action_id)
ORDER BY model, date, problem
