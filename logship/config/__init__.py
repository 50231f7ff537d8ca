"""Settings from the command line, environment, YAML and Dify's own .env."""

from logship.config.load import Effective, Value, load
from logship.config.settings import Settings

__all__ = ["Effective", "Settings", "Value", "load"]
