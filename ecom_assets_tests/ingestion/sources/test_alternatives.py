"""Where an export has an amount: the first member that is filled, however its sender spells it."""

import json
import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ecom_assets.ingestion.sources.files.alternatives import with_filled_alternatives
from ecom_assets_tests.ingestion.sources.conftest import Read, ndjson_text, write
from ecom_assets_tests.ingestion.sources.test_order_files import read as order_rows

CHAINS = {
    "segment": ("revenue", "total", "value", "price"),
    "rudderstack": ("revenue", "total", "value", "price"),
    "amplitude": ("revenue", "total", "value", "price"),
    "mixpanel": ("revenue", "total", "value", "price"),
    "posthog": ("revenue", "total", "value", "price"),
}
"""The members that may have an amount, in the order in which each mapping takes them."""
EMPTY = ("", " ", None, "null", "NaN", "N/A", "(not set)", "undefined", "-")


def spellings(name: str) -> tuple[str, ...]:
    return (name, name.title(), name.upper(), f" {name.title()}", f"{name}_")


def objects(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """Yield objects whose members are spelled and filled at random."""
    draw = random.Random(seed)  # noqa: S311 (rows of a test)
    for _ in range(count):
        names = draw.sample(["revenue", "total", "value", "price", "brand"], draw.randint(0, 5))
        members = [
            draw.choice(spellings(name)) for name in names for _ in range(draw.randint(1, 2))
        ]
        yield {name: draw.choice([*EMPTY, draw.randint(0, 9999) / 100]) for name in members}


def expected(properties: dict[str, Any], chain: tuple[str, ...]) -> Decimal | None:
    """Return the amount of an event: of each name the member that is spelled so,
    else the first of its spellings.
    """
    for name in chain:
        loose = [key for key in properties if key.lower().replace("_", "").replace(" ", "") == name]
        for key in sorted(loose, key=lambda key: key != name):
            if properties[key] not in EMPTY:
                return Decimal(str(properties[key])).quantize(Decimal("0.01"))
    return None


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


@pytest.mark.when_changed
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


def test_columns_and_members_are_tested_and_constants_are_not() -> None:
    expression = with_filled_alternatives("a || coalesce(b->>'x', ')', \"the c\")")
    rows = (
        "(VALUES ('1', '{\"x\": \"null\"}', 'C'), ('2', '{\"x\": \"X\"}', 'C')) AS t(a, b, \"the "
        'c")'
    )
    with duckdb.connect() as con:
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
