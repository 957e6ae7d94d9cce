"""What lists, pages and models of the API's answers must do beside being right."""

import pytest

from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api import plain_reconciliation
from ecom_assets_tests.interfaces.api.conftest import Api
from ecom_assets_tests.interfaces.api.plain_answers import Near
from ecom_assets_tests.interfaces.api.plain_shop import PlainShop
from ecom_assets_tests.interfaces.api.shop_files import PRODUCTS
from ecom_assets_tests.interfaces.api.test_csv import LISTS as CSV_LISTS

DAYS = 20
CENT, MILLIONTH = 0.01, 1e-6


@each("model", ["linear", "position", "j", "time_decay"])
def test_models_that_part_an_order_credit_what_the_definition_does(
    api: Api, shop: PlainShop, model: str
) -> None:
    span = shop.span(DAYS)
    days = {"start_date": span.first, "end_date": span.last}
    answer = api.json("/analytics/revenue/by-channel", model=model, **days)["channels"]
    now, before = (plain_reconciliation.credited(shop, some, model) for some in (span, span.before))
    orders = shop.sales(span)["order_count"] + shop.sales(span)["refund_count"]
    assert {row["channel"] for row in answer} == {*now, *before}
    for row in answer:
        count, revenue = now.get(row["channel"], plain_reconciliation.NOTHING)
        # Each order's cents are parted among its touches, a cent at most to the wrong one.
        assert row["order_count"] == Near(float(count), MILLIONTH)
        assert row["revenue_amount"] == Near(float(revenue), CENT * orders)
        _, revenue_before = before.get(row["channel"], plain_reconciliation.NOTHING)
        assert row["previous_revenue_amount"] == Near(float(revenue_before), CENT * orders)


@pytest.mark.parametrize("model", ["first", "linear", "markov"])
def test_every_model_credits_all_of_the_revenue_and_no_more(
    api: Api, shop: PlainShop, model: str
) -> None:
    span = shop.span(DAYS)
    actual = api.json(
        "/analytics/revenue/by-channel", model=model, start_date=span.first, end_date=span.last
    )
    sales, channels = shop.sales(span), actual["channels"]
    assert sum(round(100 * float(channel["revenue_amount"])) for channel in channels) == round(
        100 * float(sales["revenue_amount"])
    )
    assert round(sum(channel["order_count"] for channel in channels), 3) == sales["order_count"]
    assert round(sum(channel["revenue_share"] for channel in channels), 4) == 1


def test_products_of_a_category_come_a_page_at_a_time(api: Api) -> None:
    hats = sorted(name for name, category in PRODUCTS.items() if category == "Hats")
    pages = [
        api.json(
            "/analytics/products/top", category="Hats", limit=3, offset=start, time_range="year"
        )
        for start in (0, 3, 6)
    ]
    listed = [product for page in pages for product in page["products"]]
    assert [page["total_count"] for page in pages] == [4, 4, 4]
    assert sorted(row["product_id"] for row in listed) == hats
    assert [row["rank_number"] for row in listed] == [1, 2, 3, 4]


LISTS = {**CSV_LISTS, "/analytics/conversion?by=device": "breakdown"}
del LISTS["/analytics/conversion"]


@pytest.mark.slow
@each("path", LISTS)
def test_a_page_is_a_part_of_the_whole(api: Api, path: str) -> None:
    path, _, by = path.partition("?by=")
    rows, more = LISTS[f"{path}?by={by}" if by else path], {"by": by} if by else {}
    whole = api.json(path, limit=1000, **more)
    assert whole["total_count"] == len(whole[rows]) > 1
    limit = len(whole[rows]) // 3 + 1
    pages = [
        api.json(path, limit=limit, offset=start, **more)
        for start in range(0, len(whole[rows]) + limit, limit)
    ]
    assert [row for page in pages for row in page[rows]] == whole[rows]
    assert {page["total_count"] for page in pages} == {whole["total_count"]}
    for limit, offset in ((0, 0), (1001, 0), (1, -1)):
        assert api.get(path, limit=limit, offset=offset).status_code == 422


