-- What every portfolio did in every period, from the metrics and the trade statistics of its pieces.
-- $unit: week or month. $next_session: the exchange's first session after the newest scored one.
-- There is no WITH here on purpose: it takes its relations by name.
SELECT
    piece.model.model AS model_id,
    piece.model.period AS period_start,
    (period_start + CASE $unit WHEN 'week' THEN INTERVAL 1 WEEK ELSE INTERVAL 1 MONTH END)::DATE - 1 AS period_end,
    piece.kind,
    piece.sessions,
    piece.starting_equity,
    piece.portfolio_value AS ending_equity,
    piece.return_pct AS total_return_pct,
    coalesce(trades.total_trades, 0) AS total_trades,
    coalesce(trades.winning_trades, 0) AS winning_trades,
    coalesce(trades.losing_trades, 0) AS losing_trades,
    trades.win_rate,
    trades.profit_factor,
    coalesce(trades.no_losses, false) AS no_losses,
    trades.best_trade,
    trades.worst_trade,
    trades.average_holding_days,
    piece.sharpe_ratio,
    piece.max_drawdown_pct,
    date_trunc($unit, $next_session::DATE)::DATE = period_start AS is_partial
FROM performance_metrics AS piece
LEFT JOIN trade_statistics AS trades ON trades.model_id = piece.model
