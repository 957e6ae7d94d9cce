"""Which days between the first and the last of some files have rows, and what to do where few of them have.

One row of a wrong clock spans years. The days without rows between it and the others are left out of runs, and a span
that nobody can mean is refused by the name of the file. Which days a run is over, `cli/run_days.py` says.
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
"""Days without rows that are cheaper left out than computed: a run over a part of its own costs as much."""


@dataclass(frozen=True)
class DayOfFile:
    """How many rows of a file arrived on one day, and the first and last day that they count for."""

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
    """Return what arrived on which day from which file; rows whose own day is too far from it count for none."""
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
    """Cut days where more than `GAP_DAYS` in a row have no rows, and leave those out; both ends stay."""
    known = sorted({days.first, days.dates[-1], *(one for one in with_rows if days.first <= one < days.end)})
    gaps = [pair for pair in pairwise(known) if (pair[1] - pair[0]).days > GAP_DAYS]
    starts, ends = [known[0], *(after for _, after in gaps)], [*(before for before, _ in gaps), known[-1]]
    return [Days.between(start, end + ONE_DAY) for start, end in zip(starts, ends, strict=True)]


def require_span(first: date, last: date, most_days: int, found: Collection[DayOfFile]) -> None:
    """Refuse a span that a stray row makes.

    Args:
        first: The first day of the span.
        last: Its last day.
        most_days: ECOM_MAX_DAYS.
        found: What arrived when, to name what is far from the rest.

    Raises:
        UsageError: The span is longer.
    """
    span = (last - first).days + 1
    if span <= most_days:
        return
    raise UsageError(
        f"The data span {span:,} days, from {first} to {last}, more than ECOM_MAX_DAYS={most_days}{_stray(found)}; "
        f"if they are right, say so with --from {first} --to {last} or ECOM_MAX_DAYS={span}, else take them away or "
        f"leave them out with --from and --to."
    )


def _stray(found: Collection[DayOfFile]) -> str:
    """Name what lies beyond the widest gap, on the side that has fewer rows."""
    days = sorted({one.received for one in found})
    if len(days) < 2:  # noqa: PLR2004 (a gap is between two)
        return ""
    before, _ = max(pairwise(days), key=lambda pair: pair[1] - pair[0])
    sides = [[one for one in found if (one.received <= before) is is_before] for is_before in (True, False)]
    stray = min(sides, key=lambda side: sum(one.row_count for one in side))
    number, one = sum(each.row_count for each in stray), min(stray, key=lambda each: (each.received, each.file))
    rows = "1 row" if number == 1 else f"{number:,} rows"
    return f": {rows} of {one.file} of {one.received} {'is' if number == 1 else 'are'} far from all others"
