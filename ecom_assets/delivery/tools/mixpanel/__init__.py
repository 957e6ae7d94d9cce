"""Mixpanel."""
