-- The standings over whatever window performance_metrics covers.
-- There is no WITH here on purpose: for another window, put `WITH performance_metrics AS (<its select>)` in front.
SELECT
    rank() OVER (
        ORDER BY return_pct DESC, sharpe_ratio DESC NULLS LAST, max_drawdown_pct ASC NULLS LAST
    )::INTEGER AS rank,
    performance_metrics.model,
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
    return_pct - 100 * inference.cost_usd / starting_equity::DOUBLE AS net_return_pct,
    competitors.replica_of,
    competitors.training_cutoff,
    CASE WHEN competitors.training_cutoff IS NOT NULL THEN in_sample.passed END::INTEGER AS in_sample_sessions,
    leaks.told::INTEGER AS leaks_told,
    leaks.said::INTEGER AS leaks_said
FROM performance_metrics
LEFT JOIN competitors ON competitors.model = performance_metrics.model
LEFT JOIN LATERAL (
    SELECT count(*) AS passed
    FROM portfolio_timeseries
    WHERE
        portfolio_timeseries.model = performance_metrics.model
        AND portfolio_timeseries.date
            BETWEEN performance_metrics.first_date
            AND least(performance_metrics.last_date, competitors.training_cutoff)
) AS in_sample ON true
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
LEFT JOIN LATERAL (
    SELECT sum(told) AS told, sum(said) AS said
    FROM leak_counts
    WHERE
        leak_counts.model = performance_metrics.model
        AND leak_counts.date BETWEEN performance_metrics.first_date AND performance_metrics.last_date
) AS leaks ON true
-- Without equity to start from there is no return and so no place.
WHERE return_pct IS NOT NULL
ORDER BY rank, performance_metrics.model
