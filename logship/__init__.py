"""logship: log pipeline and audit service for self-hosted Dify."""

from importlib.metadata import version

__version__ = version("logship")
