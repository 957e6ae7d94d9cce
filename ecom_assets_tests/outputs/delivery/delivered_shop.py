"""A warehouse in memory with clean events, a scripted tool and a ledger in a file, without Dagster.

What is due, the ledger, and the tables of what became of it are the platform's own.
"""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.identity.contracts import IdentityAliases, IdentityLinks, SharedIds
from ecom_assets.behaviour.identity.links import (
    alias_events,
    identity_aliases,
    identity_links,
    shared_ids,
)
from ecom_assets.behaviour.questions.source import identity_rule
from ecom_assets.commerce.reconciliation.contracts import OrderEventReconciliationDaily
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.check import CheckResult
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import SliceOutput
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets.outputs.delivery.assets import DELIVERY_TABLES
from ecom_assets.outputs.delivery.checks import delivery_checks
from ecom_assets.outputs.delivery.destination import PAYLOADS, DeliveryResult
from ecom_assets.outputs.delivery.ledger.opening import DeliveryContext
from ecom_assets.outputs.delivery.pending import due_at
from ecom_assets.outputs.delivery.sending import Exported, export_as_requested
from ecom_assets_tests.builders import Row, as_table, clean_events
from ecom_assets_tests.outputs.delivery.scripted import TAKEN, Clock, Tool


class EventTool(Tool):
    """A scripted tool of events: what it says of an event is written beside the event's type;
    `bad` cannot go.
    """

    answers: dict[str, DeliveryResult]

    def payloads(self, rows: pa.Table, sent_at: datetime) -> pa.Table:
        """Return the type as the payload, under the id that real tools get."""
        del sent_at
        answer = rows.select(
            ["event_id", "event_at", "event_type", "visitor_id", "cart_amount"]
        ).to_pylist()
        actual = [
            {
                "record_id": f"{row['event_id']}@{row['event_at'].date()}",
                "user_key": row["visitor_id"],
                "payload": None
                if row["event_type"] == "bad"
                else f"{row['event_type']} {row['cart_amount']}",
                "reason": "bad_name" if row["event_type"] == "bad" else None,
                "words": "The name is reserved." if row["event_type"] == "bad" else None,
            }
            for row in answer
        ]
        return pa.Table.from_pylist(actual, schema=PAYLOADS)

    def send(self, batch: pa.Table) -> Sequence[DeliveryResult]:
        """Take the records of which nothing else is said."""
        scripted = bool(self.script)
        answers = super().send(batch)
        if scripted:
            return answers
        return [
            self.answers.get(record.partition("@")[0], TAKEN)
            for record in batch["record_id"].to_pylist()
        ]


class DeliveredShop:
    """Delivers the events that it is given, and copies what became of them into its tables."""

    def __init__(self, home: Path, **tool: Any) -> None:
        """Open an empty warehouse; `tool` says what the tool is like."""
        self.clock = Clock()
        self.tool = EventTool(self.clock, **tool)
        self.tool.answers = {}
        self.settings = Settings(home=home, events="given", currency="USD", ledger_patience_s=0.0)
        self.engine = DuckDBEngine(Path("memory"))
        self.engine.con = connect()
        self.engine.con.raw_sql("SET threads = 1")

    def land(self, rows: Iterable[Row], *robots: str) -> None:
        """Let these be the clean events; those named are robots'."""
        events = clean_events(rows)
        flags = pa.array([value in robots for value in events["event_id"].to_pylist()])
        events = events.set_column(events.schema.get_field_index("is_bot"), "is_bot", flags)
        self._replace(CleanEvents, events)

    def land_orders(self, counts: dict[Any, int]) -> None:
        """Let the order log have so many orders by day."""
        zero = dict.fromkeys(OrderEventReconciliationDaily.columns, 0) | {"sent_sums": ""}
        rows = [{**zero, "reconciled_date": day, "order_count": n} for day, n in counts.items()]
        orders = as_table(rows, OrderEventReconciliationDaily)
        self._replace(OrderEventReconciliationDaily, orders)

    def share(self, ids: dict[str, str]) -> None:
        """Let too many share these ids, each under what it is an id of."""
        rows = [
            {"id_kind": kind, "id_value": value, "reason": "user_devices", "reached_count": 50}
            for kind, value in ids.items()
        ]
        self._replace(SharedIds, as_table(rows, SharedIds))

    def link(self, **bounds: Any) -> None:
        """Let the links, the aliases and the ids that join nobody be those of the events,
        by other bounds.
        """
        self.settings = self.settings.model_copy(update=bounds)
        rule, events = identity_rule(self.settings), self.engine.table(CleanEvents)
        links = identity_links(events, rule)
        self._replace(IdentityLinks, links.to_pyarrow())
        found = alias_events(events, rule).to_pyarrow().to_pylist()
        aliases = [
            dict(zip(IdentityAliases.columns, row, strict=True))
            for row in identity_aliases(map(dict.values, found))
        ]
        self._replace(IdentityAliases, as_table(aliases, IdentityAliases))
        self._replace(SharedIds, shared_ids(links, rule).to_pyarrow())

    def check(self, name: str) -> CheckResult:
        """Return the result of a check of deliveries over all days."""
        (found,) = (check for check in delivery_checks(self.settings) if check.name == name)
        actual: CheckResult = found.evaluate(None, *map(self.engine.table, found.tables))
        return actual

    def deliver(self, days: Days, **delivery_context: Any) -> Exported:
        """Deliver as a run does, and copy into the tables as the same run does."""
        opened = self._delivery_context(**delivery_context)
        try:
            due = due_at(self.tool, self.engine, self.settings)
            exported = export_as_requested(opened, self.tool.name, due, days, "run-1")
            self.copy(opened, days)
        finally:
            opened.close()
        return exported

    def copy(self, delivery_context: DeliveryContext, days: Days) -> None:
        """Compute the tables of deliveries for a run's days and those that it invalidates."""
        for asset in DELIVERY_TABLES:
            tables = {
                name: self.engine.table(reads.contract) for name, reads in asset.reads.items()
            }
            actual = asset.output(
                days,
                {**tables, "warehouse": self.engine, "delivery_context": delivery_context},
                self.engine,
            )
            assert isinstance(actual, SliceOutput)
            self.engine.replace(asset.contract, actual.rows, actual.days)

    def rows(self, contract: type[Table]) -> list[Row]:
        """Return a table by its key."""
        actual: list[Row] = (
            self.engine.table(contract).order_by([*contract.key]).to_pyarrow().to_pylist()
        )
        return actual

    def close(self) -> None:
        """Give the warehouse back."""
        self.engine.close()

    def _replace(self, contract: type[Table], rows: pa.Table) -> None:
        self.engine.con.con.register("landed", rows)
        self.engine.replace(contract, self.engine.con.table("landed"), None)

    def _delivery_context(self, **options: Any) -> DeliveryContext:
        return DeliveryContext(
            self.settings,
            nullcontext({self.tool.name: self.tool}),
            sending_at=self.clock,
            **options,
        )
