"""The days between the first and the last day of some files, which of them have rows,
and which are complete.

One row with a wrong clock can stretch the span to years. Runs skip long gaps without rows, and a
span that is too long is an error that names the file. `cli/run_days.py` decides which days a run
covers.
"""

import glob
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

from ecom_assets.behaviour.events.contracts import RawEvents
from ecom_assets.commerce.marketing.contracts import RawAdSpend
from ecom_assets.commerce.orders.contracts import RawUserOrderLog
from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.tables.formats import counted
from ecom_assets.core.warehouse.sql_text import day_in_zone, select
from ecom_assets.ingestion.sources.ad_spend import ad_spend_paths
from ecom_assets.ingestion.sources.events import event_paths, is_table
from ecom_assets.ingestion.sources.extraction.landing import STATE
from ecom_assets.ingestion.sources.files.formats import LANDING_DAY
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.order_reports.source import has_events, order_paths

GAP_DAYS = 31
"""Gaps longer than this are skipped; computing a shorter gap costs less than a separate run."""
MAX_DAYS = 1830
"""Days that the data may span before a run over all of them is asked for by --from and --to."""


@dataclass(frozen=True)
class DayOfFile:
    """The number of rows of a file that arrived on one day,
    and the first and last day that they belong to.
    """

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
    """Return the rows by file and arrival day;
    rows whose own day is too far from it do not extend the days.
    """
    own = day_in_zone(files.mapping.kind.at, files.timezone)
    inside = f"own <= received_date + 1 AND received_date <= own + {late_days}"
    sql = select(
        f"received_date, source_file, count(*), coalesce(min(own) FILTER ({inside}), "
        f"received_date), coalesce(max(own) FILTER ({inside}), received_date)",
        f"({select(f'received_date, source_file, {own} AS own', f'({files.received_sql()})')})",
        group_by="received_date, source_file",
    )
    return [DayOfFile(*row) for row in files.con.execute(sql).fetchall()]


def parts_of(days: Days, with_rows: Iterable[date]) -> list[Days]:
    """Split days at gaps of more than `GAP_DAYS` without rows, and leave out the gaps;
    both ends stay.
    """
    bounds = sorted(
        {days.first, days.dates[-1], *(day for day in with_rows if days.first <= day < days.end)}
    )
    gaps = [pair for pair in pairwise(bounds) if (pair[1] - pair[0]).days > GAP_DAYS]
    starts, ends = (
        [bounds[0], *(after for _, after in gaps)],
        [*(before for before, _ in gaps), bounds[-1]],
    )
    return [Days.between(start, end + ONE_DAY) for start, end in zip(starts, ends, strict=True)]


def require_span(first: date, last: date, result: Collection[DayOfFile]) -> None:
    """Check that a span is not too long, which usually means a row with a wrong date.

    Args:
        first: The first day of the span.
        last: Its last day.
        result: The rows by file and arrival day, to name the row that is far from the others.

    Raises:
        UsageError: The span is longer than `MAX_DAYS`.
    """
    span = (last - first).days + 1
    if span <= MAX_DAYS:
        return
    raise UsageError(
        f"The data span {span:,} days, from {first} to {last}, more than "
        f"{MAX_DAYS:,}{_stray(result)}; if they are right, confirm them with --from {first} --to "
        f"{last}; otherwise remove them, or leave them out with --from and --to."
    )


def _stray(result: Collection[DayOfFile]) -> str:
    """Return a text that names the rows beyond the widest gap, on the side with fewer rows."""
    days = sorted({file_day.received for file_day in result})
    if len(days) < 2:  # noqa: PLR2004 (a gap is between two)
        return ""
    before, _ = max(pairwise(days), key=lambda pair: pair[1] - pair[0])
    sides = [
        [file_day for file_day in result if (file_day.received <= before) is is_before]
        for is_before in (True, False)
    ]
    stray = min(sides, key=lambda side: sum(file_day.row_count for file_day in side))
    number, nearest = (
        sum(each.row_count for each in stray),
        min(stray, key=lambda each: (each.received, each.file)),
    )
    are = "is" if number == 1 else "are"
    return (
        f": {counted(number, 'row')} of {nearest.file} of {nearest.received} {are} far from all "
        "others"
    )


MARK = "_SUCCESS"
"""The file that Spark and Hadoop write into a folder when it is complete."""


def whole_days(settings: Settings, contract: Contract) -> frozenset[date]:
    """Return the days whose landing folders contain the marker of a complete folder, which only
    files of events and orders can have; and those of extracted ad spend, whose rows land again in
    another folder where their days are restated.
    """
    paths: list[str] = []
    if contract is RawEvents and has_events(settings) and not is_table(settings):
        paths = event_paths(settings)
    elif contract is RawUserOrderLog:
        paths = order_paths(settings)
    elif contract is RawAdSpend:
        return frozenset(day for path in ad_spend_paths(settings) for day in _extracted(path))
    return frozenset(day for path in paths for day in _marked(path))


def _extracted(path: str) -> Iterator[date]:
    """Yield the days on which rows landed in the folder of an extraction."""
    if (Path(path) / STATE).is_file():
        for folder in Path(path).glob("*/received_date=*"):
            if landed := LANDING_DAY.fullmatch(folder.name):
                yield date.fromisoformat(landed[1])


def _marked(pattern: str) -> Iterator[date]:
    folders = [pattern] if Path(pattern).is_dir() else glob.glob(pattern)  # noqa: PTH207 (absolute globs too)
    for folder in (path for path in map(Path, folders) if path.is_dir()):
        for mark in (folder / MARK, *folder.glob(f"*/{MARK}")):
            landed = LANDING_DAY.fullmatch(mark.parent.name)
            if landed and mark.is_file():
                yield date.fromisoformat(landed[1])
