"""What an asset returns beside a plain table: rows, the days whose rows they replace, and what to report of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import ibis.expr.types as ir

from ecom_assets.errors import SourceError
from ecom_assets.tables.days import Days

NO_DAYS = Days(())


@dataclass(frozen=True)
class SliceOutput:
    """Rows that replace those of `days`, which need not be the run's own; without days, what the table has stays.

    `metadata` is reported with the materialization.
    """

    rows: ir.Table
    days: Days
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def require_rows(self, noun: str) -> "SliceOutput":
        """Return it, unless a source that brings everything there is was asked and brought nothing.

        Raises:
            SourceError: Not one row came.
        """
        if self.days.dates and not int(self.rows.count().to_pyarrow().as_py()):
            raise SourceError(
                f"No {noun} came for {self.days.dates[-1]}, so the table keeps what it has; look where they come from, "
                "and run again."
            )
        return self

    @classmethod
    def nothing(cls, no_rows: ir.Table, reason: str) -> "SliceOutput":
        """Return no rows for no days, and say why."""
        return cls(no_rows, NO_DAYS, {"fetched": False, "not_fetched_because": reason})


@dataclass(frozen=True)
class FileRows:
    """The rows of one file: all of them as counted when it was looked at, and those of each arrival day."""

    file: str
    row_count: int
    by_day: Mapping[date, int]
