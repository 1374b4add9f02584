-- What is compared of every portfolio, the replicas of a model one after the other.
SELECT
    coalesce(competitors.replica_of, metrics.model) AS competitor,
    metrics.kind,
    metrics.sessions,
    metrics.portfolio_value::DOUBLE AS portfolio_value,
    metrics.return_pct,
    metrics.sharpe_ratio,
    metrics.max_drawdown_pct,
    metrics.trades
FROM performance_metrics AS metrics
LEFT JOIN competitors ON competitors.model = metrics.model
ORDER BY competitor, metrics.model
