"""Cases of attributes that took the money of their row with them: quantities, fees,
large and unread amounts.
"""

from datetime import date
from decimal import Decimal

import pytest

from ecom_assets_tests.cases.case import Case
from ecom_assets_tests.command import FEW_SALES


@pytest.mark.slow
@pytest.mark.parametrize("case", ["03"], indirect=True)
def test_money_is_paid_back_for_no_item(case: Case) -> None:
    sales = case.sales("--orders", "shop.json", "--orders-mapping", "woocommerce")
    assert (sales["revenue_amount"], sales["refunded_amount"]) == ("570.00", "-30.00")
    returned = (
        "SELECT order_date, sum(payment_amount) FROM staging.user_order_log WHERE status = "
        "'refunded' GROUP BY 1"
    )
    assert case.rows(returned) == [(date(2026, 3, 3), Decimal(30))]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["04"], indirect=True)
def test_a_metre_and_a_half_and_350_grams_are_sold(case: Case) -> None:
    sales = case.sales("--orders", "shop.json", "--orders-mapping", "woocommerce")
    assert (sales["revenue_amount"], sales["orders"], sales["items_sold"]) == ("338.75", 31, 31.85)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["05"], indirect=True)
def test_an_order_of_a_fee_only_counts(case: Case) -> None:
    sales = case.sales("--orders", "shop.json", "--orders-mapping", "woocommerce")
    assert (sales["revenue_amount"], sales["orders"]) == ("395.00", 32)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["08"], indirect=True)
def test_an_amount_with_thousands_leaves_the_buyer(case: Case) -> None:
    export = ("--events", "events_20260302.json", "--mapping", "ga4_export")
    result = case.ecom("funnel", *export, "--steps", "page_view,purchase", "--json")
    assert [step["count"] for step in result.json["steps"]] == [7, 7]
    assert result.json["rows"]["unread"] == {"cart_value": 1}
    assert "cart_value of 1" in result.err
    # Six purchases of 50.00 have an amount; it is not said that the seventh is worth nothing.
    assert case.series(*export, "--series", "purchase:sum(cart_amount)") == [Decimal(300)]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["09"], indirect=True)
def test_revenue_below_zero_lowers_the_sum(case: Case) -> None:
    series = (
        "--series",
        "revenue_amount",
        "--series",
        "revenue_amount:sum(cart_amount)",
        "--period",
        "day",
    )
    totals = case.series("--events", "export.json", "--mapping", "amplitude", *series)
    assert totals == [3, 35], "10.00 x 3 + 15.00 - 10.00"


@pytest.mark.slow
@pytest.mark.parametrize("case", ["26"], indirect=True)
def test_a_motorbike_in_dong_is_no_typing_error(case: Case) -> None:
    sales = case.sales("--orders", "orders.json", "--orders-mapping", "shopify_admin")
    assert Decimal(sales["revenue_amount"]) == 195_500_000
    assert sales["orders"] == 31


@pytest.mark.slow
@pytest.mark.parametrize("case", ["65"], indirect=True)
def test_refunds_with_the_minus_before_the_sign_are_paid_back(case: Case) -> None:
    sales = case.sales("--orders", "items.csv", "--orders-mapping", "m.yaml")
    amounts = [sales[name] for name in ("shipped_amount", "refunded_amount", "revenue_amount")]
    assert amounts == ["3166.00", "-1190.00", "1976.00"]


HEADER = (
    "uniq_id,order_id,date_time,city_id,city_name,customer_id,item_id,item_name,quantity,"
    "payment_amount,status\n"
)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["65"], indirect=True)
@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("-500", "500.00 (14% of their money) in 1 row"),
        ("abc", "the amounts of 1 row, which cannot be read,"),
    ],
)
def test_little_refused_rows_are_said_by_their_money(case: Case, amount: str, said: str) -> None:
    # One of 61 lines is under the share of rows that may be refused without a warning, which is 5
    # %.
    lines = [f"u{n},o{n},2026-03-02 10:00:00,1,Bonn,c{n},i1,Hat,1,50,shipped\n" for n in range(60)]
    lines.append(f"u99,o99,2026-03-02 10:00:00,1,Bonn,c99,i1,Hat,1,{amount},shipped\n")
    (case.folder / "lines.csv").write_text(HEADER + "".join(lines))
    result = case.ecom("run", "--orders", "lines.csv", *FEW_SALES)
    assert f"Of the orders of 2026-03-02, {said}" in result.err


@pytest.mark.slow
@pytest.mark.parametrize("case", ["65"], indirect=True)
def test_a_little_refused_money_is_no_warning(case: Case) -> None:
    lines = [f"u{n},o{n},2026-03-02 10:00:00,1,Bonn,c{n},i1,Hat,1,50,shipped\n" for n in range(60)]
    (case.folder / "lines.csv").write_text(
        HEADER + "".join(lines) + "u99,o99,2026-03-02,1,Bonn,c99,i1,Hat,1,-29,shipped\n"
    )
    assert "little_money" not in case.ecom("run", "--orders", "lines.csv", *FEW_SALES).err
