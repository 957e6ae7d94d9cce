"""Which orders a subscription made by itself, in each layout whose vendor says it."""

import json
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pytest
import yaml
from pyarrow import parquet

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.mapping_file import shipped_file
from ecom_assets.ingestion.sources.proposal.proposal import OWN, MappingSearch
from ecom_assets_tests.builders import Row
from ecom_assets_tests.ingestion.sources import test_shop_order_documents as documents
from ecom_assets_tests.ingestion.sources import test_shopify_graphql as graphql
from ecom_assets_tests.ingestion.sources.test_order_files import HEADER, read
from ecom_assets_tests.ingestion.sources.test_profit_of_lines import SHOPIFY_CSV

SAID: Final = {"yes": True, "TRUE": True, "0": False, "no": False, "": None, "perhaps": None}


def by_order(rows: list[Row]) -> dict[str, Any]:
    """Return what is said of each order, on all of its lines and refunds alike."""
    said: dict[str, set[Any]] = {}
    for row in rows:
        said.setdefault(row["order_id"], set()).add(row["is_renewal"])
    assert all(len(values) == 1 for values in said.values()), said
    return {order: values.pop() for order, values in said.items()}


def test_the_native_layout_says_it_in_csv_json_and_parquet(tmp_path: Path) -> None:
    lines = [
        f"{n},{n},2026-05-20T12:00:00,1,Berlin,ann,,,hat,Hat,1,20.00,o{n},{text}"
        for n, text in enumerate(SAID)
    ]
    csv = tmp_path / "orders.csv"
    csv.write_text("\n".join([f"{HEADER},order_id,is_renewal", *lines]) + "\n")
    assert by_order(read(csv)) == {f"o{n}": value for n, value in enumerate(SAID.values())}
    names = ("uniq_id", "date_time", "city_id", "city_name", "customer_id", "item_id", "item_name")
    values = ("1", "2026-05-20T12:00:00", "1", "Berlin", "ann", "hat", "Hat")
    row = dict(zip(names, values, strict=True)) | {"quantity": 1, "payment_amount": 11.9}
    row |= {"order_id": "o1", "is_renewal": True}
    jsonl, table = tmp_path / "orders.jsonl", tmp_path / "orders.parquet"
    jsonl.write_text(json.dumps(row) + "\n")
    parquet.write_table(pa.Table.from_pylist([row]), table)
    assert by_order(read(jsonl)) == by_order(read(table)) == {"o1": True}


