"""Orders against purchase events in plain Python, over everything at once;
and a shop in memory to compare with.

It shares no code with the platform.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any

import ibis.expr.types as ir

from ecom_assets.behaviour.sessions.contracts import SessionEvents, Sessions
from ecom_assets.commerce.attribution.contracts import OrderVisits
from ecom_assets.commerce.attribution.order_sums import SentSums, SumsOfData
from ecom_assets.commerce.attribution.order_visits import (
    REACH_DAYS,
    ReconciliationRule,
    order_visits,
)
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.reconciliation.contracts import (
    OrderEventReconciliation,
    OrderEventReconciliationDaily,
)
from ecom_assets.commerce.reconciliation.differences import (
    order_event_reconciliation,
    reconciliation_daily,
)
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.builders import Row, as_table, clean_events, received

Difference = tuple[date, str, str, str, str, Decimal]
"""Day, kind, cause, side, the id of that side's record, and what it adds to orders less events."""
KEYS = (
    *("order_id", "orderId", "orderid", "order_number", "orderNumber"),
    *("transaction_id", "transactionId", "transactionid", "tr_orderid", "$order_id"),
)
HOUR = timedelta(hours=1)


@dataclass
class Order:
    """The shipped or the refunded lines of an order on one day."""

    kind: str
    order_id: str
    day: date
    lines: list[Row] = field(default_factory=list)
    event: "Event | None" = None

    @property
    def at(self) -> datetime:
        """Return when the first of the lines was ordered."""
        moments: list[datetime] = [line["ordered_at"] for line in self.lines]
        return min(moments)

    @property
    def who(self) -> str:
        """Return who ordered."""
        customers: list[str] = [line["customer_id"] for line in self.lines]
        return min(customers)

    @property
    def names(self) -> list[set[str]]:
        """Return what events may call it: by its own id, and by its first and second other name."""
        shared = [line["shared_order_id"] for line in self.lines if line.get("shared_order_id")]
        ids = [line["uniq_id"] for line in self.lines]
        ids = [re.sub(r" \([0-9]+\)$", "", one) for one in ids] if shared else ids
        own = {self.order_id, min(re.sub(r"-[0-9]+(-r)?$", "", one) for one in ids), *shared[:1]}
        others = [(line.get("order_keys") or "").split() for line in self.lines]
        by_place = [[keys[n] for keys in others if len(keys) > n] for n in (0, 1)]
        return [own, *({min(keys)} if keys else set() for keys in by_place)]

    @property
    def buyer(self) -> str:
        """Return whose it is: nobody else's where the customer is not known."""
        return self.order_id if self.who == "(unknown)" else self.who

    @property
    def amount(self) -> Decimal:
        """Return what the lines come to."""
        return sum((line["payment_amount"] for line in self.lines), Decimal(0))

    def with_parts(self, parts: Iterable[str]) -> Decimal:
        """Return what the lines come to with some parts beside the items."""
        of_lines = (line.get(part) or Decimal(0) for line in self.lines for part in parts)
        return sum(of_lines, self.amount)

    @property
    def equal_parts(self) -> list[tuple[str, ...]]:
        """Return the parts with which it comes to what its event says."""
        return equal_parts(self, self.event) if self.event else []


@dataclass
class Event:
    """A purchase or refund event."""

    kind: str
    event_id: str
    day: date
    at: datetime
    who: str
    amount: Decimal | None
    named: set[str]
    sender: str = ""
    order: Order | None = None
    matched_by: str = ""


PARTS = ("tax_amount", "shipping_amount", "tip_amount", "discount_amount")
SUMS = [parts for count in range(5) for parts in combinations(PARTS, count)]
Sent = dict[tuple[str, str], tuple[str, ...]]
"""The parts that events of a sender and kind have beside the items."""


def equal_parts(order: Order, event: Event) -> list[tuple[str, ...]]:
    """Return the parts with which an order comes to what an event says, to the cent."""
    said = event.amount
    if said is None:
        return []
    return [parts for parts in SUMS if abs(order.with_parts(parts) - said) < Decimal("0.005")]


