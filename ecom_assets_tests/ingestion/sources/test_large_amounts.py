"""Amounts of ten billion and more, as currencies of small worth have them: each mapping reads
them exactly, or the one row is refused with its amount; no engine's error refuses a file.
"""

import gzip
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.commerce.orders.orders import CHARGES, ORDER_COSTS, PRICE_PARTS
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.currencies import largest_amount
from ecom_assets.ingestion.sources.mapping_file import shipped_in
from ecom_assets.ingestion.sources.reading import FileReading
from ecom_assets_tests.builders import Row
from ecom_assets_tests.cli.test_run_shops import LAYOUTS as SHOPS
from ecom_assets_tests.ingestion.sources.conftest import Read, ndjson_text, write
from ecom_assets_tests.ingestion.sources.event_layouts import LAYOUTS, EventLayout
from ecom_assets_tests.ingestion.sources.test_order_files import HEADER, RETAIL_HEADER
from ecom_assets_tests.ingestion.sources.test_order_files import read as order_rows
from ecom_assets_tests.ingestion.sources.test_shop_order_documents import (
    PRESTA_ORDER,
    SHOPIFY_ORDER,
)
from ecom_assets_tests.ingestion.sources.test_shop_orders import BOB, csv_text, totals

FACTOR = 987_654_321
"""How many times the amounts of the samples are taken: 16.00 is 15.8 billion."""
HUGE = "99999999999999.99"
LARGEST = Decimal("99999999999999.9999")
AMOUNTS = ("payment_amount", *CHARGES, *PRICE_PARTS, *ORDER_COSTS)
MONEY_KEYS = re.compile(
    "price|amount|total|tax|shipping|paid|fee|discount|refunded|canceled|captured|cost|net",
    re.IGNORECASE,
)
OTHER_KEYS = re.compile("rate|qty|quantity|^id|_id$", re.IGNORECASE)
MONEY_TEXT = re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d+)\.\d\d\b")
"""An amount in a CSV file; times and numbers of orders have no two decimals."""
Change = Callable[[Decimal, int], str]
"""What becomes of an amount of a sample, by its position among all of them."""


def multiplied(factor: int, amount: Decimal, _position: int) -> str:
    return f"{amount * factor:f}"


def huge_at(huge_position: int, amount: Decimal, position: int) -> str:
    return HUGE if position == huge_position else f"{amount:f}"


def number_of(value: object) -> Decimal | None:
    """Return a leaf of a document as a number; None if it is none."""
    is_number = isinstance(value, str | int | float) and not isinstance(value, bool)
    return Decimal(str(value)) if is_number and re.fullmatch(r"-?\d+(\.\d+)?", str(value)) else None


def changed(content: Any, change: Change) -> tuple[Any, int]:
    """Return a sample with each of its amounts changed, and their number."""
    if isinstance(content, str):
        positions = iter(range(len(content)))
        replaced, count = MONEY_TEXT.subn(
            lambda match: change(Decimal(match[0].replace(",", "")), next(positions)), content
        )
        return replaced, count
    count = 0

    def walked(value: Any, name: str) -> Any:
        nonlocal count
        if isinstance(value, dict):
            return {key: walked(part, key) for key, part in value.items()}
        if isinstance(value, list):
            return [walked(part, name) for part in value]
        number = number_of(value)
        if number is None or not MONEY_KEYS.search(name) or OTHER_KEYS.search(name):
            return value
        count += 1
        return change(number, count - 1)

    return walked(content, ""), count


