-- The equity curves of all portfolios, those of a model's replicas over the sessions that all of them have.
-- $end: the last date that counts; NULL for no bound.
WITH portfolios AS (
    SELECT series.*, coalesce(competitors.replica_of, series.model) AS competitor
    FROM main.portfolio_timeseries AS series
    LEFT JOIN competitors ON competitors.model = series.model
    WHERE
        ($end::DATE IS NULL OR series.date <= $end::DATE)
        -- A portfolio from before its model had replicas is none of them.
        AND series.model NOT IN (SELECT replica_of FROM competitors WHERE replica_of IS NOT NULL)
),

sizes AS (
    SELECT competitor, count(DISTINCT model) AS replicas
    FROM portfolios
    GROUP BY competitor
),

common AS (
    SELECT competitor, date
    FROM portfolios
    JOIN sizes USING (competitor)
    GROUP BY competitor, date
    HAVING count(*) = any_value(replicas)
)

SELECT
    model,
    kind,
    date,
    coalesce(lag(portfolio_value) OVER curve, base_equity) AS base_equity,
    portfolio_value,
    portfolio_value - coalesce(lag(portfolio_value) OVER curve, base_equity) AS daily_profit,
    exposure_pct,
    trades,
    costs
FROM portfolios
JOIN common USING (competitor, date)
WINDOW curve AS (PARTITION BY model ORDER BY date)
