INSERT INTO prices (symbol, date, open, high, low, close, volume, source, fetched_at)
SELECT symbol, date, open, high, low, close, volume, $source, $fetched_at
FROM staged_prices
ON CONFLICT (symbol, date) DO UPDATE SET
    open = excluded.open,
    high = excluded.high,
    low = excluded.low,
    close = excluded.close,
    volume = excluded.volume,
    source = excluded.source,
    fetched_at = excluded.fetched_at;
