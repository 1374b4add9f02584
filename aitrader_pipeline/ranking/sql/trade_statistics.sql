-- What the trades closed in a window come to, one row per model that closed any.
-- $start, $end: first and last exit date, both counted, NULL for no bound.
-- There is no WITH here on purpose: to group by more than the model, put `WITH trade_log AS (<a select>)` in front.
SELECT
    model_id,
    count(*)::INTEGER AS total_trades,
    (count(*) FILTER (realized_pnl > 0))::INTEGER AS winning_trades,
    (count(*) FILTER (realized_pnl < 0))::INTEGER AS losing_trades,
    100.0::DOUBLE * winning_trades / total_trades AS win_rate,
    -- Undefined without losses: no_losses tells why.
    coalesce(sum(realized_pnl) FILTER (realized_pnl > 0), 0)::DOUBLE
    / -(sum(realized_pnl) FILTER (realized_pnl < 0))::DOUBLE AS profit_factor,
    losing_trades = 0 AS no_losses,
    max(realized_pnl) AS best_trade,
    min(realized_pnl) AS worst_trade,
    avg(exit_date - entry_date) AS average_holding_days
FROM trade_log
WHERE ($start::DATE IS NULL OR exit_date >= $start::DATE) AND ($end::DATE IS NULL OR exit_date <= $end::DATE)
GROUP BY model_id
