"""Cases in which an order changed after it was first exported: its newest version counts,
whatever is in it.
"""

from collections import Counter

import pytest

from ecom_assets_tests.cases.case import Case
from ecom_assets_tests.cases.test_amounts import clean_rows, money
from ecom_assets_tests.command import FEW_SALES


@pytest.mark.slow
@pytest.mark.parametrize("case", ["02"], indirect=True)
def test_a_line_that_is_removed_later_does_not_count(case: Case) -> None:
    sales = case.sales("--orders", "in", "--orders-mapping", "woocommerce")
    assert sales["revenue_amount"] == "400.00"


@pytest.mark.slow
@pytest.mark.parametrize("case", ["303"], indirect=True)
def test_a_refund_that_fails_later_is_withdrawn(case: Case) -> None:
    """200.00 of 500.00 were paid back on 3 March; a week later the bank returned them."""
    case.ecom("run", "--orders", "in", "--orders-mapping", "stripe", *FEW_SALES)
    sold = "SELECT status, sum(payment_amount) FROM staging.user_order_log GROUP BY 1"
    assert case.rows(sold) == [("shipped", 500)]


SHOPIFY = ("--orders-mapping", "shopify")


@pytest.mark.slow
@pytest.mark.parametrize("case", ["25"], indirect=True)
def test_lines_of_an_order_that_lie_apart_are_one_order(case: Case) -> None:
    rows = clean_rows(case, "sorted_by_item.csv", mapping="shopify")
    assert (money(rows).sold, sum(row["quantity"] for row in rows)) == (14_800, 13)
    sold: Counter[str] = Counter()
    for row in rows:
        sold[row["item_name"]] += row["payment_amount"]
    assert sorted(sold.values()) == [480, 1_000, 13_320]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["36"], indirect=True)
def test_orders_of_two_shops_that_share_numbers_both_count_with_a_warning(case: Case) -> None:
    result = case.ecom("run", "--orders", "in", *SHOPIFY, "--json", *FEW_SALES)
    sales = result.json["sales"]
    assert (sales["orders"], sales["revenue_amount"]) == (40, "800.00")
    assert "20 order numbers are claimed by several orders, for example #1001" in result.err


@pytest.mark.slow
@pytest.mark.parametrize("case", ["36"], indirect=True)
def test_a_shop_in_the_key_keeps_orders_of_two_shops_apart_without_a_warning(case: Case) -> None:
    (case.folder / "m.yaml").write_text("extends: shopify\nfields:\n  shop: {file_name: true}\n")
    result = case.ecom("run", "--orders", "in", "--orders-mapping", "m.yaml", "--json", *FEW_SALES)
    sales = result.json["sales"]
    assert (sales["orders"], sales["revenue_amount"], sales["duplicates"]) == (40, "800.00", 0)
    assert "claimed by several orders" not in result.err
    keys = case.rows("SELECT min(order_id), max(order_id) FROM staging.user_order_log")
    assert keys == [("shop_de/#1001", "shop_fr/#1020")]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["01"], indirect=True)
def test_an_order_that_is_cancelled_later_is_no_sale(case: Case) -> None:
    """A run over 4 March cancels an order of 2 March: 460.00 less 100.00 are left of the days that
    it changed, all of which its summary speaks of.
    """
    orders = ("--orders", "in", "--orders-mapping", "woocommerce")
    case.sales(*orders, "--from", "2026-03-02", "--to", "2026-03-03")
    sales = case.sales(*orders, "--from", "2026-03-04", "--to", "2026-03-04")
    assert sales["changed_days"] == {"from": "2026-03-02", "to": "2026-03-04", "count": 2}
    assert (sales["orders"], sales["revenue_amount"]) == (36, "360.00")


@pytest.mark.slow
@pytest.mark.parametrize("case", ["41"], indirect=True)
def test_numbers_that_a_spreadsheet_shortened_are_not_taken_for_orders(case: Case) -> None:
    said = case.ecom("mapping", "init", "orders.csv", "--timezone", "UTC", "--out", "m.yaml").out
    assert "order_id, such as 5.62101E+12, is no order number" in said
    sales = case.sales("--orders", "orders.csv", "--orders-mapping", "m.yaml")
    assert (sales["orders"], sales["average_order_value"]) == (30, "34.50"), "1,035.00 / 30"


NUMBERED = """
fields:
  uniq_id: {hash_of: [order_id, order_date, customer_email]}
  order_id: order_id
  date_time: order_date
  customer_id: customer_email
  item_id: sku
  quantity: quantity
  payment_amount: total
"""


@pytest.mark.slow
@pytest.mark.parametrize("case", ["41"], indirect=True)
def test_a_mapping_that_takes_them_for_orders_gives_a_warning(case: Case) -> None:
    (case.folder / "m.yaml").write_text(NUMBERED)
    result = case.ecom(
        "run", "--orders", "orders.csv", "--orders-mapping", "m.yaml", "--json", *FEW_SALES
    )
    assert "1 of 1 orders have lines of several customers" in result.err
