"""The table that events come from, as an asset that Dagster observes: which days have got new rows.

Not here: reading rows (`sources/event_table.py`), asking for runs (`automation/event_table_sensor.py`).
"""

from collections.abc import Iterator, Mapping
from datetime import date

import dagster as dg

from ecom_assets.assets.raw import EVENT_TABLE
from ecom_assets.settings import Settings
from ecom_assets.sources.event_table import DayState, opened_table


def event_table(settings: Settings, daily: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """Return the observable table: a data version per day of arrival, with row count and newest event."""
    spec = dg.AssetSpec(
        EVENT_TABLE,
        partitions_def=daily,
        group_name="events",
        description="The table that events come from: what arrived on each of the last days.",
    )

    @dg.multi_observable_source_asset(specs=[spec])  # type: ignore[untyped-decorator]  # Dagster leaves its type out
    def ecommerce_events(context: dg.AssetExecutionContext) -> None:
        with opened_table(settings) as table:
            for observation in observations(table.states(table.newest_days)):
                context.log_event(observation)

    observed: dg.AssetsDefinition = ecommerce_events
    return observed


def observations(states: Mapping[date, DayState]) -> Iterator[dg.AssetObservation]:
    """Return what Dagster is told of each day."""
    for a_day, state in sorted(states.items()):
        yield dg.AssetObservation(
            asset_key=EVENT_TABLE,
            partition=a_day.isoformat(),
            tags={"dagster/data_version": state.version},
            metadata={"dagster/row_count": state.row_count, "newest_event_at": str(state.newest_at)},
        )
