"""Cases of placeholders, of robots, and of ids that the two sides of a shop spell differently."""

from decimal import Decimal

import pytest

from ecom_assets_tests.cases.case import Case


@pytest.mark.parametrize("case", ["33"], indirect=True)
def test_nan_of_json_is_neither_a_user_nor_an_amount(case: Case) -> None:
    asked = ("--series", "purchase", "--series", "purchase:sum(cart_amount)", "--period", "day")
    assert case.series("--events", "events.jsonl", *asked) == [20, 190], (
        "19 of them have an amount, 10.00 each"
    )


@pytest.mark.slow
@pytest.mark.parametrize("case", ["53"], indirect=True)
def test_owners_of_a_phone_whose_maker_has_bot_in_its_name_are_people(case: Case) -> None:
    answer = case.ecom(
        "trend",
        "--events",
        "events.csv",
        "--series",
        "purchase",
        "--series",
        "page_view",
        "--by",
        "is_bot",
        "--json",
    ).json
    totals = {
        (series["event_type"], series["breakdown"]): series["total"] for series in answer["series"]
    }
    assert (totals["purchase", "false"], totals["purchase", "true"]) == (20, 0)
    assert totals["page_view", "true"] == 10


@pytest.mark.slow
@pytest.mark.parametrize("case", ["58"], indirect=True)
def test_an_item_with_a_name_only_is_viewed_and_bought_all_the_same(case: Case) -> None:
    funnel = case.ecom(
        "funnel",
        "--events",
        "events_20260302.json",
        "--mapping",
        "ga4_export",
        "--steps",
        "product_view,add_to_cart,purchase",
        "--preset",
        "ga4",
        "--json",
    ).json
    assert [step["count"] for step in funnel["steps"]] == [20, 12, 6]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["14"], indirect=True)
def test_a_user_na_is_nobody_whose_session_counts(case: Case) -> None:
    events, visitors = case.series(
        "--events",
        "train-purchases.csv",
        "--mapping",
        "diginetica_events.yaml",
        "--series",
        "purchase",
        "--series",
        "purchase:visitors",
        "--period",
        "month",
    )
    # Of 8,102 sessions with lines of `NA`, 57 have lines of a single user, too, whose they all are.
    assert (events, visitors) == (Decimal(18_025), Decimal(4_425 + 8_102 - 57))


@pytest.mark.slow
@pytest.mark.parametrize("case", ["14"], indirect=True)
def test_customers_na_are_in_no_segment(case: Case) -> None:
    sources = ("--orders", "train-purchases.csv", "--orders-mapping", "diginetica_orders.yaml")
    answer = case.ecom("segments", *sources, "--json").json
    assert answer["customers"] == 4_425


@pytest.mark.slow
@pytest.mark.parametrize("case", ["60"], indirect=True)
def test_backslash_n_is_null_among_customers_and_prices(case: Case) -> None:
    case.ecom("mapping", "init", "events.csv", "--events", "--timezone", "UTC", "--out", "m.yaml")
    totals = case.series(
        "--events",
        "events.csv",
        "--mapping",
        "m.yaml",
        "--series",
        "*",
        "--series",
        "*:visitors",
        "--series",
        "purchase",
        "--series",
        "purchase:sum(cart_amount)",
        "--period",
        "day",
    )
    assert totals == [60, 20, 20, Decimal(500)]


def orders_by_channel(case: Case, *arguments: str) -> dict[str, tuple[float, Decimal]]:
    """Return the orders and their revenue by channel of their last touch, after a run."""
    tables = ("--select", '+key:"mart/channel_attribution"')
    rows = case.run(*arguments, *tables)["channels"]["models"]["last"]
    return {row["channel"]: (row["credit"], Decimal(row["revenue_amount"])) for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize("case", ["35"], indirect=True)
def test_addresses_are_one_in_any_case(case: Case) -> None:
    actual = orders_by_channel(
        case,
        "--events",
        "events.jsonl",
        "--events-mapping",
        "segment",
        "--orders",
        "orders.json",
        "--orders-mapping",
        "woocommerce",
    )
    assert actual == {"Email": (30, Decimal(300))}


@pytest.mark.slow
@pytest.mark.parametrize("case", ["305"], indirect=True)
def test_an_own_mapping_spells_addresses_as_orders_do(case: Case) -> None:
    """`Bea.K0@Shop.Example` in both files; the mapping of orders has `lower`, the own one nothing
    of keys.
    """
    (case.folder / "own.yaml").write_text(
        "fields:\n  event_id: messageId\n  event_type: type\n  event_timestamp: timestamp\n"
        "  user_id: userId\n  page_url: {expression: \"properties->>'url'\"}\n"
        "event_types: {page: page_view}\nother_columns: ignore\n"
    )
    actual = orders_by_channel(
        case,
        *("--events", "events.jsonl", "--events-mapping", "own.yaml"),
        *("--orders", "orders_export.csv", "--orders-mapping", "shopify"),
    )
    assert actual == {"Email": (20, Decimal(200))}


@pytest.mark.slow
@pytest.mark.parametrize("case", ["16"], indirect=True)
def test_numbers_of_pandas_are_the_numbers_of_the_shop(case: Case) -> None:
    actual = orders_by_channel(
        case,
        "--events",
        "events.csv",
        "--events-mapping",
        "e2.yaml",
        "--orders",
        "order_items.csv",
        "--orders-mapping",
        "o2.yaml",
    )
    assert set(actual) == {"Paid Search", "Email", "Direct"}
    assert sum(orders for orders, _ in actual.values()) == 32


@pytest.mark.slow
@pytest.mark.parametrize("case", ["48"], indirect=True)
def test_the_sign_before_an_orders_number_is_decoration(case: Case) -> None:
    summary = case.run(
        "--events",
        "events_20260302.json",
        "--events-mapping",
        "ga4_export",
        "--orders",
        "orders_export.csv",
        "--orders-mapping",
        "shopify",
        "--select",
        '+key:"mart/order_event_reconciliation_daily"',
    )
    reconciliation = summary["reconciliation"]
    assert reconciliation["matched_count"] == 20
    assert (reconciliation["order_amount"], reconciliation["difference_amount"]) == (
        "590.00",
        "0.00",
    )
