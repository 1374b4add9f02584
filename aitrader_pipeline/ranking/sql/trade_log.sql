-- The pieces of lots that were closed.
-- session_hours: a staged table of the sessions with their opens.
WITH events AS (
    SELECT model, date, action_id, action_type
    FROM positions
    WHERE action_type IN ('split', 'delisting')
)

SELECT
    lots.model AS model_id,
    lots.symbol,
    'long' AS direction,
    entry_price::DECIMAL(18, 6) AS entry_price,
    bought.opens_at AS entry_time,
    shares,
    exit_price::DECIMAL(18, 6) AS exit_price,
    sold.opens_at AS exit_time,
    -- What a corporate action closes, nobody has decided.
    CASE WHEN action_type IS NULL THEN 'manual' END AS exit_reason,
    (shares * (lots.exit_price - lots.entry_price))::DECIMAL(18, 6) AS realized_pnl,
    100 * (lots.exit_price - lots.entry_price) / lots.entry_price AS realized_pnl_pct,
    days.created_at,
    entry_date,
    entry_action_id,
    exit_date,
    exit_action_id,
    coalesce(action_type, 'sell') AS exit_action
FROM lots
JOIN session_hours AS bought ON bought.date = entry_date
JOIN session_hours AS sold ON sold.date = exit_date
JOIN scored_days AS days ON days.model = lots.model AND days.date = exit_date
LEFT JOIN events ON events.model = lots.model AND events.date = exit_date AND events.action_id = exit_action_id
WHERE exit_date IS NOT NULL
ORDER BY model_id, exit_date, exit_action_id, entry_date, entry_action_id
