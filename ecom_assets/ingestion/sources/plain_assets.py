"""The assets and the check of kinds of record whose tables follow from their contracts."""

from collections.abc import Mapping
from typing import Protocol

import ibis.expr.types as ir

from ecom_assets.core.tables.asset import Reads, TableAsset, table_asset
from ecom_assets.core.tables.check import BrokenRows, TableCheck
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.plain_records import PlainRecords
from ecom_assets.core.tables.received import SliceOutput
from ecom_assets.ingestion.sources.record_feed import RecordFeed, feeds


class RecordSource(Protocol):
    """A source of rows of one kind."""

    def received(self, days: Days) -> SliceOutput:
        """Return the rows, on the days on which they arrived."""


def plain_feeds() -> Mapping[str, RecordFeed]:
    """Return the kinds of record whose tables follow from their contracts."""
    return {name: feed for name, feed in feeds().items() if feed.tables}


def plain_assets(feed: RecordFeed) -> tuple[TableAsset, ...]:
    """Return the assets of a kind: rows as received, those that are refused, those that count."""
    tables, name = feed.plain_tables, feed.upload.name
    every = Reads(tables.raw, whole=True)

    def received(record_sources: Mapping[str, RecordSource], days: Days) -> SliceOutput:
        return record_sources[name].received(days)

    def refused(raw: ir.Table) -> ir.Table:
        return PlainRecords.refused(tables, raw)

    def counted(raw: ir.Table) -> ir.Table:
        return PlainRecords.counted(tables, raw)

    refused_rows = table_asset(tables.quarantined, raw=every)(refused)
    return (
        table_asset(tables.raw)(received),
        refused_rows,
        table_asset(tables.clean, raw=every, deps=(refused_rows.key,))(counted),
    )


def plain_check(tables: PlainRecords) -> TableCheck:
    """Return the check that each received row is clean, refused, or one more about its record."""

    def adds_up(
        _days: Days | None, clean: ir.Table, raw: ir.Table, quarantined: ir.Table
    ) -> BrokenRows:
        surplus = tables.surplus(raw)
        counts = raw.agg(received_count=raw.count())
        for name, rows in (("clean", clean), ("quarantined", quarantined), ("surplus", surplus)):
            counts = counts.cross_join(rows.agg(**{f"{name}_count": rows.count()}))
        accounted = counts.clean_count + counts.quarantined_count + counts.surplus_count
        return BrokenRows(counts.filter(counts.received_count != accounted), raw)

    return TableCheck(
        contract=tables.clean,
        name="every_received_row_is_accounted_for",
        description="Received rows are clean, refused, or further rows about a record.",
        function=adds_up,
        tables=(tables.clean, tables.raw, tables.quarantined),
        blocking=True,
    )
