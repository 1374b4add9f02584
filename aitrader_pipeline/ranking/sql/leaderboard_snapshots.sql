-- Who stood where at the close of every session, in four timeframes that end with it: the session alone, its ISO week
-- and its month so far, and all. Ranked are those who have the session; the figures are those of performance_metrics.
-- $risk_free_rate: a year's rate as a fraction (0.05 is 5 %).
-- session_hours: a staged table of the sessions with their closes.
WITH closed_trades AS (
    SELECT
        model_id AS model,
        exit_date AS date,
        count(*) AS closings,
        count(*) FILTER (realized_pnl > 0) AS wins,
        coalesce(sum(realized_pnl) FILTER (realized_pnl > 0), 0) AS gains,
        coalesce(sum(-realized_pnl) FILTER (realized_pnl < 0), 0) AS losses
    FROM trade_log
    GROUP BY ALL
),

last_actions AS (
    SELECT model, date, max(action_id) AS action_id
    FROM positions
    GROUP BY ALL
),

open_positions AS (
    SELECT model, date, count(*) AS symbols
    FROM holdings
    SEMI JOIN last_actions USING (model, date, action_id)
    GROUP BY ALL
),

days AS (
    -- Peak and drawdown of the table are those of the whole curve; each window has its own.
    SELECT
        model,
        kind,
        date,
        base_equity,
        portfolio_value,
        exposure_pct,
        CASE WHEN base_equity > 0 THEN (daily_profit / base_equity)::DOUBLE ELSE 0 END AS daily_return,
        -- Sums of floating-point numbers depend on where a window is cut into pieces, sums of whole numbers do not:
        -- two models with the same curve get the same Sharpe ratio to the last bit, and so share a rank. The unit is
        -- that of a DOUBLE at 1; a return beyond 800 % a day would leave the range of the squares.
        CASE WHEN abs(daily_return) <= 8 THEN (daily_return * pow(2, 52))::HUGEINT END AS units,
        coalesce(closings, 0) AS closings,
        coalesce(wins, 0) AS wins,
        coalesce(gains, 0) AS gains,
        coalesce(losses, 0) AS losses,
        CASE WHEN kind <> 'benchmark' THEN coalesce(symbols, 0) END AS open_positions
    FROM portfolio_timeseries
    LEFT JOIN closed_trades USING (model, date)
    LEFT JOIN open_positions USING (model, date)
),

framed AS (
    SELECT
        *,
        CASE timeframe
            WHEN 'daily' THEN date
            WHEN 'weekly' THEN date_trunc('week', date)::DATE
            WHEN 'monthly' THEN date_trunc('month', date)::DATE
            ELSE DATE '0001-01-01'
        END AS since
    FROM days, (VALUES ('daily'), ('weekly'), ('monthly'), ('all_time')) AS timeframes (timeframe)
),

marked AS (
    SELECT
        * EXCLUDE (base_equity, units),
        first_value(base_equity) OVER so_far AS starting_equity,
        greatest(first_value(base_equity) OVER so_far, max(portfolio_value) OVER so_far) AS peak_value,
        first_value(units) OVER so_far AS first_units,
        -- Counted from the first return, the squares' sum and the sum's square do not cancel each other out.
        units - first_value(units) OVER so_far AS deviation_units
    FROM framed
    WINDOW so_far AS (PARTITION BY model, timeframe, since ORDER BY date ROWS UNBOUNDED PRECEDING)
),

summed AS (
    SELECT
        model,
        kind,
        timeframe,
        date,
        exposure_pct,
        open_positions,
        starting_equity,
        portfolio_value,
        first_units,
        count(*) OVER so_far AS sessions,
        count(deviation_units) OVER so_far AS summable,
        (sum(deviation_units) OVER so_far)::DOUBLE AS unit_sum,
        (sum(deviation_units * deviation_units) OVER so_far)::DOUBLE AS unit_squares,
        avg(daily_return) OVER so_far AS float_mean,
        stddev_samp(daily_return) OVER so_far AS float_deviation,
        max(CASE WHEN peak_value > 0 THEN (peak_value - portfolio_value) / peak_value ELSE 0 END) OVER so_far
            AS max_drawdown_fraction,
        sum(closings) OVER so_far AS trades,
        sum(wins) OVER so_far AS wins,
        sum(gains) OVER so_far AS gains,
        sum(losses) OVER so_far AS losses
    FROM marked
    WINDOW so_far AS (PARTITION BY model, timeframe, since ORDER BY date ROWS UNBOUNDED PRECEDING)
),

moments AS (
    SELECT
        *,
        CASE
            WHEN summable = sessions THEN (first_units::DOUBLE + unit_sum / sessions) / pow(2, 52)
            ELSE float_mean
        END AS mean_return,
        CASE
            WHEN sessions = 1 THEN NULL
            WHEN summable = sessions
                THEN sqrt(greatest(unit_squares - unit_sum * unit_sum / sessions, 0) / (sessions - 1)) / pow(2, 52)
            ELSE float_deviation
        END AS deviation
    FROM summed
),

figures AS (
    SELECT
        model,
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
    * RENAME (model AS model_id),
    closes_at AS snapshot_time,
    lag(rank) OVER (PARTITION BY model, timeframe ORDER BY date) AS previous_rank
FROM ranked
JOIN (SELECT date, closes_at FROM session_hours) USING (date)
