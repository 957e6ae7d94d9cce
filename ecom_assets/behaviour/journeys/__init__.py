"""Journeys: which steps sessions take, and what searches and categories lead to."""
