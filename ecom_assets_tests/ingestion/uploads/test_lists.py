"""Customers, costs and stock as uploads: recognised, looked at, landed, read beside others, and
taken back.
"""

import csv
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecom_assets.core.settings.settings import load_settings
from ecom_assets.core.settings.uploaded import KINDS
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources import feeds as feeds_folder
from ecom_assets.ingestion.sources.costs import FileCosts
from ecom_assets.ingestion.sources.customer_api.records import mapping_of
from ecom_assets.ingestion.sources.proposal.drafts.draft import Draft
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.record_feed import feeds
from ecom_assets.ingestion.uploads.landed import empty_landed, land
from ecom_assets.ingestion.uploads.landings import LANDINGS, day_sent
from ecom_assets.ingestion.uploads.look import look_at
from ecom_assets.ingestion.uploads.store import LOADED, UNDONE, Upload, Uploads
from ecom_assets.orchestration.privacy.customer_files import find_customers, remove_customers
from ecom_assets.orchestration.privacy.person import Person
from ecom_assets.resources import customer_source_of, stock_source_of
from ecom_assets_tests.ingestion.uploads.lists import (
    COSTS_1,
    COSTS_2,
    CUSTOMERS_1,
    CUSTOMERS_2,
    MAPPINGS,
    STOCK_1,
    STOCK_2,
    written,
)
from ecom_assets_tests.ingestion.uploads.shop_exports import (
    WEEK_1,
    chosen,
    export,
    sent,
    settings_of,
)

LAST_OF_WEEK_1 = date(2026, 3, 8)


def loaded(home: Path, path: Path, kind: str, more: str = "") -> Upload:
    """Land a file as a run does, by a mapping of its kind and more lines, and return it with the
    days that it brought.
    """
    uploads = Uploads(home)
    name = f"{kind}-own"
    written(home / "uploads" / "mappings" / f"{name}.yaml", MAPPINGS[kind] + more)
    upload = uploads.choose(sent(home, path), kind=kind, mapping=name, answers={})
    brought = land(uploads, upload, settings_of(home))
    return uploads.note(
        upload,
        state=LOADED,
        first_day=brought.first_day,
        last_day=brought.last_day,
        counted_count=brought.counted_count,
        replaced_uploads=sorted(brought.replaced or {}),
    )


def customers_in(home: Path, **settings: str) -> list[tuple[date, str | None, str | None]]:
    """Return the day, the id and the city of the customers that a run over March would receive."""
    source = customer_source_of(load_settings(home=home, **settings))
    rows = source.received(Days((date(2026, 3, 31),))).rows.to_pyarrow().to_pylist()
    rows.sort(key=lambda row: (row["received_date"], row["record_number"]))
    return [(row["received_date"], row["customer_id"], row["city"]) for row in rows]


def stock_in(home: Path) -> list[Mapping[str, Any]]:
    output = stock_source_of(settings_of(home)).received(Days((date(2026, 3, 31),)))
    rows: list[Mapping[str, Any]] = output.rows.to_pyarrow().to_pylist()
    return rows


def costs_in(home: Path) -> list[Mapping[str, Any]]:
    output = FileCosts(connect(), settings_of(home)).received(Days(()))
    rows: list[Mapping[str, Any]] = output.rows.to_pyarrow().to_pylist()
    return rows


def test_a_kind_is_declared_once() -> None:
    """Its package says it; what lands, what is drafted and what is shown follow from that."""
    packages = {path.parent.name for path in Path(feeds_folder.__path__[0]).glob("*/feed.py")}
    assert packages == KINDS.keys() == feeds().keys() == LANDINGS.keys() == set(MappingKind)
    for name, feed in feeds().items():
        assert (feed.upload.name, LANDINGS[name].feed) == (name, feed)
        assert feed.raw.layer == "raw"
        assert issubclass(feed.draft_class, Draft)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "kind", "rejected"),
    [
        (CUSTOMERS_1, "customers", {"id: it is missing": 1}),
        (COSTS_1, "costs", {}),
        (STOCK_1, "stock", {"earlier_line": 1, "missing_product_id": 1}),
    ],
)
def test_a_list_is_recognised_by_its_columns(
    tmp_path: Path, text: str, kind: str, rejected: Mapping[str, int]
) -> None:
    home = tmp_path / "home"
    upload = sent(home, written(tmp_path / "list.csv", text))
    look = look_at(Uploads(home), upload, settings_of(home))
    assert (look.kind, look.refusal, look.is_ready) == (kind, "", True)
    count = len(text.splitlines()) - 1
    assert look.rows["read"] == count == look.rows["counted"] + sum(rejected.values())
    assert look.rows["rejected"] == rejected
    assert len(look.preview) == count
    assert look.money == {}, "only orders have money"


