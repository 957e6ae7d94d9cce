"""What people should know of the rows of files beside how many count: local times that name two
instants, or none, rows that stand for several events, and amounts that no rate makes the shop's.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import duckdb

from ecom_assets.behaviour.events.queries import unrated_text
from ecom_assets.core.rows import named_rows
from ecom_assets.core.tables.formats import counted
from ecom_assets.core.warehouse.sql_text import ident, select, text
from ecom_assets.ingestion.sources.files.mapping import EventMapping, RecordMapping, TimeField
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.files.sql import json_pointer

_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""Between which clocks are looked at, as far as rows are."""
_SAYS_ZONE = r":[0-9.]+ ?([zZ]|UTC|GMT|[+-][0-9]{2}(:?[0-9]{2})?)$"
"""What ends a text that says its zone; the days of `2026-10-25` do not."""
_DAY_S = 86_400
Change = tuple[datetime, timedelta]
"""When clocks change, in UTC, and by how much."""


@lru_cache(maxsize=64)
def clock_changes(zone: str, first_year: int, last_year: int) -> tuple[Change, ...]:
    """Return when the clocks of a zone go back (below zero) or forward in some years."""
    clock = ZoneInfo(zone)

    def offset(second: int) -> timedelta:
        return (_FIRST + timedelta(seconds=second)).astimezone(clock).utcoffset() or timedelta(0)

    def changes() -> Iterator[Change]:
        start = int((datetime(first_year, 1, 1, tzinfo=UTC) - _FIRST).total_seconds()) - _DAY_S
        end = int((datetime(last_year + 1, 1, 1, tzinfo=UTC) - _FIRST).total_seconds()) + _DAY_S
        before = offset(start)
        for second in range(start, end, _DAY_S):
            after = offset(second + _DAY_S)
            if after != before:
                day = range(second, second + _DAY_S)
                at = bisect_left(day, True, key=lambda s: offset(s) == after)  # noqa: FBT003
                yield _FIRST + timedelta(seconds=second + at), after - before
            before = after

    return tuple(changes())


def notes_of(files: RecordFiles, read: str) -> list[str]:
    """Return what people should know of rows, in sentences without their end.

    Args:
        files: The files.
        read: The name of a table or view of their rows, with the instants as read.
    """
    return [*_twice(files, read), *_weights(files), *_unrated(files, read)]


def impossible_times(files: RecordFiles) -> list[str]:
    """Return a sentence about local times that their zone leaves out, as clocks go forward then;
    nothing where there are none.
    """
    field, kind = files.mapping.time_field, files.mapping.kind
    if not _is_local(field):
        return []
    wall_field = field.model_copy(update={"timezone": "UTC"})
    fields = files.mapping.fields.model_copy(update={kind.time: wall_field})
    mapping: RecordMapping = files.mapping.model_copy(update={"fields": fields})
    # The files are as they were found: to look for damage, or to build rows, takes long.
    walls = replace(files, mapping=mapping, convert=None)
    rows = f"({walls.received_sql()})"
    changes = _changes(files.con, field.timezone, rows, kind.at)
    gaps = [
        (at + offset_before, at + offset_before + change)
        for at, change in changes
        if change > timedelta(0)
        and (offset_before := _offset(field.timezone, at - timedelta(seconds=1))) is not None
    ]
    count, example = _counted(files.con, rows, kind.at, kind.time, gaps)
    if not count:
        return []
    sentence = (
        f"{counted(count, 'time')} such as {example} do not exist in {field.timezone}, as clocks "
        "go forward there: its zone is probably another one"
    )
    return [sentence]


def _twice(files: RecordFiles, read: str) -> list[str]:
    field, kind = files.mapping.time_field, files.mapping.kind
    if not _is_local(field):
        return []
    changes = _changes(files.con, field.timezone, read, kind.at)
    hours = [(at, at - change) for at, change in changes if change < timedelta(0)]
    if not hours or not _counted(files.con, read, kind.at, "", hours)[0]:
        return []
    count, _ = _counted(files.con, f"({files.received_sql()})", kind.at, kind.time, hours)
    if not count:
        return []
    sentence = (
        f"{counted(count, 'time')} of the hour that comes twice in {field.timezone}, when clocks "
        "go back, may be an hour earlier than they are read; times with their offset from UTC say "
        "which hour is meant"
    )
    return [sentence]


