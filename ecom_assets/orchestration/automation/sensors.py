"""Sensors, which request runs: of new landing files or rows of the table of events
(`arrival_sensor`), of days that follow others (`automation_condition_sensor`), and of requests that
people left (`request_sensor`).

The cursor of the landing sensor is the state of each file that runs have taken in. A file is asked
for once it has stopped changing, and again after a run of it has failed; the days of a request are
those that the rows of its files can change.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg
import duckdb

from ecom_assets.behaviour.events.assets import raw_events
from ecom_assets.commerce.orders.contracts import HeldOrderDays
from ecom_assets.core.clock import Clock, now_utc
from ecom_assets.core.errors import SourceError, UsageError, WorkError
from ecom_assets.core.operations.publications import note_due
from ecom_assets.core.operations.requests import (
    OF_UPLOADS,
    RELEASE,
    OperationRequest,
    Requests,
)
from ecom_assets.core.reading_child import FOREIGN_FILE, ReadingChild
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import RANGE_END, RANGE_START, asset_key
from ecom_assets.core.tables.check import PARTS
from ecom_assets.core.tables.days import ONE_DAY, Days, spans_text
from ecom_assets.ingestion.sources.day_spans import GAP_DAYS, days_of_files, parts_of, require_span
from ecom_assets.ingestion.sources.events import days_to_compute, event_paths, is_table, open_events
from ecom_assets.ingestion.sources.files.formats import InputFile, find_files
from ecom_assets.ingestion.sources.files.manifest import is_generated, is_of_others
from ecom_assets.ingestion.sources.files.measured import PARQUET, require_readable_parquet
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.first_partition import (
    is_derived,
    is_without_data,
    remember_first_day,
)
from ecom_assets.ingestion.sources.landing import has_landed
from ecom_assets.ingestion.sources.presence import EVENTS
from ecom_assets.ingestion.sources.sandbox_shop import sandbox_days
from ecom_assets.orchestration.automation.jobs import EVERYTHING, day_of, run_request
from ecom_assets.orchestration.automation.requested_runs import (
    UNFINISHED,
    RequestedRuns,
    RequestOutcome,
    again_at,
    outcome_of,
    read_requested,
    write_requested,
)
from ecom_assets.orchestration.automation.run_end import FIRST_DATA
from ecom_assets.outputs.delivery.tools.all import set_tools

INTERVAL_S = 60
TABLE_INTERVAL_S = 300
"""Each query of the table of events wakes a suspended warehouse, which is paid for by the minute.
"""
LANDING, EVENT_TABLE_SENSOR = "landing_files", "event_table"
MARK, ASKED, REQUESTED = "//came_until", "//asked_at", "//requested"
"""What the cursor holds beside the states of files: the instants until when generated files were
seen and of the last request, and the requested runs that have not succeeded yet.
"""
MOST_RUNS: Final = 100
SETTLED: Final = timedelta(seconds=30)
"""How long a file must have stayed as it is: one that is still being copied would be read in part,
and read again.
"""


def arrival_sensor(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor that detects new events, in files or in a table."""
    return event_table_sensor(settings) if is_table(settings) else landing_sensor(settings)


