"""Cases of attributes that took the money of their row with them: quantities, fees,
large and unread amounts.
"""

from datetime import date
from decimal import Decimal

import pytest

from ecom_assets_tests.cases.case import Case
from ecom_assets_tests.cases.test_amounts import clean_rows, money
from ecom_assets_tests.command import FEW_SALES


@pytest.mark.slow
@pytest.mark.parametrize("case", ["03"], indirect=True)
def test_money_is_paid_back_for_no_item(case: Case) -> None:
    rows = clean_rows(case, "shop.json", mapping="woocommerce")
    read = money(rows)
    assert (read.sold - read.paid_back, -read.paid_back) == (Decimal("570.00"), Decimal("-30.00"))
    returned = {row["ordered_at"].date() for row in rows if row["status"] == "refunded"}
    assert returned == {date(2026, 3, 3)}


@pytest.mark.slow
@pytest.mark.parametrize("case", ["04"], indirect=True)
def test_a_metre_and_a_half_and_350_grams_are_sold(case: Case) -> None:
    rows = clean_rows(case, "shop.json", mapping="woocommerce")
    assert money(rows) == (Decimal("338.75"), 0, 31)
    assert sum(row["quantity"] for row in rows) == Decimal("31.85")


@pytest.mark.slow
@pytest.mark.parametrize("case", ["05"], indirect=True)
def test_an_order_of_a_fee_only_counts(case: Case) -> None:
    assert money(clean_rows(case, "shop.json", mapping="woocommerce")) == (Decimal("395.00"), 0, 32)


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
    rows = clean_rows(case, "orders.json", mapping="shopify_admin")
    assert money(rows) == (195_500_000, 0, 31)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["65"], indirect=True)
def test_refunds_with_the_minus_before_the_sign_are_paid_back(case: Case) -> None:
    assert money(clean_rows(case, "items.csv"))[:2] == (Decimal("3166.00"), Decimal("1190.00"))
    assert case.counts("items.csv").startswith("1,976.00, sold less paid back, ")


HEADER = (
    "uniq_id,order_id,date_time,city_id,city_name,customer_id,item_id,item_name,quantity,"
    "payment_amount,status\n"
)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["65"], indirect=True)
@pytest.mark.parametrize(
    ("refused", "said"),
    [
        # 29.00 of 3,029.00 is little money, of which nothing is said.
        (
            {"2026-03-02": "-500", "2026-03-03": "-29"},
            "500.00 (14% of their money) in 1 row",
        ),
        ({"2026-03-02": "abc"}, "the amounts of 1 row, which cannot be read,"),
    ],
)
def test_little_refused_rows_are_said_by_their_money(
    case: Case, refused: dict[str, str], said: str
) -> None:
    # One of 61 lines of a day is under the share of rows that may be refused without a warning,
    # which is 5 %.
    lines = [
        f"u{day}-{n},o{day}-{n},{day} 10:00:00,1,Bonn,c{n},i1,Hat,1,{amount},shipped\n"
        for day, odd in refused.items()
        for n, amount in enumerate([*["50"] * 60, odd])
    ]
    (case.folder / "lines.csv").write_text(HEADER + "".join(lines))
    result = case.ecom("run", "--orders", "lines.csv", *FEW_SALES)
    assert f"Of the orders of 2026-03-02, {said}" in result.err
