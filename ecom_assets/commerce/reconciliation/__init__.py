"""Orders against events, and restatements of published numbers."""
