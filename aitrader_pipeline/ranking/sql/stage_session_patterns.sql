-- Portfolios that have the same sessions are compared with one and the same cloud: each set of sessions has a number.
CREATE OR REPLACE TEMP TABLE session_patterns AS
SELECT model, dates, dense_rank() OVER (ORDER BY dates)::INTEGER AS pattern
FROM (
    SELECT model, list(date ORDER BY date) AS dates
    FROM portfolio_timeseries
    GROUP BY model
)
