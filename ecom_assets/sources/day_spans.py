"""The days between the first and the last day of some files, and which of them have rows.

One row with a wrong clock can stretch the span to years. Runs skip long gaps without rows, and a span that is too long
is an error that names the file. `cli/run_days.py` decides which days a run covers.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from ecom_assets.errors import UsageError
from ecom_assets.sources.files.records import RecordFiles
from ecom_assets.tables.days import ONE_DAY, Days
from ecom_assets.warehouse.sql_text import day_in_zone, select

GAP_DAYS = 31
"""Gaps longer than this are skipped; computing a shorter gap costs less than a separate run."""


@dataclass(frozen=True)
class DayOfFile:
    """The number of rows of a file that arrived on one day, and the first and last day that they belong to."""

    received: date
    file: str
    row_count: int
    first: date
    last: date

    @property
    def days(self) -> tuple[date, date, date]:
        """Return the days that a run over these rows computes."""
        return self.received, self.first, self.last


def days_of_files(files: RecordFiles, late_days: int) -> list[DayOfFile]:
    """Return the rows by file and arrival day; rows whose own day is too far from it do not extend the days."""
    own = day_in_zone(files.mapping.kind.at, files.timezone)
    inside = f"own <= received_date + 1 AND received_date <= own + {late_days}"
    sql = select(
        f"received_date, source_file, count(*), coalesce(min(own) FILTER ({inside}), received_date),"
        f" coalesce(max(own) FILTER ({inside}), received_date)",
        f"({select(f'received_date, source_file, {own} AS own', f'({files.received_sql()})')})",
        group_by="received_date, source_file",
    )
    return [DayOfFile(*row) for row in files.con.execute(sql).fetchall()]


def parts_of(days: Days, with_rows: Iterable[date]) -> list[Days]:
    """Split days at gaps of more than `GAP_DAYS` without rows, and leave out the gaps; both ends stay."""
    known = sorted({days.first, days.dates[-1], *(one for one in with_rows if days.first <= one < days.end)})
    gaps = [pair for pair in pairwise(known) if (pair[1] - pair[0]).days > GAP_DAYS]
    starts, ends = [known[0], *(after for _, after in gaps)], [*(before for before, _ in gaps), known[-1]]
    return [Days.between(start, end + ONE_DAY) for start, end in zip(starts, ends, strict=True)]


def require_span(first: date, last: date, most_days: int, result: Collection[DayOfFile]) -> None:
    """Check that a span is not too long, which usually means a row with a wrong date.

    Args:
        first: The first day of the span.
        last: Its last day.
        most_days: ECOM_MAX_DAYS.
        result: The rows by file and arrival day, to name the row that is far from the others.

    Raises:
        UsageError: The span is longer than `most_days`.
    """
    span = (last - first).days + 1
    if span <= most_days:
        return
    raise UsageError(
        f"The data span {span:,} days, from {first} to {last}, more than ECOM_MAX_DAYS={most_days}{_stray(result)}; "
        f"if they are right, confirm them with --from {first} --to {last} or ECOM_MAX_DAYS={span}; otherwise remove "
        f"them, or leave them out with --from and --to."
    )


def _stray(result: Collection[DayOfFile]) -> str:
    """Return a text that names the rows beyond the widest gap, on the side with fewer rows."""
    days = sorted({one.received for one in result})
    if len(days) < 2:  # noqa: PLR2004 (a gap is between two)
        return ""
    before, _ = max(pairwise(days), key=lambda pair: pair[1] - pair[0])
    sides = [[one for one in result if (one.received <= before) is is_before] for is_before in (True, False)]
    stray = min(sides, key=lambda side: sum(one.row_count for one in side))
    number, one = sum(each.row_count for each in stray), min(stray, key=lambda each: (each.received, each.file))
    rows = "1 row" if number == 1 else f"{number:,} rows"
    return f": {rows} of {one.file} of {one.received} {'is' if number == 1 else 'are'} far from all others"
