"""The ledger: the one durable thing."""
