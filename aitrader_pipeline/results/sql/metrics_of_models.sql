-- Return, risk and trades of models over one window; $models: their names, NULL for all.
-- There is no WITH here on purpose: it takes performance_metrics and trade_statistics over the window by name.
SELECT
    metrics.*,
    coalesce(closed.total_trades, 0) AS closed_trades,
    closed.win_rate,
    closed.profit_factor,
    coalesce(closed.no_losses, false) AS no_losses,
    closed.best_trade,
    closed.worst_trade,
    closed.average_holding_days
FROM performance_metrics AS metrics
LEFT JOIN trade_statistics AS closed ON closed.model_id = metrics.model
WHERE coalesce(list_contains($models::VARCHAR[], metrics.model), true)
ORDER BY metrics.return_pct DESC NULLS LAST, metrics.model
