"""What the small shop's files come to, in plain Python from the definitions of docs/metrics/.

Nothing here uses the platform's code.
"""

import csv
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Final

IDLE: Final = timedelta(minutes=30)
STEPS: Final = ("page_view", "product_view", "add_to_cart", "checkout_start", "purchase")
CARTS: Final = {"add_to_cart", "remove_from_cart", "checkout_start"}
KNOWN: Final = {*STEPS, "category_view", "search", "remove_from_cart", "refund"}
ZERO: Final = Decimal("0.00")
COUNTRIES: Final = {
    "Rome": ("Italy", "Lazio"),
    "Milan": ("Italy", "Lombardy"),
    "Tokyo": ("Japan", "Tokyo"),
    "Atlantis": ("unknown", "unknown"),
}
Row = dict[str, Any]


@dataclass(frozen=True)
class Span:
    """Days, both ends included."""

    first: date
    last: date

    def has(self, day: date) -> bool:
        """Return whether a day is among them."""
        return self.first <= day <= self.last

    @property
    def days(self) -> list[date]:
        """Each of its days."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    def within(self, bounds: "Span") -> "Span | None":
        """Those of its days that are known."""
        if bounds.first > self.last or bounds.last < self.first:
            return None
        return Span(max(self.first, bounds.first), min(self.last, bounds.last))

    @property
    def before(self) -> "Span":
        """As many days, right before."""
        length = self.last - self.first + timedelta(days=1)
        return Span(self.first - length, self.last - length)


@dataclass(frozen=True)
class Session:
    """A visitor's run of events."""

    who: str
    events: tuple[Row, ...]

    @property
    def day(self) -> date:
        """The day on which it started."""
        started: datetime = self.events[0]["at"]
        return started.date()

    def has(self, kind: str) -> bool:
        """Return whether such an event is in it."""
        return any(event["event_type"] == kind for event in self.events)

    @property
    def category(self) -> str:
        """The first that it saw."""
        return next(
            (event["product_category"] for event in self.events if event["product_category"]),
            "(none)",
        )

    @property
    def device(self) -> str:
        """What its first event's browser says."""
        agent = self.events[0]["user_agent"]
        devices = {"iPhone": "mobile", "iPad": "tablet", "Windows": "desktop"}
        return next((name for marker, name in devices.items() if marker in agent), "other")

    @property
    def channel(self) -> str:
        """What its first event's address and referrer say."""
        first = self.events[0]
        if "email" in first["page_url"]:
            return "Email"
        if "cpc" in first["page_url"]:
            return "Paid Search"
        return "Organic Search" if "google" in first["referrer_url"] else "Direct"

    @property
    def cart_worth(self) -> Decimal | None:
        """What the cart was worth by the last event with an amount; None without a cart."""
        answer = [
            event for event in self.events if event["event_type"] in CARTS and event["cart_value"]
        ]
        return Decimal(answer[-1]["cart_value"]) if self.has("add_to_cart") and answer else None

    @property
    def level(self) -> int:
        """How many of the five steps it took, in order."""
        return level_of(self.events)


def level_of(events: Iterable[Row]) -> int:
    """How many of the five steps events take, each after the one before."""
    level = 0
    for event in events:
        if level < len(STEPS) and event["event_type"] == STEPS[level]:
            level += 1
    return level


