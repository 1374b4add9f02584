-- The pieces of lots that are open after each model's newest scored session, marked at its close.
WITH pieces AS (
    SELECT
        model,
        symbol,
        shares,
        entry_price,
        DATE '1970-01-01' + (entry // 1_000_000)::INTEGER AS entry_date,
        (entry % 1_000_000)::INTEGER AS entry_action_id
    FROM lots
    JOIN lot_queues USING (queue)
    WHERE exit IS NULL
)

SELECT
    pieces.model AS model_id,
    marks.date,
    symbol,
    shares,
    pieces.entry_price::DECIMAL(18, 6) AS entry_price,
    bought.opens_at AS entry_time,
    (shares * pieces.entry_price)::DECIMAL(18, 6) AS entry_value,
    marks.close_price AS mark_price,
    (shares * (marks.close_price - pieces.entry_price))::DECIMAL(18, 6) AS unrealized_pnl,
    entry_date,
    entry_action_id
FROM pieces
-- The holdings after each model's newest scored session; what is not among them is told by check_trades_balance.
JOIN valued_holdings AS marks USING (model, symbol)
JOIN session_hours AS bought ON bought.date = entry_date
ORDER BY pieces.model, symbol, entry_date, entry_action_id
