"""Whatever the order of rows, days and files, the same events come out, and nothing is lost."""

import json
import random
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from ecom_assets_tests.behaviour.events.copies_reference import content_of, events_of
from ecom_assets_tests.builders import DAY_ONE, Row, at, received
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.platform import Platform

DAYS = Days.between(DAY_ONE, DAY_ONE + timedelta(days=32))
STAGING = ("duplicate_events", "quarantined_events", "events")
ODD = "a~0123456789abcdef"
"""An id that looks like that of another event."""


@pytest.fixture
def shop(opened: Platform) -> Platform:
    return opened


@st.composite
def rows_of_few_ids(draw: st.DrawFn) -> list[Row]:
    """Clean rows of two ids, on few days, that agree or not, by keys of pages and others. Many are
    purchases in a session, of which nothing is known but that and their order, so that no other
    rule counts those of one order once.
    """
    rows = []
    is_sold = draw(st.booleans())
    for number in range(draw(st.integers(1, 14))):
        event_day = draw(st.integers(0, 16))
        arrived = event_day + draw(st.sampled_from((0, 0, 1, 3, 7)))
        received_date = DAY_ONE + timedelta(days=arrived)
        amount = draw(st.sampled_from((None, Decimal("20.00"))))
        row = received(
            draw(st.sampled_from(("a", "b", ODD))),
            at(f"+{event_day} 09:00"),
            user_id=draw(st.sampled_from(("anna", "anna", "ben"))),
            page_url=draw(st.sampled_from(("/a", "/b"))),
            sent_by=draw(st.sampled_from((None, "key:1", "public-key:2"))),
            received_date=received_date,
            source_file=f"{number}.csv",
            cart_amount=amount,
            cart_value=amount and str(amount),
        )
        if draw(st.booleans()):
            clock = draw(st.sampled_from(("10:00", "11:00")))
            row["received_at"] = at(clock, received_date)
        if is_sold:
            order = draw(st.sampled_from(("o-1", "o-2", "o-3", None)))
            row |= {"event_type": "purchase", "session_id": row["user_id"], "user_id": None}
            row["properties"] = order and json.dumps({"order_id": order})
        rows.append(row)
    return rows


def shown(events: Sequence[tuple[str, date, Row]]) -> list[Any]:
    return sorted(
        (
            event_id,
            day,
            row["user_id"] or "",
            row["page_url"],
            in_cents(row["cart_amount"]),
            row["properties"] or "",
        )
        for event_id, day, row in events
    )


@pytest.mark.slow
def test_amounts_of_ten_billion_and_more_keep_events_of_one_id_apart() -> None:
    """Of three rows with the id of a purchase in rials, two agree in who, what and amount."""
    amounts = [Decimal(text) for text in ("15000000000.01", "15000000000.01", "9999999999999.99")]
    rows = [
        received(
            "a",
            at("09:00"),
            event_type="purchase",
            source_file=f"{number}.csv",
            cart_amount=amount,
            cart_value=str(amount),
        )
        for number, amount in enumerate(amounts)
    ]
    shop = Platform(Settings(currency="IRR"))
    shop.receive(rows, DAYS)
    shop.run(DAYS, only=STAGING)
    assert sorted(row["cart_amount"] for row in shop.rows(CleanEvents)) == amounts[1:]
    doubles = shop.rows(DuplicateEvents)
    assert {row["content_hash"] for row in doubles} == {*map(content_of, rows)}
    assert sum(row["surplus_count"] for row in doubles) == 1
    shop.close()


def in_cents(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:.2f}"


def events_in(shop: Platform) -> list[Any]:
    rows = shop.rows(CleanEvents)
    return shown([(row["event_id"], row["event_date"], row) for row in rows])


@pytest.mark.slow
@examples(40)
@given(rows=rows_of_few_ids(), seed=st.integers(0, 1_000))
def test_days_in_any_order_give_the_events_of_the_reference(
    shop: Platform, rows: list[Row], seed: int
) -> None:
    expected = shown(events_of(rows))
    shop.clear()
    shop.receive(rows, DAYS)
    shop.run(DAYS, only=STAGING)
    assert events_in(shop) == expected
    tables = [shop.table(t) for t in (RawEvents, CleanEvents, QuarantinedEvents, DuplicateEvents)]
    per_day = accounting(None, shop.settings.late_days, *tables).to_pyarrow().to_pylist()
    assert all(row["residue"] == 0 for row in per_day)
    assert sum(row["received_count"] for row in per_day) == len(rows)
    assert len({(event_id, day) for event_id, day, *_ in expected}) == len(expected)

    order = sorted({row["received_date"] for row in rows})
    shuffled = random.Random(seed)  # noqa: S311 (no secret)
    shuffled.shuffle(order)
    shop.clear()
    shop.receive([], DAYS)  # nothing yet, on days that count as loaded
    for day in order:
        shop.receive(shuffled.sample(rows, len(rows)), Days((day,)))
        touched = shop.touched([day])
        shop.run(Days.from_dates(set(touched.dates) & set(DAYS.dates)), only=STAGING)
    assert events_in(shop) == expected


def landed(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in (*EVENT_FIELDS, "received_at")}


@pytest.mark.slow
@examples(20)
@given(rows=rows_of_few_ids(), is_split=st.booleans())
def test_files_give_the_events_of_the_reference(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], *, is_split: bool
) -> None:
    folder = tmp_path_factory.mktemp("files")
    for number, row in enumerate(rows):
        name = f"{number if is_split else 0}.parquet"
        day = folder / f"received_date={row['received_date']}"
        day.mkdir(exist_ok=True)
        same = [r for r in rows if r["received_date"] == row["received_date"]]
        records = [landed(r) for r in ([row] if is_split else same)]
        pq.write_table(pa.Table.from_pylist(records, schema=SCHEMA), day / name)
        texts = tmp_path_factory.getbasetemp() / f"{folder.name}-texts" / day.name
        texts.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(record, default=str) + "\n" for record in records)
        (texts / name.replace("parquet", "ndjson")).write_text(lines)
    settings = Settings(home=Path("never written"))
    for path in (folder, texts.parent):
        files = FileEvents.open([str(path)], settings)
        named = files.naming(["page_url", "cart_amount", "user_id", "properties"])
        clean = named.clean()
        columns = ["event_id", "event_date", "user_id", "page_url", "cart_amount", "properties"]
        actual = clean.select(*columns).to_pyarrow().to_pylist()
        events = [(row["event_id"], row["event_date"], row) for row in actual]
        assert shown(events) == shown(events_of(rows))
        assert named.rows.counted == len(events)


SCHEMA = pa.schema(
    [*((name, pa.string()) for name in EVENT_FIELDS), ("received_at", pa.timestamp("us"))]
)


def test_two_contents_have_two_hashes() -> None:
    base = received("e", at("09:00"))
    others = [base | {"user_id": "ben"}, base | {"cart_amount": Decimal("0.01")}]
    assert len({content_of(row) for row in (base, *others)}) == 3