@pytest.mark.slow
def test_a_layout_without_it_reads_as_before(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(f"{HEADER}\n1,1,2026-05-20T12:00:00,1,Berlin,ann,,,hat,Hat,2,20.00\n")
    assert [row["is_renewal"] for row in read(file)] == [None]
    shopify = tmp_path / "shopify.csv"
    shopify.write_text(SHOPIFY_CSV)
    assert by_order(read(shopify, "shopify")) == {"#1": None, "#2": None}


def test_shopify_s_csv_says_it_by_source_and_tags_of_the_first_line(tmp_path: Path) -> None:
    head, *lines = SHOPIFY_CSV.splitlines()
    more = {
        "#1": ',web,"Subscription, Subscription Recurring Order"',
        "#2": ",subscription_contract_checkout_one,",
    }
    said = [
        line + (more[line[:2]] if "@example.com,p" in line or line.startswith("#2") else ",,")
        for line in lines
    ]
    first = [line.replace("#2", "#3").rpartition(",sub")[0] + ",web," for line in said[-1:]]
    file = tmp_path / "orders.csv"
    file.write_text("\n".join([f"{head},Source,Tags", *said, *first]) + "\n")
    assert by_order(read(file, "shopify")) == {"#1": True, "#2": True, "#3": None}


SHOPIFY: Final[tuple[tuple[Row, Any], ...]] = (
    ({"source_name": "web", "tags": ""}, None),
    ({"source_name": "web", "tags": "Subscription, Subscription First Order"}, False),
    ({"source_name": "web", "tags": "Subscription, Subscription Recurring Order"}, True),
    ({"source_name": "web", "tags": "appstle_subscription_recurring_order"}, True),
    ({"source_name": "subscription_contract", "tags": ""}, True),
    ({"source_name": "subscription_contract_checkout_one"}, True),
)
"""What an order of Shopify says; an order without tags says nothing."""


def test_shopify_s_documents_say_it_by_source_and_tags(tmp_path: Path) -> None:
    orders = [{**documents.SHOPIFY_ORDER, "id": n, **said} for n, (said, _) in enumerate(SHOPIFY)]
    rows = documents.rows_in(tmp_path, "shopify_admin", {"orders": orders})
    assert by_order(rows) == {str(n): value for n, (_, value) in enumerate(SHOPIFY)}


def test_shopify_s_graphql_says_it_by_source_and_list_of_tags(tmp_path: Path) -> None:
    orders = []
    for number, (said, _) in enumerate(SHOPIFY):
        tags = [tag for tag in said.get("tags", "").split(", ") if tag]
        order = graphql.order(number, "2026-07-05T07:00:00Z")
        orders.append({**order, "sourceName": said["source_name"], "tags": tags})
    (tmp_path / "orders.json").write_text(json.dumps(graphql.answer(*orders)))
    said_of = by_order(read(tmp_path / "orders.json", "shopify_graphql"))
    assert {order for order, value in said_of.items() if value} == {"2", "3", "4", "5"}
    query = yaml.safe_load(shipped_file("extracts/shopify_graphql.yaml"))["resources"][0]
    assert " tags\n" in query["endpoint"]["json"]["query"]


def noted(*keys: str) -> list[Row]:
    return [{"id": n, "key": key, "value": "77"} for n, key in enumerate(keys)]


WOOCOMMERCE: Final[tuple[tuple[Row, Any], ...]] = (
    ({"created_via": "checkout", "meta_data": []}, False),
    ({"created_via": "subscription", "meta_data": noted("_subscription_renewal")}, True),
    ({"created_via": "subscription", "meta_data": []}, True),
    ({"created_via": "subscription", "meta_data": noted("_subscription_resubscribe")}, False),
    ({"created_via": "checkout", "meta_data": noted("_stripe_fee", "_subscription_renewal")}, True),
    ({"created_via": "checkout"}, False),
)
"""What an order of WooCommerce says: who renews early pays at the checkout."""


def test_woocommerce_says_it_by_what_made_the_order_and_its_notes(tmp_path: Path) -> None:
    orders = [{**documents.WOO_ORDER, "id": n, **said} for n, (said, _) in enumerate(WOOCOMMERCE)]
    rows = documents.rows_in(tmp_path, "woocommerce", orders)
    assert by_order(rows) == {str(n): value for n, (_, value) in enumerate(WOOCOMMERCE)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("invoice", "expected"),
    [
        (None, None),
        ("in_1", None),
        ({"id": "in_1", "billing_reason": "subscription_create"}, False),
        ({"id": "in_1", "billing_reason": "subscription_cycle"}, True),
    ],
)
def test_stripe_s_charges_say_it_with_their_invoice(
    tmp_path: Path, invoice: Any, expected: Any
) -> None:
    charge = {**documents.CHARGE, "invoice": invoice}
    (row,) = documents.rows_in(tmp_path, "stripe", {"data": [charge]})
    assert row["is_renewal"] is expected
    paid = {**documents.TXN, "source": {"id": "ch_1", "customer": "cus_1", "invoice": invoice}}
    (row,) = documents.rows_in(tmp_path, "stripe_balance", {"data": [paid]})
    assert row["is_renewal"] is expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("header", "values", "is_proposed"),
    [
        ("Renewal", ("yes", "no"), True),
        ("Is renewal", ("true", "false"), True),
        ("subscription renewal", ("0", "1"), True),
        ("Renewal", ("monthly", "yearly"), False),
    ],
)
def test_a_mapping_of_plain_headers_has_it(
    tmp_path: Path, header: str, values: tuple[str, str], *, is_proposed: bool
) -> None:
    file = tmp_path / "orders.csv"
    rows = [
        f"o{n},2026-07-01T1{n}:00:00Z,ann{n}@ex.com,hat,1,20.00,{value}"
        for n, value in enumerate(values)
    ]
    head = f"order_id,order_date,customer_email,sku,quantity,total,{header}"
    file.write_text("\n".join([head, *rows]) + "\n")
    proposal = MappingSearch([str(file)], Settings(home=tmp_path)).proposal({}, OWN)
    fields = yaml.safe_load(proposal.text)["fields"]
    assert fields.get("is_renewal", {}).get("column") == (header if is_proposed else None)
