"""A small published table that tests write run by run, and what is logged of it."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.commerce.reconciliation.contracts import PublishedDays, Restatements
from ecom_assets.commerce.reconciliation.restatements import RestatementLog
from ecom_assets.core.tables.contract import Table, count, day, instant, rate, text
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.builders import Row

MONDAY, TUESDAY, FRIDAY = date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 6)


class Hits(Table):
    """One row per hit."""

    layer = "staging"
    key = ("hit_date", "hit_id")
    day_column = "hit_date"

    hit_date = day("When it happened")
    hit_id = text("The hit")
    received_date = day("When it arrived")


class DailyNumbers(Table):
    """One row per day and city."""

    layer = "mart"
    key = ("number_date", "city")
    day_column = "number_date"
    counted_from = (Hits,)

    number_date = day("The day")
    city = text("The city")
    visits = count("Visits")
    share = rate("A share", nullable=True)
    seen_at = instant("No number", nullable=True)


class OtherNumbers(DailyNumbers):
    """One row per day and city of another table."""

    name = "other_numbers"


TABLES: tuple[type[Table], ...] = (Hits, DailyNumbers, OtherNumbers, PublishedDays, Restatements)


def number(a_day: date, visits: int | Decimal, city: str = "all", share: float | None = 0.5) -> Row:
    """Return a row of the published table."""
    return {
        "number_date": a_day,
        "city": city,
        "visits": visits,
        "share": share,
        "seen_at": datetime(2026, 3, 9, 1),  # noqa: DTZ001 (UTC without saying so)
    }


class PublishedShop:
    """Writes the table as runs do, on any engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.clear()

    def clear(self) -> None:
        """Begin again."""
        self.fail_at("")
        for contract in TABLES:
            self.engine.drop(contract)
            self.engine.ensure(contract)

    def arrive(self, *hits: tuple[str, date, date]) -> None:
        """Let these be all hits: id, day, day of arrival."""
        rows = [
            {"hit_id": hit_id, "hit_date": on, "received_date": arrived}
            for hit_id, on, arrived in hits
        ]
        self.engine.replace(Hits, outside(Hits, rows), None)

    def publish(
        self, run_id: str, own: tuple[date, ...], *rows: Row, days: tuple[date, ...] = ()
    ) -> None:
        """Let a run over its own days replace those and others, `days` in all."""
        self._write(DailyNumbers, run_id, own, rows, days or own)

    def publish_others(self, run_id: str, own: tuple[date, ...], visits: int) -> None:
        """Let a run write the other table."""
        self._write(OtherNumbers, run_id, own, [number(row, visits) for row in own], own)

    def fail_at(self, step: str) -> None:
        """Break off where the engine announces a step."""

        def announced(reached: str) -> None:
            if reached == step:
                raise KeyboardInterrupt

        self.engine.on_step = announced

    def empty_numbers(self) -> None:
        """Lose the table's rows, as a migration may."""
        self.engine.drop(DailyNumbers)
        self.engine.ensure(DailyNumbers)

    def rows(self, contract: type[Table]) -> list[dict[str, Any]]:
        """Return a table's rows in the order of its key."""
        actual = self.engine.table(contract).select(*contract.columns).to_pyarrow().to_pylist()
        return sorted(actual, key=lambda row: tuple(row[name] for name in contract.key))

    def numbers(self) -> list[tuple[Any, ...]]:
        """Return what is published."""
        return [(row["number_date"], row["city"], row["visits"]) for row in self.rows(DailyNumbers)]

    def restatements(self) -> list[tuple[Any, ...]]:
        """Return day, place, city, before, after and difference of what was logged of visits."""
        names = (
            "restated_date",
            "restatement_number",
            "row_key",
            "before_value",
            "after_value",
            "difference",
        )
        actual = [row for row in self.rows(Restatements) if row["column_name"] == "visits"]
        return [
            tuple(row[name].split('"')[3] if name == "row_key" else row[name] for name in names)
            for row in actual
        ]

    def _write(
        self,
        contract: type[Table],
        run_id: str,
        own: tuple[date, ...],
        rows: Iterable[Row],
        days: tuple[date, ...],
    ) -> None:
        log = RestatementLog(self.engine, run_id)
        hooks = log.hooks_for(contract, Days.from_dates(days), Days.from_dates(own))
        self.engine.replace(contract, outside(contract, rows), Days.from_dates(days), hooks)


def outside(contract: type[Table], rows: Iterable[Row]) -> ir.Table:
    """Return rows as a table of another database than the engine's."""
    con = connect()
    kinds = schema_of(contract).to_pyarrow()
    con.con.register("given", pa.Table.from_pylist(list(rows), schema=kinds))
    return con.table("given")
