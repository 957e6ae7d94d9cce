"""SQL of the days of rows of files: when a row arrived, and its own day.

Goes in: the SELECT of `record_sql.py`, with the texts and instants of each row and the path of its
file (`__file`), and a `FileDays` for each file. Comes out: the SELECT of the raw table's columns
(`dated_sql`), or how many rows of each file arrived on which days (`arrivals_sql`). Days that
cannot be are none. Rows are `e` and files `f` in all SQL here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from ecom_assets.core.tables.values import LAST_PLAUSIBLE
from ecom_assets.core.warehouse.sql_text import (
    date_literal,
    day_in_zone,
    select,
    text,
)
from ecom_assets.ingestion.sources.files.mapping import (
    LEFT_OUT,
    OF_VERSIONS,
    RecordKind,
)
from ecom_assets.ingestion.sources.files.sql import CURRENCY

_END_OF_PLAUSIBLE = LAST_PLAUSIBLE + timedelta(days=1)


@dataclass(frozen=True)
class FileDays:
    """The days of one file: its arrival day,
    or the fallback days for rows without an arrival day.
    """

    path: str
    relative: str
    received_date: date | None
    modified_date: date
    fallback_date: date | None
    earliest_date: date  # earlier dates are implausible
    latest_date: date  # no row can have been received later
    timezone: str = "UTC"  # in which days begin

    def sure_of(self, late_days: int) -> tuple[datetime, datetime, datetime]:
        """Return the bounds between which an event breaks no rule about time,
        and the bound of plausible arrivals, in UTC.

        An event from the first bound on and before the second arrived on its own day, or at most
        `late_days` later, and not in its future, if it came without `received_at`, or with one that
        is at most `late_days` later as well; in another zone than UTC a day less, as clocks change.
        """
        first, until, known_until = self._sure_days(late_days)
        return (
            midnights(first, self.timezone)[1],
            midnights(until, self.timezone)[0],
            midnights(known_until, self.timezone)[0],
        )

    def _sure_days(self, late_days: int) -> tuple[date, date, date]:
        if self.received_date:
            first = max(self.earliest_date, self.received_date - timedelta(days=late_days))
            return first, self.received_date + timedelta(days=1), _END_OF_PLAUSIBLE
        arrival_bound = min(self.latest_date + timedelta(days=1), _END_OF_PLAUSIBLE)
        return self.earliest_date, self.modified_date + timedelta(days=1), arrival_bound


@lru_cache(maxsize=4096)
def midnights(day: date, zone: str) -> tuple[datetime, datetime]:
    """Return two instants in UTC: by the clocks of a zone, all before the first are of earlier days
    than this one, and none from the second on is.
    """
    wall = datetime.combine(day, time())
    if zone == "UTC":
        return wall, wall
    # Clocks that go back at midnight show two days in turn, so the day's start would not do.
    hours = (wall.replace(tzinfo=UTC) + timedelta(hours=hour) for hour in range(-24, 25))
    clock = ZoneInfo(zone)
    offsets = [hour.astimezone(clock).utcoffset() or timedelta(0) for hour in hours]
    return wall - max(offsets), wall - min(offsets)


def dated_sql(  # noqa: PLR0913 (what the SELECT is made of)
    records: str,
    kind: RecordKind,
    files: Sequence[FileDays],
    zone: str,
    sure_late_days: int | None = None,
    *,
    with_currency: bool = False,
) -> str:
    """Return the SELECT of the columns of the record kind, in order, from the fields of each row.

    With `sure_late_days`, there is a column `is_sure`: whether the event breaks no rule about time,
    see `sure_of`; `with_currency`, the column `CURRENCY` of `records_sql`.
    """
    file, source = _with_files(records, files, sure_late_days or 0)
    received = file["received_date"]
    if files[0].received_date is None:
        received = (
            f"coalesce({_stated_date(kind, zone, file)}, {file['fallback_date']}, "
            f"{file['modified_date']})"
        )
    names = (*kind.fields, kind.at, *kind.other_times.values())
    columns = [f"e.{name} AS {kind.renamed.get(name, name)}" for name in names]
    columns += [f"{sql} AS {name}" for name, (_, sql) in kind.read.items()]
    columns += [f"e.{LEFT_OUT}"] if kind.is_filtered else []
    columns += [f"e.{name}" for name in OF_VERSIONS] if kind.whole else []
    columns += ["e.received_at", f"{received} AS received_date"]
    columns += [f"{file['relative']} AS source_file", "e.__malformed AS malformed_row"]
    if sure_late_days is not None:
        columns.append(f"coalesce({_is_sure(kind, file, sure_late_days, zone)}, false) AS is_sure")
    columns += [f"e.{CURRENCY}"] if with_currency else []
    return select(columns, source)


def _is_sure(kind: RecordKind, file: Mapping[str, str], late_days: int, zone: str) -> str:
    """Return the SQL that says whether an event breaks no rule about time; see `sure_of`."""
    at = f"e.{kind.at}"
    is_in_bounds = f"{at} >= {file['sure_from']} AND {at} < {file['sure_until']}"
    # A day in UTC may be of two days of another zone, whose clocks may go forward by up to a day.
    sure_days = late_days if zone == "UTC" else late_days - 1
    arrives_in_time = (
        f"e.received_at >= {at} AND e.received_at <= {at} + INTERVAL '{sure_days}' DAY"
    )
    is_known = f"e.received_at < {file['known_until']}"
    return f"{is_in_bounds} AND (e.received_at IS NULL OR ({arrives_in_time} AND {is_known}))"


def arrivals_sql(records: str, kind: RecordKind, files: Sequence[FileDays], zone: str) -> str:
    """Return the SELECT of path, arrival day (or NULL), row count and last event day,
    per file and arrival day.
    """
    file, source = _with_files(records, files)
    columns = [
        f"{file['path']} AS path",
        f"{_stated_date(kind, zone, file)} AS stated_date",
        f"{_own_date(kind, zone, file)} AS usable",
    ]
    rows = select(columns, source)
    return select("path, stated_date, count(*), max(usable)", rows, group_by="path, stated_date")


def _stated_date(kind: RecordKind, zone: str, file: Mapping[str, str]) -> str:
    """Return the SQL of the arrival day in the row: the day it was received,
    else its own day if not in the future.

    Implausible days are ignored, so that a row with a wrong clock still arrives on a day that is
    computed.
    """
    received = day_in_zone("e.received_at", zone)
    plausible = _between_or_null(received, file["earliest_date"], file["latest_date"])
    return f"coalesce({plausible}, {_own_date(kind, zone, file)})"


def _own_date(kind: RecordKind, zone: str, file: Mapping[str, str]) -> str:
    """Return the SQL of the row's own day; NULL if it is implausible, or no day of arrival."""
    if not kind.arrives_at_its_time:
        return "NULL::DATE"
    own = day_in_zone(f"e.{kind.at}", zone)
    return _between_or_null(own, file["earliest_date"], file["modified_date"])