def sent_sums(orders: Iterable[Order], least: tuple[int, float]) -> Sent:
    """Return what senders send: of at least so many pairs that events name, at least that share
    equals it; of sums that as many equal, the only one with fewest parts.
    """
    pairs: dict[tuple[str, str], list[list[tuple[str, ...]]]] = defaultdict(list)
    for order in orders:
        if order.event and order.event.matched_by == "order_id":
            pairs[order.event.sender, order.kind].append(order.equal_parts)
    sent = {}
    for key, of_sender in pairs.items():
        counts = {parts: sum(parts in equal for equal in of_sender) for parts in SUMS}
        most = max(counts.values())
        if len(of_sender) >= least[0] and most >= least[1] * len(of_sender):
            best = [parts for parts in SUMS if counts[parts] == most]
            fewest = [parts for parts in best if len(parts) == min(map(len, best))]
            if len(fewest) == 1:
                sent[key] = fewest[0]
    return sent


def reference_differences(
    events: Iterable[Row], lines: Iterable[Row], least: tuple[int, float] = (10, 0.9)
) -> list[Difference]:
    """Return every difference, sorted,
    from rows of `staging/events` and `staging/user_order_log`; `least` is that of `sent_sums`.
    """
    orders, bought = (
        orders_of(lines),
        [event_of(row) for row in events if row["event_type"] in {"purchase", "refund"}],
    )
    naming = pair_by_id(orders, bought)
    pair_by_customer(
        [order for order in orders if order.event is None],
        [e for e in bought if id(e) not in naming],
    )
    sent = sent_sums(orders, least)
    return sorted([*of_orders(orders, sent), *of_events(bought, naming)])


def orders_of(lines: Iterable[Row]) -> list[Order]:
    actual: dict[tuple[str, str, date], Order] = {}
    for line in lines:
        kind = "refund" if line["status"] == "refunded" else "purchase"
        key = (kind, line["order_id"], line["order_date"])
        actual.setdefault(key, Order(*key)).lines.append(line)
    return list(actual.values())


def event_of(row: Row) -> Event:
    result = json.loads(row["properties"] or "{}")
    ids = [str(result[key]) for key in KEYS if result.get(key)]
    named = {*ids[:1], *ids[-1:]}
    who = row["visitor_id"]
    return Event(
        row["event_type"],
        row["event_id"],
        row["event_date"],
        row["event_at"],
        who,
        row["cart_amount"],
        named - {"0", "test", "-"},
        row.get("sent_by") or "",
    )


def pair_by_id(orders: list[Order], events: list[Event]) -> set[int]:
    """Pair events with the orders that they name, at most a day apart. Where these are of several
    buyers, only those count of the kind of id by which most other events of the sender, of three
    days, name orders of one buyer. Return the events that name any.
    """
    met = {id(event): met_orders(event, orders) for event in events}
    clear = [event for event in events if len(buyers(*met[id(event)])) == 1]
    clear_ids = {id(event) for event in clear}
    candidates = []
    for event in events:
        by_kind = met[id(event)]
        if id(event) not in clear_ids:
            near = [
                met[id(other)]
                for other in clear
                if other.sender == event.sender and abs((other.day - event.day).days) <= 1
            ]
            counts = [sum(bool(other[kind]) for other in near) for kind in range(3)]
            most = max((counts[kind] for kind in range(3) if by_kind[kind]), default=0)
            by_kind = [by_kind[kind] for kind in range(3) if counts[kind] == most]
        if len(buyers(*by_kind)) == 1:
            called = {id(order): order for orders in by_kind for order in orders}
            candidates += [
                (abs((event.day - order.day).days), order, event) for order in called.values()
            ]
    keep_mutual(candidates, "order_id")
    return {id(event) for _, _, event in candidates}


def buyers(*orders: list[Order]) -> set[str]:
    """Return whose some orders are."""
    return {order.buyer for some in orders for order in some}


def met_orders(event: Event, orders: list[Order]) -> list[list[Order]]:
    """Return the orders near an event that it names, by each kind of id. If there are none, those
    that it names but for leading zeros, where all of these are written alike.
    """
    near = [
        order
        for order in orders
        if event.kind == order.kind and abs((event.day - order.day).days) <= 1
    ]
    exact = [[order for order in near if event.named & order.names[kind]] for kind in range(3)]
    if any(exact):
        return exact
    numbers = {without_zeros(name) for name in event.named}
    names = {name for order in near for of_kind in order.names for name in of_kind}
    written = {name for name in names if without_zeros(name) in numbers}
    if len(written) != 1:
        return [[], [], []]
    return [[order for order in near if written & order.names[kind]] for kind in range(3)]


