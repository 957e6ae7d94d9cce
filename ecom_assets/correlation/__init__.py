"""Correlation: which event types and properties go with the conversion of a funnel."""
