"""What went wrong in a run, from Dagster's history: failed steps as sentences, and failed checks.

Not here: who is told, and how (`alerts.py`).
"""

from dataclasses import dataclass
from typing import Any

import dagster as dg

from ecom_assets import errors
from ecom_assets.automation.held_lines import held_line
from ecom_assets.checks.claim import HELD_DAYS, PARTITION, RANGE_END, RANGE_START

OWN_ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type)}
"""Names of the errors whose message is the whole sentence; what caused them says less."""
TOLD = {
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.RUN_FAILURE,
}


@dataclass(frozen=True)
class FailedCheck:
    """A claim that did not hold: what was claimed, and what was seen; examples are counted, not shown."""

    table: str
    name: str
    claim: str
    observed: Any = None
    limit: Any = None
    example_count: int = 0
    sentence: str = ""
    """What it says itself to whoever has to act."""


@dataclass(frozen=True)
class RunReport:
    """A run that ended: its days as people write them, and what failed in it."""

    run_id: str
    job_name: str
    days: str
    has_failed: bool
    is_tried_again: bool
    failed_steps: tuple[str, ...] = ()
    failed_checks: tuple[FailedCheck, ...] = ()
    held_days: tuple[str, ...] = ()
    """Lines about the days that are held back, of whatever run; that a day is held is no failed check here."""

    @property
    def is_well(self) -> bool:
        """Tell whether there is nothing to tell."""
        return not (self.has_failed or self.failed_checks)


def report_on(instance: dg.DagsterInstance, run: dg.DagsterRun) -> RunReport:
    """Read what the run's events say."""
    events = [entry.get_dagster_event() for entry in instance.all_logs(run.run_id, of_type=TOLD)]
    has_failed = run.status == dg.DagsterRunStatus.FAILURE
    evaluations = [event.asset_check_evaluation_data for event in events if _is_check(event)]
    checks = tuple(_failed_check(one) for one in evaluations if _is_failed(one) and HELD_DAYS not in one.metadata)
    held = tuple(held_line(day) for one in evaluations for day in _held_days(one))
    steps = tuple(step_sentence(event) for event in events if event.is_step_failure and not _is_about_a_check(event))
    if has_failed and not steps and not checks:
        steps = tuple(run_sentence(event) for event in events if event.is_run_failure)
    is_tried_again = run.tags.get("dagster/will_retry") == "true"
    return RunReport(run.run_id, run.job_name, _days(run), has_failed, is_tried_again, steps, checks, held)


def step_sentence(event: dg.DagsterEvent) -> str:
    """Return what a failed step failed with, led by the table's name."""
    step = (event.step_key or "").replace("__", "/", 1)
    return f"{step}: {_own_sentence(event.step_failure_data.error, event.message)}"


def run_sentence(event: dg.DagsterEvent) -> str:
    """Return what a run failed with that ended outside of any step: a resource could not be had."""
    told = event.event_specific_data  # none where the run's process was lost
    return _own_sentence(getattr(told, "error", None), event.message) if told else _first_line(event.message)


def _own_sentence(error: Any, message: str | None) -> str:  # noqa: ANN401 (Dagster exports the type nowhere)
    """Return the sentence of our own error among the causes of one, else what the deepest says."""
    while error is not None and error.cause is not None and error.cls_name not in OWN_ERRORS:
        error = error.cause
    name, _, rest = _first_line(error.message if error is not None else message).partition(": ")
    return rest or name


def _is_check(event: dg.DagsterEvent) -> bool:
    return event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION


def _is_failed(evaluation: dg.AssetCheckEvaluation) -> bool:
    return not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR


def _held_days(evaluation: dg.AssetCheckEvaluation) -> list[dict[str, Any]]:
    told = evaluation.metadata.get(HELD_DAYS)
    days = told.value if told is not None else []
    return days if isinstance(days, list) else []


def _is_about_a_check(event: dg.DagsterEvent) -> bool:
    """Tell whether a step failed only because a blocking check did, which is told already."""
    error = event.step_failure_data.error
    return error is not None and error.cls_name == "DagsterAssetCheckFailedError"


def _failed_check(evaluation: dg.AssetCheckEvaluation) -> FailedCheck:
    told = {name: value.value for name, value in evaluation.metadata.items()}
    examples = told.get("examples")
    return FailedCheck(
        table=evaluation.asset_key.to_user_string(),
        name=evaluation.check_name,
        claim=evaluation.description or "",
        observed=told.get("observed"),
        limit=told.get("limit"),
        example_count=len(examples) if isinstance(examples, list) else 0,
        sentence=str(told.get("sentence") or ""),
    )


def _days(run: dg.DagsterRun) -> str:
    first = run.tags.get(RANGE_START) or run.tags.get(PARTITION) or ""
    last = run.tags.get(RANGE_END) or first
    return first if first == last else f"{first} to {last}"


def _first_line(text: str | None) -> str:
    return ((text or "").strip().splitlines() or ["it failed"])[0]
