"""logship: log pipeline and audit service for self-hosted Dify."""

__version__ = "0.1.0"
