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
    sessions,
    inference.cost_usd AS inference_cost_usd,
    inference.cost_usd / nullif(trades, 0) AS cost_per_trade_usd,
    return_pct - 100 * inference.cost_usd / starting_equity::DOUBLE AS net_return_pct
FROM performance_metrics
LEFT JOIN LATERAL (
    -- A sum of what is known would look cheaper than it was: one unknown call makes the whole unknown.
    SELECT
        CASE
            WHEN count(cost_usd) = count(*) AND count(DISTINCT llm_usage.date) = performance_metrics.sessions
                THEN sum(cost_usd ORDER BY llm_usage.date, step_number)
        END AS cost_usd
    FROM llm_usage
    WHERE
        llm_usage.model = performance_metrics.model
        AND llm_usage.date BETWEEN performance_metrics.first_date AND performance_metrics.last_date
) AS inference ON true
-- Without equity to start from there is no return and so no place.
WHERE return_pct IS NOT NULL
ORDER BY rank, model
