"""Behaviour events: received, clean and quarantined rows, and the visitor of each event."""
