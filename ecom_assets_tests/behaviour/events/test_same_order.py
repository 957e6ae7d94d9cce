"""Purchases of one order count once: a thank-you page that is opened again sells nothing again."""

import json
import random
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.events.checks import purchases_of_an_order_agree
from ecom_assets.behaviour.events.clean import accounting
from ecom_assets.behaviour.events.contracts import (
    CleanEvents,
    DuplicateEvents,
    QuarantinedEvents,
    RawEvents,
)
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.ingestion.sources.files.events import FileEvents
from ecom_assets.ingestion.sources.files.mapping import EVENT_FIELDS
from ecom_assets_tests.builders import DAY_ONE, Row, at, received
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.platform import Platform

DAYS = Days.between(DAY_ONE, DAY_ONE + timedelta(days=36))
STAGING = ("duplicate_events", "quarantined_events", "events")
LAST = datetime(9999, 12, 30)  # noqa: DTZ001 (UTC, as tables have it)
LATE_DAYS = 7


@pytest.fixture
def shop(opened: Platform) -> Platform:
    return opened


def sale(event_id: str, clock: str, order: Any = "o-1", **values: Any) -> Row:
    """Return a purchase of 20.00 by Anna at a time, which names an order."""
    stated = {"properties": json.dumps({"order_id": order})} if order is not None else {}
    amount = values.pop("amount", "20.00")
    return received(
        event_id,
        at(clock),
        **{
            "event_type": "purchase",
            "cart_value": amount,
            "cart_amount": Decimal(amount) if amount else None,
            **stated,
            **values,
        },
    )


def ids_after(shop: Platform, *rows: Row) -> list[str]:
    """Return the ids of the clean events of rows."""
    shop.clear()
    shop.receive(rows, DAYS)
    shop.run(DAYS, only=STAGING)
    tables = [shop.table(t) for t in (RawEvents, CleanEvents, QuarantinedEvents, DuplicateEvents)]
    per_day = accounting(None, shop.settings.late_days, *tables).to_pyarrow().to_pylist()
    assert all(row["residue"] == 0 for row in per_day)
    assert sum(row["received_count"] for row in per_day) == len(rows)
    return sorted(row["event_id"] for row in shop.rows(CleanEvents))


def test_a_thank_you_page_that_is_opened_again_sells_nothing_again(shop: Platform) -> None:
    """The page was opened at ten, at eleven, and two days later from the mail."""
    again = [sale("a", "10:00"), sale("b", "11:00"), sale("c", "+2 09:00")]
    assert ids_after(shop, *again) == ["a"], "the first, which tools were sent, keeps its id"
    assert [row["surplus_count"] for row in shop.rows(DuplicateEvents)] == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (sale("a", "10:00"), sale("b", "11:00", "o-2")),
        (sale("a", "10:00"), sale("b", "11:00", amount="30.00")),
        (sale("a", "10:00", product_id="lamp"), sale("b", "11:00", product_id="rug")),
        (sale("a", "10:00"), sale("b", "11:00", user_id="ben")),
        (sale("a", "10:00"), sale("b", "10:00")),
        (sale("a", "10:00"), sale("b", "+9 10:00")),
        (sale("a", "10:00", "undefined"), sale("b", "11:00", "undefined")),
        (sale("a", "10:00", None), sale("b", "11:00", None)),
        (sale("a", "10:00", event_type="refund"), sale("b", "11:00", event_type="refund")),
    ],
    ids=[
        "another order",
        "another amount",
        "another product of it",
        "another visitor, whose claim removes nothing",
        "two equal lines of one moment",
        "nine days later",
        "an order that is a placeholder",
        "no order",
        "refunds, which may be several of one amount",
    ],
)
def test_other_purchases_stay(shop: Platform, first: Row, second: Row) -> None:
    assert ids_after(shop, first, second) == ["a", "b"]


@pytest.mark.slow
@pytest.mark.parametrize("order", ["#1001", 1001, "1001.0", " 1001"])
def test_the_number_of_an_order_has_one_spelling(shop: Platform, order: object) -> None:
    assert ids_after(shop, sale("a", "10:00", "1001"), sale("b", "11:00", order)) == ["a"]


@pytest.mark.slow
def test_a_page_of_the_same_device_repeats_without_the_user(shop: Platform) -> None:
    first = sale("a", "10:00", anonymous_id="phone")
    later = sale("b", "11:00", user_id=None, anonymous_id="phone")
    assert ids_after(shop, first, later) == ["a"]
    first = sale("a", "10:00", anonymous_id="phone")
    later = sale("b", "11:00", anonymous_id="laptop")
    assert ids_after(shop, first, later) == ["a"], "Anna signed in on both"


