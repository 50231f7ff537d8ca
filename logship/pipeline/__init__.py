"""Events to ECS documents: parsed, enriched, redacted, encoded."""
