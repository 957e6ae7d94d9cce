"""Correlation: which event types and properties correlate with the conversion of a funnel."""
