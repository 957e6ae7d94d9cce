"""What `docs/metrics/` says about customers, their segments and their value,
recomputed from its own input.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import ibis.expr.types as ir
import pytest

from ecom_assets.commerce.customers.contracts import (
    NO_ORDER_VALUE_REASONS,
    CustomerProfiles,
    Customers,
)
from ecom_assets.commerce.customers.customers import CustomerRule
from ecom_assets.commerce.customers.purchases import Purchases
from ecom_assets.commerce.customers.queries import customer_counts
from ecom_assets.commerce.customers.segments import CODES, customer_segments
from ecom_assets.commerce.customers.value import ValueModels, ValueRule, histories, lifetime_value
from ecom_assets.commerce.customers.value_models import BgNbd, GammaGamma, ModelFit
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.files.places import market_segments
from ecom_assets_tests.builders import Row
from ecom_assets_tests.commerce.customers import cdnow
from ecom_assets_tests.commerce.customers.customer_stories import Ordered, answer, sold
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.markdown import Line, section
from ecom_assets_tests.platform import Platform
from ecom_assets_tests.test_metrics_doc import DAYS, PAGE, as_shown, rows_of, run, tables


@pytest.fixture
def platform() -> Iterator[Platform]:
    shop_platform = Platform()
    yield shop_platform
    shop_platform.close()


def described(platform: Platform) -> list[Line]:
    """Let the customers of the page be fetched and do what it says;
    return how it describes them.
    """
    answer, done, expected = tables("Fields of a customer")
    same = {"created_at": "2025-01-01T00:00:00Z", "updated_at": "2026-03-01T00:00:00Z"}
    platform.receive_customers(
        [{**line, "id": int(line["id"]), **same} for line in answer], date(2026, 3, 10)
    )
    run(
        platform, [row | {"cart_amount": Decimal(row["cart_amount"] or 0)} for row in rows_of(done)]
    )
    return expected


@pytest.mark.slow
def test_customers_are_described_as_the_page_says(platform: Platform) -> None:
    expected = described(platform)
    assert as_shown(platform.rows(Customers), expected) == expected
    counts = customer_counts(platform.table(Customers), market_segments().names)
    flaws = {"email": 2, "last_login_at": 2, "first_name": 1, "last_name": 1}
    assert (counts["mean_data_quality_score"], counts["flawed_fields"]) == (85, flaws)


@pytest.mark.slow
def test_customers_are_counted_by_profile_as_the_page_says(platform: Platform) -> None:
    described(platform)
    (expected,) = tables("Profiles of customers")
    assert as_shown(platform.rows(CustomerProfiles), expected) == expected


def test_versions_begin_and_end_as_the_page_says(platform: Platform) -> None:
    answer, expected = tables("Versions of a customer")
    for line in answer:
        record = {"id": 1, "city": line["city"], "last_login_at": line["last_login_at"]}
        platform.receive_customers([record], date.fromisoformat(line["received_date"]))
    platform.run(DAYS, only=["customers"])
    assert as_shown(platform.rows(Customers), expected) == expected


def test_the_thresholds_of_the_page_are_those_of_the_settings() -> None:
    text = " ".join(section(PAGE, "Fields of a customer").text.split())
    settings = Settings()
    assert f"`ECOM_CUSTOMER_ACTIVE_DAYS` ({settings.customer_active_days})" in text
    rule = CustomerRule()
    assert (
        f"from {rule.high_sessions} sessions **and** {rule.high_engaged_s} engaged seconds" in text
    )
    assert f"`medium` from {rule.medium_sessions} and {rule.medium_engaged_s}, else `low`" in text
    assert (
        f"`high` from {rule.high_score:g} of 100 points, `medium` from {rule.medium_score:g}, else"
        in text
    )
    assert f"`premium` from {settings.tier_premium_amount} (`ECOM_TIER_PREMIUM_AMOUNT`)" in text
    assert (
        f"`enterprise` from {settings.tier_enterprise_amount} (`ECOM_TIER_ENTERPRISE_AMOUNT`)"
        in text
    )


FIRST = date(2026, 1, 1)
MODELED = ("alive_probability", "expected_order_count", "expected_order_value")
"""What the models say of a customer, which the page has in full."""
SCORES = ("recency_score", "frequency_score", "monetary_score")


def by_percent_rank(purchases: Purchases) -> ir.Table:
    return customer_segments(purchases).order_by("customer_id")


def by_cume_dist(purchases: Purchases) -> ir.Table:
    return customer_segments(purchases, "cume_dist").order_by("customer_id")


def histories_of_page(purchases: Purchases) -> ir.Table:
    return histories(purchases).order_by("customer_id")


def page_orders() -> list[Row]:
    """Return the orders of the page as sales."""
    return sold([_ordered(line) for line in tables("Segments of customers")[1]], first=FIRST)


def _ordered(line: Line) -> Ordered:
    sign = "-" if line["status"] == "refunded" else ""
    return (
        line["customer_id"],
        (date.fromisoformat(line["order_date"]) - FIRST).days,
        sign + line["payment_amount"],
    )


def test_the_table_of_scores_is_that_of_the_code() -> None:
    listed = tables("Segments of customers")[0]
    assert [(line["segment"], tuple(map(int, line["scores"].split()))) for line in listed] == list(
        CODES.items()
    )


def test_customers_are_in_the_segments_that_the_page_says() -> None:
    expected = tables("Segments of customers")[2]
    assert as_shown(answer(by_percent_rank, page_orders()).to_pylist(), expected) == expected


def test_peers_would_answer_what_the_page_says() -> None:
    segmented = answer(by_percent_rank, page_orders())
    actual = {
        "percent_rank": _named(segmented.to_pylist()),
        "cume_dist": _named(answer(by_cume_dist, page_orders()).to_pylist()),
    }
    with fresh_duckdb() as con:
        con.register("customers", segmented)
        for name, direction in (("NTILE by name", "ASC"), ("NTILE backwards", "DESC")):
            tiles = ", ".join(
                f"ntile(5) OVER (ORDER BY {measure}, customer_id {direction}) AS {score}"
                for measure, score in zip(
                    ("last_order_date", "order_count", "revenue_amount"), SCORES, strict=True
                )
            )
            rows = con.sql(
                f"SELECT customer_id, {tiles} FROM customers ORDER BY customer_id"
            ).to_arrow_table()
            actual[name] = _named(rows.to_pylist())
    listed = tables("Segments of customers")[3]
    assert {name: {line["customer_id"]: line[name] for line in listed} for name in actual} == actual


def _named(rows: list[Row]) -> dict[str, str]:
    """Return each customer's scores with their segment."""
    codes = {row["customer_id"]: int("".join(str(row[name]) for name in SCORES)) for row in rows}
    names = {code: name for name, codes in CODES.items() for code in codes}
    return {who: f"{code} {names[code]}" for who, code in codes.items()}


