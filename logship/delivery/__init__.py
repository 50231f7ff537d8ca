"""Followers that send the ledger's batches to a sink."""
