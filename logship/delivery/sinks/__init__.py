"""Places that documents are sent to."""
