"""Behaviour events: received, clean, quarantined, and whose they are."""
