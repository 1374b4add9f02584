-- The equity curve of every portfolio, one row per scored session, and beside them the benchmark.
-- $benchmark: symbol that is bought and held, or NULL for none.  $initial_cash: what the benchmark starts with.
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

benchmark_closes AS (
    SELECT date, close
    FROM prices
    WHERE symbol = $benchmark::VARCHAR AND close IS NOT NULL
),

-- The portfolios start from cash before the first session, so the benchmark starts from the close before it:
-- both then carry the whole first day.
benchmark_base AS (
    SELECT close AS base_close
    FROM benchmark_closes
    WHERE date < (SELECT min(date) FROM daily_pnl)
    ORDER BY date DESC
    LIMIT 1
),

benchmark_values AS (
    SELECT
        session.date,
        $initial_cash::DECIMAL(18, 6) AS initial_cash,
        round($initial_cash::DOUBLE * mark.close / base.base_close, 6)::DECIMAL(18, 6) AS portfolio_value
    FROM (SELECT DISTINCT date FROM scored) AS session
    CROSS JOIN benchmark_base AS base
    ASOF JOIN benchmark_closes AS mark ON session.date >= mark.date
    -- (model, date) is unique: a portfolio that carries the symbol's name keeps it.
    WHERE $benchmark::VARCHAR NOT IN (SELECT model FROM daily_pnl)
),

benchmark_days AS (
    SELECT
        *,
        lag(portfolio_value, 1, initial_cash) OVER (ORDER BY date) AS base_equity
    FROM benchmark_values
),

benchmark AS (
    SELECT
        $benchmark::VARCHAR AS model,
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
        0 AS cash,
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
