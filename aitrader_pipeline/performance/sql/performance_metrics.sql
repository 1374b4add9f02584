-- Return and risk of every model over one window of its equity curve; one row per model with a session in it.
-- $start, $end: first and last date of the window, both counted, NULL for no bound.
-- $risk_free_rate: a year's rate as a fraction (0.05 is 5 %), NULL for 0.
-- What is undefined is NULL. Daily returns and ratios are fractions until the last SELECT makes percentages.
WITH sessions_in_window AS (
    -- Peak and drawdown of the table are those of the whole curve; the window has its own, so they are not taken along.
    SELECT
        model,
        kind,
        date,
        base_equity,
        portfolio_value,
        daily_profit,
        exposure_pct,
        trades,
        costs,
        first_value(base_equity) OVER (PARTITION BY model ORDER BY date) AS starting_equity
    FROM portfolio_timeseries
    WHERE
        ($start::DATE IS NULL OR date >= $start::DATE)
        AND ($end::DATE IS NULL OR date <= $end::DATE)
),

marked AS (
    SELECT
        *,
        pow(1 + coalesce($risk_free_rate::DOUBLE, 0), 1.0 / 252) - 1 AS daily_risk_free_rate,
        -- From the money, not from daily_return_pct: a percentage may have been rounded for people.
        CASE WHEN base_equity > 0 THEN (daily_profit / base_equity)::DOUBLE ELSE 0 END AS daily_return,
        -- The window has its own t0: an older peak says nothing about what was lost in it.
        greatest(starting_equity, max(portfolio_value) OVER so_far) AS peak_value
    FROM sessions_in_window
    WINDOW so_far AS (PARTITION BY model ORDER BY date ROWS UNBOUNDED PRECEDING)
),

drawdowns AS (
    SELECT
        *,
        peak_value - portfolio_value AS drawdown,
        CASE WHEN peak_value > 0 THEN (peak_value - portfolio_value) / peak_value ELSE 0 END
            AS drawdown_fraction
    FROM marked
),

moments AS (
    -- Sums of floating-point numbers depend on their order. Taken by date they are the same at every rebuild, and
    -- two models with the same curve get the same Sharpe ratio to the last bit, which is what lets them share a rank.
    SELECT
        model,
        arg_max(kind, date) AS kind,
        min(date) AS first_date,
        max(date) AS last_date,
        count(*) AS sessions,
        arg_min(starting_equity, date) AS starting_equity,
        arg_max(portfolio_value, date) AS portfolio_value,
        any_value(daily_risk_free_rate) AS daily_risk_free_rate,
        avg(daily_return ORDER BY date) AS mean_return,
        stddev_samp(daily_return ORDER BY date) AS deviation,
        sqrt(avg(pow(least(daily_return - daily_risk_free_rate, 0), 2) ORDER BY date)) AS downside_deviation,
        max(drawdown_fraction) AS max_drawdown_fraction,
        -- Dollars at the deepest point in percent, which need not be the largest drop in dollars.
        first(drawdown ORDER BY drawdown_fraction DESC, date) AS max_drawdown,
        avg(exposure_pct ORDER BY date) AS exposure_pct,
        sum(trades) AS trades,
        sum(costs) AS costs
    FROM drawdowns
    GROUP BY model
),

period AS (
    SELECT
        *,
        portfolio_value - starting_equity AS profit,
        CASE WHEN starting_equity > 0 THEN (portfolio_value / starting_equity)::DOUBLE END AS growth,
        last_date - first_date + 1 AS calendar_days,
        -- Equal returns differ in their last bit; a ratio over that noise would be 1e16, not a result.
        1e-12 * greatest(1, abs(mean_return)) AS noise
    FROM moments
),

ratios AS (
    SELECT
        *,
        -- A few sessions of a good week, annualised, are a joke: under a quarter of a year there is no figure.
        -- A portfolio that ended with nothing has 0, as annualised_return_pct in returns.py.
        CASE
            WHEN sessions < 63 THEN NULL
            WHEN growth <= 0 THEN 0
            ELSE 100 * (pow(growth, 365 / calendar_days) - 1)
        END AS annualised_return_pct,
        CASE WHEN sessions >= 2 AND deviation >= noise THEN (mean_return - daily_risk_free_rate) / deviation END
            * sqrt(252) AS sharpe_ratio,
        CASE
            WHEN sessions >= 2 AND downside_deviation >= noise
                THEN (mean_return - daily_risk_free_rate) / downside_deviation
        END * sqrt(252) AS sortino_ratio,
        CASE WHEN growth >= 0 THEN pow(growth, 252 / sessions) - 1 END AS cagr
    FROM period
)

SELECT
    model,
    kind,
    first_date,
    last_date,
    sessions::INTEGER AS sessions,
    starting_equity::DECIMAL(18, 6) AS starting_equity,
    portfolio_value::DECIMAL(18, 6) AS portfolio_value,
    profit::DECIMAL(18, 6) AS profit,
    CASE WHEN starting_equity > 0 THEN 100 * (profit / starting_equity)::DOUBLE END AS return_pct,
    CASE WHEN isfinite(annualised_return_pct) THEN annualised_return_pct END AS annualised_return_pct,
    100 * deviation * sqrt(252) AS volatility_pct,
    sharpe_ratio,
    sortino_ratio,
    (100 * max_drawdown_fraction)::DOUBLE AS max_drawdown_pct,
    max_drawdown::DECIMAL(18, 6) AS max_drawdown,
    -- One spectacular day compounded 252 times leaves the range of a DOUBLE.
    CASE WHEN isfinite(100 * cagr) THEN 100 * cagr END AS cagr_pct,
    CASE
        WHEN max_drawdown_fraction > 0 AND isfinite(100 * cagr) AND isfinite(cagr / max_drawdown_fraction)
            THEN cagr / max_drawdown_fraction
    END AS calmar_ratio,
    exposure_pct,
    trades::INTEGER AS trades,
    costs::DECIMAL(18, 6) AS costs
FROM ratios
ORDER BY model
