-- How many of the staged bars are new, are stored otherwise, and are stored as they are.
SELECT
    count(*) FILTER (WHERE stored.open IS NULL),
    count(*) FILTER (WHERE stored.open IS NOT NULL AND is_other),
    count(*) FILTER (WHERE NOT is_other)
FROM (
    SELECT
        stored.open,
        (staged.open, staged.high, staged.low, staged.close, staged.volume)
        IS DISTINCT FROM (stored.open, stored.high, stored.low, stored.close, stored.volume) AS is_other
    FROM staged_hourly AS staged
    LEFT JOIN hourly_prices AS stored USING (symbol, timestamp)
) AS stored;