@pytest.mark.slow
def test_customers_are_known_by_the_id_that_loaded_orders_have(tmp_path: Path) -> None:
    home, lines = tmp_path / "home", ["Customer ID,First Name,Last Name,Email,City"]
    lines += [f"'90{n},Ann,No {n},C{n}@shop.example,Ulm" for n in (1001, 1002)]
    customers = written(tmp_path / "customers.csv", "\n".join([*lines, "'903,Bob,,,Ulm", ""]))
    look = look_at(Uploads(home), sent(home, customers), settings_of(home))
    assert (look.mapping, look.rows["counted"]) == ("shopify_ids", 3), "all have the shop's own id"
    loaded(home, export(tmp_path / "orders.csv", WEEK_1), "orders")  # of addresses
    look = look_at(Uploads(home), sent(home, customers), settings_of(home))
    assert (look.mapping, look.rows["counted"]) == ("shopify", 2)
    assert [name for name, _ in look.mappings][:2] == ["shopify_ids", "shopify"], "a choice is left"


def test_a_later_list_of_customers_has_newer_versions_and_goes_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    loaded(home, export(tmp_path / "orders.csv", WEEK_1), "orders")
    first = loaded(home, written(tmp_path / "customers.csv", CUSTOMERS_1), "customers")
    # It is of the newest day that the orders reach, as `ecom run --customers` lists customers.
    assert (first.first_day, first.counted_count) == (LAST_OF_WEEK_1, 5)
    second = loaded(home, written(tmp_path / "more.csv", CUSTOMERS_2), "customers")
    assert (second.counted_count, second.replaced_uploads) == (2, (first.number,))
    bobs = [(LAST_OF_WEEK_1, "2", "Graz"), (LAST_OF_WEEK_1, "2", "Wien")]
    assert [row for row in customers_in(home) if row[1] == "2"] == bobs, "the later one is last"
    scored = ("email", "first_name", "last_name", "city", "country", "updated_at")
    assert mapping_of(settings_of(home)).expected_fields == scored
    empty_landed(Uploads(home), second)
    assert [row for row in customers_in(home) if row[1] == "2"] == bobs[:1]
    output = customer_source_of(settings_of(home)).received(Days((date(2026, 3, 31),)))
    assert output.days.dates == output.only_uploads.dates == (LAST_OF_WEEK_1,)


def test_customers_in_parquet_are_sent_undone_and_erased_as_those_of_csv(tmp_path: Path) -> None:
    home, path = tmp_path / "home", tmp_path / "customers.parquet"
    rows = list(csv.DictReader(CUSTOMERS_1.splitlines()))
    lines = [{name: cell or None for name, cell in row.items()} for row in rows]
    pq.write_table(pa.Table.from_pylist(lines), path)
    look = look_at(Uploads(home), sent(home, path), settings_of(home))
    assert (look.kind, look.refusal, look.rows["counted"]) == ("customers", "", 5)
    in_parquet = loaded(home, path, "customers")
    as_parquet = customers_in(home)
    empty_landed(Uploads(home), in_parquet)
    assert customers_in(home) == []
    loaded(home, written(tmp_path / "customers.csv", CUSTOMERS_1), "customers")
    assert customers_in(home) == as_parquet
    bob = Person(users=("2",))
    assert sum(found.record_count for found in remove_customers(settings_of(home), bob)) == 1
    assert [id_ for _, id_, _ in customers_in(home)] == ["1", "3", "4", "5", None]


