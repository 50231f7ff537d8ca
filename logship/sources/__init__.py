"""Files: where they are, which generation they are of, and their bytes."""
