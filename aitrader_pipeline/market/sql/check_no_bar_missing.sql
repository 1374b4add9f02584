-- Sessions between a symbol's first bar and its last, while it is a member of the universe, on which it has none; and
-- members that have no bar at all.
-- $sessions: those of the exchange; $symbols, $firsts, $lasts: the members and the days of their membership.
WITH members AS (
    SELECT
        unnest(CAST($symbols AS VARCHAR[])) AS symbol,
        unnest(CAST($firsts AS DATE[])) AS joined,
        unnest(CAST($lasts AS DATE[])) AS "left"
),

spans AS (
    SELECT symbol, min(date) AS first_bar, max(date) AS last_bar
    FROM prices
    GROUP BY symbol
),

expected AS (
    SELECT DISTINCT symbol, session.date
    FROM members
    JOIN spans USING (symbol)
    JOIN (SELECT unnest(CAST($sessions AS DATE[])) AS date) AS session
        ON session.date BETWEEN greatest(first_bar, joined) AND least(last_bar, "left")
)

SELECT symbol, date, 'has no bar'
FROM expected
ANTI JOIN prices USING (symbol, date)
UNION ALL
SELECT DISTINCT symbol, CAST(NULL AS DATE), 'has no bar at all'
FROM members
ANTI JOIN prices USING (symbol)
ORDER BY ALL;
