"""Segments (Parquet) and the search over ledger and segments."""
