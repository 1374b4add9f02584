"""Importing recorded books in this process: each is checked through the ledger, then stored as sessions."""
