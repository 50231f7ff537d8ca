"""Bytes to events: envelopes removed, parts and multi-line events joined."""
