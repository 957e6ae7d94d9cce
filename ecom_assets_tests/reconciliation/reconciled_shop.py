"""A shop of purchase events and orders in memory, and what the platform makes of it."""

import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import ibis.expr.types as ir

from ecom_assets.orders.contracts import UserOrderLog
from ecom_assets.reconciliation.contracts import OrderEventReconciliation, OrderEventReconciliationDaily
from ecom_assets.reconciliation.differences import ReconciliationRule, order_event_reconciliation, reconciliation_daily
from ecom_assets.tables.contract import Table
from ecom_assets.tables.days import Days
from ecom_assets.warehouse.local import connect
from ecom_assets_tests.builders import Row, as_table, clean_events, received
from ecom_assets_tests.reconciliation.reconciliation_reference import Difference

RULE = ReconciliationRule()


def purchase(event_id: str, when: str, who: str = "anna", amount: object = 20, **values: object) -> Row:
    """Return a purchase event; `order` is the order that it names, `kind` may be refund."""
    moment = datetime.fromisoformat(when)
    named = {"order_id": values["order"]} if "order" in values else {}
    row = received(event_id, moment, user_id=who, event_type=values.get("kind", "purchase"))
    money = None if amount is None else Decimal(str(amount))
    return row | {"cart_amount": money, "properties": json.dumps({"device": "phone", **named})}


def line(uniq_id: str, when: str, who: str = "anna", amount: object = 20, **values: object) -> Row:
    """Return a clean order line that arrived on its day; its order is customer and second, as in the order report."""
    moment = datetime.fromisoformat(when)
    row: Row = dict.fromkeys(UserOrderLog.columns)
    row |= {
        "uniq_id": uniq_id,
        "order_id": f"{who}-{int((moment - datetime(1970, 1, 1)).total_seconds())}",  # noqa: DTZ001 (UTC without saying so)
        "ordered_at": moment,
        "order_date": moment.date(),
        "customer_id": who,
        "city_id": "1",
        "item_id": "7",
        "item_category": "hats",
        "quantity": 1,
        "payment_amount": Decimal(str(amount)),
        "status": "shipped",
        "sales_channel": "(none)",
        "received_date": moment.date(),
        "source_file": "orders.csv",
    }
    return row | values


class ReconciledShop:
    """Computes the two tables over given rows; a question about the same days is compiled once."""

    def __init__(self) -> None:
        self._con = connect()
        self._con.raw_sql("SET threads = 1")
        self._compiled: dict[tuple[str, Days], str] = {}
        self.land([], [])

    def land(self, events: Iterable[Row], lines: Iterable[Row]) -> None:
        """Let these be all clean events and order lines."""
        self._con.con.register("events", clean_events(events))
        self._con.con.register("lines", as_table(lines, UserOrderLog))

    def differences(self, days: Days) -> list[Row]:
        """Return the rows of `mart/order_event_reconciliation` of some days."""
        return self._asked(OrderEventReconciliation, days)

    def totals(self, days: Days) -> list[Row]:
        """Return the rows of `mart/order_event_reconciliation_daily` of some days, in their order."""
        self._con.con.register("differences", as_table(self.differences(days), OrderEventReconciliation))
        return self._asked(OrderEventReconciliationDaily, days)

    def _asked(self, contract: type[Table], days: Days) -> list[Row]:
        key = (contract.name, days)
        if key not in self._compiled:
            self._compiled[key] = self._sql(contract, days)
        actual = self._con.con.sql(self._compiled[key]).to_arrow_table().to_pylist()
        return sorted(actual, key=lambda row: tuple(row[name] for name in contract.key))

    def _sql(self, contract: type[Table], days: Days) -> str:
        events, lines = self._con.table("events"), self._con.table("lines")
        rows: ir.Table
        if contract is OrderEventReconciliation:
            rows = order_event_reconciliation(events, lines, RULE, days)
        else:
            rows = reconciliation_daily(events, lines, self._con.table("differences"), RULE, days)
        return str(self._con.compile(rows))


def reported(rows: Iterable[Row]) -> list[Difference]:
    """Return rows of differences as the reference has them."""
    names = ("reconciled_date", "kind", "cause", "side", "record_id", "difference_amount")
    return sorted(tuple(row[name] for name in names) for row in rows)
