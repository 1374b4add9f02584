CREATE OR REPLACE TEMP TABLE wanted_bars AS
SELECT DISTINCT m.symbol, s.date, s.closes_at, s.number
FROM (
    SELECT
        unnest(CAST($symbols AS VARCHAR[])) AS symbol,
        unnest(CAST($firsts AS DATE[])) AS first,
        unnest(CAST($lasts AS DATE[])) AS last
) AS m
JOIN wanted_sessions AS s ON s.date BETWEEN coalesce(m.first, s.date) AND coalesce(m.last, s.date);
