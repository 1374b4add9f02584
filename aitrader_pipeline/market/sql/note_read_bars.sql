UPDATE price_fetches
SET bars = $taken, bars_refused = $refused, bars_read_at = $now
WHERE file = $file;
