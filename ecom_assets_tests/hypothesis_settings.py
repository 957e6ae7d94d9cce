"""How much of the random is tried: little, always the same, in `make test`; more, at random,
in `make test-all`.
"""

import os
import random
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Final

from hypothesis import HealthCheck, settings

FEWEST = 2
PERCENT = int(
    os.environ.get("RANDOM_EXAMPLES", "0")
)  # without ECOM_: the platform refuses what is no setting
"""The percentage of all examples that `make test-all` tries; 0 in `make test`,
which tries a twentieth.
"""


def examples(count: int) -> settings:
    """Search a property with a share of so many examples, and keep nothing on disk."""
    return settings(
        max_examples=min(count, max(FEWEST, _share(count))),
        deadline=None,
        database=None,
        derandomize=PERCENT == 0,
        suppress_health_check=list(HealthCheck),
    )


class Share:
    """Which cases of long lists are tried: of each kind the first, and a share of the others, which
    begins elsewhere in each session of `make test-all`.
    """

    def __init__(self) -> None:
        """Begin to count."""
        self._counts: Counter[Hashable] = Counter()
        self._every: Final = 100 // (PERCENT or 5)
        self._first: Final = random.randrange(self._every) if PERCENT else 0  # noqa: S311 (no secret)

    def is_tried(self, kind: Hashable) -> bool:
        """Return whether the next case of a kind is tried."""
        count = self._counts[kind]
        self._counts[kind] += 1
        return count == 0 or count % self._every == self._first


def seeds(every: Sequence[int]) -> list[int]:
    """Return a share of the seeds of random stories, evenly spread from the first on."""
    count = max(1, _share(len(every)))
    return [every[number * len(every) // count] for number in range(count)]


def _share(count: int) -> int:
    return count * (PERCENT or 5) // 100
