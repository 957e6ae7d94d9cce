"""What a run came to. Not here: the run (`platform_run.py`), what is shown of it (`run_summary.py`)."""

from dataclasses import dataclass, field, replace
from typing import Any

import dagster as dg

from ecom_assets.asset_keys import asset_key
from ecom_assets.automation.following import PUBLICATION
from ecom_assets.automation.run_report import run_sentence, step_sentence
from ecom_assets.checks.claim import HELD_DAYS
from ecom_assets.contracts.registry import ALL
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


def together(outcomes: list[RunOutcome], days: Days) -> RunOutcome:
    """Return what all parts of a run came to; of a check, what it said last, or that it failed before."""
    checks: dict[tuple[str, str], CheckOutcome] = {}
    for check in (check for outcome in outcomes for check in outcome.checks):
        known = checks.get((check.table, check.name))
        checks[check.table, check.name] = known if known and not known.passed else check
    last = outcomes[-1]
    return replace(
        last,
        days=days,
        success=all(outcome.success for outcome in outcomes),
        checks=list(checks.values()),
        failures=[failure for outcome in outcomes for failure in outcome.failures],
        fetched={key: told for outcome in outcomes for key, told in outcome.fetched.items()},
        written=tuple(dict.fromkeys(name for outcome in outcomes for name in outcome.written)),
    )


def outcome_of(result: dg.ExecuteInProcessResult, days: Days) -> RunOutcome:
    """Read what a run came to."""
    checks = [
        CheckOutcome(
            table=evaluation.asset_key.to_user_string(),
            name=evaluation.check_name,
            passed=evaluation.passed,
            description=evaluation.description or "",
            is_warning=evaluation.severity == dg.AssetCheckSeverity.WARN,
            metadata={name: value.value for name, value in evaluation.metadata.items()},
        )
        for evaluation in result.get_asset_check_evaluations()
    ]
    failures = [step_sentence(event) for event in result.all_events if event.is_step_failure]
    if not (result.success or failures):  # a resource failed, before any step began
        failures = [run_sentence(event) for event in result.all_events if event.is_run_failure]
    told = _told(result)
    fetched = {key: one for key, one in told.items() if one.get("fetched")}
    published = told.get(PUBLICATION.to_user_string())
    delivered = {key.partition("/")[2]: one for key, one in told.items() if "outcomes" in one or "summary" in one}
    written = tuple(table.qualified_name() for table in ALL if asset_key(table).to_user_string() in told)
    return RunOutcome(
        result.run_id,
        days,
        result.success,
        checks,
        failures,
        published,
        fetched,
        delivered,
        written,
        has_begun=any(event.is_step_start for event in result.all_events),
    )


def _told(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """Return what each computed asset told of itself, by its key."""
    materialized = {
        event.asset_key.to_user_string(): event.step_materialization_data.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }
    return {
        key: {name.rpartition("/")[2]: value.value for name, value in told.items()}
        for key, told in materialized.items()
    }
