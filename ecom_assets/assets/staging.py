"""Clean events, and what became of every row that is not one. Not here: the rules (`transforms/clean.py`)."""

import ibis.expr.types as ir

from ecom_assets.assets.table_asset import Reads, TableAsset, table_asset
from ecom_assets.contracts.events import CleanEvents, DuplicateEvents, QuarantinedEvents, RawEvents
from ecom_assets.transforms import clean
from ecom_assets.transforms.clean import CleaningRule
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.identity import resolve_visitors


def staging_assets(late_days: int) -> list[TableAsset]:
    """Return the assets of the staging layer; how far they read around a day depends on `late_days`."""
    accepted = Reads(RawEvents, days_before=1, days_after=late_days)

    @table_asset(DuplicateEvents, raw_events=Reads(RawEvents, days_before=late_days + 2, days_after=late_days))
    def duplicate_events(raw_events: ir.Table, cleaning_rule: CleaningRule, days: Days) -> ir.Table:
        return clean.duplicate_events(raw_events, cleaning_rule, days)

    @table_asset(QuarantinedEvents, raw_events=accepted)
    def quarantined_events(raw_events: ir.Table, cleaning_rule: CleaningRule, days: Days) -> ir.Table:
        return clean.quarantined_events(raw_events, cleaning_rule, days)

    @table_asset(CleanEvents, follows=(quarantined_events.key,), raw_events=accepted, duplicate_events=DuplicateEvents)
    def events(raw_events: ir.Table, duplicate_events: ir.Table, cleaning_rule: CleaningRule, days: Days) -> ir.Table:
        copies = clean.clean_copies(raw_events, cleaning_rule, days)
        sightings = clean.clean_copies(raw_events, cleaning_rule, days.widened(before=1, after=1))
        resolved = resolve_visitors(copies, sightings, cleaning_rule.late_days)
        return clean.as_clean_events(clean.unique_copies(resolved, duplicate_events))

    return [duplicate_events, quarantined_events, events]
