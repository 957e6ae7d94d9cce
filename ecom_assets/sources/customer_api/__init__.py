"""The customer API."""
