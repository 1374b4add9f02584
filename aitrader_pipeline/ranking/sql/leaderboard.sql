-- The standings over whatever window performance_metrics covers.
-- There is no WITH here on purpose: for another window, put `WITH performance_metrics AS (<its select>)` in front.
SELECT
    rank() OVER (
        ORDER BY return_pct DESC, sharpe_ratio DESC NULLS LAST, max_drawdown_pct ASC NULLS LAST
    )::INTEGER AS rank,
    model,
    kind,
    last_date AS date,
    portfolio_value,
    return_pct AS cumulative_return_pct,
    annualised_return_pct,
    sharpe_ratio,
    max_drawdown_pct,
    volatility_pct,
    exposure_pct,
    trades,
    sessions
FROM performance_metrics
-- Without equity to start from there is no return and so no place.
WHERE return_pct IS NOT NULL
ORDER BY rank, model
