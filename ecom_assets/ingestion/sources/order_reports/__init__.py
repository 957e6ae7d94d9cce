"""The order report API, and order files."""
