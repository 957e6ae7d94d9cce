"""Weeks and other calendar periods: their numbers, what changed since the days before, and why."""
