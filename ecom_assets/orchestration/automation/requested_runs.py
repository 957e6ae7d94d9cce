"""What became of the runs that a sensor requested, and when it requests them again.

A sensor that took its news as done when it requested a run would forget them with a run that dies.
So each of its runs has a tag with what it was requested for, by which the sensor finds it again, in
a retry by Dagster and in one that a person starts, too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg
from pydantic import TypeAdapter

from ecom_assets.core.tables.asset import RANGE_END, RANGE_START

REQUESTED_FOR: Final = "ecom/requested_for"
FIRST_WAIT: Final = timedelta(minutes=5)
LONGEST_WAIT: Final = timedelta(hours=6)
"""How long after a failed run the next one is requested: first, and at most."""
RETRY_WITHIN: Final = timedelta(minutes=10)
"""How long Dagster has to start the retry that it has said of a failed run."""
MOST_RUNS: Final = 1000
UNFINISHED: Final = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


@dataclass(frozen=True)
class RequestOutcome:
    """What became of the runs that were requested for one thing.

    Attributes:
        run_count: Runs that there are, retries included.
        is_open: Whether one goes on, waits, or is about to be tried again by Dagster.
        has_succeeded: Whether the newest run of each span of days has succeeded.
        failed_run: The newest that did not; empty if there is none.
        ended_at: When that ended; None where it is not known.
        was_lost: Whether it failed in no step of its own: its process was killed, or never came.
    """

    run_count: int = 0
    is_open: bool = False
    has_succeeded: bool = False
    failed_run: str = ""
    ended_at: datetime | None = None
    was_lost: bool = False


def outcome_of(
    instance: dg.DagsterInstance, purpose: str, now: datetime, span_count: int = 1
) -> RequestOutcome:
    """Return what became of the runs with a purpose, one for each of some spans of days."""
    filters = dg.RunsFilter(tags={REQUESTED_FOR: purpose})
    records = instance.get_run_records(filters, limit=MOST_RUNS)
    newest: dict[tuple[str, str], dg.RunRecord] = {}
    for record in records:  # the newest first
        tags = record.dagster_run.tags
        newest.setdefault((tags.get(RANGE_START, ""), tags.get(RANGE_END, "")), record)
    if any(_is_open(record, now) for record in newest.values()):
        return RequestOutcome(len(records), is_open=True)
    failed = [
        record
        for record in newest.values()
        if record.dagster_run.status != dg.DagsterRunStatus.SUCCESS
    ]
    if failed:
        run = failed[0].dagster_run
        reason = run.tags.get("dagster/failure_reason")
        return RequestOutcome(
            len(records),
            failed_run=run.run_id,
            ended_at=_ended_at(failed[0]),
            was_lost=run.status == dg.DagsterRunStatus.FAILURE and reason != "STEP_FAILURE",
        )
    return RequestOutcome(len(records), has_succeeded=len(newest) >= span_count)


def again_at(ended_at: datetime, attempt: int) -> datetime:
    """Return when a run is requested again whose attempt, from 1, has failed: after five minutes,
    then each time after twice as long, and every six hours in the end.
    """
    doublings = min(attempt - 1, 16)
    wait: timedelta = min(FIRST_WAIT * 2**doublings, LONGEST_WAIT)
    return ended_at + wait


def _is_open(record: dg.RunRecord, now: datetime) -> bool:
    run = record.dagster_run
    if run.status in UNFINISHED:
        return True
    is_tried_again = (
        run.status == dg.DagsterRunStatus.FAILURE
        and run.tags.get("dagster/will_retry") == "true"
        and "dagster/auto_retry_run_id" not in run.tags
    )
    return is_tried_again and now - _ended_at(record) < RETRY_WITHIN


def _ended_at(record: dg.RunRecord) -> datetime:
    if record.end_time is not None:
        return datetime.fromtimestamp(record.end_time, UTC)
    return record.update_timestamp.replace(tzinfo=UTC)


@dataclass(frozen=True)
class RequestedRuns:
    """News of a sensor that runs were requested for, and that count as new until these succeed.

    Attributes:
        purpose: What the tag `REQUESTED_FOR` of the runs says.
        spans: The first and last day of each run.
        states: What was new, such as the states of files by path.
        after: Since when generated files came that the runs are for, these not included.
        until: Until when they came; empty without any.
        asked_at: When the runs were requested.
        first_asked_at: When the first attempt was.
        attempt: How often, from 1.
    """

    purpose: str
    spans: tuple[tuple[str, str], ...]
    asked_at: datetime
    first_asked_at: datetime
    states: Mapping[str, str] = field(default_factory=dict)
    after: str = ""
    until: str = ""
    attempt: int = 1

    def outcome(self, instance: dg.DagsterInstance, now: datetime) -> RequestOutcome:
        """Return what became of the runs; Dagster starts them right after the sensor's look."""
        outcome = outcome_of(instance, self.purpose, now, len(self.spans))
        if not outcome.run_count and now - self.asked_at < RETRY_WITHIN:
            return RequestOutcome(is_open=True)
        return outcome

    def again_at(self, outcome: RequestOutcome) -> datetime:
        """Return when they are requested again, which have this outcome."""
        return again_at(outcome.ended_at or self.asked_at, self.attempt)

    def is_for(self, name: str, state: str) -> bool:
        """Return whether they are for a state of something."""
        return self.states.get(name) == state

    def is_for_generated(self, came_at: str) -> bool:
        """Return whether they are for a generated file that came at an instant."""
        return self.after < came_at <= self.until

    def sentence(self, outcome: RequestOutcome | None) -> str:
        """Return how runs do that have failed; without an outcome, they are tried again now."""
        days = ", ".join(f"{first} to {last}" for first, last in self.spans)
        if outcome is None:
            return f"A run over new events ({days}) has failed, and attempt {self.attempt} goes on."
        run = f"Run {outcome.failed_run}" if outcome.failed_run else "The run"
        again = f"{self.again_at(outcome):%Y-%m-%d %H:%M} UTC"
        return (
            f"{run} over new events ({days}) has failed at attempt {self.attempt}; it is asked for "
            f"again at {again}."
        )


_LIST: Final = TypeAdapter(list[RequestedRuns])


def read_requested(text: str | None) -> list[RequestedRuns]:
    """Return the requested runs of a cursor; none of an empty text."""
    return _LIST.validate_json(text) if text else []


def write_requested(requested: Iterable[RequestedRuns]) -> str:
    """Return requested runs as a text for a cursor."""
    return _LIST.dump_json(list(requested)).decode()
