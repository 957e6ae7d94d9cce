"""The platform's tables materialized without Dagster, for tests that need hundreds of runs.

The assets compute as they do under Dagster (`TableAsset.output`), and slices are replaced as they
are there; only the run is not Dagster's, and a table is not computed before something reads it,
receives rows or runs again.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import RawEvents
from ecom_assets.commerce.attribution.assets import CREDIT_ASSETS, conversions, order_visits
from ecom_assets.commerce.customers.assets import CUSTOMER_ASSETS
from ecom_assets.commerce.customers.contracts import RawCustomers
from ecom_assets.commerce.orders.assets import LINE_ASSETS
from ecom_assets.commerce.orders.contracts import RawUserOrderLog
from ecom_assets.commerce.orders.held_days import OrderGate
from ecom_assets.commerce.sales.assets import STAR_ASSETS
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import Reads, TableAsset
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import SliceOutput
from ecom_assets.core.warehouse.day_notes import EmptyDays, LoadedDays
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets.definitions import event_assets, widened_by_identity
from ecom_assets.ingestion.sources.customer_api.records import customer_rows, read_record
from ecom_assets.orchestration.rules import rules
from ecom_assets_tests.builders import Row, as_table

NO_GATE = OrderGate(0, lambda _days: Days(()))
"""Lets every day of orders in."""


class ArrivedOn:
    """A source of order lines that says on which days lines arrived; by default on none."""

    dates: frozenset[date] = frozenset()

    def arrival_days(self, days: Days) -> Days:
        """Return those of `days` on which lines arrived."""
        return Days.from_dates(self.dates & set(days.dates))


NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
"""What the clock of all platforms says."""


class Platform:
    """One warehouse in memory, with every asset that is made of events or customers,
    after the raw ones.
    """

    raw: type[Table] = RawEvents

    def __init__(self, settings: Settings | None = None, **rule: Any) -> None:
        """Open an empty warehouse; `rule` replaces definitions that assets ask for,
        by parameter name.
        """
        self.settings = settings or Settings(home=Path("never written"))
        self.rules: dict[str, Any] = (
            rules(self.settings)
            | {
                "unlinked_ids": lambda _ids: set(),
                "erased_users": lambda _ids: set(),
                "order_gate": NO_GATE,
                "clock": lambda: NOON,
                "order_source": ArrivedOn(),
            }
            | rule
        )
        self._slices: dict[tuple[Reads, Days], ir.Table] = {}
        self.assets = self.assets_of(self.settings)
        self._left: list[tuple[TableAsset, Days]] = []
        self._engine = DuckDBEngine(Path("memory"))
        self._engine.con = connect()
        self._engine.con.raw_sql("SET threads = 1")
        self._land([])
        self._landed = self._engine.con.table("landed")
        self._engine.con.compile = self._compiling_once(self._engine.con.compile)  # type: ignore[method-assign]  # as a test may

    @property
    def engine(self) -> DuckDBEngine:
        """The warehouse, with every table of the last run."""
        self._compute()
        return self._engine

    def assets_of(self, settings: Settings) -> list[TableAsset]:
        """Return every asset after raw, in order."""
        return widened_by_identity([*event_assets(settings)[1:], conversions, *CUSTOMER_ASSETS[1:]])

    def receive(self, rows: Iterable[Row], days: Days) -> None:
        """Let the given rows be what arrived on the given days."""
        arrived = [row for row in rows if row["received_date"] in days.dates]
        self._land(arrived)
        self.engine.replace(self.raw, self._landed, days)
        self.engine.loaded.note(self.raw, days, {row["received_date"] for row in arrived})

    def receive_customers(self, records: Iterable[dict[str, Any]], day: date) -> None:
        """Let the given records be what the customer API returned on a day, all on one page."""
        answer = [read_record(record, 1, n) for n, record in enumerate(records, start=1)]
        self.engine.replace(RawCustomers, customer_rows(answer, day, "test"), Days((day,)))

    def run(self, days: Days, *, only: Iterable[str] | None = None) -> None:
        """Materialize every asset, or only some by name, for a range of days, upstream first."""
        self._compute()
        self._left = [
            (asset, days) for asset in self.assets if only is None or asset.contract.name in only
        ]

    def made_from(self, *contracts: type[Table]) -> set[str]:
        """Return the names of some tables and of all that these are made from, to run no others."""
        needed = set(contracts)
        for asset in reversed(self.assets):
            if asset.contract in needed:
                needed |= _read_by(asset)
        return {contract.name for contract in needed}

    def output(self, asset: TableAsset, days: Days) -> SliceOutput:
        """Return what an asset computes in a run over a range of days,
        and the days that it replaces.
        """
        whole = asset.is_widened or asset.widened_by is not None
        tables = {
            name: self._slice(reads, days, whole=whole) for name, reads in asset.reads.items()
        }
        actual = asset.output(
            days, {**self.rules, **tables, "warehouse": self._engine}, self._engine
        )
        return actual if isinstance(actual, SliceOutput) else SliceOutput(actual, days)

    def touched(self, arrival_days: Iterable[date]) -> Days:
        """Return the event days that a change of what arrived on some days can touch."""
        late_days = self.settings.late_days
        return Days.from_dates(
            day + timedelta(days=n)
            for day in arrival_days
            for n in range(-late_days, late_days + 3)
        )

    def table(self, contract: type[Table]) -> ir.Table:
        """Return a whole table."""
        self._compute(contract)
        return self._engine.table(contract)

    def rows(self, contract: type[Table]) -> list[Row]:
        """Return a whole table's rows as mappings, in the order of its key."""
        table = self.table(contract)
        actual: list[Row] = (
            table.order_by([*contract.key] or table.columns).to_pyarrow().to_pylist()
        )
        return actual

    def state(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return the sorted rows of every table but raw, by name."""
        return {
            asset.contract.qualified_name(): as_rows(self.engine, asset.contract)
            for asset in self.assets
        }

    def by_day(self, contract: type[Table]) -> dict[date, list[tuple[Any, ...]]]:
        """Return a table's sorted rows by day; one that is not cut by day
        has all of them on no day.
        """
        if contract.day_column is None:
            return {date.min: self._as_rows(contract)}
        position = list(contract.columns).index(contract.day_column)
        days: dict[date, list[tuple[Any, ...]]] = {}
        for row in self._as_rows(contract):
            days.setdefault(row[position], []).append(row)
        return days

    @contextmanager
    def made_good_again(self) -> Iterator[Self]:
        """Take back what is written to tables meanwhile."""
        self.engine.execute("BEGIN TRANSACTION")
        try:
            yield self
        finally:
            self.engine.execute("ROLLBACK")

    def clear(self) -> None:
        """Empty every table."""
        self._left = []
        self.rules["order_source"].dates = frozenset()
        contracts: list[type[Table]] = [
            self.raw,
            RawCustomers,
            EmptyDays,
            *(asset.contract for asset in self.assets),
        ]
        for contract in contracts:
            self.engine.ensure(contract)
            self.engine.execute(f'DELETE FROM "{contract.layer}"."{contract.name}"')
        self.engine.loaded = LoadedDays(self.engine)

    def close(self) -> None:
        """Give the warehouse back."""
        self._engine.close()

    def _compute(self, contract: type[Table] | None = None) -> None:
        """Compute what is left of the last run: all of it, or one table and
        those that it is made from.
        """
        left, self._left = self._left, []
        needed = {asset.contract for asset, _ in left} if contract is None else {contract}
        for asset, _ in reversed(left):
            if asset.contract in needed:
                needed |= _read_by(asset)
        for asset, days in left:
            if asset.contract in needed:
                actual = self.output(asset, days)
                written = actual.days if asset.contract.day_column else None
                self._engine.replace(asset.contract, actual.rows, written, also=actual.also)
        self._left = [(asset, days) for asset, days in left if asset.contract not in needed]

    def _as_rows(self, contract: type[Table]) -> list[tuple[Any, ...]]:
        self._compute(contract)
        return as_rows(self._engine, contract)

    def _land(self, rows: Iterable[Row]) -> None:
        self._engine.con.con.register("landed", as_table(rows, self.raw))

    def _compiling_once(self, compile_again: Callable[..., str]) -> Callable[..., str]:
        # Invalidated days are computed for each run, and random plans repeat their runs.
        statements: dict[Any, str] = {}

        def compile_once(rows: ir.Expr, /, **how: Any) -> str:
            if how.get("params"):
                return compile_again(rows, **how)
            how.pop("params", None)  # none are given
            key = (rows.op(), *how.items())
            if key not in statements:
                statements[key] = compile_again(rows, **how)
            return statements[key]

        return compile_once

    def _slice(self, reads: Reads, days: Days, *, whole: bool = False) -> ir.Table:
        table = self._engine.table(reads.contract)
        if whole or reads.whole or reads.contract.day_column is None:
            return table
        if (reads, days) not in self._slices:
            seen = days.widened(before=reads.days_before, after=reads.days_after)
            self._slices[reads, days] = table.filter(seen.contain(table[reads.contract.day_column]))
        return self._slices[reads, days]


class OrderPlatform(Platform):
    """One warehouse in memory, with every asset that is made of order lines,
    after `raw/user_order_log`.
    """

    raw = RawUserOrderLog

    def assets_of(self, settings: Settings) -> list[TableAsset]:  # noqa: ARG002 (these depend on none)
        """Return every asset after raw, in order."""
        return [*LINE_ASSETS[1:], conversions, *STAR_ASSETS]


class ShopPlatform(Platform):
    """One warehouse in memory, with every asset that is made of events or order lines,
    after the raw ones.
    """

    def assets_of(self, settings: Settings) -> list[TableAsset]:
        """Return every asset after raw, in order."""
        built_on = [*LINE_ASSETS[1:], order_visits, conversions, *STAR_ASSETS, *CREDIT_ASSETS]
        return widened_by_identity([*event_assets(settings)[1:], *built_on])

    def receive_orders(self, rows: Iterable[Row], days: Days) -> None:
        """Let the given order lines be what arrived on the given days."""
        arrived = [row for row in rows if row["received_date"] in days.dates]
        self.engine.con.con.register("landed_orders", as_table(arrived, RawUserOrderLog))
        self.engine.replace(RawUserOrderLog, self.engine.con.table("landed_orders"), days)
        self.engine.loaded.note(RawUserOrderLog, days, {row["received_date"] for row in arrived})

    def clear(self) -> None:
        """Empty every table."""
        super().clear()
        self.receive_orders([], Days(()))
        self.engine.execute('DELETE FROM "raw"."user_order_log"')


def _read_by(asset: TableAsset) -> set[type[Table]]:
    """Return the tables that an asset reads, also to find its days."""
    read = {reads.contract for reads in asset.reads.values()}
    for also in filter(None, (asset.invalidated_by, asset.widened_by)):
        read |= set(also.reads.values())
    return read


def as_rows(engine: DuckDBEngine, contract: type[Table]) -> list[tuple[Any, ...]]:
    """Return a whole table as sorted tuples."""
    engine.ensure(contract)
    rows = engine.con.raw_sql(
        f"SELECT {', '.join(contract.columns)} FROM {contract.qualified_name()}"
    ).fetchall()
    return sorted(rows, key=repr)
