"""The HTTP API, its guard and its operations."""
