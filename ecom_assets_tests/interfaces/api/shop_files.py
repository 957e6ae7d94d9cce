"""A small shop in plain files: events, order lines, a catalogue and customers,
made by chance from a seed.
"""

import csv
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

FIRST: Final = datetime(2026, 1, 1, tzinfo=UTC)
DAYS: Final = 40
SEED: Final = 20_261_120
EVENT_COLUMNS: Final = (
    "event_id",
    "user_id",
    "event_type",
    "event_timestamp",
    "product_id",
    "product_category",
    "session_id",
    "page_url",
    "referrer_url",
    "cart_value",
    "user_agent",
)
ORDER_COLUMNS: Final = (
    "id",
    "uniq_id",
    "date_time",
    "city_id",
    "city_name",
    "customer_id",
    "first_name",
    "last_name",
    "item_id",
    "item_name",
    "sales_channel",
    "quantity",
    "payment_amount",
    "status",
    "discount_amount",
    "discount_codes",
)
PRODUCTS: Final = {f"p{n}": ("Shoes", "Hats", "Bags")[n % 3] for n in range(12)}
PRICES: Final = {f"p{n}": 5 + 7 * n for n in range(12)}
STOCK: Final = {
    "p0": (0, 5, 7),
    "p1": (2, 5, 7),
    "p2": (4000, 5, 7),
    "p3": (60, 5, 7),
    "p4": (9, "", ""),
}
SEARCHED: Final = {0: "Black+boots", 1: "hats", 2: "black%20BOOTS", 3: "=1%2B1"}
SALES_CHANNELS: Final = ("web", "app", "")
"""Of customers in turn; one in three buys where nobody knows."""
CITIES: Final = {"1": "Rome", "2": "Milan", "3": "Tokyo", "4": "Atlantis"}
AGENTS: Final = {
    "mobile": (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) Version/18.2 Mobile/15E148 "
        "Safari/604.1"
    ),
    "desktop": (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0.0.0 "
        "Safari/537.36"
    ),
    "tablet": (
        "Mozilla/5.0 (iPad; CPU OS 18_2 like Mac OS X) Version/18.2 Mobile/15E148 Safari/604.1"
    ),
    "other": "",
}
HOME: Final = "https://shop.example/"
WAYS: Final = {
    "Direct": (HOME, ""),
    "Email": (f"{HOME}?utm_source=news&utm_medium=email", ""),
    "Paid Search": (f"{HOME}?utm_source=google&utm_medium=cpc", ""),
    "Organic Search": (HOME, "https://www.google.com/"),
}
Row = dict[str, Any]
CONSENTS: Final[tuple[Row, ...]] = (
    {"has_email_consent": True, "email_consent_at": "2025-02-01T12:00:00Z"},
    {"has_email_consent": "no"},
    {"has_email_consent": "yes"},
    {"has_email_consent": "pending"},
    {},
)
"""What customers in turn said about e-mails."""


SEGMENTS = """\
buyers: {did: purchase, within: 7d}
sleeping:
  - {did: purchase}
  - not: {did: "*", within: 5d}
"""
"""Who bought in the last week, and who once bought and was not seen for five days."""


