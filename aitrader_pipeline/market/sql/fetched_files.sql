SELECT file FROM price_fetches WHERE source = $source AND file IS NOT NULL;
