"""What goes wrong at the sandbox's services, on demand. Not here: the services."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from threading import Lock
from typing import Any

from ecom_assets.errors import UsageError

KINDS = ("rate_limited", "server_errors", "dropped", "truncated", "unfinished")
"""What can happen to any answer; the field of `Faults` with this name says to how many of the next."""
COUNTED = (*KINDS, "failed_reports", "empty_files", "short_files", "cut_files")


@dataclass
class Faults:
    """Faults to come. A count is of the next requests (or reports, or files) that are hit, and is used up."""

    latency_s: float = 0.0
    """Seconds before every answer."""
    rate_limited: int = 0
    """Answers 429."""
    retry_after: str = "1"
    """The Retry-After of a 429: seconds, `date` for an HTTP date in a second, or empty for none."""
    server_errors: int = 0
    """Answers 500."""
    dropped: int = 0
    """Connections closed without an answer."""
    truncated: int = 0
    """Bodies that are shorter than their Content-Length."""
    unfinished: int = 0
    """Bodies without a Content-Length that end early."""
    every: int = 0
    """Beside the counts, every so many requests one of these five, in turn; never twice in a row for one address."""
    shift_every: int = 0
    """After every so many pages the first customer moves to the end, as in a list sorted by last change."""
    shift_count: int = 0
    """How often that happens."""
    duplicated_pages: int = 0
    """Pages (from the first) that hold an older copy of their first customer, too."""
    conflicting_pages: int = 0
    """Pages that hold another version of their first customer, of the same time."""
    malformed_pages: int = 0
    """Pages that hold a record that is none."""
    running_polls: int = 0
    """Polls that each report answers with RUNNING."""
    failed_reports: int = 0
    empty_files: int = 0
    """Files of no bytes."""
    short_files: int = 0
    """Files whose last rows are missing."""
    cut_files: int = 0
    """Files that end in the middle of a line, with a Content-Length that says so."""

    @classmethod
    def some_of_all(cls) -> "Faults":
        """Return faults of every kind, few enough that a patient client gets everything."""
        return cls(
            latency_s=0.005, retry_after="1", every=9, shift_every=4, shift_count=3, duplicated_pages=2,
            conflicting_pages=1, malformed_pages=2, running_polls=2, failed_reports=1, short_files=1, cut_files=1,
        )  # fmt: skip

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> "Faults":
        """Read faults from JSON.

        Raises:
            UsageError: A name or a value is not one of a fault.
        """
        types = {field.name: field.type for field in fields(cls)}
        for name, value in told.items():
            wanted = types.get(name)
            fits = isinstance(value, wanted) if isinstance(wanted, type) else False
            if isinstance(value, bool) or not (fits or (wanted is float and isinstance(value, int))):
                raise UsageError(f"{name}={value!r} is no fault; the faults are {', '.join(types)}.")
        return cls(**told)


class FaultPlan:
    """Deals faults out to requests, from whatever thread they come."""

    def __init__(self, faults: Faults | None = None) -> None:
        """Begin with these faults, or none."""
        self._lock = Lock()
        self._faults = faults or Faults()
        self._requests = 0
        self._dealt = 0
        self._asked: Counter[str] = Counter()

    @property
    def faults(self) -> Faults:
        """What is still to come."""
        with self._lock:
            return Faults(**asdict(self._faults))

    @faults.setter
    def faults(self, faults: Faults) -> None:
        """Deal these out from now on, counting from zero."""
        with self._lock:
            self._faults = Faults(**asdict(faults))
            self._requests = self._dealt = 0
            self._asked.clear()

    def take(self, *kinds: str) -> str:
        """Use up one of the faults of these kinds, and return which; empty if none is left."""
        with self._lock:
            return self._take(kinds)

    def take_for(self, address: str) -> str:
        """Return what happens to a request for an address; empty if nothing."""
        with self._lock:
            self._requests += 1
            self._asked[address] += 1
            if kind := self._take(KINDS):
                return kind
            is_hit = self._faults.every > 0 and self._requests % self._faults.every == 0
            if not is_hit or self._asked[address] % 2 == 0:
                return ""
            self._dealt += 1
            return KINDS[(self._dealt - 1) % len(KINDS)]

    def _take(self, kinds: tuple[str, ...]) -> str:
        for kind in kinds:
            left = getattr(self._faults, kind)
            if left > 0:
                setattr(self._faults, kind, left - 1)
                return kind
        return ""
