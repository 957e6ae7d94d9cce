"""Cases of amounts that an export has elsewhere, and of vendors' own rules;
each says the value of its README.
"""

from collections import Counter

import pytest

from ecom_assets_tests.cases.case import Case
from ecom_assets_tests.cases.test_amounts import clean_rows, money
from ecom_assets_tests.ingestion.sources.test_order_files import read

PURCHASES = ("--series", "purchase", "--series", "purchase:sum(cart_amount)", "--period", "day")


@pytest.mark.slow
@pytest.mark.parametrize("case", ["20"], indirect=True)
def test_an_empty_revenue_does_not_hide_the_total(case: Case) -> None:
    """Five purchases have a revenue of 30, five an empty revenue and a total of 36: 150 + 180."""
    totals = case.series("--events", "events.jsonl", "--mapping", "segment", *PURCHASES)
    assert totals == [10, 330]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["59"], indirect=True)
def test_a_capital_letter_does_not_hide_the_revenue(case: Case) -> None:
    """The app sends `Revenue` 25.5, the web `revenue` 30, ten times each."""
    totals = case.series("--events", "events.jsonl", "--mapping", "segment", *PURCHASES)
    assert totals == [20, 555]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["07"], indirect=True)
def test_a_transaction_of_a_user_counts_once_in_ga4(case: Case) -> None:
    """Six users buy for 50; one loads the last page twice again."""
    totals = case.series("--events", "events_20260302.json", "--mapping", "ga4_export", *PURCHASES)
    assert totals == [6, 300]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["06"], indirect=True)
def test_a_voided_order_goes_back_whole(case: Case) -> None:
    """Thirty orders of 10; one of 500 was voided and cancelled, without a record of a refund."""
    assert case.counts("orders.json", "shopify_admin").startswith("300.00, sold less paid back, ")


@pytest.mark.slow
@pytest.mark.parametrize("case", ["12"], indirect=True)
def test_what_is_cancelled_of_an_order_is_not_sold(case: Case) -> None:
    """Thirty orders of 10; of five pieces for 500, three were cancelled."""
    rows = clean_rows(case, "orders.json", mapping="magento")
    assert (sum(row["quantity"] for row in rows), *money(rows)[:2]) == (32, 500, 0)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["64"], indirect=True)
def test_orders_of_the_test_gateway_are_left_out(case: Case) -> None:
    """Forty orders of 20; three of 999 were paid by "(for testing) Bogus Gateway"."""
    assert case.counts("orders_export.csv", "shopify") == (
        "800.00, sold less paid back, 40 rows of 40 orders"
    )


@pytest.mark.parametrize("case", ["308"], indirect=True)
def test_stripe_s_refunds_inside_their_charges_are_paid_back(case: Case) -> None:
    """20 charges of 50.00, of older versions of the API; a refund of 50.00 failed."""
    rows = read(case.folder / "charges.json", "stripe")
    counted = [row for row in rows if row["left_out"] is None]
    days: Counter[tuple[str, str]] = Counter()
    for row in counted:
        day = "sold" if row["status"] == "shipped" else f"{row['ordered_at']:%d %B}"
        days[row["status"], day] += row["payment_amount"]
    assert days == {
        ("shipped", "sold"): 1000,
        ("refunded", "09 March"): 30,
        ("refunded", "12 March"): 20,
        ("refunded", "18 March"): 50,
    }
    assert {row["order_id"] for row in counted if row["status"] == "refunded"} <= {
        row["uniq_id"] for row in counted
    }
