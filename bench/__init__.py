"""Benchmarks: documents per CPU second against a bare reference loop, and resident memory."""
