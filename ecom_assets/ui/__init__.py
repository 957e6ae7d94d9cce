"""Dagster's UI behind a guard: it has neither a login nor a check of where requests come from."""
