"""Orders and customers from Kafka: any mapping of orders, the last message of a
line or a customer, once.
"""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ecom_assets.core.errors import MappingError, SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.definitions import checks
from ecom_assets.ingestion.sources.compaction import compact, remove_replaced
from ecom_assets.ingestion.sources.customer_api.files import FileCustomers
from ecom_assets.ingestion.sources.order_reports.source import open_orders
from ecom_assets.orchestration.privacy.customer_files import find_customers, remove_customers
from ecom_assets.orchestration.privacy.person import Person
from ecom_assets_tests.command import ecom
from ecom_assets_tests.ingestion.stream.streamed import MockCluster, StreamHome

HASHED = """
name: lines
rows: {sale: items}
fields:
  uniq_id: {hash_of: [items.sku, at]}
  date_time: {column: at, format: "%d.%m.%Y %H:%M:%S", timezone: shop}
  customer_id: who
  item_id: items.sku
  quantity: items.n
  payment_amount: items.paid
"""
Row = dict[str, Any]
NOW = datetime.now(UTC)
NEXT_WEEK_S = 7 * 86_400
EPOCHS = """
name: epochs
fields:
  event_id: id
  user_id: who
  event_type: what
  event_timestamp: {column: at, format: epoch_ms}
"""


def home_of(tmp_path: Path, kind: Any) -> tuple[MockCluster, StreamHome]:
    cluster = MockCluster()
    return cluster, StreamHome(tmp_path, cluster.address, cluster.ids, kind)


def order(order_id: int, *lines: Row, **fields: Any) -> Row:
    at = NOW.isoformat(timespec="seconds")
    return {
        "id": order_id,
        "processed_at": at,
        "created_at": at,
        "taxes_included": False,
        "currency": "EUR",
        "customer": {"id": 7},
        "line_items": list(lines),
        "refunds": [],
        **fields,
    }


def line(line_id: int, price: str, **fields: Any) -> Row:
    return {
        "id": line_id,
        "sku": f"sku-{line_id}",
        "title": "Hat",
        "price": price,
        "quantity": 1,
        **fields,
    }


@pytest.mark.slow
def test_an_order_of_several_lines_lands_as_its_lines_those_that_are_left_out_too(
    tmp_path: Path,
) -> None:
    cluster, home = home_of(tmp_path, "orders")
    hats = order(
        1, line(11, "20.00"), line(12, "5.50", gift_card=False), line(13, "50.00", gift_card=True)
    )
    test = order(2, line(21, "99.00"), test=True)
    cluster.send(hats, b"{oops", test, b"[1]", order(3, line(31, "1.25")))
    home.read(7, orders_mapping="shopify_admin")
    names = ("order_id", "payment_amount", "currency", "record_id", "left_out")
    rows = {row["uniq_id"]: tuple(row[name] for name in names) for row in home.rows()}
    assert rows == {
        "sale-11": ("1", "20.0000", "EUR", "1", None),
        "sale-12": ("1", "5.5000", "EUR", "1", None),
        "sale-13": ("1", "50.0000", "EUR", "1", "gift_card"),
        "sale-21": ("2", "99.0000", "EUR", "2", "test_order"),
        "sale-31": ("3", "1.2500", "EUR", "3", None),
    }
    letters = sorted((row["detail"], row["reason"]) for row in home.letters())
    assert letters == [("offset 1", "unreadable"), ("offset 3", "unreadable")]


@pytest.mark.slow
def test_an_order_that_is_a_test_in_a_later_message_is_no_sale(tmp_path: Path) -> None:
    cluster, home = home_of(tmp_path, "orders")
    sold = order(1, line(11, "20.00"), updated_at="2026-11-24T07:00:00Z")
    shorter = order(2, line(21, "3.00"), updated_at="2026-11-24T09:00:00Z")
    longer = order(2, line(21, "3.00"), line(22, "4.00"), updated_at="2026-11-24T08:00:00Z")
    cluster.send(sold, shorter, sold | {"test": True, "updated_at": "2026-11-24T07:30:00Z"}, longer)
    home.read(5, orders_mapping="shopify_admin")
    env = {
        "ECOM_ORDERS": home.address,
        "ECOM_ORDERS_MAPPING": "shopify_admin",
        "ECOM_CURRENCY": "EUR",
    }
    assert (
        ecom(
            "run", "--select", '+key:"staging/user_order_log"', home=home.folder, env=env
        ).exit_code
        == 0
    )
    with duckdb.connect(str(home.folder / "warehouse.duckdb"), read_only=True) as con:
        counted = con.execute(
            "SELECT uniq_id, payment_amount::VARCHAR FROM staging.user_order_log"
        ).fetchall()
    assert counted == [("sale-21", "3.0000")]


@pytest.mark.slow
def test_of_several_messages_about_an_order_the_last_one_counts_in_a_run(tmp_path: Path) -> None:
    cluster, home = home_of(tmp_path, "orders")
    placed, changed = (
        order(1, line(11, "20.00"), line(12, "5.00")),
        order(1, line(11, "20.00"), line(12, "4.00")),
    )
    cluster.send(
        placed, changed, at_ms=int(NOW.timestamp() * 1000)
    )  # within one millisecond of the broker's clock
    home.read(4, orders_mapping="shopify_admin")
    env = {
        "ECOM_ORDERS": home.address,
        "ECOM_ORDERS_MAPPING": "shopify_admin",
        "ECOM_CURRENCY": "EUR",
    }
    run = ("run", "--select", '+key:"staging/user_order_log"')
    assert ecom(*run, home=home.folder, env=env).exit_code == 0
    with duckdb.connect(str(home.folder / "warehouse.duckdb"), read_only=True) as con:
        counted = con.execute(
            "SELECT uniq_id, payment_amount::VARCHAR FROM staging.user_order_log"
        ).fetchall()
        ((received,),) = con.execute("SELECT count(*) FROM raw.user_order_log").fetchall()
    assert (received, dict(counted)) == (4, {"sale-11": "20.0000", "sale-12": "4.0000"})
    assert "events/0 is read up to offset 2." in ecom("status", home=home.folder, env=env).out