def test_configured_customers_are_listed_on_the_last_day_and_uploads_on_theirs(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    loaded(home, export(tmp_path / "orders.csv", WEEK_1), "orders")
    loaded(home, written(tmp_path / "more.csv", CUSTOMERS_2), "customers")
    own = str(written(tmp_path / "own.csv", "id,email,city\n9,ida@shop.example,Trier\n"))
    assert customers_in(home, customers=own) == [
        (LAST_OF_WEEK_1, "2", "Wien"),
        (LAST_OF_WEEK_1, "6", "Ulm"),
        (date(2026, 3, 31), "9", "Trier"),
    ]


def test_a_person_goes_from_the_customers_of_uploads(tmp_path: Path) -> None:
    home = tmp_path / "home"
    loaded(home, written(tmp_path / "customers.csv", CUSTOMERS_1), "customers")
    settings, bob = settings_of(home), Person(users=("2",))
    assert [found.record_count for found in find_customers(settings, bob)] == [1]
    assert sum(found.record_count for found in remove_customers(settings, bob)) == 1
    assert [id_ for _, id_, _ in customers_in(home)] == ["1", "3", "4", "5", None]
    # A record without an id that names somebody is theirs, too.
    nobody = Person(users=("nobody@shop.example",))
    assert sum(found.record_count for found in remove_customers(settings, nobody)) == 1
    assert [id_ for _, id_, _ in customers_in(home)] == ["1", "3", "4", "5"]


def test_costs_arrive_when_they_are_sent_and_hold_by_the_mapping_of_their_file(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    loaded(home, export(tmp_path / "orders.csv", WEEK_1), "orders")
    first = loaded(home, written(tmp_path / "costs.csv", COSTS_1), "costs")
    assert (first.first_day, first.counted_count) == (LAST_OF_WEEK_1, 2)
    second = loaded(home, written(tmp_path / "costs2.csv", COSTS_2), "costs")
    assert (second.counted_count, second.replaced_uploads) == (1, (first.number,))
    sent_day = day_sent(first.sent_at, "UTC")
    rows = sorted(
        (row["source_file"], row["item_id"], row["unit_cost_amount"]) for row in costs_in(home)
    )
    assert rows == [
        ("upload-000002-001.parquet", "D1", Decimal(70)),
        ("upload-000002-001.parquet", "L1", Decimal("30.5")),
        ("upload-000003-001.parquet", "L1", Decimal(20)),
    ]
    assert {row["received_date"] for row in costs_in(home)} == {sent_day}
    # The same file by its mapping has the same ids, which the native layout keeps.
    mapping = str(home / "uploads" / "mappings" / f"{first.mapping}.yaml")
    plain = load_settings(
        home=tmp_path / "other", costs=str(tmp_path / "costs.csv"), costs_mapping=mapping
    )
    theirs = FileCosts(connect(), plain).received(Days(())).rows.to_pyarrow().to_pylist()
    ours = [row for row in costs_in(home) if row["source_file"].startswith("upload-000002")]
    assert sorted(row["cost_id"] for row in ours) == sorted(row["cost_id"] for row in theirs)


def test_costs_that_a_mapping_leaves_out_stay_left_out(tmp_path: Path) -> None:
    home = tmp_path / "home"
    out = "leave_out:\n  desks: {column: SKU, in: [D1]}\n"
    loaded(home, written(tmp_path / "costs.csv", COSTS_1), "costs", out)
    left_out = {row["item_id"]: row["left_out"] for row in costs_in(home)}
    assert left_out == {"D1": "desks", "L1": None}


SHOPIFY: Final = (
    "Handle,Title,SKU,Location,Available (not editable),On hand (current)\n"
    "lamp,Lamp,L1,Berlin,3,4\nlamp,Lamp,L1,Graz,2,2\ndesk,Desk,D1,Berlin,7,7\nlamp,Lamp,L1,Graz,5,6\n"
)
"""Stock at two locations, of which Graz is there twice: the later line counts."""


@pytest.mark.slow
def test_stock_of_several_locations_is_added_up(tmp_path: Path) -> None:
    home, uploads = tmp_path / "home", Uploads(tmp_path / "home")
    upload = chosen(home, written(tmp_path / "inventory.csv", SHOPIFY))
    assert upload.kind == "stock"
    brought = land(uploads, upload, settings_of(home))
    assert (brought.row_count, brought.counted_count) == (2, 2)
    stock = {row["product_id"]: row["stock_count"] for row in stock_in(home)}
    assert stock == {"L1": 4 + 6, "D1": 7}, "what is on hand, at both locations"


def test_stock_is_a_list_of_one_day_and_a_later_line_or_list_counts(tmp_path: Path) -> None:
    home = tmp_path / "home"
    loaded(home, export(tmp_path / "orders.csv", WEEK_1), "orders")
    first = loaded(home, written(tmp_path / "stock.csv", STOCK_1), "stock")
    assert (first.first_day, first.counted_count) == (LAST_OF_WEEK_1, 2)
    second = loaded(home, written(tmp_path / "stock2.csv", STOCK_2), "stock")
    lamps = [row for row in stock_in(home) if row["product_id"] == "L1"]
    lamps.sort(key=lambda row: row["record_number"])
    assert [row["stock_count"] for row in lamps] == [12, 9, 40]
    assert {row["reorder_point_count"] for row in lamps} == {10}
    # Where the older list came from is no matter: each row says its file, and goes with it.
    empty_landed(Uploads(home), second)
    Uploads(home).note(second, state=UNDONE)
    assert {row["source_file"] for row in stock_in(home)} == {"upload-000002-001.parquet"}