@pytest.mark.slow
def test_a_stranger_removes_no_purchase_by_naming_its_order(shop: Platform) -> None:
    """A public key sends Anna's order before she buys: from its device, and in her name."""
    public = {"sent_by": "public-key:1"}
    claimed = sale("s", "09:00", anonymous_id="strange", **public)
    assert ids_after(shop, claimed, sale("a", "10:00", anonymous_id="phone", **public)) == [
        "a",
        "s",
    ]
    # What the shop's own server says goes before pages, whichever came first.
    assert ids_after(shop, claimed, sale("a", "10:00")) == ["a"]


@st.composite
def purchases(draw: st.DrawFn, *, ids: int = 99) -> list[Row]:
    """Purchases of two orders by two users on two devices, on few days; each with an id of its
    own, or one of `ids`.
    """
    rows = []
    for number in range(draw(st.integers(1, 12))):
        event_day = draw(st.integers(0, 16))
        received_date = DAY_ONE + timedelta(days=event_day + draw(st.sampled_from((0, 0, 1, 7))))
        row = sale(
            f"e{number % ids}",
            f"+{event_day} {draw(st.sampled_from(('09:00', '09:30')))}",
            draw(st.sampled_from(("o-1", "o-1", "o-2", "null", None))),
            user_id=draw(st.sampled_from(("anna", "anna", "ben", None))),
            anonymous_id=draw(st.sampled_from(("phone", "phone", "desk", None))),
            session_id="s",
            product_id=draw(st.sampled_from(("lamp", "lamp", None))),
            amount=draw(st.sampled_from(("20.00", "20.00", "0.50"))),
            sent_by=draw(st.sampled_from((None, "key:1", "public-key:2"))),
            received_date=received_date,
            source_file=f"{number}.csv",
        )
        if draw(st.booleans()):
            row["received_at"] = at(draw(st.sampled_from(("10:00", "11:00"))), received_date)
        rows.append(row)
    return rows


def is_public(row: Row) -> bool:
    return (row["sent_by"] or "").startswith("public-")


def repeats(row: Row, other: Row) -> bool:
    """Return whether a purchase repeats another one, in plain Python."""
    orders = {
        r["event_id"]: json.loads(r["properties"] or "{}").get("order_id") for r in (row, other)
    }
    order = orders[row["event_id"]]
    same = ("product_id", "cart_amount")
    if order in {None, "null"} or orders[other["event_id"]] != order:
        return False
    if row["event_at"] == other["event_at"] or any(row[name] != other[name] for name in same):
        return False
    is_device = row["anonymous_id"] is not None and row["anonymous_id"] == other["anonymous_id"]
    is_user = row["user_id"] is not None and row["user_id"] == other["user_id"]
    is_near = row["received_date"] - other["received_date"] <= timedelta(days=LATE_DAYS + 1)
    if is_public(row) and not is_public(other):
        last = row["event_date"] + timedelta(days=LATE_DAYS)
        return (is_device or is_user) and is_near and other["received_date"] <= last
    order_of = [(r["received_date"], r["received_at"] or LAST, r["event_at"]) for r in (other, row)]
    may_name = is_device or (is_user and not is_public(row))
    return is_public(row) == is_public(other) and may_name and is_near and order_of[0] < order_of[1]


@pytest.mark.slow
@examples(40)
@given(rows=purchases(), seed=st.integers(0, 1_000))
def test_days_in_any_order_keep_the_purchases_of_the_reference(
    shop: Platform, rows: list[Row], seed: int
) -> None:
    expected = sorted(
        row["event_id"] for row in rows if not any(repeats(row, other) for other in rows)
    )
    assert ids_after(shop, *rows) == expected

    order = sorted({row["received_date"] for row in rows})
    shuffled = random.Random(seed)  # noqa: S311 (no secret)
    shuffled.shuffle(order)
    shop.clear()
    shop.receive([], DAYS)
    for day in order:
        shop.receive(shuffled.sample(rows, len(rows)), Days((day,)))
        touched = shop.touched([day])
        shop.run(Days.from_dates(set(touched.dates) & set(DAYS.dates)), only=STAGING)
    assert sorted(row["event_id"] for row in shop.rows(CleanEvents)) == expected


