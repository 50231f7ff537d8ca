"""Settings from YAML, environment and Dify's own .env."""
