-- What becomes of every lot in one stretch of the models' histories ($stretch), first in, first out: a row for each
-- piece of it that is closed, with the action that closes it, and one for the piece that is open at the end.
-- Bought and sold shares are laid on one line: where the n-th share to be bought lies, there lies the n-th to be sold.
-- A stretch begins with what was open in the one before it, as the split or the symbol change has made it.
INSERT INTO lots BY NAME
WITH held AS (
    SELECT
        coalesce(change.new_queue, pieces.queue) AS queue,
        pieces.entry,
        pieces.entry_price,
        pieces.shares,
        change.moment AS changed,
        change.price AS paid,
        change.action_type = 'split' AS is_split,
        change.amount,
        sum(pieces.shares) OVER (PARTITION BY pieces.queue) AS total,
        -- What a split leaves is whole shares, and the fraction of one that was paid out where a price says so.
        CASE WHEN paid IS NULL THEN 0 ELSE greatest(total * change.ratio - change.amount, 0) END AS fraction,
        CASE WHEN is_split THEN (change.amount + fraction) / total ELSE 1 END AS scale
    FROM lots AS pieces
    LEFT JOIN trading_actions AS change
        ON change.queue = pieces.queue AND change.stretch = $stretch
        AND change.action_type IN ('split', 'symbol_change')
    WHERE pieces.exit IS NULL AND pieces.stretch = $stretch - 1
),

flows AS (
    SELECT queue, true AS is_lot, entry AS moment, entry_price / scale AS price, shares * scale AS shares
    FROM held
    UNION ALL
    SELECT DISTINCT queue, false, changed, paid, fraction
    FROM held
    WHERE fraction > 0
    UNION ALL
    SELECT queue, action_type = 'buy', moment, price, amount
    FROM trading_actions
    WHERE action_type IN ('buy', 'sell', 'delisting') AND stretch = $stretch
),

-- To a billionth of a share: thirds that should meet would else miss each other by a rounding error.
placed AS (
    SELECT
        *,
        round(sum(shares) OVER (
            PARTITION BY queue, is_lot ORDER BY moment ROWS UNBOUNDED PRECEDING
        ), 9) AS upto
    FROM flows
),

cuts AS (
    SELECT
        queue,
        round(upto - shares, 9) AS start,
        CASE WHEN is_lot THEN moment END AS entry,
        CASE WHEN is_lot THEN price END AS entry_price,
        CASE WHEN is_lot THEN upto END AS bought_upto,
        CASE WHEN NOT is_lot THEN moment END AS exit,
        CASE WHEN NOT is_lot THEN price END AS exit_price
    FROM placed
    UNION ALL
    -- From there on nothing is sold.
    SELECT queue, max(upto), NULL, NULL, NULL, -1, NULL
    FROM placed
    WHERE NOT is_lot
    GROUP BY ALL
),

segments AS (
    SELECT
        queue,
        last_value(entry IGNORE NULLS) OVER line AS entry,
        last_value(entry_price IGNORE NULLS) OVER line AS entry_price,
        last_value(bought_upto IGNORE NULLS) OVER line AS lot_upto,
        nullif(last_value(exit IGNORE NULLS) OVER line, -1) AS exit,
        last_value(exit_price IGNORE NULLS) OVER line AS exit_price,
        least(coalesce(lead(start) OVER line, lot_upto), lot_upto) - start AS shares
    FROM cuts
    WINDOW line AS (PARTITION BY queue ORDER BY start ROWS UNBOUNDED PRECEDING)
)

SELECT
    $stretch::BIGINT AS stretch,
    queue,
    shares,
    entry,
    entry_price,
    exit,
    CASE WHEN exit IS NOT NULL THEN exit_price END AS exit_price
FROM segments
WHERE shares > 1e-8
