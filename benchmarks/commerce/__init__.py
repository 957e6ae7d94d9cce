"""Orders, attribution and profit."""