def test_questions_of_one_s_own_come_a_page_at_a_time(api: Api) -> None:
    funnel = {"steps": ["product_view", "add_to_cart"], "by": "product_category"}
    for path, body, rows in (
        ("funnel", funnel, "breakdown"),
        ("retention", {"period": "day"}, "cohorts"),
    ):
        whole = api.post(f"/analytics/{path}", body).json()
        page = api.post(f"/analytics/{path}", body, limit=1, offset=1).json()
        assert page[rows] == whole[rows][1:2]
        assert page["total_count"] == whole["total_count"] == len(whole[rows]) > 1


def test_products_without_a_view_come_last_by_conversion(api: Api, shop: PlainShop) -> None:
    span = shop.span(1)
    answer = api.json(
        "/analytics/products/top", sort_by="conversion", limit=50, time_range="today"
    )["products"]
    rates = [shop.product(row["product_id"], span)["purchases_per_view"] for row in answer]
    assert [row["purchases_per_view"] for row in answer] == rates
    known_rates = [rate for rate in rates if rate is not None]
    assert rates == sorted(known_rates, reverse=True) + [None] * (len(rates) - len(known_rates))


def test_alerts_of_one_kind_are_a_part_of_all(api: Api) -> None:
    whole = api.json("/analytics/inventory/alerts")
    kinds = {alert["product_id"]: alert["alert"] for alert in whole["alerts"]}
    assert {name: kinds[name] for name in ("p0", "p1", "p2")} == {
        "p0": "out_of_stock",
        "p1": "low",
        "p2": "overstock",
    }
    only = api.json("/analytics/inventory/alerts", alert="low")
    assert only["alerts"] == [alert for alert in whole["alerts"] if alert["alert"] == "low"]
    assert (only["counts"], only["total_count"]) == (whole["counts"], 1)


def test_a_funnel_of_one_s_own_of_some_days_says_which(api: Api, shop: PlainShop) -> None:
    body = {
        "steps": ["product_view", "add_to_cart"],
        "by": "product_category",
        "time_range": "month",
    }
    answer = api.post("/v1/analytics/funnel", body).json()
    span = shop.span(30)
    assert answer["event_count"] == sum(span.has(event["at"].date()) for event in shop.events)
    assert (answer["range"]["start_date"], answer["range"]["end_date"]) == (
        str(span.first),
        str(span.last),
    )
    assert answer["definition"]["within"] == "604800s"
    for step in (0, 1):
        assert (
            sum(part["steps"][step]["count"] for part in answer["breakdown"])
            == answer["steps"][step]["count"]
        )


def test_sales_channels_have_what_the_order_lines_say_and_add_up_to_the_sales(
    api: Api, shop: PlainShop
) -> None:
    span = shop.span(DAYS)
    days = {"start_date": span.first, "end_date": span.last}
    actual = api.json("/analytics/revenue/by-channel", dimension="sales_channel", **days)
    assert (actual["dimension"], actual["model"], actual["channel_data"]) == (
        "sales_channel",
        None,
        "part",
    )
    expected = {}
    for name in ("web", "app", ""):
        sold = shop.sales(span, [line for line in shop.lines if line["sales_channel"] == name])
        expected[name or "(none)"] = (sold["order_count"], sold["revenue_amount"])
    assert {
        channel["channel"]: (channel["order_count"], channel["revenue_amount"])
        for channel in actual["channels"]
    } == expected
    revenues = [float(channel["revenue_amount"]) for channel in actual["channels"]]
    assert revenues == sorted(revenues, reverse=True)
    assert sum(round(100 * revenue) for revenue in revenues) == round(
        100 * float(shop.sales(span)["revenue_amount"])
    )


def test_hours_add_up_to_the_orders_of_their_day(api: Api, shop: PlainShop) -> None:
    span = shop.span(DAYS)
    days = {"start_date": span.first, "end_date": span.last}
    by_hour, by_day = (
        sum(
            point["order_count"]
            for point in api.json("/analytics/revenue/trend", granularity=period, **days)["points"]
        )
        for period in ("hour", "day")
    )
    assert by_hour == by_day == shop.sales(span)["order_count"]


