SELECT file FROM price_fetches WHERE source = $source AND bars_read_at IS NOT NULL;
