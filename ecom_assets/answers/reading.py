"""What answers are read from: tables of one moment, in whatever engine. Not here: where they lie (`api/`)."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Protocol

import ibis.expr.types as ir

from ecom_assets.answers.period import KnownDays, Period
from ecom_assets.contracts.table import Table
from ecom_assets.errors import EcomError

Row = dict[str, Any]


class NoSourceError(EcomError):
    """The question is about a source that the shop did not give: a zero would be taken for bad business."""


class NoOrdersError(NoSourceError):
    """The question is about sales, and there are neither order lines nor purchase events."""


class Reading(Protocol):
    """Tables of one moment: whatever is published meanwhile, all questions are answered from the same."""

    newest_date: date
    """The newest day in the data, in the reporting time zone."""
    known: Mapping[str, KnownDays]
    """The days that the data of each source hold, see `warehouse.source_days`."""
    timezone: str
    """The reporting time zone, an IANA name."""
    currency: str
    """Of all amounts, by ISO 4217."""

    def table(self, contract: type[Table]) -> ir.Table:
        """Return a whole table, lazily."""

    def events(self) -> ir.Table:
        """Return clean events."""

    def rows(self, question: ir.Table, period: Period | None = None) -> list[Row]:
        """Return the rows of a small result by column name, in its order.

        Args:
            question: What is asked.
            period: The days that it is asked about, where it names those by the parameters of `period.py`.
        """

    def state(self, question: ir.Table) -> list[Row]:
        """Return the same of a question that is about no days: all answers from this moment share its rows."""
