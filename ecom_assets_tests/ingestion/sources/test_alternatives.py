"""Where an export has an amount: the first member that is filled, however its sender spells it."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.ingestion.sources.files.alternatives import with_filled_alternatives
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.ingestion.sources.conftest import Read, ndjson_text, write
from ecom_assets_tests.ingestion.sources.test_order_files import read as order_rows

TOTALS = (
    "total_price",
    "total_amount",
    "total_revenue",
    "order_total",
    "order_value",
    "order_amount",
    "purchase_amount",
)
"""What senders call the amount of a purchase where a tool leaves the name to them."""
CHAINS = {
    "segment": ("revenue", "total", "value", "price"),
    "rudderstack": ("revenue", "total", "value", "price"),
    "amplitude": ("revenue", "total", "value", "price"),
    "mixpanel": ("revenue", "total", "value", *TOTALS, "price"),
    "posthog": ("revenue", "total", "value", *TOTALS, "price"),
}
"""The members that may have an amount, in the order in which each mapping takes them."""
EMPTY = ("", " ", None, "null", "NaN", "N/A", "(not set)", "undefined", "-")


def spellings(name: str) -> tuple[str, ...]:
    title = name.replace("_", " ").title()
    camel = f"{name[0]}{title[1:].replace(' ', '')}"
    return (name, title, name.upper(), f" {title}", f"{name}_", camel)


def objects(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """Yield objects whose members are spelled and filled at random."""
    draw = random.Random(seed)  # noqa: S311 (rows of a test)
    for _ in range(count):
        others = draw.sample(TOTALS, draw.randint(0, 2))
        names = draw.sample(
            ["revenue", "total", "value", "price", "brand", *others], draw.randint(0, 5)
        )
        members = [
            draw.choice(spellings(name)) for name in names for _ in range(draw.randint(1, 2))
        ]
        yield {name: draw.choice([*EMPTY, draw.randint(0, 9999) / 100]) for name in members}


def expected(properties: dict[str, Any], chain: tuple[str, ...]) -> Decimal | None:
    """Return the amount of an event: of each name the member that is spelled so,
    else the first of its spellings.
    """
    for name in chain:
        loose = [key for key in properties if _plain(key) == _plain(name)]
        for key in sorted(loose, key=lambda key: key != name):
            if properties[key] not in EMPTY:
                return Decimal(str(properties[key])).quantize(Decimal("0.01"))
    return None


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace(" ", "")


def as_sent(tool: str, number: int, properties: dict[str, Any]) -> dict[str, Any]:
    """Return an event in the layout of a tool."""
    event_id, at = f"e{number}", "2026-03-02T10:00:00Z"
    match tool:
        case "amplitude":
            return {
                "uuid": event_id,
                "event_type": "Order Completed",
                "event_time": at,
                "user_id": "u",
                "device_id": "d",
                "event_properties": properties,
            }
        case "mixpanel":
            own = {"distinct_id": "u", "time": 1772445600, "$insert_id": event_id}
            return {"event": "Order Completed", "properties": {**properties, **own}}
        case "posthog":
            return {
                "uuid": event_id,
                "event": "Order Completed",
                "timestamp": at,
                "distinct_id": "u",
                "properties": properties,
            }
    return {
        "messageId": event_id,
        "type": "track",
        "event": "Order Completed",
        "timestamp": at,
        "userId": "u",
        "properties": properties,
    }


@pytest.mark.slow
@pytest.mark.parametrize("tool", sorted(CHAINS))
def test_the_first_filled_member_counts_however_it_is_spelled(
    tmp_path: Path, read: Read, tool: str
) -> None:
    sent = list(objects(seed=58, count=400))
    lines = [
        as_sent(tool, number, {**properties, "number": number})
        for number, properties in enumerate(sent)
    ]
    rows = read(write(tmp_path / "events.jsonl", ndjson_text(lines)), tool)
    actual = {json.loads(row["properties"])["number"]: row["cart_amount"] for row in rows}
    amounts = {number: expected(properties, CHAINS[tool]) for number, properties in enumerate(sent)}
    assert actual == amounts
    assert {None} < {*amounts.values()}


@pytest.mark.parametrize(
    "expression", ["'coalesce(a, b)'", "coalesce_of_mine(a, b)", "list_sum(coalesce(1, 2))"]
)
def test_what_is_no_alternative_stays(expression: str) -> None:
    assert with_filled_alternatives(expression) == expression


def test_a_total_price_of_mixpanel_is_worth_more_than_the_price_of_a_piece(
    tmp_path: Path, read: Read
) -> None:
    """Three lamps of 19.90 are bought for 59.70; the charge of Mixpanel's own goes before."""
    sent: dict[Decimal | None, dict[str, Any]] = {
        Decimal("59.70"): {"Total Price": 59.7, "Price": 19.9, "Quantity": 3},
        Decimal("55.00"): {"$amount": 55, "Total Price": 59.7},
        Decimal("59.75"): {"Revenue": "59.75", "Total Price": 59.7},
        Decimal("19.90"): {"Total Price": "", "Price": 19.9},
        None: {"Total Price Paid Before": 5},
    }
    rows = [as_sent("mixpanel", number, each) for number, each in enumerate(sent.values())]
    path = write(tmp_path / "export.jsonl", ndjson_text(rows))
    assert Counter(row["cart_amount"] for row in read(path, "mixpanel")) == Counter([*sent])


def test_columns_and_members_are_tested_and_constants_are_not() -> None:
    expression = with_filled_alternatives("a || coalesce(b->>'x', ')', \"the c\")")
    rows = (
        "(VALUES ('1', '{\"x\": \"null\"}', 'C'), ('2', '{\"x\": \"X\"}', 'C')) AS t(a, b, \"the "
        'c")'
    )
    with fresh_duckdb() as con:
        assert con.execute(f"SELECT {expression} FROM {rows}").fetchall() == [("1)",), ("2X",)]


def test_namibia_is_a_country_and_no_placeholder(tmp_path: Path) -> None:
    orders = [
        {
            "id": 1,
            "created": 1772445600,
            "amount_captured": 500,
            "currency": "eur",
            "customer": "",
            "billing_details": {"email": "NULL", "address": {"country": "NA", "city": "-"}},
            "shipping": {"address": {"country": "", "city": "Windhoek"}},
            "receipt_email": "ann@example.com",
        },
    ]
    [row] = order_rows(write(tmp_path / "charges.json", ndjson_text(orders)), "stripe")
    assert (row["country"], row["city_name"], row["customer_id"]) == (
        "NA",
        "Windhoek",
        "ann@example.com",
    )
