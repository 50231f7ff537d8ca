"""Secrets and personal data out of texts, before anything touches disk or network."""

from logship.pipeline.redaction.redactor import Redactor

__all__ = ["Redactor"]