def landing_sensor(settings: Settings, *, now: Clock = now_utc) -> dg.SensorDefinition:
    """Return the sensor that sees new or changed landing files and requests runs over
    the days that they change.

    The cursor holds the state of each file that the shop delivered and a run has taken in, one
    instant for all that the platform writes, which never change, and the runs that were requested
    and have not succeeded yet: until then their files count as new. Without a cursor, files from
    before the last run over events count as taken in.
    """

    @dg.sensor(
        name=LANDING,
        job_name=EVENTS,
        minimum_interval_seconds=INTERVAL_S,
        default_status=_status(settings),
        description="New or changed event files: materializes the days that their rows belong to.",
    )
    def landing_files(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        try:
            newest = _last_day(settings, now)
            files = _files(settings, newest)
            seen = (
                json.loads(context.cursor) if context.cursor else _taken_in(context.instance, files)
            )
            waiting, failed = _settle(settings.home, LANDING, context.instance, seen, now)
            settled = [file for file in files if _is_settled(file, now)]
            fresh = sorted(file.path for file in settled if _is_fresh(file, seen, waiting))
            again = None if fresh else _due_again(waiting, failed, now)
            if again:
                waiting = [each for each in waiting if each is not again]
                fresh = sorted(file.path for file in settled if _is_of(file, again))
            if not fresh:
                cursor = _cursor(files, settled, seen, waiting, now)
                return _nothing_new(len(files) - len(settled), cursor, waiting, failed)
            known = {*seen, *(path for each in waiting for path in each.states)}
            _require_readable(fresh)
            first, last = _touched_days(settings, fresh, is_known=not known.isdisjoint(fresh))
            if first < settings.first_day and settings.has_own_data and is_derived(settings):
                return _before_partitions(settings, first)
            first, last = max(first, settings.first_day), min(last, newest)
            parts = _parts(settings, fresh, Days.through(first, last))
        except (SourceError, UsageError) as error:
            return dg.SensorResult(skip_reason=str(error))
        states = {file.path: _state(file) for file in settled if file.path in set(fresh)}
        if first > last:
            seen |= _of_shop(states)
            return dg.SensorResult(
                skip_reason="New event files, but of days without a partition.",
                cursor=_cursor(files, settled, seen, waiting, now),
            )
        if waits := _asked_lately(settings.landing_every_s, seen, now) or _run_over(
            context.instance, first, last
        ):
            return dg.SensorResult(skip_reason=waits)  # without a cursor: the files stay new
        requests, asked = _requests(parts, states, again, now)
        if again is None:
            mark = json.loads(_cursor(files, settled, seen, waiting, now))[MARK]
            asked = replace(asked, after=seen.get(MARK, ""), until=mark)
        if is_without_data(settings):
            remember_first_day(settings, first)
            last_request = requests.pop()
            tags = {**last_request.tags, FIRST_DATA: str(first)}
            requests.append(dg.RunRequest(run_key=last_request.run_key, tags=tags))
        seen[ASKED] = now().isoformat()
        cursor = _cursor(files, settled, seen, [*waiting, asked], now)
        return dg.SensorResult(requests, cursor=cursor)

    return landing_files


def _settle(
    home: Path, name: str, instance: dg.DagsterInstance, seen: dict[str, str], now: Clock
) -> tuple[list[RequestedRuns], dict[str, RequestOutcome]]:
    """Take in what runs of a sensor were requested for that have succeeded, and return the other
    ones, with the outcome of each that has failed, by its purpose.

    It is noted from when on a publication is due, for who asks how the platform does.
    """
    waiting, failed = list[RequestedRuns](), dict[str, RequestOutcome]()
    done = list[RequestedRuns]()
    for each in read_requested(seen.get(REQUESTED)):
        outcome = each.outcome(instance, now())
        if outcome.has_succeeded:
            seen |= each.states
            done.append(each)
            continue
        waiting.append(each)
        if not outcome.is_open:
            failed[each.purpose] = outcome
    owed = [each for each in waiting if each.purpose in failed or each.attempt > 1]
    if owed:
        sentence = owed[0].sentence(failed.get(owed[0].purpose))
        note_due(home, name, min(each.first_asked_at for each in owed), sentence)
    elif done:
        note_due(home, name, max(each.asked_at for each in done))
    return waiting, failed


def _due_again(
    waiting: Sequence[RequestedRuns], failed: Mapping[str, RequestOutcome], now: Clock
) -> RequestedRuns | None:
    """Return the first requested runs that have failed, and that may be requested again now."""
    due = (
        each
        for each in waiting
        if each.purpose in failed and now() >= each.again_at(failed[each.purpose])
    )
    return next(due, None)


def _requests(
    parts: Sequence[Days], states: Mapping[str, str], again: RequestedRuns | None, now: Clock
) -> tuple[list[dg.RunRequest], RequestedRuns]:
    """Return a request for each part, with a key by which Dagster runs the same files once, and
    with all parts; and these requests for the cursor, with the states of the shop's own files.
    """
    key = hashlib.sha256(json.dumps(sorted(states.items())).encode()).hexdigest()[:16]
    attempt = again.attempt + 1 if again else 1
    purpose = f"{key}-{attempt}" if again else key
    spans = [(part.first, part.dates[-1]) for part in parts]
    tags = {PARTS: spans_text(parts)} if len(parts) > 1 else {}
    requests = [
        run_request(*span, run_key=f"{span[0]}-{span[1]}-{purpose}", tags=tags, purpose=purpose)
        for span in spans
    ]
    asked = RequestedRuns(
        purpose,
        tuple((first.isoformat(), last.isoformat()) for first, last in spans),
        asked_at := now(),
        again.first_asked_at if again else asked_at,
        _of_shop(states),
        again.after if again else "",
        again.until if again else "",
        attempt,
    )
    return requests, asked


def _of_shop(states: Mapping[str, str]) -> dict[str, str]:
    """Return the states of files that the shop delivered: what the platform writes has an instant
    for all.
    """
    return {path: state for path, state in states.items() if not is_generated(Path(path).name)}


def _last_day(settings: Settings, now: Clock) -> date:
    """Return the last day that the sensor requests: today; of the sandbox shop,
    the last day that is over.
    """
    days = () if settings.has_own_data else sandbox_days(settings).dates
    return days[-1] if days else day_of(now(), settings)


def _status(settings: Settings) -> dg.DefaultSensorStatus:
    """Return whether the sensor is on before anybody decides:
    where the shop's own files reach no tool.

    Runs over new files deliver to the tools that are set; that somebody decides. The sandbox shop
    has its schedules.
    """
    is_safe = bool(settings.events) and not set_tools(settings)
    is_on = {"on": bool(settings.events), "off": False}.get(settings.schedules, is_safe)
    return dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED


def _files(settings: Settings, last: date) -> list[InputFile]:
    """Return the event files, unopened,
    but for those of the days after the last one of a sandbox shop.
    """
    if not has_landed(settings):
        return []
    files = find_files(event_paths(settings))
    if settings.has_own_data:
        return files
    return [file for file in files if file.received_date is None or file.received_date <= last]


def _state(file: InputFile) -> str:
    return f"{file.size}-{file.modified_at.isoformat()}"


def _is_settled(file: InputFile, now: Clock) -> bool:
    age = now() - max(file.modified_at, file.placed_at)
    return age >= SETTLED or age < -SETTLED  # the clock of a network storage may be ahead


def _is_fresh(file: InputFile, seen: Mapping[str, str], waiting: Sequence[RequestedRuns]) -> bool:
    """Return whether a settled file is new or has changed, and no run was requested for it."""
    if is_generated(Path(file.path).name):
        return _came_at(file).isoformat() > seen.get(MARK, "")
    state = _state(file)
    return seen.get(file.path) != state and not any(
        each.is_for(file.path, state) for each in waiting
    )


def _is_of(file: InputFile, requested: RequestedRuns) -> bool:
    """Return whether runs were requested for a settled file as it is."""
    if is_generated(Path(file.path).name):
        return requested.is_for_generated(_came_at(file).isoformat())
    return requested.is_for(file.path, _state(file))


def _came_at(file: InputFile) -> datetime:
    return max(file.modified_at, file.placed_at)


def _cursor(
    files: list[InputFile],
    settled: list[InputFile],
    seen: Mapping[str, str],
    waiting: Sequence[RequestedRuns],
    now: Clock,
) -> str:
    """Return the states of files that runs have taken in and that are still there, until when
    generated files were seen, and the requested runs that have not succeeded yet.
    """
    taken_in = {file.path: seen[file.path] for file in files if file.path in seen}
    # Only a file that came after this instant is not settled yet, or the clock of its storage is
    # ahead.
    generated = [_came_at(file) for file in settled if is_generated(Path(file.path).name)]
    mark = max([seen.get(MARK, ""), *(at.isoformat() for at in generated if at <= now())])
    kept = {ASKED: seen[ASKED]} if ASKED in seen else {}
    if waiting:
        kept[REQUESTED] = write_requested(waiting)
    return json.dumps({**taken_in, MARK: mark, **kept})


def _asked_lately(landing_every_s: float, seen: dict[str, str], now: Clock) -> str:
    """Return until when new files wait, in a sentence; empty if a run may be requested."""
    if ASKED not in seen:
        return ""
    free_at = datetime.fromisoformat(seen[ASKED]) + timedelta(seconds=landing_every_s)
    return (
        ""
        if now() >= free_at
        else f"New event files wait until {free_at:%H:%M:%S} UTC (ECOM_LANDING_EVERY_S)."
    )


def _run_over(instance: dg.DagsterInstance, first: date, last: date) -> str:
    """Return which unfinished run is over any of these days, in a sentence;
    empty if there is none.
    """
    for record in instance.get_run_records(
        dg.RunsFilter(statuses=list(UNFINISHED)), limit=MOST_RUNS
    ):
        tags = record.dagster_run.tags
        if (
            RANGE_START in tags
            and tags[RANGE_START] <= last.isoformat()
            and tags[RANGE_END] >= first.isoformat()
        ):
            return f"New event files wait for run {record.dagster_run.run_id}, over the same days."
    return ""


def _taken_in(instance: dg.DagsterInstance, files: list[InputFile]) -> dict[str, str]:
    """Return the states of files that were there, as they are,
    when the last run over events began.
    """
    event = instance.get_latest_materialization_event(raw_events.key)
    record = instance.get_run_record_by_id(event.run_id) if event else None
    began = record.start_time if record else None
    if began is None:
        return {}
    own = [file for file in files if not is_generated(Path(file.path).name)]
    states = {file.path: _state(file) for file in own if _came_at(file).timestamp() < began}
    return {**states, MARK: datetime.fromtimestamp(began, UTC).isoformat()}


def _nothing_new(
    being_written: int,
    cursor: str,
    waiting: Sequence[RequestedRuns],
    failed: Mapping[str, RequestOutcome],
) -> dg.SensorResult:
    owed = [each.sentence(failed[each.purpose]) for each in waiting if each.purpose in failed]
    reason = " ".join(["No new event files.", *owed])
    if being_written:
        reason = (
            f"{being_written:,} event files changed within the last {SETTLED.seconds} s; they may "
            "not be complete."
        )
    return dg.SensorResult(skip_reason=reason, cursor=cursor)


def _before_partitions(settings: Settings, first: date) -> dg.SensorResult:
    """Let partitions begin earlier when the code is loaded next; until then the files stay new."""
    remember_first_day(settings, first)
    return dg.SensorResult(
        skip_reason=f"New event files have rows of {first}, before the first partition, "
        f"{settings.first_day}; reload the code location (Deployment), whose "
        "partitions then begin with them."
    )


def _touched_days(settings: Settings, paths: list[str], *, is_known: bool) -> tuple[date, date]:
    """Return the first and last day that the files can change.

    They are the days that their rows count for; the day before, whose visitors may be known by
    them; of a file that was there before, every day that it may have held rows of; and the days
    after whose rows may now be surplus copies.
    """
    with _opened(settings, paths) as files:
        days = days_to_compute(files, settings.late_days)
        arrived = files.received_days() or (days.first, days.dates[-1])
    landed = [
        file.received_date for file in find_files(event_paths(settings)) if file.received_date
    ]
    newest = max(landed, default=days.dates[-1])
    first = days.first - ONE_DAY
    if is_known:
        first = min(first, arrived[0] - settings.late_days * ONE_DAY)
    last = min(newest, arrived[1] + (settings.late_days + 2) * ONE_DAY)
    return first, max(last, days.dates[-1])


def _parts(settings: Settings, paths: list[str], days: Days) -> list[Days]:
    """Leave out long times in which the files have no rows,
    and refuse a span that is implausibly long.

    Raises:
        UsageError: The files span more than `MAX_DAYS`.
    """
    if len(days.dates) <= GAP_DAYS:
        return [days]
    with _opened(settings, paths) as files:
        matches = [
            file
            for file in days_of_files(files, settings.late_days)
            if file.received >= settings.first_day
        ]
    require_span(days.first, days.dates[-1], matches)
    rows = Days.from_dates(day for file in matches for day in file.days)
    return parts_of(days, rows.widened(before=1, after=settings.late_days + 2).dates)


def _require_readable(paths: Sequence[str]) -> None:
    """Refuse new Parquet files of others whose values would take the memory of this machine;
    workbooks are measured where they are read.

    Raises:
        SourceError: One does.
    """
    others = [path for path in map(Path, paths) if path.suffix in PARQUET and is_of_others(path)]
    if others:
        with ReadingChild(FOREIGN_FILE) as child:
            for path in others:
                child.run(path.name, require_readable_parquet, path, path.name)


@contextmanager
def _opened(settings: Settings, paths: list[str]) -> Iterator[RecordFiles]:
    with duckdb.connect() as con:
        yield open_events(con, settings, paths)


def event_table_sensor(settings: Settings, *, now: Clock = now_utc) -> dg.SensorDefinition:
    """Return the sensor that reports the versions of the last days to Dagster,
    and requests a run if one changed.

    The cursor holds the version of each day that a run has taken in, and the runs that were
    requested and have not succeeded yet.
    """
    from ecom_assets.ingestion.sources.event_table import EventTable, observations  # noqa: PLC0415 (needs the extra `snowflake`)

    @dg.sensor(
        name=EVENT_TABLE_SENSOR,
        job_name=EVENTS,
        minimum_interval_seconds=TABLE_INTERVAL_S,
        description=(
            "New rows in the table of events: materializes the days that they can belong to."
        ),
    )
    def event_table(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        seen: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
        try:
            with closing(EventTable(settings, now=now)) as table:
                states, today = table.states(table.newest_days), table.today
        except WorkError as error:
            return dg.SensorResult(skip_reason=str(error))
        waiting, failed = _settle(settings.home, EVENT_TABLE_SENSOR, context.instance, seen, now)
        versions = {day.isoformat(): state.version for day, state in states.items()}
        changed = {
            day: version
            for day, version in versions.items()
            if seen.get(day) != version and not any(each.is_for(day, version) for each in waiting)
        }
        again = None if changed else _due_again(waiting, failed, now)
        if again:
            waiting = [each for each in waiting if each is not again]
            changed = dict(again.states)
        taken_in = {day: seen[day] for day in versions if day in seen}
        if not changed:
            kept = {REQUESTED: write_requested(waiting)} if waiting else {}
            return dg.SensorResult(skip_reason="No new events.", cursor=json.dumps(taken_in | kept))
        # Rows that arrive on a day belong to it, or to one of the days before that are not yet too
        # late.
        arrived = date.fromisoformat(min(changed))
        first = max(arrived - settings.late_days * ONE_DAY, settings.first_day)
        requests, asked = _requests([Days.through(first, today)], changed, again, now)
        kept = {REQUESTED: write_requested([*waiting, asked])}
        return dg.SensorResult(
            run_requests=requests,
            asset_events=[] if again else list(observations(states)),
            cursor=json.dumps(taken_in | kept),
        )

    return event_table


def automation_condition_sensor() -> dg.AutomationConditionSensorDefinition:
    """Return the sensor that evaluates the automation conditions."""
    return dg.AutomationConditionSensorDefinition(
        name="following",
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Computes the weekly mart for days whose sales were computed without it, then "
            "publishes the marts."
        ),
    )


REQUESTS_EVERY_S = 10
REQUEST_TAG = "ecom/request"
"""The tag of a run with the number of the request that it was started for."""


def request_sensor(
    home: Path,
    skipped: Collection[dg.AssetKey],
    reported: Collection[dg.AssetKey],
    *,
    now: Clock = now_utc,
) -> dg.SensorDefinition:
    """Return the sensor that starts runs for requests: a held day to be released,
    dead letters to be sent again.

    The `skipped` assets have no source or destination; the `reported` ones are computed again after
    a delivery. A request whose run ended without taking it has another one, later each time.
    """

    @dg.sensor(
        name="requests",
        job_name=EVERYTHING,
        minimum_interval_seconds=REQUESTS_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Starts a run for each held day that somebody releases, and for dead letters to "
            "be sent again."
        ),
    )
    def requests(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        store = Requests(home)
        waiting = [request for request in store.waiting() if request.kind not in OF_UPLOADS]
        if not waiting:
            yield dg.SkipReason("There are no requests.")
        for request in waiting:
            tag = {REQUEST_TAG: str(request.number)}
            filters = dg.RunsFilter(tags=tag, statuses=list(UNFINISHED))
            if context.instance.get_run_records(filters, limit=1):
                yield dg.SkipReason(f"The run for request {request.number} is under way.")
                continue
            purpose = f"request-{request.number}-{request.attempt}"
            outcome = outcome_of(context.instance, purpose, now())
            if outcome.run_count:
                # It has ended without taking the request.
                next_at = again_at(outcome.ended_at or now(), outcome.run_count)
                if outcome.is_open or now() < next_at:
                    yield dg.SkipReason(
                        f"The run for request {request.number} failed; it is asked for again at "
                        f"{next_at:%H:%M} UTC."
                    )
                    continue
            key = f"{purpose}-{outcome.run_count + 1}" if outcome.run_count else purpose
            days = (request.first_day, request.last_day)
            run = run_request(*days, run_key=key, tags=tag, purpose=purpose)
            chosen = sorted(_assets(context, request, reported) - set(skipped))
            yield dg.RunRequest(run_key=run.run_key, tags=run.tags, asset_selection=chosen)

    return requests


def _assets(
    context: dg.SensorEvaluationContext,
    request: OperationRequest,
    reported: Collection[dg.AssetKey],
) -> set[dg.AssetKey]:
    """Return what a request concerns: all that is built on the held day,
    or the export and its tables.
    """
    assert context.repository_def is not None  # noqa: S101 (Dagster gives it where sensors are evaluated)
    graph = context.repository_def.asset_graph
    if request.kind == RELEASE:
        downstream = dg.AssetSelection.assets(asset_key(HeldOrderDays)).downstream().resolve(graph)
        return (
            set(downstream)
            & context.repository_def.get_job(EVERYTHING).asset_layer.selected_asset_keys
        )
    return {dg.AssetKey(["export", request.subject]), *reported}
