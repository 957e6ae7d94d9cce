"""Assets of events: received rows, the rows that cleaning leaves out, and what became of each.

    raw.events -> staging.duplicate_events, staging.quarantined_events
               -> mart.event_accounting_daily, mart.quarantined_event_samples

The conditions are in `clean.py`. The clean rows, `staging.events`, are an asset of `identity/`,
which finds their visitors. An event may arrive up to `late_days` (ECOM_LATE_DAYS) after its own
day: a table of event days reads the days of arrival around each, how many is known when the assets
are built, so functions return them.
"""

from typing import Protocol

import dagster as dg
import ibis.expr.types as ir

from ecom_assets.behaviour.events import clean
from ecom_assets.behaviour.events.clean import CleaningRule
from ecom_assets.behaviour.events.contracts import (
    CleanEvents,
    DuplicateEvents,
    EventAccountingDaily,
    KeptEventIds,
    QuarantinedEvents,
    QuarantinedEventSamples,
    RawEvents,
)
from ecom_assets.core.tables.asset import Reads, TableAsset, Tables, table_asset
from ecom_assets.core.tables.computed import computed
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import FileRows, sampled_rows
from ecom_assets.core.warehouse.raw_slices import DayByDay

EVENT_TABLE = dg.AssetKey(["source", "ecommerce_events"])
"""The table of another database, if ECOM_EVENTS names one; see `sources/event_table.py`."""


class RawEventSource(Protocol):
    """Events by arrival day."""

    def received(self, days: Days) -> ir.Table | DayByDay:
        """Return the rows of `RawEvents` that arrived on `days`."""

    def file_rows(self, days: Days | None) -> list[FileRows] | None:
        """Return the row counts of the files with events of `days`; None if there are no files."""


@table_asset(RawEvents)
def raw_events(event_source: RawEventSource, days: Days) -> ir.Table | DayByDay:
    """Read the events that arrived on `days` from the source."""
    return event_source.received(days)


def accepted_arrivals(late_days: int) -> Reads:
    """Return the input of an asset by event days: the rows that arrived from a day before, as zones
    differ, to `late_days` after.
    """
    return Reads(RawEvents, days_before=1, days_after=late_days)


def left_out_assets(late_days: int) -> list[TableAsset]:
    """Return the assets of the rows that are left out: surplus copies, and quarantined rows."""

    @table_asset(
        DuplicateEvents,
        also_reads=(KeptEventIds,),
        raw_events=Reads(RawEvents, days_before=late_days + 2, days_after=late_days),
    )
    def duplicate_events(
        raw_events: ir.Table, cleaning_rule: CleaningRule, days: Days, warehouse: Tables
    ) -> ir.Table:
        inputs = {
            "raw": raw_events,
            "rule": cleaning_rule,
            "days": days,
            "kept": warehouse.table(KeptEventIds),
        }
        return computed(clean.duplicate_events, inputs, DuplicateEvents)

    @table_asset(QuarantinedEvents, raw_events=accepted_arrivals(late_days))
    def quarantined_events(
        raw_events: ir.Table, cleaning_rule: CleaningRule, days: Days
    ) -> ir.Table:
        return clean.quarantined_events(raw_events, cleaning_rule, days)

    return [duplicate_events, quarantined_events]


def accounting_assets(late_days: int) -> list[TableAsset]:
    """Return the assets that account for every received row."""

    @table_asset(
        EventAccountingDaily,
        follows="groups",
        raw_events=accepted_arrivals(late_days),
        events=CleanEvents,
        quarantined_events=QuarantinedEvents,
        duplicate_events=DuplicateEvents,
    )
    def event_accounting_daily(
        raw_events: ir.Table,
        events: ir.Table,
        quarantined_events: ir.Table,
        duplicate_events: ir.Table,
        days: Days,
    ) -> ir.Table:
        per_day = clean.accounting(
            days, late_days, raw_events, events, quarantined_events, duplicate_events
        )
        return per_day.rename(accounted_date="day").select(*EventAccountingDaily.columns)

    @table_asset(QuarantinedEventSamples, quarantined_events=QuarantinedEvents)
    def quarantined_event_samples(quarantined_events: ir.Table, days: Days) -> ir.Table:
        return sampled_rows(clean.with_money(quarantined_events), QuarantinedEventSamples, days)

    return [event_accounting_daily, quarantined_event_samples]
