-- Sessions of which a symbol has no whole bar in the table $stored, unless the vendor was asked long enough after the close and had none,
-- or a call for it has just failed.
SELECT w.symbol, list(w.date ORDER BY w.date)
FROM wanted_bars AS w
LEFT JOIN query_table($stored) AS p ON p.symbol = w.symbol AND p.date = w.date AND p.close IS NOT NULL
WHERE p.symbol IS NULL
    AND NOT EXISTS (
        SELECT 1
        FROM price_fetches AS f
        WHERE f.source = $source
            AND f.key IN (w.symbol, CAST(w.date AS VARCHAR))
            AND w.date BETWEEN f.first_session AND f.last_session
            AND CASE
                WHEN f.error IS NULL THEN f.fetched_at >= w.closes_at + INTERVAL 24 HOUR
                ELSE f.fetched_at > CAST($failed_since AS TIMESTAMPTZ)
            END
    )
GROUP BY w.symbol
ORDER BY w.symbol;
