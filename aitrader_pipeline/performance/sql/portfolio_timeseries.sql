-- The equity curve of every portfolio, one row per scored session, and beside them those of stage_benchmarks.sql.
-- $initial_cash: what the benchmarks start with.
WITH chains AS (
    -- A session without its closing price is traded but has no mark yet; it joins the curve when the bar is complete.
    SELECT
        *,
        lag(date) OVER chain IS DISTINCT FROM CASE
            WHEN days_since_last_session > 0 THEN date - days_since_last_session
        END AS is_cut_off
    FROM daily_pnl
    WHERE closing_equity IS NOT NULL
    WINDOW chain AS (PARTITION BY model ORDER BY date)
),

scored AS (
    -- A curve ends where a session is missing (check no_day_missing), so that its profits always add up.
    SELECT
        model,
        kind,
        date,
        initial_cash,
        closing_equity - daily_profit AS base_equity,
        closing_equity AS portfolio_value,
        daily_profit,
        daily_return_pct,
        cumulative_profit,
        cumulative_return_pct,
        cash,
        trades,
        costs
    FROM chains
    QUALIFY NOT bool_or(is_cut_off) OVER (PARTITION BY model ORDER BY date)
),

benchmark_days AS (
    SELECT
        *,
        $initial_cash::DECIMAL(18, 6) AS initial_cash,
        lag(portfolio_value, 1, $initial_cash::DECIMAL(18, 6)) OVER (PARTITION BY model ORDER BY date) AS base_equity
    FROM benchmark_values
    -- A curve may end before others do: the benchmarks are beside what is scored.
    WHERE date IN (SELECT date FROM scored)
),

benchmark AS (
    SELECT
        model,
        'benchmark' AS kind,
        date,
        initial_cash,
        base_equity,
        portfolio_value,
        portfolio_value - base_equity AS daily_profit,
        CASE WHEN base_equity > 0 THEN 100 * (portfolio_value - base_equity) / base_equity ELSE 0 END
            AS daily_return_pct,
        portfolio_value - initial_cash AS cumulative_profit,
        CASE WHEN initial_cash > 0 THEN 100 * (portfolio_value - initial_cash) / initial_cash ELSE 0 END
            AS cumulative_return_pct,
        cash,
        0 AS trades,
        0 AS costs
    FROM benchmark_days
),

curve AS (
    SELECT
        *,
        -- The starting cash is t0 of the curve: a loss on the first day is already a drawdown.
        greatest(initial_cash, max(portfolio_value) OVER so_far) AS peak_value
    FROM (FROM scored UNION ALL BY NAME FROM benchmark)
    WINDOW so_far AS (PARTITION BY model ORDER BY date ROWS UNBOUNDED PRECEDING)
)

SELECT
    model,
    kind,
    date,
    base_equity::DECIMAL(18, 6) AS base_equity,
    portfolio_value::DECIMAL(18, 6) AS portfolio_value,
    daily_profit::DECIMAL(18, 6) AS daily_profit,
    daily_return_pct::DOUBLE AS daily_return_pct,
    cumulative_profit::DECIMAL(18, 6) AS cumulative_profit,
    cumulative_return_pct::DOUBLE AS cumulative_return_pct,
    peak_value::DECIMAL(18, 6) AS peak_value,
    (peak_value - portfolio_value)::DECIMAL(18, 6) AS drawdown,
    (CASE WHEN peak_value > 0 THEN 100 * (peak_value - portfolio_value) / peak_value ELSE 0 END)::DOUBLE
        AS drawdown_pct,
    cash::DECIMAL(18, 6) AS cash,
    (CASE WHEN portfolio_value > 0 THEN 100 * (portfolio_value - cash) / portfolio_value END)::DOUBLE
        AS exposure_pct,
    trades::INTEGER AS trades,
    costs::DECIMAL(18, 6) AS costs
FROM curve
ORDER BY model, date
