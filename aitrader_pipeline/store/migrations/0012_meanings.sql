COMMENT ON COLUMN profit_by_symbol.sector IS 'As the config says it of the newest ticker; NULL where it does not';
COMMENT ON COLUMN jobs.status IS 'completed: all; partial: some; failed: none of them, whether failed or cancelled';
