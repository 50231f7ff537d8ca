"""The append-only log of what was committed (RFC 6962)."""
