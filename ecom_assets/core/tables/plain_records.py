"""Records whose tables follow from their contracts alone: why a received row is refused, and which
version of a record counts.
"""

from dataclasses import dataclass
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.core.tables.contract import Contract, Table, day, instant, text
from ecom_assets.core.tables.copies import COPY_NUMBER, CopyRule, numbered_copies
from ecom_assets.core.tables.portable import NO

LONG_AGO: Final = ibis.timestamp("0001-01-01 00:00:00")
RECEIVED: Final = "received_"
"""How the name of a column begins that has a value as it was received."""


class ReceivedRow(Table, abstract=True):
    """What every received record carries beside its own columns."""

    layer = "raw"

    row_id = text("The id that the mapping gives the row", nullable=True)
    left_out = text("The condition of the mapping that leaves the row out", nullable=True)
    received_at = instant("When the row arrived, where the source says so", nullable=True)
    received_date = day("The day on which the row arrived: that of its file")
    source = text("Where it came from: the path that was given")
    source_file = text("The file within the source")
    malformed_row = text("The whole line, where it could not be split into columns", nullable=True)


@dataclass(frozen=True)
class PlainRecords:
    """The three tables of a kind of record.

    A received row is refused if it lacks what a clean one must have, or if a value as received
    (`received_amount`) has no meaning (`amount` is null). Of several about one record, by the key
    of clean ones, the newest counts.

    Attributes:
        raw: The rows as received.
        quarantined: Those that are refused, each with the first reason.
        clean: The records that count.
    """

    raw: Contract
    quarantined: Contract
    clean: Contract

    def classified(self, received: ir.Table) -> ir.Table:
        """Add `reject_reason` to received rows; null for one that is clean."""
        cases = [
            (received.malformed_row.notnull(), "malformed_row"),
            (received.left_out.notnull(), "left_out"),
        ]
        for name, column in self.clean.columns.items():
            if name not in self.raw.columns or name in ReceivedRow.columns:
                continue
            as_received = f"{RECEIVED}{name}"
            is_read = as_received in self.raw.columns
            if not column.nullable:
                needed = received[as_received if is_read else name]
                cases.append((~_is_filled(needed), f"missing_{name}"))
            if name == "currency" and "unrated_currency" in self.raw.columns:
                cases.append((received.unrated_currency.notnull(), "currency_without_rate"))
            if is_read:
                is_unread = _is_filled(received[as_received]) & received[name].isnull()
                cases.append((is_unread, f"unparseable_{name}"))
        return received.mutate(reject_reason=ibis.cases(*cases, else_=ibis.null("string")))

    def refused(self, received: ir.Table) -> ir.Table:
        """Return the rows of `quarantined`."""
        rows = self.classified(received)
        return rows.filter(rows.reject_reason.notnull()).select(*self.quarantined.columns)

    def counted(self, received: ir.Table) -> ir.Table:
        """Return the rows of `clean`."""
        rows = self._numbered(received)
        return rows.filter(rows[COPY_NUMBER] == 0).select(*self.clean.columns)

    def surplus(self, received: ir.Table) -> ir.Table:
        """Return the clean rows that do not count, as another one about their record does."""
        rows = self._numbered(received)
        return rows.filter(rows[COPY_NUMBER] > 0)

    def _numbered(self, received: ir.Table) -> ir.Table:
        rows = self.classified(received)
        rows = rows.filter(rows.reject_reason.isnull())
        return numbered_copies(rows, CopyRule(self.clean.key, self._newest_first))

    def _newest_first(self, rows: ir.Table) -> list[ir.Value]:
        """Return the order of versions: the last that arrived; then any that is the same for each
        order of rows.
        """
        others = (rows[name].cast("string").fill_null("") for name in self.clean.columns)
        arrived = (rows.received_date.desc(), rows.received_at.fill_null(LONG_AGO).desc())
        return [*arrived, rows.source_file.desc(), *others]


def _is_filled(value: ir.Value) -> ir.BooleanValue:
    """Return whether a value says something; it is never null."""
    if not isinstance(value, ir.StringValue):
        return value.notnull()
    return (value.strip() != "").fill_null(NO)
