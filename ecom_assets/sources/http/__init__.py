"""One HTTP client with one retry policy, for every source."""