NOT_KNOWN = {"start_date": "2099-01-01", "end_date": "2099-01-10"}
NOT_ENTERED = {"from": "2099-01-01", "to": "2099-01-10"}
NAMES_OF_ROWS = {"step", "from_step", "to_step", "period_count", "event_count", "expected_share"}
"""Numbers that say what a row is, or what was looked at."""
ASKED: dict[str, dict[str, object]] = {
    "funnel": {"steps": ["product_view", "purchase"], "time_to_convert": {"from": 1, "to": 2}},
    "funnel?of=entered": {
        "steps": ["product_view", "purchase"],
        "over": "day",
        "by": "product_category",
        **NOT_ENTERED,
    },
    "funnel?of=buyers": {
        "steps": ["product_view"],
        "segment": {"did": "purchase", "within": "30d"},
        **NOT_ENTERED,
    },
    "funnel/who": {"steps": ["product_view", "purchase"], **NOT_KNOWN},
    "funnel/who?of=entered": {"steps": ["product_view", "purchase"], **NOT_ENTERED},
    "trend": {"series": ["*", "purchase:sum(cart_amount)"]},
    "trend?kind=stickiness": {"series": ["*"], "kind": "stickiness"},
    "trend?kind=lifecycle": {"series": ["*"], "kind": "lifecycle"},
    "retention": {"period": "week"},
    "sessions": {},
    "journeys": {},
    "correlation": {"funnel": {"steps": ["product_view", "purchase"]}},
    "attribution": {"model": "linear"},
    "experiment": {
        "variant": "product_category",
        "goal": "purchase",
        "control": "Hats",
        "shares": {"Hats": 50, "Shoes": 50},
    },
}


def numbers_in(value: object) -> list[float]:
    """Return all numbers of an answer that are not the names of its rows."""
    if isinstance(value, dict):
        return [
            number
            for name, part in value.items()
            if name not in NAMES_OF_ROWS
            for number in numbers_in(part)
        ]
    if isinstance(value, list):
        return [number for part in value for number in numbers_in(part)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


@each("question", ASKED)
def test_a_question_about_days_beyond_the_data_has_no_number_and_says_nothing_of_events(
    api: Api, shop: PlainShop, question: str
) -> None:
    days = NOT_KNOWN if "from" not in ASKED[question] else {}
    response = api.post(f"/analytics/{question.partition('?')[0]}", {**ASKED[question], **days})
    answer, known = response.json(), shop.known("events")
    assert answer["range"]["data"] == ("none" if days else "whole"), response.text
    assert answer["warnings"] == [
        (
            f"The data are of {known.first} to {known.last}, so nothing is known of 2099-01-01 to "
            "2099-01-10."
        )
    ]
    assert answer.get("notes", []) == []
    lists = [
        value
        for value in answer.values()
        if isinstance(value, list) and value and isinstance(value[0], dict)
    ]
    parts = {
        name: part
        for name, part in answer.items()
        if name not in {"range", "definition", "total_count"}
    }
    assert numbers_in(parts) == []
    assert answer["total_count"] in ({None} if not lists else {None, *map(len, lists)})


@each(
    "path",
    [*sorted(CSV_LISTS), "/analytics/values", "/analytics/quality", "/analytics/quality/samples"],
)
def test_an_empty_list_of_days_beyond_the_data_may_have_any_number_of_rows(
    api: Api, path: str
) -> None:
    response = api.get(path, None, **NOT_KNOWN)
    answer = response.json()
    if response.status_code == 422 or "time_range" in answer["definition"]:
        return  # a state, which has no days
    assert answer["range"]["data"] == "none"
    listed = max(len(value) for value in answer.values() if isinstance(value, list))
    assert answer["total_count"] == (None if path not in NAMED_BY_REQUEST else listed)


NAMED_BY_REQUEST = {
    "/analytics/revenue/trend",
    "/analytics/products/p0",
    "/analytics/visitor-segments",
}
"""Lists whose rows the request names, or the settings do."""