def test_order_lines_without_an_id_have_their_position(tmp_path: Path) -> None:
    cluster, home = home_of(tmp_path, "orders")
    mapping = tmp_path / "lines.yaml"
    mapping.write_text(HASHED)
    sold = {
        "items": [{"sku": "hat", "n": 1, "paid": "2"}, {"sku": "hat", "n": 1, "paid": "2"}],
        "who": "anna",
    }
    cluster.send({**sold, "at": "24.11.2026 07:00:00"})
    home.read(2, orders_mapping=str(mapping), timezone="Europe/Berlin")
    rows = {row["uniq_id"]: (row["item_id"], row["date_time"]) for row in home.rows()}
    at = "2026-11-24T06:00:00.000000Z"  # seven in Berlin
    assert rows == {"topic-id-1-0-0": ("hat", at), "topic-id-1-0-0-1": ("hat", at)}


def test_times_that_are_no_text_with_a_zone_land_as_such(tmp_path: Path) -> None:
    cluster, home = home_of(tmp_path, "events")
    mapping = tmp_path / "epochs.yaml"
    mapping.write_text(EPOCHS)
    cluster.send({"id": "a", "who": "anna", "what": "page_view", "at": 1_795_500_000_123})
    home.read(1, events_mapping=str(mapping))
    assert [row["event_timestamp"] for row in home.rows()] == ["2026-11-24T06:00:00.123000Z"]


def test_the_last_message_of_a_customer_counts_and_one_without_an_id_is_kept(
    tmp_path: Path,
) -> None:
    cluster, home = home_of(tmp_path, "customers")
    ids = {"path": "payload.id", "email": "payload.email"}
    mapping = tmp_path / "crm.yaml"
    mapping.write_text(
        f"name: crm\nrecords: .\nfields: {{id: {ids['path']}, email: {ids['email']}}}\n"
    )
    anna = [{"payload": {"id": 7, "email": f"anna{number}@example.org"}} for number in range(3)]
    cluster.send(
        *anna, {"payload": {"email": "nobody@example.org"}}, b"{oops", None, {"payload": {"id": 8}}
    )
    home.read(7, customers_mapping=str(mapping))
    settings = home.settings(customers_mapping=str(mapping))
    got = [
        (record.customer.id, record.customer.email)
        for record in FileCustomers(settings).records()
        if record.customer
    ]
    assert got == [("7", "anna2@example.org"), ("8", None)]
    assert FileCustomers(settings).records(date(2020, 1, 1)) == [], "nobody was known then"
    letters = sorted((row["detail"], row["reason"]) for row in home.letters())
    assert letters == [
        ("offset 3", "no_customer_id"),
        ("offset 4", "unreadable"),
        ("offset 5", "empty"),
    ]


@pytest.mark.slow
def test_landed_orders_and_customers_are_compacted_and_a_person_is_erased_from_both(
    tmp_path: Path,
) -> None:
    cluster, home = home_of(tmp_path, "customers")
    for customer in (
        {"id": 7, "email": "a@example.org"},
        {"id": 8},
        {"id": 7, "email": "b@example.org"},
    ):
        cluster.send(customer)
        home.read(1)
    settings = home.settings()
    done = compact(settings, now=lambda: NOW.timestamp() + NEXT_WEEK_S)
    assert (done.merged_count, done.row_count) == (3, 3)
    assert len(FileCustomers(settings).records()) == 2
    person = Person(users=("7",))
    remove_replaced(settings)
    assert [file.record_count for file in find_customers(settings, person)] == [2]
    assert [file.record_count for file in remove_customers(settings, person)] == [2]
    assert find_customers(settings, person) == []
    assert [record.payload for record in FileCustomers(settings).records()] == ['{"id":8}']
    cluster.send({"id": 9})
    home.read(1)
    assert len(FileCustomers(settings).records()) == 2, "the stream goes on where it was"


def test_few_orders_of_a_stream_stop_no_run_as_an_incomplete_report_would(tmp_path: Path) -> None:
    def gates(**options: str) -> set[str]:
        found = checks(Settings(home=tmp_path, orders="kafka://broker/orders", **options))  # type: ignore[arg-type]
        return {"report_has_enough_customers", "no_order_day_is_held"} & {
            check.name for check in found
        }

    assert gates() == set()
    assert gates(order_gate="run") == {"report_has_enough_customers"}
    assert gates(order_gate="day") == {"no_order_day_is_held"}


def test_what_never_landed_and_what_cannot_map_messages_is_said(tmp_path: Path) -> None:
    _, home = home_of(tmp_path, "customers")
    with pytest.raises(SourceError, match="ecom stream --kind customers"):
        FileCustomers(home.settings()).records()
    orders = StreamHome(tmp_path, home.brokers, home.topic_ids, "orders")
    with pytest.raises(SourceError, match="ecom stream --kind orders"), duckdb.connect() as con:
        open_orders(con, orders.settings())
    with (
        pytest.raises(MappingError, match="give one without explode and group_by"),
        orders.opened(orders_mapping="shopify"),
    ):
        pass
    result = ecom(
        "stream", orders.address, "--kind", "orders", "--events", str(tmp_path), home=tmp_path
    )
    assert (result.exit_code, "--events is the folder in which events land" in result.err) == (
        2,
        True,
    )