@pytest.mark.slow
def test_copies_that_name_other_orders_are_purchases_of_their_own(shop: Platform) -> None:
    """A till numbers its events anew with each start: Anna buys the same for 20.00 as `a` in orders
    o-1, o-2 and o-3, and her second page is sent again.
    """
    first, second = sale("a", "10:00", "o-1"), sale("a", "10:00", "o-2")
    assert ids_after(shop, first, first, sale("a", "10:00", None)) == ["a"], "one order, or none"
    bought = [first, second, sale("a", "10:00", "o-2"), sale("a", "+1 10:00", "o-3")]
    bought = [row | {"source_file": f"{n}.csv"} for n, row in enumerate(bought)]
    (kept, *others) = ids_after(shop, *bought)
    assert kept == "a", "as before orders told them apart"
    assert len(others) == 2
    assert all(event_id.startswith("a~") for event_id in others)
    orders = {row["event_id"]: order_named(row) for row in shop.rows(CleanEvents)}
    assert sorted(map(str, orders.values())) == ["o-1", "o-2", "o-3"]
    # What arrives later changes no id: of the first two alone, they are the same.
    alone = ids_after(shop, *bought[:2])
    assert {*alone} <= {kept, *others}
    assert {row["event_id"]: order_named(row) for row in shop.rows(CleanEvents)}.items() <= (
        orders.items()
    )


def order_named(row: Row) -> str | None:
    """Return the order that a row names; None where that is a placeholder, too."""
    named = json.loads(row["properties"] or "{}").get("order_id")
    return None if named in {None, "null"} else str(named)


@pytest.mark.slow
@examples(40)
@given(rows=purchases(ids=3))
def test_no_order_vanishes_where_ids_and_orders_repeat(shop: Platform, rows: list[Row]) -> None:
    """Copies of an event and repeats of its order are never surplus for each other.

    Only a copy that names no order may stand for one that does.
    """
    ids_after(shop, *rows)

    def sold(row: Row) -> tuple[Any, ...]:
        return order_named(row), row["product_id"], row["cart_amount"]

    kept = {*map(sold, shop.rows(CleanEvents))}
    lost = [row for row in rows if sold(row) not in kept]
    nameless = {(row["event_id"], *sold(row)) for row in rows if order_named(row) is None}
    assert [row for row in lost if (row["event_id"], None, *sold(row)[1:]) not in nameless] == []


SCHEMA = pa.schema(
    [*((name, pa.string()) for name in EVENT_FIELDS), ("received_at", pa.timestamp("us"))]
)


@pytest.mark.slow
@examples(20)
@given(rows=purchases())
def test_files_keep_the_same_purchases_as_tables(
    shop: Platform, tmp_path_factory: pytest.TempPathFactory, rows: list[Row]
) -> None:
    """Parquet of all columns or few; and text.

    What is received has the same day in London, whose summer begins within these days.
    """
    for row in rows:
        row["received_at"] = row["received_at"] or at("22:00", row["received_date"])
    expected = ids_after(shop, *rows)
    folder = tmp_path_factory.mktemp("files")
    records = [{name: row[name] for name in SCHEMA.names} for row in rows]
    pq.write_table(pa.Table.from_pylist(records, schema=SCHEMA), folder / "e.parquet")
    (folder / "e.ndjson").write_text(
        "".join(json.dumps(record, default=str) + "\n" for record in records)
    )
    straight, text = (
        FileEvents.open([str(folder / name)], Settings(home=folder, timezone=zone))
        for name, zone in (("e.parquet", "Europe/London"), ("e.ndjson", "UTC"))
    )
    for read in (straight, straight.naming(["event_id"]), text):
        clean = read.clean().select("event_id").to_pyarrow()["event_id"].to_pylist()
        assert sorted(clean) == expected
        assert read.rows.counted == len(expected)


@pytest.mark.slow
def test_an_order_that_two_visitors_name_is_shown_and_removes_nothing(shop: Platform) -> None:
    rows = sale("a", "10:00"), sale("b", "11:00", user_id="ben"), sale("c", "12:00", "o-2")
    assert ids_after(shop, *rows) == ["a", "b", "c"]
    shop.run(DAYS, only=(*STAGING, "visitors"))
    result = purchases_of_an_order_agree.evaluate(DAYS, shop.table(CleanEvents))
    assert (result.broken_count, result.looked_at_count) == (2, 3)
    sentence = str(result.metadata["sentence"])
    assert sentence.startswith(
        "1 order is named by purchases of several visitors or of different amounts, such as "
        "'a' (purchase of 20.00 on 2026-03-10); 'b' ("
    ), sentence
