"""How properties are searched: few examples, always the same, in `make test`; all, at random, in `make test-all`."""

import os

from hypothesis import HealthCheck, settings

FEWEST = 2


def examples(count: int) -> settings:
    """Search a property with so many examples, in `make test` with a twentieth, and keep nothing on disk."""
    at_random = os.environ.get("RANDOM_EXAMPLES") == "1"  # without ECOM_: the platform refuses what is no setting
    return settings(
        max_examples=count if at_random else min(count, max(FEWEST, count // 20)),
        deadline=None,
        database=None,
        derandomize=not at_random,
        suppress_health_check=list(HealthCheck),
    )
