-- The definitions are those of performance_metrics, over all sessions to date.
-- $risk_free_rate: a year's rate as a fraction.
WITH hours AS (
    SELECT model_id AS model, date, max(equity) AS highest, min(equity) AS lowest
    FROM hourly_snapshots
    WHERE mark = 'hour'
    GROUP BY ALL
),

closed AS (SELECT model_id AS model, exit_date AS date, count(*) AS trades FROM trade_log GROUP BY ALL),

days AS (
    SELECT
        *,
        CASE WHEN base_equity > 0 THEN (daily_profit / base_equity)::DOUBLE ELSE 0 END AS daily_return,
        pow(1 + $risk_free_rate::DOUBLE, 1.0 / 252) - 1 AS daily_risk_free_rate
    FROM scored_days
),

moments AS (
    SELECT
        *,
        count(*) OVER so_far AS sessions,
        avg(daily_return) OVER so_far AS mean_return,
        stddev_samp(daily_return) OVER so_far AS deviation,
        max(drawdown_pct) OVER so_far AS max_drawdown_pct
    FROM days
    WINDOW so_far AS (PARTITION BY model ORDER BY date ROWS UNBOUNDED PRECEDING)
)

SELECT
    model AS model_id,
    date,
    opening_equity,
    portfolio_value AS closing_equity,
    greatest(opening_equity, portfolio_value, highest) AS high_equity,
    least(opening_equity, portfolio_value, lowest) AS low_equity,
    daily_profit AS daily_pnl,
    daily_return_pct,
    bought AS trades_opened,
    coalesce(closed.trades, 0) AS trades_closed,
    max_drawdown_pct,
    CASE
        WHEN sessions >= 2 AND deviation >= 1e-12 * greatest(1, abs(mean_return))
            THEN (mean_return - daily_risk_free_rate) / deviation * sqrt(252)
    END AS sharpe_ratio
FROM moments
LEFT JOIN hours USING (model, date)
LEFT JOIN closed USING (model, date)