def saved(folder: Path, mapping: str, content: Any) -> Path:
    """Write a sample of a shop's export."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"export.{SHOPS[mapping][0]}"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("mapping", SHOPS)
def test_an_export_with_all_amounts_times_a_billion_is_worth_as_much(
    tmp_path: Path, mapping: str
) -> None:
    content = SHOPS[mapping][1]
    base = order_rows(saved(tmp_path / "base", mapping, content), mapping)
    by_id = {row["uniq_id"]: row for row in base}
    larger, count = changed(content, partial(multiplied, FACTOR))
    assert count
    rows = order_rows(saved(tmp_path / "larger", mapping, larger), mapping)
    expected = {name: amount * FACTOR for name, amount in totals(base).items()}
    assert totals(rows) == expected
    assert {row["uniq_id"] for row in rows} == by_id.keys()
    for row in rows:
        for name in AMOUNTS:
            small, large = by_id[row["uniq_id"]][name], row[name]
            assert (small is None) == (large is None), (name, row["uniq_id"])
            # A line's share is in whole cents.
            assert small is None or abs(large - small * FACTOR) <= FACTOR * Decimal("0.01")


def variants(content: Any) -> Iterator[Any]:
    """Yield a sample once for each of its amounts, with that amount alone as large as fits."""
    _, count = changed(content, partial(multiplied, 1))
    for position in range(count):
        yield changed(content, partial(huge_at, position))[0]


@pytest.mark.slow
@pytest.mark.parametrize("mapping", SHOPS)
def test_one_amount_as_large_as_fits_hides_no_other(tmp_path: Path, mapping: str) -> None:
    content = SHOPS[mapping][1]
    base = order_rows(saved(tmp_path / "base", mapping, content), mapping)
    for number, variant in enumerate(variants(content)):
        saved(tmp_path / "all" / str(number), mapping, variant)
    by_file: dict[str, dict[str, Row]] = {}
    for row in order_rows(tmp_path / "all", mapping):
        by_file.setdefault(row["source_file"], {})[row["uniq_id"]] = row
    assert len(by_file) == len([*variants(content)]) > 0
    for rows in by_file.values():
        for row in base:
            other = rows[row["uniq_id"]]
            assert (other["payment_amount"] is None) == (row["payment_amount"] is None)
            assert other["malformed_row"] is None


def shopify(number: int, price: str, pieces: int) -> Row:
    total = f"{Decimal(price) * pieces}"
    order = {"Name": str(number), "Currency": "IRR", "Subtotal": total, "Total": total}
    return {**BOB, **order, "Lineitem price": price, "Lineitem quantity": pieces}


def shopify_admin(number: int, price: str, pieces: int) -> Row:
    line = {"id": number, "sku": "A", "title": "A", "quantity": pieces, "price": price}
    nothing = {"refunds": [], "shipping_lines": [], "total_tax": "0", "total_tip_received": "0"}
    order = {**SHOPIFY_ORDER, **nothing, "currency": "IRR"}
    return {**order, "id": number, "line_items": [line]}


def prestashop(number: int, price: str, pieces: int) -> Row:
    line = {"id": str(number), "product_id": "1", "product_name": "A"}
    line |= {"product_quantity": str(pieces), "unit_price_tax_excl": price}
    total = f"{Decimal(price) * pieces}"
    return {
        **PRESTA_ORDER,
        "id": number,
        "conversion_rate": "1.000000",
        "total_paid_tax_incl": total,
        "total_paid_tax_excl": total,
        "total_shipping_tax_excl": "0.000000",
        "associations": {"order_rows": [line]},
    }


def online_retail(number: int, price: str, pieces: int) -> Row:
    line = f"{number},85123A,LAMP,{pieces},2026-07-01 08:26:00,{price},17850,Iran"
    return dict(zip(RETAIL_HEADER.split(","), line.split(","), strict=True))


def user_order_log(number: int, price: str, pieces: int) -> Row:
    amount = Decimal(price) * pieces
    line = f"1,{number},2026-07-01T08:26:00,0,Ulm,7,A,B,3,Lamp,{pieces},{amount},{number}"
    return dict(zip(f"{HEADER},order_id".split(","), line.split(","), strict=True))


PRODUCTS = [
    ("5000000000.00", 3),
    ("10000000000.01", 1),
    ("33333333333.33", 30),
    ("9999999999999.99", 1),
    (HUGE, 1),
    (HUGE, 3),
    ("12345678901234567890.12", 2),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "order_of", [shopify, shopify_admin, prestashop, online_retail, user_order_log]
)
def test_a_price_times_a_quantity_is_exact_or_too_large(
    tmp_path: Path, order_of: Callable[[int, str, int], Row]
) -> None:
    orders = [order_of(number, *product) for number, product in enumerate(PRODUCTS)]
    is_json = order_of in {shopify_admin, prestashop}
    content = json.dumps({"orders": orders}) if is_json else csv_text(orders)
    file = write(tmp_path / f"orders.{'json' if is_json else 'csv'}", content)
    settings = Settings(home=tmp_path, currency="IRR")
    reading = FileReading.open([str(file)], order_of.__name__, is_events=False, settings=settings)
    rows = {row["order_id"]: row for row in reading.files.classified().to_pyarrow().to_pylist()}
    assert len(rows) == len(PRODUCTS)
    for number, (price, pieces) in enumerate(PRODUCTS):
        row, amount = rows[str(number)], Decimal(price) * pieces
        if amount <= largest_amount("IRR"):
            assert (row["reject_reason"], row["payment_amount"]) == (None, amount)
            has_gross = order_of not in {online_retail, user_order_log}
            assert row["gross_amount"] == (amount if has_gross else None)
        else:
            assert row["reject_reason"] == "amount_too_large"
            # Refused, with what it says, in the 15 digits that any number of JSON has.
            received = Decimal(row["received_payment_amount"])
            assert abs(received - amount) <= amount / 10**15


def in_files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def replace_amounts(path: Path, amount: str) -> None:
    """Write another amount for the 19.9 of the story into files, packed or not."""

    def replaced(data: bytes) -> bytes:
        if data[:2] == b"\x1f\x8b":
            return gzip.compress(replaced(gzip.decompress(data)))
        return re.sub(rb"\b19\.90?\b", amount.encode(), data)

    for file in in_files(path):
        if file.suffix != ".zip":
            file.write_bytes(replaced(file.read_bytes()))
            continue
        with zipfile.ZipFile(io.BytesIO(file.read_bytes())) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, replaced(data))


TEXTS = {name: layout for name, layout in LAYOUTS.items() if "parquet" not in name}


@pytest.mark.slow
@pytest.mark.parametrize("layout", TEXTS.values(), ids=TEXTS)
def test_a_large_amount_of_an_event_is_exact(
    tmp_path: Path, read: Read, layout: EventLayout
) -> None:
    def amounts(folder: Path, amount: str) -> Counter[Decimal | None]:
        folder.mkdir()
        path = layout.write(folder)
        replace_amounts(path, amount)
        return Counter(row["cart_amount"] for row in read(path, layout.mapping))

    base = amounts(tmp_path / "base", "19.9")
    count = base.pop(Decimal("19.9"))
    amount = "9999999999999.99"
    assert amounts(tmp_path / "large", amount) == {**base, Decimal(amount): count}


def test_the_samples_are_of_all_mappings_of_events_with_amounts() -> None:
    others = {
        "ecommerce": "its amount is a column",
        "rees46": "its amount is a column",
        "otto": "it has no amounts",
        "retailrocket": "it has no amounts",
        "user_activity_log": "it has no amounts",
    }
    assert {layout.mapping for layout in TEXTS.values()} | others.keys() == {
        *shipped_in("mappings")
    }
    of_orders = {"online_retail", "user_order_log"}  # each row has its amount; see above
    assert SHOPS.keys() | of_orders == {*shipped_in("order_mappings")}


def amplitude_sale(number: int, price: str, pieces: int) -> Row:
    return {
        "uuid": f"e{number}",
        "event_type": "revenue_amount",
        "event_time": f"2026-03-02 10:00:0{number}",
        "user_id": "u",
        "device_id": "d",
        "event_properties": {"$price": price, "$quantity": pieces},
    }


def segment_sale(number: int, price: str, pieces: int) -> Row:
    return {
        "type": "track",
        "messageId": f"e{number}",
        "anonymousId": "a",
        "event": "Order Completed",
        "timestamp": f"2026-03-02T10:00:0{number}Z",
        "properties": {"products": [{"price": price, "quantity": pieces}]},
    }


def ga4_sale(number: int, price: str, pieces: int) -> Row:
    return {
        "event_timestamp": (1767261600 + number) * 1_000_000,
        "event_name": "purchase",
        "user_pseudo_id": "u",
        "event_params": [{"key": "x", "value": {}}],
        "items": [{"price": price, "quantity": pieces}],
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mapping", "sale"),
    [("amplitude", amplitude_sale), ("segment", segment_sale), ("ga4_export", ga4_sale)],
)
def test_what_the_items_of_an_event_are_worth_is_exact_or_unread(
    tmp_path: Path, mapping: str, sale: Callable[[int, str, int], Row]
) -> None:
    events = [sale(number, *product) for number, product in enumerate(PRODUCTS)]
    file = write(tmp_path / "events.json", ndjson_text(events))
    settings = Settings(home=tmp_path, currency="IRR")
    reading = FileReading.open([str(file)], mapping, is_events=True, settings=settings)
    rows = reading.files.classified().order_by("event_at").to_pyarrow().to_pylist()
    amounts = [Decimal(price) * pieces for price, pieces in PRODUCTS]
    assert [Decimal(row["cart_value"]) for row in rows] == amounts
    assert [row["cart_amount"] for row in rows] == [min(amount, LARGEST) for amount in amounts]
    unread = sum(amount > largest_amount("IRR") for amount in amounts)
    assert reading.rows_json["unread"] == {"cart_value": unread}
