-- A bar that says nothing new keeps its row, with its source and time.
INSERT INTO hourly_prices (symbol, timestamp, open, high, low, close, volume, source, fetched_at)
SELECT symbol, timestamp, open, high, low, close, volume, $source, $fetched_at
FROM staged_hourly
ON CONFLICT (symbol, timestamp) DO UPDATE SET
    open = excluded.open,
    high = excluded.high,
    low = excluded.low,
    close = excluded.close,
    volume = excluded.volume,
    source = excluded.source,
    fetched_at = excluded.fetched_at
WHERE
    (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume)
    IS DISTINCT FROM (open, high, low, close, volume);
