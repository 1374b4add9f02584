"""One model, one day: the ledger, the session loop, traders, tools and the record."""
