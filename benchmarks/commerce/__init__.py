"""Orders and attribution."""
