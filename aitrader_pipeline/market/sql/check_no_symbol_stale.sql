-- Members without a bar on the newest $sessions sessions that anything has a bar on. What is known to be gone, renamed
-- or no longer a member is not stale.
-- $symbols, $lasts: the members and the last days of their membership.
WITH newest AS (
    SELECT DISTINCT date
    FROM prices
    ORDER BY date DESC
    LIMIT $sessions
),

members AS (
    SELECT unnest(CAST($symbols AS VARCHAR[])) AS symbol, unnest(CAST($lasts AS DATE[])) AS "left"
)

SELECT symbol, max(date) AS last_bar, 'is its last bar'
FROM prices
WHERE
    symbol IN (SELECT symbol FROM members WHERE "left" >= (SELECT max(date) FROM newest))
    AND symbol NOT IN (SELECT symbol FROM corporate_actions WHERE kind IN ('delisting', 'symbol_change'))
GROUP BY symbol
HAVING last_bar < (SELECT min(date) FROM newest)
ORDER BY ALL;