def test_customers_are_worth_what_the_page_says() -> None:
    expected = tables("Value of customers")[1]
    models = ValueModels(
        ModelFit(BgNbd(0.243, 4.414, 0.793, 2.426), 0.0),
        ModelFit(GammaGamma(6.25, 3.74, 15.44), 0.0),
    )
    rows = lifetime_value(answer(histories_of_page, page_orders()), models, ValueRule()).to_pylist()
    in_full = [row | {name: str(row[name]) for name in MODELED} for row in rows]
    assert as_shown(in_full, expected) == expected


def test_what_is_published_is_on_the_page_and_comes_out() -> None:
    published, recomputed = tables("Value of customers")[2]
    bought = cdnow.calibration()
    first = min(purchase.day for purchase in bought)
    orders: list[Ordered] = [
        (purchase.customer_id, (purchase.day - first).days, str(purchase.amount))
        for purchase in bought
    ]
    fitted = ValueModels.fit(answer(histories_of_page, sold(orders, first=first)))
    assert isinstance(fitted.orders, ModelFit)
    assert isinstance(fitted.values, ModelFit)
    model, values = fitted.orders.model, fitted.values.model
    actual = {name: f"{getattr(model, name):.3f}" for name in ("r", "alpha", "a", "b")}
    actual |= {"log-likelihood": f"{fitted.orders.log_likelihood:.1f}"}
    actual |= {name: f"{getattr(values, name):.2f}" for name in ("p", "q", "v")}
    assert (
        actual
        == {name: recomputed[name] for name in actual}
        == {name: published[name] for name in actual}
    )


def test_every_reason_and_default_is_on_the_page() -> None:
    listed = {line["reason"] for line in tables("Value of customers")[0]}
    assert listed == set(NO_ORDER_VALUE_REASONS)
    text = " ".join(section(PAGE, "Value of customers").text.split())
    settings, rule = Settings(), ValueRule()
    assert f"within `horizon_days` ({rule.horizon_days})" in text
    assert f"`ECOM_VALUE_MONTHS` ({settings.value_months}) months of 30 days" in text
    assert f"the rate being {settings.value_discount_rate} and" in text
    assert (rule.value_months, rule.discount_rate) == (
        settings.value_months,
        settings.value_discount_rate,
    )
