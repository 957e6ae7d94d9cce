"""A small shop by chance: its orders and events, whatever file they will be written to."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

CENT = Decimal("0.01")
FIRST = datetime(2026, 3, 2, tzinfo=UTC)
NAMES = ("Lamp", "Mug, white", "Desk 120 cm", "Bowl", 'Tray 12"', "Vase", "Cap", "Café set", "Rug")


class Fate(StrEnum):
    """What became of an order."""

    SOLD = "sold"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Line:
    """A product of an order: its price of one piece, and what is taken off the line."""

    sku: str
    name: str
    quantity: int
    price: Decimal
    discount: Decimal

    @property
    def before(self) -> Decimal:
        """Return the price of all pieces."""
        return self.price * self.quantity

    @property
    def goods(self) -> Decimal:
        """Return what is paid for them."""
        return self.before - self.discount


@dataclass(frozen=True)
class Order:
    """An order; `customer` is empty for a buyer whom nobody knows."""

    number: str
    at: datetime
    customer: str
    lines: tuple[Line, ...]
    shipping: Decimal
    fate: Fate
    back_at: datetime


@dataclass(frozen=True)
class Event:
    """What a visitor did; `amount` is that of a purchase, else None."""

    at: datetime
    visitor: str
    session: str
    event_type: str
    sku: str
    amount: Decimal | None


def cents(number: Decimal) -> Decimal:
    """Return an amount with two decimals, the half rounded up."""
    return number.quantize(CENT, ROUND_HALF_UP)


def orders_of(rng: random.Random) -> list[Order]:
    """Return orders in order of time: most of one or two products, some with a discount."""
    skus = [(f"SKU-{n}", name, _price(rng)) for n, name in enumerate(NAMES, start=1)]
    people = [f"{1000 + n * 7}" for n in range(rng.randint(12, 30))]
    has_guests = rng.random() < 0.3
    first = rng.choice((1, 1001, 20260001, 500000))
    prefix = rng.choice(("", "", "A-", "R2026/", "#"))
    discounted, free = rng.choice((0.0, 0.3, 0.6)), rng.choice((0.0, 0.3))
    at, result = FIRST + timedelta(hours=9), []
    for n in range(rng.randint(40, 70)):
        at += timedelta(minutes=rng.randint(20, 900))
        if not 8 <= at.hour <= 20:  # no local time near midnight or the hour that comes twice
            at = at.replace(hour=rng.randint(8, 20))
        chosen = rng.sample(skus, rng.choice((1, 1, 1, 2, 2, 3)))
        lines = tuple(_line(rng, *product, discounted) for product in chosen)
        who = "" if has_guests and rng.random() < 0.25 else rng.choice(people)
        shipping = Decimal(0) if rng.random() < free else rng.choice((Decimal("4.90"), Decimal(9)))
        fate = rng.choices(list(Fate), (85, 9, 6))[0]
        back_at = at + timedelta(days=rng.randint(1, 9), minutes=rng.randint(1, 50))
        order = Order(f"{prefix}{first + n}", at, who, lines, shipping, fate, back_at)
        at = max(at, order.at)
        result.append(order)
    return sorted(result, key=lambda order: order.at)


def _price(rng: random.Random) -> Decimal:
    return cents(
        Decimal(rng.choice((rng.randint(3, 90), rng.randint(100, 1500)))) - Decimal("0.05")
    )


def _line(rng: random.Random, sku: str, name: str, price: Decimal, discounted: float) -> Line:
    quantity = rng.choice((1, 1, 1, 2, 3))
    share = rng.choice((Decimal("0.1"), Decimal("0.25"))) if rng.random() < discounted else 0
    return Line(sku, name, quantity, price, cents(price * quantity * share))


def events_of(rng: random.Random) -> list[Event]:
    """Return the events of visits, in order of time."""
    result: list[Event] = []
    people = [f"u{100 + n}" for n in range(rng.randint(15, 40))]
    for n in range(rng.randint(40, 80)):
        at = FIRST + timedelta(days=rng.randint(0, 25), minutes=rng.randint(500, 1200), seconds=n)
        who, sku = rng.choice(people), f"SKU-{rng.randint(1, 9)}"
        steps = ["page_view", "product_view", "add_to_cart", "purchase"][: rng.randint(1, 4)]
        for step in steps:
            at += timedelta(seconds=rng.randint(10, 200))
            amount = _price(rng) if step == "purchase" else None
            result.append(Event(at, who, f"s{n}", step, sku, amount))
    return sorted(result, key=lambda event: event.at)
