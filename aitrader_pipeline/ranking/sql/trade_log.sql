-- The pieces of lots that were closed.
-- session_hours: a staged table of the sessions with their opens.
WITH pieces AS (
    SELECT
        *,
        DATE '1970-01-01' + (entry // 1_000_000)::INTEGER AS entry_date,
        (entry % 1_000_000)::INTEGER AS entry_action_id,
        DATE '1970-01-01' + (exit // 1_000_000)::INTEGER AS exit_date,
        (exit % 1_000_000)::INTEGER AS exit_action_id
    FROM lots
    JOIN lot_queues USING (queue)
    WHERE exit IS NOT NULL
),

-- Sorted before all columns are there: what is sorted is moved.
sorted AS (
    SELECT
        pieces.* EXCLUDE (queue, stretch),
        bought.opens_at AS entry_time,
        sold.opens_at AS exit_time,
        days.created_at,
        days.events[exit_action_id] AS event
    FROM pieces
    JOIN session_hours AS bought ON bought.date = entry_date
    JOIN session_hours AS sold ON sold.date = exit_date
    JOIN scored_days AS days ON days.model = pieces.model AND days.date = exit_date
    ORDER BY pieces.model, exit, entry
)

SELECT
    sorted.model AS model_id,
    symbol,
    'long' AS direction,
    sorted.entry_price::DECIMAL(18, 6) AS entry_price,
    entry_time,
    shares,
    sorted.exit_price::DECIMAL(18, 6) AS exit_price,
    exit_time,
    -- What a corporate action closes, nobody has decided.
    CASE WHEN event IS NULL THEN 'manual' END AS exit_reason,
    (shares * (sorted.exit_price - sorted.entry_price))::DECIMAL(18, 6) AS realized_pnl,
    100 * (sorted.exit_price - sorted.entry_price) / sorted.entry_price AS realized_pnl_pct,
    created_at,
    entry_date,
    entry_action_id,
    exit_date,
    exit_action_id,
    coalesce(event, 'sell') AS exit_action
FROM sorted
