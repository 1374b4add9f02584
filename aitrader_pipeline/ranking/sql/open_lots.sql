-- The pieces of lots that are open after each model's newest scored session, marked at its close.
SELECT
    lots.model AS model_id,
    marks.date,
    symbol,
    shares,
    lots.entry_price::DECIMAL(18, 6) AS entry_price,
    bought.opens_at AS entry_time,
    (shares * lots.entry_price)::DECIMAL(18, 6) AS entry_value,
    marks.close_price AS mark_price,
    (shares * (marks.close_price - lots.entry_price))::DECIMAL(18, 6) AS unrealized_pnl,
    entry_date,
    entry_action_id
FROM lots
-- The holdings after each model's newest scored session; what is not among them is told by check_trades_balance.
JOIN valued_holdings AS marks USING (model, symbol)
JOIN session_hours AS bought ON bought.date = entry_date
WHERE exit_date IS NULL
ORDER BY lots.model, symbol, entry_date, entry_action_id