def _is_local(field: TimeField) -> bool:
    """Return whether times can be local ones of a zone whose clocks change."""
    says_zone = any("%z" in form or "%Z" in form for form in field.formats)
    return field.timezone not in {"UTC", "shop"} and not says_zone


def _offset(zone: str, at: datetime) -> timedelta | None:
    return at.astimezone(ZoneInfo(zone)).utcoffset()


def _changes(con: duckdb.DuckDBPyConnection, zone: str, rows: str, at: str) -> Sequence[Change]:
    """Return when clocks changed while rows happened."""
    ((low, high),) = con.execute(select(f"min({at}), max({at})", rows)).fetchall()
    if low is None:
        return ()
    low, high = (max(_FIRST, min(_LAST, moment.replace(tzinfo=UTC))) for moment in (low, high))
    around = timedelta(days=1)
    return [
        (moment, change)
        for moment, change in clock_changes(zone, low.year, high.year)
        if low - around <= moment <= high + around
    ]


def _counted(
    con: duckdb.DuckDBPyConnection,
    rows: str,
    at: str,
    written: str,
    spans: Sequence[tuple[datetime, datetime]],
) -> tuple[int, str]:
    """Return how many times are within spans, and the first of them; with the name of the column
    where they are `written`, only of texts that do not say their zone.
    """
    if not spans:
        return 0, ""
    within = " OR ".join(
        f"({at} >= TIMESTAMP '{start:%Y-%m-%d %H:%M:%S}' AND {at} < TIMESTAMP "
        f"'{end:%Y-%m-%d %H:%M:%S}')"
        for start, end in spans
    )
    if not written:
        return int(con.execute(select("count(*)", rows, within)).fetchall()[0][0]), ""
    local = f"({within}) AND NOT regexp_matches({ident(written)}, {text(_SAYS_ZONE)})"
    counts = select(f"count(*), min({ident(written)})", rows, local)
    ((count, example),) = con.execute(counts).fetchall()
    return int(count), example or ""


def _weights(files: RecordFiles) -> list[str]:
    """Return what the rows of a sample stand for, by the number that each says."""
    name = files.mapping.weight if isinstance(files.mapping, EventMapping) else ""
    if not name:
        return []
    stated = f"json_extract_string(properties, {text(json_pointer(name))})"
    number = f"TRY_CAST({stated} AS DECIMAL(18, 6))"
    # A rate is the share of events that are kept.
    events = f"CASE WHEN {number} > 0 AND {number} < 1 THEN 1 / {number} ELSE {number} END"
    sums = f"count({number}), round(sum({events}))::BIGINT"
    ((row_count, event_count),) = files.con.execute(
        select(sums, f"({files.received_sql()})", "properties IS NOT NULL")
    ).fetchall()
    if not row_count or row_count == event_count:
        return []
    sentence = (
        f"{counted(int(row_count), 'row')} stand for {counted(int(event_count), 'event')} by "
        f"{name}, as a sample or a sum does; each row counts as one here"
    )
    return [sentence]


def _unrated(files: RecordFiles, read: str) -> list[str]:
    """Return which amounts of events are not known, as they are of another currency than the
    shop's, and no rate says what they are worth.
    """
    if not isinstance(files.mapping, EventMapping) or files.convert is None or not files.currency:
        return []
    sold = "sum(TRY_CAST(cart_value AS DECIMAL(24, 4))) FILTER (event_type = 'purchase')"
    names = ("unrated_currency", "event_count", "purchase_amount")
    by_currency = select(
        f"unrated_currency, count(*), {sold}",
        read,
        "unrated_currency IS NOT NULL",
        "unrated_currency",
    )
    rows = named_rows(names, files.con.execute(f"{by_currency} ORDER BY 2 DESC, 1").fetchall())
    if not rows:
        return []
    total = counted(sum(row["event_count"] for row in rows), "event")
    sentence = (
        f"Amounts of {total} are not known, as no rate says what they are worth in "
        f"{files.currency}: {unrated_text(rows)}; set ECOM_CURRENCY, the shop's currency, and "
        "ECOM_RATES, a file of date, currency and rate"
    )
    return [sentence]
