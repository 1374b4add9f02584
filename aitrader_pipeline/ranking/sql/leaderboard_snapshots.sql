-- Who stood where at the close of every session, in four timeframes that end with it: the session alone, its ISO week
-- and its month so far, and all. Ranked are those who have the session; the figures are those of performance_metrics.
-- $risk_free_rate: a year's rate as a fraction (0.05 is 5 %).
-- session_hours, standing_days: staged tables of the sessions with their closes, and of the portfolios' sessions.
WITH framed AS (
    SELECT
        *,
        CASE timeframe
            WHEN 1 THEN date
            WHEN 2 THEN date_trunc('week', date)::DATE
            WHEN 3 THEN date_trunc('month', date)::DATE
            ELSE DATE '0001-01-01'
        END AS since
    FROM standing_days, (VALUES (1::TINYINT), (2), (3), (4)) AS timeframes (timeframe)
),

summed AS (
    SELECT
        model,
        curve,
        kind,
        timeframe,
        since,
        date,
        exposure_pct,
        open_positions,
        portfolio_value,
        first_value(base_equity) OVER so_far AS starting_equity,
        greatest(starting_equity, max(portfolio_value) OVER so_far) AS peak_value,
        first_value(units) OVER so_far AS first_units,
        count(*) OVER so_far AS sessions,
        count(units) OVER so_far AS summable,
        -- Counted from the first return, the squares' sum and the sum's square do not cancel each other out.
        sum(units) OVER so_far - sessions * first_units AS unit_sum,
        sum(units * units) OVER so_far - 2 * first_units * unit_sum - sessions * first_units * first_units
            AS unit_squares,
        avg(daily_return) OVER so_far AS float_mean,
        stddev_samp(daily_return) OVER so_far AS float_deviation,
        sum(closings) OVER so_far AS trades,
        sum(wins) OVER so_far AS wins,
        sum(gains) OVER so_far AS gains,
        sum(losses) OVER so_far AS losses
    FROM framed
    WINDOW so_far AS (PARTITION BY curve, timeframe, since ORDER BY date ROWS UNBOUNDED PRECEDING)
),

moments AS (
    SELECT
        *,
        CASE
            WHEN summable = sessions THEN (first_units::DOUBLE + unit_sum::DOUBLE / sessions) / pow(2, 52)
            ELSE float_mean
        END AS mean_return,
        CASE
            WHEN sessions = 1 THEN NULL
            WHEN summable = sessions
                THEN sqrt(
                    greatest(unit_squares::DOUBLE - unit_sum::DOUBLE * unit_sum::DOUBLE / sessions, 0) / (sessions - 1)
                ) / pow(2, 52)
            ELSE float_deviation
        END AS deviation,
        max(CASE WHEN peak_value > 0 THEN (peak_value - portfolio_value) / peak_value ELSE 0 END) OVER (
            PARTITION BY curve, timeframe, since ORDER BY date ROWS UNBOUNDED PRECEDING
        ) AS max_drawdown_fraction
    FROM summed
),

figures AS (
    SELECT
        model,
        curve,
        kind,
        timeframe,
        date,
        sessions::INTEGER AS sessions,
        100 * ((portfolio_value - starting_equity) / starting_equity)::DOUBLE AS total_return_pct,
        (portfolio_value - starting_equity)::DECIMAL(18, 6) AS total_return_dollars,
        portfolio_value AS current_equity,
        CASE
            WHEN deviation >= 1e-12 * greatest(1, abs(mean_return))
                THEN (mean_return - pow(1 + $risk_free_rate::DOUBLE, 1.0 / 252) + 1) / deviation * sqrt(252)
        END AS sharpe_ratio,
        (100 * max_drawdown_fraction)::DOUBLE AS max_drawdown_pct,
        trades::INTEGER AS total_trades,
        CASE WHEN trades > 0 THEN 100 * wins::DOUBLE / trades::DOUBLE END AS win_rate,
        CASE WHEN losses > 0 THEN gains::DOUBLE / losses::DOUBLE END AS profit_factor,
        trades > 0 AND losses = 0 AS no_losses,
        open_positions::INTEGER AS open_positions_count,
        exposure_pct AS total_exposure_pct
    FROM moments
    -- Without equity to start from there is no return and so no place.
    WHERE starting_equity > 0
),

ranked AS (
    SELECT
        *,
        rank() OVER (
            PARTITION BY timeframe, date
            ORDER BY total_return_pct DESC, sharpe_ratio DESC NULLS LAST, max_drawdown_pct ASC NULLS LAST
        )::INTEGER AS rank
    FROM figures
)

SELECT
    * EXCLUDE (curve) REPLACE (
        CASE timeframe WHEN 1 THEN 'daily' WHEN 2 THEN 'weekly' WHEN 3 THEN 'monthly' ELSE 'all_time' END AS timeframe
    ) RENAME (model AS model_id),
    closes_at AS snapshot_time,
    lag(rank) OVER (PARTITION BY curve, timeframe ORDER BY date) AS previous_rank
FROM ranked
JOIN (SELECT date, closes_at FROM session_hours) USING (date)
