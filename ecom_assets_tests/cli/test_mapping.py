"""`ecom mapping`: which mappings there are,
and how many rows of a file one of them reads cleanly.
"""

from pathlib import Path

import pytest
import yaml

from ecom_assets.ingestion.sources.files.mapping import (
    CostMapping,
    EventMapping,
    OrderMapping,
    shipped,
)
from ecom_assets_tests.command import ecom

# Ann's view, a purchase without a product and without an amount that is a number, a time without a
# day, a broken line.
CLICKS = """wann;wer;was;artikel;preis
2026-07-01 12:00:00;ann;ansicht;4711;
2026-07-01 12:05:00;ann;kauf;4711;gratis
12:06;ann;ansicht;4711;
2026-07-01 12:07:00;ann;ansicht
"""
MAPPING = """
delimiter: ";"
fields:
  event_id: {hash_of: [wann, wer, was, artikel]}
  event_timestamp: wann
  user_id: wer
  event_type: was
  product_id: artikel
  cart_value: preis
event_types: {ansicht: product_view, kauf: purchase}
"""


def test_every_shipped_mapping_is_listed_and_can_be_shown(home: Path) -> None:
    listed = ecom("mapping", "list", "--json", home=home).json
    kinds = (("events", EventMapping), ("orders", OrderMapping), ("costs", CostMapping))
    for of, kind in kinds:
        assert [row["name"] for row in listed if row["of"] == of] == shipped(kind)
    assert all(row["description"] for row in listed)
    for row in listed:
        shown = ecom("mapping", "show", row["name"], "--of", row["of"], home=home).out
        assert yaml.safe_load(shown)["description"] == row["description"]


def test_a_name_that_is_not_shipped_is_refused_with_the_nearest(home: Path) -> None:
    result = ecom("mapping", "show", "rees64", home=home)
    assert result.exit_code == 2
    assert "did you mean 'rees46'" in result.sentence


@pytest.mark.slow
def test_a_file_is_read_and_what_is_not_clean_is_explained(home: Path, tmp_path: Path) -> None:
    clicks, mapping = tmp_path / "clicks.csv", tmp_path / "shop.yaml"
    clicks.write_text(CLICKS)
    mapping.write_text(MAPPING)
    checked = ecom("mapping", "check", clicks, "--mapping", mapping, "--json", home=home).json
    assert checked["rows"]["read"] == 4
    assert checked["rows"]["counted"] == 2
    examples = {why["reason"]: why["example"] for why in checked["not_clean"]}
    assert examples.keys() == {"malformed_row", "unparseable_timestamp"}
    assert examples["malformed_row"] == {"malformed_row": "2026-07-01 12:07:00;ann;ansicht"}
    assert examples["unparseable_timestamp"]["event_timestamp"] == "12:06"
    # An amount of "gratis" is not known; its event counts.
    assert checked["rows"]["unread"] == {"cart_value": 1}
    types = [(row["source"], row["event_type"], row["count"]) for row in checked["event_types"]]
    assert types == [("ansicht", "product_view", 2), ("kauf", "purchase", 1)]
    shown = ecom("mapping", "check", clicks, "--mapping", mapping, home=home)
    assert "Rows: 4 read, 2 counted" in shown.out
    assert "such as wann" not in shown.out
    assert "2 of 4 rows (50%) are not counted" in shown.err


def test_a_mapping_of_orders_is_known_by_its_fields(home: Path, tmp_path: Path) -> None:
    orders = tmp_path / "orders.csv"
    orders.write_text(
        "uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,quantity,"
        "payment_amount,status\n"
        "1,2026-07-01 12:00:00,1,Kyiv,ann,Ann,A,lamp,Lamp,2,39.80,\n"
    )
    result = ecom("mapping", "check", orders, "--mapping", "user_order_log", home=home)
    assert "Rows: 1 read, 1 counted; in no row there is a value of order_id" in result.out
    assert (
        "customer_id=ann, item_id=lamp, received_quantity=2, received_payment_amount=39.80"
        in result.out
    )


def test_a_mapping_in_a_file_is_known_by_the_id_of_its_records(home: Path, tmp_path: Path) -> None:
    """Order lines may say what they cost, and have an `id` as customers have one."""
    lines = tmp_path / "lines.csv"
    lines.write_text("nr,line,at,who,sku,n,paid,cost\n1,7,2026-07-01,ann,lamp,2,39.80,11.00\n")
    mapping = tmp_path / "own.yaml"
    fields = "uniq_id: line, id: nr, date_time: at, customer_id: who, item_id: sku, quantity: n"
    mapping.write_text(f"fields: {{{fields}, payment_amount: paid, unit_cost_amount: cost}}\n")
    result = ecom("mapping", "check", lines, "--mapping", mapping, home=home)
    assert (result.exit_code, result.err) == (0, "")
    assert "would count: 39.80, sold less paid back, 1 row" in result.out


def test_rows_are_of_one_kind(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("sku,cost\nlamp,3\n")
    result = ecom("mapping", "init", file, "--costs", "--ad-spend", home=home)
    assert (result.exit_code, result.sentence) == (
        2,
        "Rows are of one kind; give --costs or --ad-spend, not both.",
    )


def test_customers_are_checked_by_their_own_mapping_or_where_asked_for(
    home: Path, tmp_path: Path
) -> None:
    customers = tmp_path / "customers.csv"
    customers.write_text("Customer ID,First Name,Last Name,Email\n'1,Ann,A,Ann@x.de\n'2,Bob,B,\n")
    by_id = ecom(
        "mapping", "check", customers, "--mapping", "shopify_ids", "--json", home=home
    ).json
    assert by_id["rows"] == {"read": 2, "counted": 2, "rejected": {}}
    assert [row["id"] for row in by_id["preview"]] == ["1", "2"]
    by_email = ecom("mapping", "check", customers, "--mapping", "shopify", "--customers", home=home)
    assert "Rows: 2 read, 1 counted; not counted: id: it is missing 1" in by_email.out
    assert "id=ann@x.de" in by_email.out
    assert "1 of 2 rows (50%) are not counted" in by_email.err
    assert (
        "expects for order_id"
        in ecom("mapping", "check", customers, "--mapping", "shopify", home=home).sentence
    )


def test_a_file_that_does_not_fit_is_refused_with_the_mapping_that_does(
    home: Path, tmp_path: Path
) -> None:
    events = tmp_path / "events.csv"
    events.write_text(
        "timestamp,visitorid,event,itemid,transactionid\n1433221332117,257597,view,355908,\n"
    )
    result = ecom("mapping", "check", events, "--mapping", "rees46", home=home)
    assert result.exit_code == 2
    assert "it looks like mapping 'retailrocket'" in result.sentence