def _between_or_null(day: str, first: str, last: str) -> str:
    return f"CASE WHEN {day} BETWEEN {first} AND {last} THEN {day} END"


def _with_files(
    records: str, files: Sequence[FileDays], late_days: int = 0
) -> tuple[dict[str, str], str]:
    """Return the properties of a row's file, as SQL by name, and the rows `e` to select from."""
    properties = [_properties(file, late_days) for file in files]
    names = properties[0]
    # A join would read the path of each row, and keep the engine from answering by footers.
    if len(files) == 1:
        return properties[0], f"({records}) AS e"
    file_rows = ", ".join(f"({', '.join(row.values())})" for row in properties)
    source = (
        f"({records}) AS e JOIN (VALUES {file_rows}) AS f({', '.join(names)}) ON e.__file = f.path"
    )
    return {name: f"f.{name}" for name in names}, source


def _properties(file: FileDays, late_days: int) -> dict[str, str]:
    """Return the paths, days and bounds of a file as SQL literals, by name."""
    sure_from, sure_until, known_until = (
        f"TIMESTAMP '{bound.isoformat(sep=' ')}'" for bound in file.sure_of(late_days)
    )
    return {
        "path": text(file.path),
        "relative": text(file.relative),
        "received_date": date_literal(file.received_date),
        "modified_date": date_literal(file.modified_date),
        "fallback_date": date_literal(file.fallback_date),
        "earliest_date": date_literal(file.earliest_date),
        "latest_date": date_literal(file.latest_date),
        "sure_from": sure_from,
        "sure_until": sure_until,
        "known_until": known_until,
    }