def without_zeros(name: str) -> str:
    """Return a number without its leading zeros; any other name as it is."""
    return name.lstrip("0") or "0" if name.isdigit() else name


def pair_by_customer(orders: list[Order], events: list[Event]) -> None:
    """Pair what is left by customer: the nth of an amount with the nth,
    or one that is near in time.
    """
    order_positions = positions(orders, lambda order: (order.at, order.order_id))
    event_positions = positions(events, lambda event: (event.at, event.event_id))
    candidates = []
    for order in orders:
        for event in events:
            if (event.kind, event.who) != (order.kind, order.who):
                continue
            apart, days = (
                abs(whole_s(event.at) - whole_s(order.at)),
                abs((event.day - order.day).days),
            )
            if event.amount == order.amount:
                if (
                    event_positions[id(event)] == order_positions[id(order)]
                    and days <= 1
                    and apart <= 14 * 3600
                ):
                    candidates.append((days, order, event))
            elif equal_parts(order, event) and days <= 1 and apart <= 14 * 3600:
                candidates.append((days + 2, order, event))
            elif days == 0 and apart <= 3600:
                candidates.append((4, order, event))
    keep_mutual(candidates, "customer")


def positions(records: list[Any], by: Any) -> dict[int, int]:
    groups: dict[Any, list[Any]] = defaultdict(list)
    for record in sorted(records, key=by):
        groups[record.kind, record.who, record.amount, record.day].append(record)
    return {
        id(record): position for group in groups.values() for position, record in enumerate(group)
    }


def keep_mutual(candidates: list[tuple[int, Order, Event]], matched_by: str) -> None:
    """Make pairs of those that are each other's best."""
    best_event: dict[int, Any] = {}
    best_order: dict[int, Any] = {}
    for preference, order, event in candidates:
        apart = abs(whole_s(event.at) - whole_s(order.at))
        for_order = (preference, apart, event.at, event.event_id)
        for_event = (preference, apart, order.at, order.order_id)
        if id(order) not in best_event or for_order < best_event[id(order)][0]:
            best_event[id(order)] = (for_order, event)
        if id(event) not in best_order or for_event < best_order[id(event)][0]:
            best_order[id(event)] = (for_event, order)
    for _, order, event in candidates:
        if best_event[id(order)][1] is event and best_order[id(event)][1] is order:
            order.event, event.order, event.matched_by = event, order, matched_by


def of_orders(orders: list[Order], sent: Sent) -> Iterator[Difference]:
    for order in orders:
        sign = -1 if order.kind == "refund" else 1
        who = (order.day, order.kind)
        if order.event is None:
            cause = "refund" if order.kind == "refund" else "missing_event"
            yield (*who, cause, "order", order.order_id, sign * order.amount)
            continue
        result = order.event.amount or Decimal(0)
        parts = sent.get((order.event.sender, order.kind), ())
        expected = order.amount if order.event.amount is None else order.with_parts(parts)
        extra = expected - order.amount
        if extra:
            yield (*who, "other_parts", "order", order.order_id, -sign * extra)
        if result != expected:
            yield (*who, "amount_differs", "order", order.order_id, sign * (expected - result))
        if order.event.day != order.day:
            yield (*who, "time_zone_shift", "order", order.order_id, sign * result)
            yield (
                order.event.day,
                order.kind,
                "time_zone_shift",
                "event",
                order.event.event_id,
                -sign * result,
            )


def of_events(events: list[Event], naming: set[int]) -> Iterator[Difference]:
    paired = [event for event in events if event.order]
    for event in events:
        if event.order:
            continue
        is_again = id(event) in naming or any(
            (candidate.kind, candidate.who, candidate.amount)
            == (event.kind, event.who, event.amount)
            and event.amount is not None
            and abs(whole_s(candidate.at) - whole_s(event.at)) <= 3600
            for candidate in paired
        )
        alone = "refund" if event.kind == "refund" else "missing_order"
        sign = 1 if event.kind == "refund" else -1
        cause = "duplicate" if is_again else alone
        yield (
            event.day,
            event.kind,
            cause,
            "event",
            event.event_id,
            sign * (event.amount or Decimal(0)),
        )


