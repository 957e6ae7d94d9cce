"""The middleware of the API."""
