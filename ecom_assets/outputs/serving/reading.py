"""The open warehouse as a `Reading`, and the days of its sources."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.commerce.orders.held_days import held_dates
from ecom_assets.commerce.orders.orders import OrderRule
from ecom_assets.commerce.products.contracts import InventoryAlerts, RawStock
from ecom_assets.commerce.sales.source_days import DAYS_OF as DAYS_OF_SALES
from ecom_assets.commerce.sales.source_days import EmptyDayMeaning, days_with_rows, missing_days
from ecom_assets.core.rows import Row
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.tables.queries import KnownDays, Period, StateRow, read_only
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.ingestion.sources.activities import not_recorded


@dataclass
class WarehouseReading:
    """Tables of the open warehouse, as they are right now; see `Reading`."""

    engine: Engine
    newest_date: date
    timezone: str = "UTC"
    currency: str = ""
    known: Mapping[str, KnownDays] = field(default_factory=dict)
    not_recorded: frozenset[str] = frozenset()

    @classmethod
    def from_engine(
        cls, engine: Engine, settings: Settings, order_rule: OrderRule, today: date
    ) -> "WarehouseReading":
        """Return a reading that knows which days the data of each source hold;
        without data the newest is `today`.
        """
        days_by_source = {
            source: KnownDays.from_texts(*days)
            for source, days in source_days(engine, settings.empty_days).items()
        }
        for source, held in held_dates(engine, order_rule).items():
            days_by_source[source] = days_by_source.get(source, KnownDays()).with_held(held)
        newest = max(
            (
                days.last
                for source, days in days_by_source.items()
                if days.last and source != "stock"
            ),
            default=today,
        )
        return cls(
            engine,
            newest,
            settings.timezone,
            settings.known_currency,
            days_by_source,
            not_recorded(settings),
        )

    def table(self, contract: Contract) -> ir.Table:
        """Return a whole table, lazily."""
        return self.engine.readable(contract)

    def events(self) -> ir.Table:
        """Return clean events."""
        return self.table(CleanEvents)

    def rows(self, question: ir.Table, period: Period | None = None) -> list[Row]:
        """Return the rows of a small result by column name, in its order."""
        return rows_of(question, period.parameters if period else None)

    def state(self, question: ir.Table) -> tuple[StateRow, ...]:
        """Return the rows of a small result that depends on no days; nobody can change them."""
        return read_only(self.rows(question))


SourceDays = tuple[str | None, str | None, list[str]]
"""The first and the last day, as YYYY-MM-DD, None where there are none,
and the missing days between.
"""
DAYS_OF: Final[Mapping[str, tuple[Contract, str]]] = {
    **DAYS_OF_SALES,
    "stock": (RawStock, "received_date"),
}
"""The table of each source that has its first and its last day."""
PUBLISHED_DAYS_OF: Final[Mapping[str, tuple[Contract, str]]] = {
    **DAYS_OF,
    "stock": (InventoryAlerts, "as_of_date"),
}
"""The same among published tables, for publications that noted no days."""


def source_days(engine: Engine, empty_days: EmptyDayMeaning = "auto") -> dict[str, SourceDays]:
    """Return the first, the last and the missing days of each source;
    `empty_days` says which days are missing.
    """
    result = {}
    for source, (contract, column) in DAYS_OF.items():
        seen = days_with_rows(engine, contract, column)
        missing = missing_days(engine, source, seen, empty_days)
        first, last = (end(seen).isoformat() if seen else None for end in (min, max))
        result[source] = (first, last, [day.isoformat() for day in missing])
    return result
