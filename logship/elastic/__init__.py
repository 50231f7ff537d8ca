"""What logship says to Elasticsearch beside the documents."""
