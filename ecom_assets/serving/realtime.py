"""Real time, the half that reads: the newest landing files, or the newest rows of a table, for the last minutes.

What the numbers mean is in `events/realtime.py`.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import duckdb
import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.errors import EcomError
from ecom_assets.events import clean, realtime
from ecom_assets.events.clean import CleaningRule
from ecom_assets.events.contracts import CleanEvents, RawEvents
from ecom_assets.events.realtime import RealTimeRule
from ecom_assets.identity.visitors import with_visitors_of_all
from ecom_assets.optional_imports import packages_of
from ecom_assets.questions.identity import identity_rule
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.events import events_place, is_table, mapping_name
from ecom_assets.sources.files.formats import NewestFiles, newest_files
from ecom_assets.sources.files.mapping import load_mapping
from ecom_assets.sources.files.records import RecordFiles
from ecom_assets.sources.order_reports.source import has_events
from ecom_assets.tables.days import ONE_DAY, Days
from ecom_assets.tables.queries import EVENTS, NEEDED, NoSourceError
from ecom_assets.warehouse.local import connect, keep_within
from ecom_assets.warehouse.raw_slices import ErasedPeopleFilter
from ecom_assets.warehouse.sql_text import day_in_zone, select

MOST_FILES: Final = 500
MOST_BYTES: Final = 256_000_000
MEMORY: Final = "512MB"
WRITING_S: Final = 300
"""Seconds that a file's clock may be behind the events in it."""
RAW, LIVE, NEWEST_ROWS = "raw_events_now", "live_events", "newest_rows"
DEFINITION: Final = {
    "event_count": "Clean events later than so many minutes ago, of files that changed lately or of the table's newest "
    "rows, each event once",
    "visitor_count": "Visitors with an event",
    "open_cart_count": "Visitors who put something into a cart after their last purchase, within the window",
    "purchase_count": "Purchase events",
    "revenue_amount": "Sum of their cart_value",
    "top_products": "By visitors who viewed, added or bought",
    "lag_s": "Seconds from the newest event to now; null where nothing came lately",
}


class NotFilesError(NoSourceError):
    """Events come neither from files nor from a table, so that there are no newest ones."""


@dataclass
class _Read:
    """The result of reading the newest files."""

    found: NewestFiles
    read_count: int = 0
    unreadable_count: int = 0
    questions: list[str] = field(default_factory=list)

    def rows(self, con: Backend, question: ir.Table) -> list[dict[str, Any]]:
        """Return the rows of a small result, and record the query."""
        sql = str(con.compile(question))
        self.questions.append(sql)
        return [dict(zip(question.columns, row, strict=True)) for row in con.con.execute(sql).fetchall()]


def real_time(
    settings: Settings, now: datetime, rule: RealTimeRule | None = None, erased_people: ErasedPeopleFilter | None = None
) -> dict[str, Any]:
    """Return what happened in the last minutes before `now`, which has a zone; rows of erased people do not count.

    Raises:
        NoSourceError: There are no events, only other data of the shop's own.
        NotFilesError: Events come from a stream.
        SourceError: The place of the files does not exist.
    """
    if not has_events(settings):
        raise NoSourceError(NEEDED[EVENTS])
    rule = rule or RealTimeRule()
    naive_now = now.astimezone(UTC).replace(tzinfo=None)
    read = _Read(_newest(settings, now, rule))
    with _engine(settings) as con:
        events = _live_events(con, settings, read, naive_now, _since(naive_now, rule), erased_people)
        windows = [_window(con, events, naive_now, minutes, rule, read) for minutes in rule.windows_minutes]
        ((newest_at,),) = con.con.execute(
            select("max(event_at)", LIVE, f"event_at <= TIMESTAMP '{naive_now}'")
        ).fetchall()
    return {
        "now_at": now,
        "newest_event_at": newest_at.replace(tzinfo=UTC) if newest_at else None,
        "lag_s": (naive_now - newest_at).total_seconds() if newest_at else None,
        "windows": windows,
        "newest_file_at": read.found.changed_at,
        "files_read": read.read_count,
        "files_left_out": read.found.left_out_count,
        "files_unreadable": read.unreadable_count,
        "definition": DEFINITION | {"rule": asdict(rule), "most_files": MOST_FILES, "most_bytes": MOST_BYTES},
        "questions": read.questions,
    }


@contextmanager
def _engine(settings: Settings) -> Iterator[Backend]:
    """An engine in memory for one answer."""
    con = connect()
    try:
        keep_within(con, MEMORY, settings.home / "realtime.tmp")
        yield con
    finally:
        con.disconnect()


def _newest(settings: Settings, now: datetime, rule: RealTimeRule) -> NewestFiles:
    if is_table(settings):
        return NewestFiles((), 0, None)
    places = events_place(settings)
    for place in places:
        if "://" in place:
            kind = place.partition("://")[0]
            raise NotFilesError(
                f"Real time reads landing files or a table of Snowflake, but ECOM_EVENTS names {kind}://…; use "
                "/analytics/sales for what is published, or land the events as files."
            )
    since = _since(now, rule)
    first_day = since.astimezone(ZoneInfo(settings.timezone)).date() - ONE_DAY
    return newest_files(places, since, first_day, most_files=MOST_FILES, most_bytes=MOST_BYTES)