def write_shop(folder: Path) -> None:
    """Write `events.csv`, `orders.csv`, `catalogue.csv` and `customers.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    dice = random.Random(SEED)  # noqa: S311 (a shop, no secret)
    events, orders = [], []
    for visitor in range(70):
        for visit in _visits(dice, f"u{visitor:02}"):
            events += visit
            orders += _orders(dice, visit)
    events += [dict(events[5]), dict(events[50])]
    events += [
        {**events[9], "event_id": "odd-1", "event_type": "page\tview"},
        {**events[9], "event_id": ""},
    ]
    _write(
        folder / "events.csv", EVENT_COLUMNS, sorted(events, key=lambda row: row["event_timestamp"])
    )
    for number, line in enumerate(orders):
        line |= {"id": number, "uniq_id": f"l{number}"}
    _write(folder / "orders.csv", ORDER_COLUMNS, orders)
    catalogue = [
        {"product_id": name, "name": f"The {name}", "category": category, **_stock(name)}
        for name, category in PRODUCTS.items()
    ]
    _write(folder / "catalogue.csv", tuple(catalogue[0]), catalogue)
    people = [_person(number) for number in range(60)]
    (folder / "customers.json").write_text(json.dumps(people), encoding="utf-8")


def _person(number: int) -> Row:
    """Return a customer as an API gives them; every third has a flaw, every fifth four."""
    person = {
        "id": f"u{number:02}",
        "email": f"u{number:02}@example.com",
        "first_name": "Ann",
        "last_name": f"U{number:02}",
        "city": "",
        "region": "WA",
        "country": ("DE", "JP", "US", "BR")[number % 4],
        "created_at": "2025-01-01T00:00:00Z",
        "updated_at": "2025-06-01T00:00:00Z",
        "last_login_at": "2026-01-01T00:00:00Z",
        **CONSENTS[number % len(CONSENTS)],
    }
    missing = {"email"} if number % 3 == 0 else set()
    missing |= {"first_name", "last_name", "last_login_at"} if number % 5 == 0 else set()
    return {name: value for name, value in person.items() if name not in missing}


def _visits(dice: random.Random, who: str) -> Iterator[list[Row]]:
    device = dice.choice(list(AGENTS))
    number = int(who[1:])
    # Some come often, and some never again, so that models of who stays have something to fit.
    often, days = (0.4 if number % 3 == 0 else 0.1), (DAYS if number % 2 else 8 + number % 30)
    for day in range(days):
        if dice.random() > often:
            continue
        at = FIRST + timedelta(days=day, hours=dice.randint(0, 23), minutes=dice.randint(0, 59))
        page, referrer = WAYS[dice.choice(list(WAYS))]
        products = dice.sample(list(PRODUCTS), 3)
        steps: list[tuple[str, str | None]] = [("page_view", None)]
        for product in products[: dice.randint(0, 3)]:
            steps.append(("product_view", product))
            if dice.random() < 0.6:
                steps.append(("add_to_cart", product))
                if dice.random() < 0.2:
                    steps.append(("remove_from_cart", product))
        if any(kind == "add_to_cart" for kind, _ in steps) and dice.random() < 0.6:
            steps.append(("checkout_start", None))
            if dice.random() < 0.7:
                steps.append(("purchase", None))
        if dice.random() < 0.2:
            steps.insert(1, ("category_view", None))
        if (
            term := SEARCHED.get((number + day) % 7)
        ) is not None:  # no chance, so that all else stays what it was
            steps.insert(1, ("search", term))
        yield [
            _event(who, day, at, n, step, (page, referrer, AGENTS[device]))
            for n, step in enumerate(steps)
        ]


def _event(  # noqa: PLR0913, PLR0917 (each is a column)
    who: str,
    day: int,
    start: datetime,
    number: int,
    step: tuple[str, str | None],
    came: tuple[str, str, str],
) -> Row:
    kind, product = step
    page, referrer, agent = came
    first = {"add_to_cart": 10, "remove_from_cart": 5, "checkout_start": 15, "purchase": 25}.get(
        kind
    )
    money = None if first is None else first + number
    page = f"{HOME}?q={product}" if kind == "search" else page if number == 0 else HOME
    product = None if kind == "search" else product
    category = PRODUCTS[product] if product else "Hats" if kind == "category_view" else ""
    return {
        "event_id": f"{who}-{day}-{number}",
        "user_id": who,
        "event_type": kind,
        "event_timestamp": (start + timedelta(seconds=47 * number)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "product_id": product or "",
        "product_category": category,
        "session_id": f"s-{who}-{day}",
        "page_url": page,
        "referrer_url": referrer if number == 0 else "",
        "cart_value": "" if money is None else f"{money}.50",
        "user_agent": agent,
    }


def _discount(person: int) -> Row:
    """The discount of a line: by a code of many, of one person, by both, or by none."""
    codes = [*(["FALL"] if person % 2 else []), *([f"FOR-{person}"] if person % 5 == 0 else [])]
    return {"discount_amount": "1.00", "discount_codes": ",".join(codes)} if person % 3 else {}


def _orders(dice: random.Random, visit: list[Row]) -> list[Row]:
    """The lines of the order that a purchase leads to, and of what is paid back a day later."""
    if visit[-1]["event_type"] != "purchase":
        return []
    who, at = visit[0]["user_id"], visit[-1]["event_timestamp"]
    carted = dict.fromkeys(row["product_id"] for row in visit if row["event_type"] == "add_to_cart")
    city = str(1 + int(who[1:]) % 4)
    lines = [
        {
            "date_time": at,
            "city_id": city,
            "city_name": CITIES[city],
            "customer_id": who,
            "first_name": "Ann",
            "last_name": who.upper(),
            "item_id": product,
            "item_name": f"The {product}",
            "sales_channel": SALES_CHANNELS[int(who[1:]) % 3],
            "quantity": (count := dice.randint(1, 3)),
            "payment_amount": f"{count * PRICES[product]}.{dice.randint(10, 99)}",
            "status": "shipped",
            **_discount(int(who[1:])),
        }
        for product in carted
    ]
    later = (datetime.fromisoformat(at) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    is_last_day = later >= (FIRST + timedelta(days=DAYS)).isoformat()
    refunds = [
        {**line, "date_time": later, "status": "refunded"} for line in lines if dice.random() < 0.15
    ]
    return [*lines, *([] if is_last_day else refunds)]


def _stock(product: str) -> Row:
    stock, reorder, lead = STOCK.get(product, (50, "", ""))
    return {"stock": stock, "reorder_point": reorder, "lead_time_days": lead}


def _write(path: Path, columns: tuple[str, ...], rows: list[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
