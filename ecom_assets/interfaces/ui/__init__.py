"""A guard for Dagster's UI, which has no login and does not check where requests come from."""
