"""What Dagster's own storage needs."""
