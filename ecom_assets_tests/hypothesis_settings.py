"""How properties are searched. Not here: any property."""

from hypothesis import HealthCheck, settings


def examples(count: int) -> settings:
    """Search a property with so many examples, however long each takes, and keep nothing on disk."""
    return settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
