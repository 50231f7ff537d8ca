"""Sealed segments kept elsewhere, and brought back."""
