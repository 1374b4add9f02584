-- The equity curves of the random traders over every set of sessions that somebody has, where they have all of it.
-- The name of a curve is a struct of the trader and the number of the set.
WITH sets AS (
    SELECT pattern, any_value(dates) AS dates
    FROM session_patterns
    GROUP BY pattern
),

clouds AS (
    SELECT sets.pattern, sets.dates, traders.model
    FROM sets
    CROSS JOIN session_patterns AS traders
    JOIN competitors ON competitors.model = traders.model
    WHERE competitors.trader = 'random' AND list_has_all(traders.dates, sets.dates)
),

wanted AS (
    SELECT pattern, model, unnest(dates) AS date
    FROM clouds
)

SELECT
    struct_pack(trader := wanted.model, pattern := wanted.pattern) AS model,
    kind,
    date,
    coalesce(lag(portfolio_value) OVER curve, base_equity) AS base_equity,
    portfolio_value,
    portfolio_value - coalesce(lag(portfolio_value) OVER curve, base_equity) AS daily_profit,
    exposure_pct,
    trades,
    costs
FROM wanted
JOIN main.portfolio_timeseries AS series USING (model, date)
WINDOW curve AS (PARTITION BY wanted.model, wanted.pattern ORDER BY date)