def _since(now: datetime, rule: RealTimeRule) -> datetime:
    return now - timedelta(minutes=rule.longest_minutes, seconds=WRITING_S)


def _live_events(  # noqa: PLR0913, PLR0917 (what is read, and by which rules)
    con: Backend,
    settings: Settings,
    read: _Read,
    now: datetime,
    since: datetime,
    erased_people: ErasedPeopleFilter | None,
) -> ir.Table:
    """Clean events of the newest files or rows, each once, in a table of `con`."""
    mapping = load_mapping(mapping_name(settings))
    none = RecordFiles(con.con, mapping, settings.timezone, layouts=())
    con.raw_sql(f"CREATE TEMP TABLE {RAW} AS {_rows(none, settings)}")
    _insert(con, read.found.paths, settings, read)
    raw = con.table(RAW, database=("temp", "main"))
    if is_table(settings):
        _insert_rows(con, settings, read, now, since)
    if erased_people is not None:
        raw, _ = erased_people.left_out(RawEvents, raw)
    first = now.date() - 2 * ONE_DAY
    days = Days.between(first, first + 5 * ONE_DAY)
    accepted = mapping.accepted_types(settings.event_types)
    rule = CleaningRule(accepted, settings.late_days, max_amount=settings.max_amount, timezone=settings.timezone)
    copies = realtime.first_copies(clean.clean_copies(raw, rule, days))
    identity = replace(identity_rule(settings), joins_aliases=False)  # aliases are known after a run
    found = clean.as_clean_events(copies, rule)
    events = with_visitors_of_all(found, found, identity).select(*CleanEvents.columns)
    sql = str(con.compile(events))
    read.questions.append(sql)
    con.raw_sql(f"CREATE TEMP TABLE {LIVE} AS {sql}")
    return con.table(LIVE, database=("temp", "main"))


def _insert(con: Backend, paths: Sequence[str], settings: Settings, read: _Read) -> None:
    """Read all files at once; one by one if one of them cannot be read, as it may still be being written."""
    if not paths:
        return
    mapping = load_mapping(mapping_name(settings))
    try:
        files = RecordFiles.open(con.con, paths, mapping, settings.timezone)
        con.con.execute(f"INSERT INTO {RAW} {_rows(files, settings)}")
    except (EcomError, duckdb.Error):
        if len(paths) == 1:
            read.unreadable_count += 1
        else:
            for path in paths:
                _insert(con, [path], settings, read)
    else:
        read.read_count += len(paths)


def _insert_rows(con: Backend, settings: Settings, read: _Read, now: datetime, since: datetime) -> None:
    """Load the rows of the table of events that arrived since yesterday and happened in the last minutes."""
    with packages_of("snowflake", "ECOM_EVENTS=snowflake://…"):
        from ecom_assets.sources.event_table import EventTable  # noqa: PLC0415 (only tables need them)

    today = now.replace(tzinfo=UTC).astimezone(ZoneInfo(settings.timezone)).date()
    with closing(EventTable(settings, now=lambda: now.replace(tzinfo=UTC))) as table:
        arrived = table.rows(Days.between(today - ONE_DAY, today + ONE_DAY))
        newest = arrived.filter(arrived.event_at >= ibis.literal(since, "timestamp(6)"))
        read.questions.append(str(ibis.to_sql(newest, dialect="snowflake")))
        result = newest.to_pyarrow()
    con.con.register(NEWEST_ROWS, result)
    names = ", ".join(name for name in con.table(RAW, database=("temp", "main")).columns if name in result.column_names)
    con.con.execute(f"INSERT INTO {RAW} BY NAME {select(names, NEWEST_ROWS)}")


def _rows(files: RecordFiles, settings: Settings) -> str:
    own_day = day_in_zone("event_at", settings.timezone)
    return select(f"*, {own_day} AS event_date, '' AS source", files.received_sql())


def _window(  # noqa: PLR0913, PLR0917 (what is read, and by which rules)
    con: Backend, events: ir.Table, now: datetime, minutes: int, rule: RealTimeRule, read: _Read
) -> dict[str, Any]:
    inside = realtime.window_of(events, now, minutes)
    (numbers,) = read.rows(con, realtime.totals(inside))
    return {
        "minutes": minutes,
        "start_at": (now - timedelta(minutes=minutes)).replace(tzinfo=UTC),
        "end_at": now.replace(tzinfo=UTC),
        **numbers,
        "events_by_type": {row["event_type"]: row["event_count"] for row in read.rows(con, realtime.by_type(inside))},
        "top_products": read.rows(con, realtime.top_products(inside, rule.top_product_count)),
    }
