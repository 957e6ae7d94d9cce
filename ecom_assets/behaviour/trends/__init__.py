"""Trends: counts, visitors, sums and percentiles of events over time."""
