CREATE OR REPLACE TEMP TABLE contestants AS
SELECT model, row_number() OVER (ORDER BY model) - 1 AS number FROM (SELECT DISTINCT model FROM daily_pnl)