class PlainShop:
    """The files, read and counted."""

    def __init__(self, folder: Path) -> None:
        """Read them."""
        self.received = _read(folder / "events.csv")
        self.lines = _read(folder / "orders.csv")
        self.people: list[Row] = json.loads((folder / "customers.json").read_text(encoding="utf-8"))
        self.catalogue = {row["product_id"]: row for row in _read(folder / "catalogue.csv")}
        for line in self.lines:
            line["at"] = datetime.fromisoformat(line["date_time"])
            line["day"] = line["at"].date()
            line["order"] = (line["customer_id"], line["at"])
            line["amount"] = Decimal(line["payment_amount"])
            line["count"] = int(line["quantity"])
            line["category"] = self.catalogue[line["item_id"]]["category"]

    @cached_property
    def events(self) -> list[Row]:
        """Every clean event once, in order."""
        clean = {
            row["event_id"]: row
            for row in self.received
            if row["event_id"] and row["event_type"] in KNOWN
        }
        for row in clean.values():
            row["at"] = datetime.fromisoformat(row["event_timestamp"])
        return sorted(clean.values(), key=lambda row: (row["user_id"], row["at"], row["event_id"]))

    @cached_property
    def sessions(self) -> list[Session]:
        """Runs of a visitor's events without a gap over half an hour."""
        runs: list[list[Row]] = []
        for event in self.events:
            last = runs[-1][-1] if runs else None
            if (
                last is None
                or last["user_id"] != event["user_id"]
                or event["at"] - last["at"] > IDLE
            ):
                runs.append([])
            runs[-1].append(event)
        return [Session(run[0]["user_id"], tuple(run)) for run in runs]

    @property
    def newest(self) -> date:
        """The newest day in the data."""
        days: list[date] = [row["at"].date() for row in (*self.events, *self.lines)]
        return max(days)

    def known(self, source: str) -> Span:
        """From the first to the last day of a source."""
        at = [row["at"] for row in (self.events if source == "events" else self.lines)]
        days = [moment.date() for moment in at]
        return Span(min(days), max(days))

    def span(self, days: int) -> Span:
        """The days that end with the newest one."""
        return Span(self.newest - timedelta(days=days - 1), self.newest)

    def sales(self, span: Span, lines: Iterable[Row] | None = None) -> Row:
        """What was sold and paid back on some days."""
        mine = [line for line in (self.lines if lines is None else lines) if span.has(line["day"])]
        shipped = [line for line in mine if line["status"] == "shipped"]
        refunded = [line for line in mine if line["status"] == "refunded"]
        gross, back = (sum((line["amount"] for line in some), ZERO) for some in (shipped, refunded))
        orders = len({line["order"] for line in shipped})
        return {
            "order_count": orders,
            "refund_count": len({line["order"] for line in refunded}),
            "sold_item_count": sum(line["count"] for line in shipped),
            "refunded_item_count": sum(line["count"] for line in refunded),
            "shipped_amount": f"{gross:.2f}",
            "refunded_amount": f"{-back:.2f}",
            "revenue_amount": f"{gross - back:.2f}",
            "average_order_value": str(_in_cents((gross - back) / orders)) if orders else None,
        }

    def average_order_value(self, span: Span) -> Decimal | None:
        """The mean revenue of an order of some days, without rounding."""
        sold = self.sales(span)
        return (
            Decimal(sold["revenue_amount"]) / sold["order_count"] if sold["order_count"] else None
        )

    def customers(self, span: Span) -> Row:
        """Customers of some days: all, new, returning, and kept from the days before."""
        shipped = [line for line in self.lines if line["status"] == "shipped"]
        buyers, before = (
            {line["customer_id"] for line in shipped if days.has(line["day"])}
            for days in (span, span.before)
        )
        firsts: dict[str, date] = {}
        for line in shipped:
            firsts[line["customer_id"]] = min(
                line["day"], firsts.get(line["customer_id"], date.max)
            )
        new = {who for who in buyers if firsts[who] >= span.first}
        known_days = self.known("orders")
        is_known = span.within(known_days) == span and span.before.within(known_days) == span.before
        return {
            "customer_count": len(buyers),
            "new_customer_count": len(new),
            "returning_customer_count": len(buyers - new),
            "retention_rate": round(len(buyers & before) / len(before), 6)
            if before and is_known
            else None,
        }

    def reached(self, span: Span, only: Iterable[Session] | None = None) -> list[int]:
        """Sessions of some days that got to each step."""
        levels = [
            session.level
            for session in (self.sessions if only is None else only)
            if span.has(session.day)
        ]
        return [sum(level >= step for level in levels) for step in range(1, len(STEPS) + 1)]

    def carts(self, span: Span, only: Iterable[Session] | None = None) -> Row:
        """Carts and checkouts of sessions, and those without a purchase."""
        mine = [
            session
            for session in (self.sessions if only is None else only)
            if span.has(session.day)
        ]
        answer: Row = {}
        for name, kind in (("cart", "add_to_cart"), ("checkout", "checkout_start")):
            begun = [session for session in mine if session.has(kind)]
            left = [session for session in begun if not session.has("purchase")]
            answer[f"{name}_count"], answer[f"abandoned_{name}_count"] = len(begun), len(left)
            answer[f"{name}_abandonment_rate"] = round(len(left) / len(begun), 6) if begun else None
        return answer

    def cart_amounts(self, span: Span) -> Row:
        """What the carts of sessions were worth, and those without a purchase."""
        mine = [
            session
            for session in self.sessions
            if span.has(session.day) and session.cart_worth is not None
        ]
        left = [session for session in mine if not session.has("purchase")]
        names = {"cart_amount": mine, "abandoned_cart_amount": left}
        return {
            name: f"{sum((session.cart_worth or ZERO for session in some), ZERO):.2f}"
            if mine
            else None
            for name, some in names.items()
        }

    def product(self, product: str, span: Span) -> Row:
        """What a product came to on some days."""
        mine = [
            row
            for row in self.events
            if row["product_id"] == product and span.has(row["at"].date())
        ]
        lines = [line for line in self.lines if line["item_id"] == product]
        sold = self.sales(span, lines)
        views = sum(row["event_type"] == "product_view" for row in mine)
        by_day = [
            (line["day"], line["order"])
            for line in lines
            if line["status"] == "shipped" and span.has(line["day"])
        ]
        purchases = len(set(by_day))
        kept = (
            "sold_item_count",
            "refunded_item_count",
            "shipped_amount",
            "refunded_amount",
            "revenue_amount",
        )
        return {
            "product_view_count": views,
            "add_to_cart_count": sum(row["event_type"] == "add_to_cart" for row in mine),
            "remove_from_cart_count": sum(row["event_type"] == "remove_from_cart" for row in mine),
            "purchase_count": purchases,
            **{name: sold[name] for name in kept},
            "purchases_per_view": round(purchases / views, 6) if views else None,
        }

    def bought_with(self, product: str) -> list[tuple[str, int]]:
        """Other products of the same orders, the most frequent first."""
        orders: dict[Any, set[str]] = defaultdict(set)
        for line in self.lines:
            if line["status"] == "shipped":
                orders[line["order"]].add(line["item_id"])
        counts: dict[str, int] = defaultdict(int)
        for items in orders.values():
            for other in items - {product} if product in items else ():
                counts[other] += 1
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))

    def category_views(self, category: str, span: Span) -> Row:
        """How often a category was looked at, and what the sessions did that looked at it."""
        answer: Row = dict.fromkeys(
            ("category_view_count", "product_view_count", "add_to_cart_count"), 0
        )
        answer |= dict.fromkeys(
            ("viewing_session_count", "cart_session_count", "purchase_session_count"), 0
        )
        for session in self.sessions:
            if not span.has(session.day):
                continue
            for event in session.events:
                name = f"{event['event_type']}_count"
                if event["product_category"] == category and name in answer:
                    answer[name] += 1
            seen = [
                n
                for n, event in enumerate(session.events)
                if event["event_type"] in {"product_view", "category_view"}
                and event["product_category"] == category
            ]
            if seen:
                later = session.events[seen[0] + 1 :]
                answer["viewing_session_count"] += 1
                answer["cart_session_count"] += any(
                    event["event_type"] == "add_to_cart" and event["product_category"] == category
                    for event in later
                )
                answer["purchase_session_count"] += any(
                    event["event_type"] == "purchase" for event in later
                )
        return answer