def whole_s(moment: datetime) -> int:
    """Return whole seconds since 1970."""
    return (moment - datetime(1970, 1, 1)) // timedelta(seconds=1)  # noqa: DTZ001 (rows carry UTC without saying so)


RULE = ReconciliationRule()


def purchase(
    event_id: str, when: str, who: str = "anna", amount: object = 20, **values: object
) -> Row:
    """Return a purchase event; `order` is the order that it names, `kind` may be refund."""
    moment = datetime.fromisoformat(when)
    named = {"order_id": values["order"]} if "order" in values else {}
    row = received(event_id, moment, user_id=who, event_type=values.get("kind", "purchase"))
    money = None if amount is None else Decimal(str(amount))
    return row | {"cart_amount": money, "properties": json.dumps({"device": "phone", **named})}


def line(uniq_id: str, when: str, who: str = "anna", amount: object = 20, **values: object) -> Row:
    """Return a clean order line that arrived on its day; its order is customer and second,
    as in the order report.
    """
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

    def __init__(self, sums: SumsOfData | None = None) -> None:
        self._sums = sums or SumsOfData()
        self._sent = SentSums()
        self._con = connect()
        self._con.raw_sql("SET threads = 1")
        self._compiled: dict[tuple[str, Days, SentSums], str] = {}
        self._con.con.register("session_events", as_table([], SessionEvents))
        self._con.con.register("sessions", as_table([], Sessions))
        self.land([], [])

    def land(self, events: Iterable[Row], lines: Iterable[Row]) -> None:
        """Let these be all clean events and order lines."""
        rows, lines = clean_events(events), [*lines]
        self._con.con.register("events", rows)
        self._con.con.register("lines", as_table(lines, UserOrderLog))
        days = {*rows["event_date"].to_pylist(), *(row["order_date"] for row in lines)}
        self._sent = SentSums()
        if days and any(row.get(part) for row in lines for part in PARTS):
            pairs = as_table(self.visits(Days.from_dates(days)), OrderVisits)
            self._con.con.register("order_visits", pairs)
            self._sent = self._sums.value(lambda table: self._con.table(table.name), rows_of)

    def visits(self, days: Days) -> list[Row]:
        """Return the rows of `mart/order_visits` of some days; no session is known here."""
        return self._asked(OrderVisits, days)

    def differences(self, days: Days) -> list[Row]:
        """Return the rows of `mart/order_event_reconciliation` of some days."""
        return self._asked(OrderEventReconciliation, days)

    def totals(self, days: Days) -> list[Row]:
        """Return the rows of `mart/order_event_reconciliation_daily` of some days,
        in their order.
        """
        self._con.con.register(
            "differences", as_table(self.differences(days), OrderEventReconciliation)
        )
        return self._asked(OrderEventReconciliationDaily, days)

    def _asked(self, contract: type[Table], days: Days) -> list[Row]:
        key = (contract.name, days, self._sent)
        if key not in self._compiled:
            self._compiled[key] = self._sql(contract, days)
        actual = self._con.con.execute(
            self._compiled[key]
        )  # `sql` plans twice: a third of the time
        names = [column[0] for column in actual.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in actual.fetchall()]
        return sorted(rows, key=lambda row: tuple(row[name] for name in contract.key))

    def _sql(self, contract: type[Table], days: Days) -> str:
        events, lines = self._con.table("events"), self._con.table("lines")
        rows: ir.Table
        if contract is OrderVisits:
            rows = self._pairs(days)
        elif contract is OrderEventReconciliation:
            pairs = self._pairs(days.widened(before=REACH_DAYS, after=REACH_DAYS))
            rows = order_event_reconciliation(events, lines, pairs, RULE, self._sent, days)
        else:
            compared = self._con.table("differences")
            rows = reconciliation_daily(events, lines, compared, RULE, self._sent, days)
        return str(self._con.compile(rows))

    def _pairs(self, days: Days) -> ir.Table:
        table = self._con.table
        placed, sessions = table("session_events"), table("sessions")
        return order_visits(table("events"), placed, sessions, table("lines"), RULE, days)


def reported(rows: Iterable[Row]) -> list[Difference]:
    """Return rows of differences as the reference has them."""
    names = ("reconciled_date", "kind", "cause", "side", "record_id", "difference_amount")
    return sorted(tuple(row[name] for name in names) for row in rows)
