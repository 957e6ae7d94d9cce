"""How properties are searched: by the same examples in each `make test`, by others each time in `make test-all`."""

import os

from hypothesis import HealthCheck, settings


def examples(count: int) -> settings:
    """Search a property with so many examples, however long each takes, and keep nothing on disk."""
    return settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=os.environ.get("ECOM_RANDOM_EXAMPLES") != "1",
        suppress_health_check=list(HealthCheck),
    )