def _in_cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def change(now: Any, before: Any) -> float | None:
    """The change of a number, as a share of its size before."""
    if now is None or before is None or not Decimal(str(before)):
        return None
    return round(float((Decimal(str(now)) - Decimal(str(before))) / abs(Decimal(str(before)))), 6)


def _read(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def coverage(shop: PlainShop, span: Span, *sources: str) -> str:
    """How many of some days all sources know."""
    spans = [span.within(shop.known(source)) for source in sources]
    return (
        "whole"
        if all(known_span == span for known_span in spans)
        else "part"
        if any(spans)
        else "none"
    )


def known(shop: PlainShop, span: Span, *sources: str) -> Row:
    """What `range` says of the days that are known, and of those before."""
    answer: Row = {}
    for prefix, days in (("", span), ("previous_", span.before)):
        known_span: Span | None = days
        for source in sources:
            known_span = known_span and known_span.within(shop.known(source))
        answer[f"{prefix}data"] = coverage(shop, days, *sources)
        answer[f"{prefix}known_from"], answer[f"{prefix}known_to"] = (
            (str(known_span.first), str(known_span.last)) if known_span else (None,) * 2
        )
        answer[f"{prefix}held_days"] = answer[
            f"{prefix}missing_days"
        ] = []  # the small shop holds and misses none
    return answer


def if_known(numbers: Row, shop: PlainShop, span: Span, *sources: str) -> Row:
    """The numbers; null where no day is known."""
    return dict.fromkeys(numbers) if coverage(shop, span, *sources) == "none" else numbers


def compared(now: Row, before: Row, shop: PlainShop, span: Span, *sources: str) -> Row:
    """The numbers of the days before, and the change; null where the data do
    not hold all days of both.
    """
    is_whole = coverage(shop, span, *sources) == coverage(shop, span.before, *sources) == "whole"
    return {
        "previous": None if coverage(shop, span.before, *sources) == "none" else before,
        "change": {name: change(now[name], before[name]) if is_whole else None for name in now},
    }
