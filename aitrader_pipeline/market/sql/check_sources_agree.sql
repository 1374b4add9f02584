-- Prices of which the second source says something else, by more than $tolerance percent.
SELECT symbol, date, format('{} {} here, {} in {}', field, ours, theirs, source)
FROM (
    SELECT
        symbol,
        date,
        compared.source,
        unnest(['open', 'high', 'low', 'close']) AS field,
        unnest([stored.open, stored.high, stored.low, stored.close]) AS ours,
        unnest([compared.open, compared.high, compared.low, compared.close]) AS theirs
    FROM prices AS stored
    JOIN compared_prices AS compared USING (symbol, date)
)
WHERE 100 * abs(CAST(theirs AS DOUBLE) / ours - 1) > $tolerance
ORDER BY ALL;
