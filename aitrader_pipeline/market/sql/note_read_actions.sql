UPDATE price_fetches
SET actions = $taken, actions_refused = $refused, actions_read_at = $now
WHERE file = $file;
