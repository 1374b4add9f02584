SELECT file FROM price_fetches WHERE source = $source AND actions_read_at IS NOT NULL;
