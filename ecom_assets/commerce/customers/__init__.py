"""Customers: records and their history, segments, lifetime value."""
