"""What a run came to. Not here: the run (`platform_run.py`), what is shown of it (`run_summary.py`)."""

from dataclasses import dataclass, field
from typing import Any

from ecom_assets.checks.claim import HELD_DAYS
from ecom_assets.transforms.days import Days


@dataclass(frozen=True)
class CheckOutcome:
    """What one check said."""

    table: str
    name: str
    passed: bool
    description: str
    is_warning: bool = False
    metadata: dict[str, object] = field(default_factory=dict)

    @property
    def complaint(self) -> str:
        """Return what a person reads of the check when it has failed: its own sentence where it has one."""
        return f"{self.table}: {self.metadata.get('sentence') or f'the check {self.name} failed'}"

    def as_json(self) -> dict[str, object]:
        """Return it as the summary has it."""
        return {"table": self.table, "name": self.name, "claim": self.description, **self.metadata}


@dataclass(frozen=True)
class RunOutcome:
    """What a run came to; `failures` are sentences, one per asset that failed.

    `published` is what a publication told of itself, `fetched` what tables told that came through an API,
    `delivered` what exports told, `written` the tables that were; `has_begun` is false if no step was begun.
    """

    run_id: str
    days: Days
    success: bool
    checks: list[CheckOutcome]
    failures: list[str]
    published: dict[str, Any] | None = None
    fetched: dict[str, dict[str, Any]] = field(default_factory=dict)
    delivered: dict[str, dict[str, Any]] = field(default_factory=dict)
    written: tuple[str, ...] = ()
    has_begun: bool = True

    @property
    def is_well(self) -> bool:
        """Tell whether nothing failed."""
        return self.success and not self.failed_checks

    @property
    def sees_held_days(self) -> bool:
        """Tell whether a check lists days that are held back, of this run or of others."""
        return any(check.metadata.get(HELD_DAYS) for check in self.checks)

    @property
    def failed_checks(self) -> list[CheckOutcome]:
        """Return the checks that failed."""
        return [check for check in self.checks if not check.passed and not check.is_warning]

    @property
    def warnings(self) -> list[CheckOutcome]:
        """Return the checks that warn: worth a look, and the run is well all the same."""
        return [check for check in self.checks if not check.passed and check.is_warning]

    @property
    def complaints(self) -> list[str]:
        """Return a sentence for each asset and each check that failed."""
        return [*self.failures, *(check.complaint for check in self.failed_checks)]
