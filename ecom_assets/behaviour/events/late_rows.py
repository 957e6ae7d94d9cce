"""The other days that the received events of a run change: those of late rows and of copies.

An event counts for its own day, on which it may not have arrived. A run over some days of arrival
notes which other days its new, changed and withdrawn rows count for (`LateDays`). Every table that
is made of events computes these days with those of the run.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.clean import PAYLOAD, accounted_date
from ecom_assets.behaviour.events.contracts import CAMPAIGN, RawEvents
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import text_digest
from ecom_assets.core.warehouse.day_notes import LateDays
from ecom_assets.core.warehouse.engine import Engine, SliceHooks

CONTENT: Final = (
    *PAYLOAD,
    *CAMPAIGN,
    *("malformed_row", "sent_by", "unrated_currency"),
    *("event_at", "cart_amount", "received_at", "source_file"),
)
"""What of a received row decides what becomes of it."""
LateRow = tuple[date, date, str]
"""The day on which a row arrived, another day that it changes, and a digest of the row."""


@dataclass
class LateRowHooks:
    """Notes which days outside a run change, when days of `raw.events` are replaced."""

    engine: Engine
    late_days: int
    days: Days
    """The days of arrival that are replaced."""
    run: Days
    """The days of the run."""
    old: Counter[LateRow] = field(default_factory=Counter)

    def before(self) -> None:
        """Read the late rows before they are deleted."""
        self.old = self._rows()

    def after(self) -> None:
        """Note the days of those that are new, changed or gone."""
        new = self._rows()
        changed = (new - self.old) | (self.old - new)
        pairs = {(arrived, late) for arrived, late, _ in changed}
        self.engine.late.note(RawEvents, self.days, self.run, pairs)

    def _rows(self) -> Counter[LateRow]:
        raw = self.engine.table(RawEvents)
        own, copies = late_rows(raw, self.late_days, self.days, self.run)
        rows = [*self.engine.rows_of(own), *self.engine.rows_of(copies)]
        return Counter((row["received_date"], row["late_date"], row["digest"]) for row in rows)


def late_rows(raw: ir.Table, late_days: int, days: Days, run: Days) -> tuple[ir.Table, ir.Table]:
    """Return received rows of `days` with each other day that they change, and a digest.

    The day is in `late_date`.

    The first are those that count for another day than those of the run. The second have an id that
    rows of other days have, too: which of them is the event and which are its copies depends on
    all.
    """
    rows = raw.mutate(late_date=accounted_date(raw, late_days))
    slice_rows = rows.filter(days.contain(rows.received_date))
    own = slice_rows.filter(~run.contain(slice_rows.late_date))
    # The days on which copies of an event are looked for: see `duplicate_events`.
    within = run.widened(before=late_days, after=late_days + 2)
    others = rows.filter(
        within.widened(before=1, after=late_days).contain(rows.received_date),
        ~days.contain(rows.received_date),
        within.contain(rows.late_date),
        ~run.contain(rows.late_date),
    )
    others = others.select(other_id="event_id", other_date="late_date").distinct()
    copies = slice_rows.join(others, slice_rows.event_id == others.other_id)
    copies = copies.mutate(late_date=copies.other_date)
    return _with_digest(own), _with_digest(copies)


def _with_digest(rows: ir.Table) -> ir.Table:
    texts = [rows[name].cast("string").fill_null("") for name in CONTENT]
    digest = text_digest(ibis.literal("\x1f").join(texts))
    return rows.select("received_date", "late_date", digest=digest)


def late_row_hooks(
    late_days: int, engine: Engine, contract: Contract, days: Days, run: Days
) -> SliceHooks | None:
    """Return the hooks around the replacement of days of `raw.events`; None for other tables."""
    if contract is not RawEvents:
        return None
    engine.ensure(RawEvents)
    engine.ensure(LateDays)
    return LateRowHooks(engine, late_days, days, run)
