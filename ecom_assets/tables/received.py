"""What an asset can return instead of a plain table: rows, the days that they replace, and metadata to report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import ibis.expr.types as ir

from ecom_assets.errors import SourceError
from ecom_assets.tables.days import Days

NO_DAYS = Days(())


@dataclass(frozen=True)
class SliceOutput:
    """Rows that replace the rows of `days`, which can differ from the run's days.

    Without days, the table does not change. `metadata` is reported with the materialization; a `warning` is, too, and
    is in the run's log.
    """

    rows: ir.Table
    days: Days
    metadata: Mapping[str, Any] = field(default_factory=dict)
    warning: str = ""
    absent: Days = NO_DAYS
    """Days of which the source says that it has nothing: the table keeps what it has of them, and it is noted."""
    origin: str = ""
    """What the rows have in their column `source`: they withdraw no row that came from another kind of source."""

    def require_rows(self, noun: str) -> "SliceOutput":
        """Return this output, or raise if a source that always delivers everything has delivered no row.

        Raises:
            SourceError: There is no row.
        """
        if self.days.dates and not int(self.rows.count().to_pyarrow().as_py()):
            raise SourceError(
                f"No {noun} arrived for {self.days.dates[-1]}, so the table keeps its rows; check the source, "
                "and run again."
            )
        return self

    @classmethod
    def nothing(cls, no_rows: ir.Table, reason: str) -> "SliceOutput":
        """Return an output without rows and days, with the reason in its metadata."""
        return cls(no_rows, NO_DAYS, {"fetched": False, "not_fetched_because": reason})


@dataclass(frozen=True)
class NoSource:
    """The source of what a shop does not have.

    Attributes:
        output: Returns no rows, with the reason.
    """

    output: Callable[[], SliceOutput]

    def received(self, _days: Days) -> SliceOutput:
        """Return no rows for no days."""
        return self.output()

    @staticmethod
    def file_rows(_days: Days | None) -> "list[FileRows] | None":
        """Return None: there are no files."""
        return None


@dataclass(frozen=True)
class FileRows:
    """The row counts of one file when it was last read: in total and by arrival day."""

    file: str
    row_count: int
    by_day: Mapping[date, int]
