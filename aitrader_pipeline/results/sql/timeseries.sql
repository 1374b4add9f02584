SELECT
    date,
    portfolio_value,
    daily_profit,
    daily_return_pct,
    cumulative_profit,
    cumulative_return_pct,
    drawdown_pct,
    cash,
    exposure_pct,
    trades
FROM portfolio_timeseries
WHERE model = $model AND ($start IS NULL OR date >= $start) AND ($end IS NULL OR date <= $end)
ORDER BY date
