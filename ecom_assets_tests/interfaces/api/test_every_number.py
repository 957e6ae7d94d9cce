"""Every number of every answer, recomputed from the files in plain Python,
and that no field goes uncompared.

Answers are compared as a whole.
"""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api import plain_answers as plain
from ecom_assets_tests.interfaces.api import plain_behaviour as behaviour
from ecom_assets_tests.interfaces.api import plain_correlation as correlated
from ecom_assets_tests.interfaces.api import plain_customers
from ecom_assets_tests.interfaces.api import plain_experiments as experiments
from ecom_assets_tests.interfaces.api import plain_paths as paths
from ecom_assets_tests.interfaces.api import plain_reconciliation as reconciled
from ecom_assets_tests.interfaces.api import plain_visitor_segments as people
from ecom_assets_tests.interfaces.api.conftest import Api
from ecom_assets_tests.interfaces.api.plain_shop import STEPS, PlainShop, Row, Span, known

RANGES = {"today": 1, "week": 7, "month": 30, "quarter": 90, "year": 365}
ENVELOPE = ("range", "data_as_of", "data_version", "currency", "definition", "explain", "rows")
Expected = Callable[[PlainShop, Span], Row]
SPANS = {
    "twenty days": (-19, 0),
    **{name: (1 - days, 0) for name, days in RANGES.items()},
    "into days to come": (-9, 6),
    "days to come": (1, 10),
    "long after": (400, 409),
    "from before the beginning": (-45, -26),
    "before the beginning": (-500, -471),
}
"""Days from the newest one on.

Of forty days of data, before 20 there are as many, before 30 a part, before 90 none.
"""
WHOLE_IN_PART_AND_UNKNOWN = ("twenty days", "month", "into days to come")
"""The days that another form of an answer is asked for, the first form of which has all."""
SOURCES = {
    "/analytics/sales": ("orders",),
    "/analytics/conversion": ("events",),
    "/analytics/products/p0": ("orders", "events"),
    "/analytics/categories": ("orders", "events"),
}


def about(path: str, recount: Callable[..., Row], **parameters: Any) -> tuple[str, Row, Expected]:
    """Return a question with parameters, and its recount, which takes them by the same names."""
    return path, parameters, partial(recount, **parameters)


TREND, CHANNELS, PLACES = (
    "/analytics/revenue/trend",
    "/analytics/revenue/by-channel",
    "/analytics/geographic",
)
JOURNEYS, WEEKS = "/analytics/journeys", "/analytics/customers/retention"
CONVERSION, TOP = "/analytics/conversion", "/analytics/products/top"
OF_DAYS: dict[str, tuple[str, Row, Expected]] = {
    "sales": about("/analytics/sales", plain.sales),
    "trend by day": about(TREND, plain.trend),
    "trend by week": about(TREND, plain.trend, granularity="week"),
    "trend by month": about(TREND, plain.trend, granularity="month"),
    "channels": about(CHANNELS, plain.channels),
    "channels that came first": about(CHANNELS, plain.channels, model="first"),
    "channels that came last": about(CHANNELS, plain.channels, model="last"),
    "countries": about(PLACES, plain.places),
    "regions": about(PLACES, plain.places, level="region"),
    "cities": about(PLACES, plain.places, level="city"),
    "discounts": about("/analytics/discounts", plain.discounts),
    "customers": about("/analytics/customers", plain.customers),
    "conversion": about(CONVERSION, paths.conversion),
    "conversion by device": about(CONVERSION, paths.conversion, by="device"),
    "conversion by channel": about(CONVERSION, paths.conversion, by="channel"),
    "conversion by category": about(CONVERSION, paths.conversion, by="category"),
    "products by revenue": about(TOP, plain.top_products, limit=50),
    "products by units": about(TOP, plain.top_products, sort_by="units", limit=3),
    "products by views": about(TOP, plain.top_products, sort_by="views", limit=50),
    "products by conversion": about(TOP, plain.top_products, sort_by="conversion", limit=50),
    "one product": ("/analytics/products/p0", {}, partial(plain.one_product, product="p0")),
    "another product": ("/analytics/products/p7", {}, partial(plain.one_product, product="p7")),
    "categories": about("/analytics/categories", plain.categories),
    "engagement": about("/analytics/engagement", behaviour.engagement),
    "journeys": about(JOURNEYS, behaviour.journeys),
    "journeys of categories": about(JOURNEYS, behaviour.journeys, dimension="category"),
    "journeys' third steps": about(JOURNEYS, behaviour.journeys, place=2),
    "journeys' late steps": about(JOURNEYS, behaviour.journeys, place=10),
    "visitor segments": about("/analytics/visitor-segments", people.visitor_segments),
    "visitor segments by day": about(
        "/analytics/visitor-segments/daily", people.segment_days, limit=1000
    ),
    "a visitor segment by day": about(
        "/analytics/visitor-segments/daily", people.segment_days, segment="buyers"
    ),
    "searches": about("/analytics/searches", behaviour.searches),
    "customers by week": about(WEEKS, reconciled.customer_weeks),
    "customers of a category by week": about(WEEKS, reconciled.customer_weeks, category="Hats"),
    "customers of a city by week": about(WEEKS, reconciled.customer_weeks, city_id="2"),
    "orders beside events": about("/analytics/reconciliation", reconciled.reconciliation),
}
AS_OF: dict[str, tuple[str, Row, Callable[[PlainShop], Row]]] = {
    "segments": ("/analytics/customers/segments", {}, plain.customer_segments),
    "profiles": ("/analytics/customers/profiles", {}, plain_customers.profiles),
    "profiles by tier": (
        "/analytics/customers/profiles",
        {"dimension": "customer_tier"},
        partial(plain_customers.profiles, dimension="customer_tier"),
    ),
    "alerts": ("/analytics/inventory/alerts", {}, plain.alerts),
    "due again": ("/analytics/customers/due-again", {}, plain_customers.due_again),
    **{
        f"cohorts by {period} of {cohort_by}": (
            "/analytics/cohorts",
            {"period": period, "cohort_by": cohort_by, "limit": 1000},
            partial(behaviour.cohorts, period=period, cohort_by=cohort_by),
        )
        for period in ("day", "week", "month")
        for cohort_by in ("first_activity", "first_purchase")
    },
}
OF_ONE_S_OWN: dict[str, tuple[str, Row, Callable[[PlainShop], Row]]] = {
    "a funnel": ("/analytics/funnel", {"steps": STEPS}, lambda shop: paths.funnel(shop, STEPS)),
    "a funnel by category": (
        "/analytics/funnel",
        {"steps": ["product_view", "add_to_cart"], "by": "product_category"},
        lambda shop: paths.funnel(shop, ["product_view", "add_to_cart"], by_category=True),
    ),
    "a funnel over time": ("/analytics/funnel", paths.OVER_TIME, paths.funnel_over_time),
    "custom journeys": ("/analytics/journeys", {"top": 3}, behaviour.custom_journeys),
    "custom sessions": (
        "/analytics/sessions",
        {"where": ["page_url is set"]},
        behaviour.custom_sessions,
    ),
    "custom attribution": ("/analytics/attribution", {"model": "linear"}, reconciled.attribution),
    "retention": ("/analytics/retention", {"period": "week"}, paths.retention),
    "who came back": (
        f"/analytics/retention/who?{paths.CELL}",
        {"period": "week"},
        paths.who_came_back,
    ),
    "who did not": (
        f"/analytics/retention/who?{paths.CELL}&returned=false",
        {"period": "week"},
        paths.who_did_not,
    ),
    "retention by category": ("/analytics/retention", paths.RETENTION, paths.retention_by_category),
    "a trend": ("/analytics/trend", paths.TREND, paths.trend),
    "a trend by the hour": ("/analytics/trend", paths.HOURS, paths.trend_by_the_hour),
    "stickiness": ("/analytics/trend", paths.STICKY, paths.stickiness),
    "a lifecycle": ("/analytics/trend", paths.LIVES, paths.lifecycle),
    "a correlation": ("/analytics/correlation", correlated.CORRELATION, correlated.correlation),
    "an experiment": ("/analytics/experiment", experiments.EXPERIMENT, experiments.experiment),
    "custom sales": ("/analytics/sales", plain.CUSTOM_SALES, plain.custom_sales),
}
NOT_OF_THE_SHOP = {
    "/",
    "/health",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/analytics/realtime",
    "/analytics/deliveries",
    "/analytics/profit",  # the shop states no costs: see test_profit.py
    "/analytics/products/{product_id}/bought-together",  # see test_custom_sales.py
    "/analytics/marketing",  # the shop buys no ads: see test_examples_of_marketing.py
    "/analytics/customers/cohort-value",  # and states no costs: see there, too
    "/analytics/findings",  # see commerce/findings/
    "/analytics/quality",
    "/analytics/quality/conflicts",
    "/analytics/quality/samples",
    "/analytics/quality/held-days",
    "/operations/checks",
    "/operations/tables",
    "/operations/dead-letters",
    "/operations/requests",
    "/operations/releases",
    "/operations/retries",
    "/analytics/carts",  # see test_csv_files.py
    "/analytics/reconciliation/differences",
    "/analytics/funnel/who",
    "/analytics/sales/who",  # see test_custom_sales.py
    "/analytics/sales/lines",
    "/analytics/values",
    "/saved/{kind}",
    "/saved/{kind}/{id}",
    "/saved/{kind}/{id}/versions",
    "/saved/{kind}/{id}/restore",
    "/saved/questions/{id}/answer",
    "/saved-changes",
    "/explain/{layer}/{table}",
}
CASES: dict[str, str] = {
    name: str(case[0]) for name, case in (*OF_DAYS.items(), *AS_OF.items(), *OF_ONE_S_OWN.items())
}
CASES["trend by the hour"] = TREND
"""The path of each answer that is compared."""
NO_FIELDS: dict[str, set[str]] = {
    "/analytics/conversion": {"funnel", "channel"},
    "/analytics/customers/segments": {"time_range"},
    "/analytics/customers/due-again": {"time_range"},
    "/analytics/inventory/alerts": {"time_range"},
    "/analytics/products/top": {"conversion"},
    "/analytics/products/{product_id}": {"conversion"},
}
"""What definitions explain that is no field of the answer, though another answer
has a field of this name.
"""
NEVER_RETURNED: dict[str, set[str]] = {
    "/analytics/categories": {"categories.product_name"},  # each item has a category here
    "/analytics/customers": {"value.no_model_reason", "value.no_order_value_reason"},
    "/analytics/engagement": {"change.bot_session_count"},
    "/analytics/products/top": {f"products.{name}" for name in plain.NO_COSTS},
    "/analytics/products/{product_id}": {f"profit.{name}" for name in plain.NO_COSTS},
    "/analytics/searches": {"searches.empty_search_count"},  # no search says how many it found
    "/analytics/funnel": {
        "warnings",
        "compared",
        "before",
        "session_rule",
        *(
            f"{prefix}steps.optional"
            for prefix in ("", "breakdown.", "cohorts.", "cohorts.breakdown.")
        ),
    },
    "/analytics/retention": {"warnings", "compared", "before"},
    "/analytics/retention/who": {"warnings", "compared", "before"},
    "/analytics/trend": {"warnings", "compared", "before", "series.each", "series.occurrence"},
    "/analytics/correlation": {"warnings", "compared", "before"},
    "/analytics/attribution": {
        "notes",
        "warnings",
        "compared",
        "before",
        "channels.removal_effect",
    },
    "/analytics/journeys": {"warnings", "compared", "before"},
    "/analytics/sales": {
        *("warnings", "compared", "before", "total.start", "values.start"),
        "visit_coverage_rate",
    },
    "/analytics/reconciliation": {"sent_sums"},
    "/analytics/experiment": {"compared", "before", "outside.value", "outside.unit_count"},
    "/analytics/sessions": {"warnings", "compared", "before", "total_count"},
}
"""Fields that have nothing to say of this shop: why there is no model, a change from no robots,
types that no event has, choices that are not made here, costs, what events send beside the items,
which is nothing here, and of sales by visits their share. Removal effects are compared in
`test_same_as_command.py`, choices in `test_questions.py`, the session rule of a funnel per session
in `funnels/test_presets.py`.
"""


def route_of(path: str) -> str:
    """Return the path as the API describes it."""
    return re.sub(r"/products/p\d+$", "/products/{product_id}", path.partition("?")[0])


def days_of(shop: PlainShop, name: str) -> tuple[Span, Row]:
    """Return the days of a range, and how they are asked for."""
    span = Span(*(shop.newest + timedelta(days=offset) for offset in SPANS[name]))
    return span, {"time_range": name} if name in RANGES else {
        "start_date": span.first,
        "end_date": span.last,
    }


def is_what_the_files_come_to(api: Api, shop: PlainShop, case: str, days: str) -> None:
    path, parameters, expected = OF_DAYS[case]
    span, question = days_of(shop, days)
    answer = api.json(path, **parameters, **question)
    wanted = expected(shop, span)
    has_known_day = any(span.within(shop.known(source)) for source in ("events", "orders"))
    if not has_known_day and wanted.get("total_count") == 0:
        wanted["total_count"] = None  # how many rows there would be is not known either
    assert without_envelope(answer) == wanted


@each("case", OF_DAYS)
@each("days", WHOLE_IN_PART_AND_UNKNOWN)
def test_an_answer_is_what_the_files_come_to(
    api: Api, shop: PlainShop, case: str, days: str
) -> None:
    is_what_the_files_come_to(api, shop, case, days)


@pytest.mark.slow
@each("case", {path: case for case, (path, *_) in reversed(OF_DAYS.items())}.values())
@each("days", [days for days in SPANS if days not in WHOLE_IN_PART_AND_UNKNOWN])
def test_an_answer_of_each_path_is_what_the_files_come_to_on_any_days(
    api: Api, shop: PlainShop, case: str, days: str
) -> None:
    is_what_the_files_come_to(api, shop, case, days)


def test_the_trend_by_the_hour_is_what_the_files_come_to(api: Api, shop: PlainShop) -> None:
    answer = api.json(TREND, granularity="hour", time_range="week")
    assert without_envelope(answer) == plain.hourly_trend(shop, shop.span(7))


@each("case", AS_OF)
def test_a_state_is_what_the_files_come_to(api: Api, shop: PlainShop, case: str) -> None:
    path, parameters, expected = AS_OF[case]
    assert without_envelope(api.json(path, **parameters)) == expected(shop)


@pytest.mark.slow
@each("case", OF_ONE_S_OWN)
def test_a_question_of_one_s_own_is_what_the_files_come_to(
    api: Api, shop: PlainShop, case: str
) -> None:
    path, body, expected = OF_ONE_S_OWN[case]
    response = api.post(path, body)
    assert response.status_code == 200, response.text
    wanted, answer = expected(shop), without_envelope(response.json())
    silent = {name: value for name, value in answer.items() if name not in wanted}
    assert {name: value for name, value in answer.items() if name in wanted} == wanted
    assert not any(silent.values()), "what is not compared has nothing to say"


@each("days", SPANS)
def test_the_funnel_of_visitors_is_what_the_files_come_to(
    api: Api, shop: PlainShop, days: str
) -> None:
    span, answer = days_of(shop, days)
    assert api.json("/analytics/conversion", unit="visitor", **answer)["steps"] == paths.visitors(
        shop, span
    )


@pytest.mark.slow
@each("days", SPANS)
@each("path", SOURCES)
def test_an_answer_says_which_days_and_days_before_are_known(
    api: Api, shop: PlainShop, days: str, path: str
) -> None:
    span, question = days_of(shop, days)
    answer = api.json(path, **question)
    assert answer["range"] == {
        "time_range": question.get("time_range", "custom"),
        "start_date": str(span.first),
        "end_date": str(span.last),
        "day_count": len(span.days),
        "timezone": "UTC",
        "provisional_from": None,
        "previous_start_date": str(span.before.first),
        "previous_end_date": str(span.before.last),
        **known(shop, span, *SOURCES[path]),
        "sources": {source: known(shop, span, source) for source in SOURCES[path]},
    }
    assert answer["data_as_of"] == str(shop.newest) == "2026-02-09"
    meaning = answer["definition"]
    assert "range.previous_data" in meaning.get("change", meaning.get("revenue_change"))


def test_of_days_to_come_nothing_is_known_and_nothing_has_fallen(api: Api, shop: PlainShop) -> None:
    """The worst of it: a range after the end said 0 customers, retention 0.0 and change -1.0."""
    _, question = days_of(shop, "days to come")
    answer = api.json("/analytics/customers", **question)
    assert answer["range"]["data"] == "none"
    assert set(answer["customers"].values()) == set(answer["change"].values()) == {None}
    assert answer["previous"]["customer_count"] > 0


# That nothing goes uncompared


@pytest.mark.slow
@each("case", [*OF_DAYS, *AS_OF])
def test_a_definition_says_of_a_field_what_its_description_says(
    api: Api, shop: PlainShop, case: str
) -> None:
    schemas = api.json("/openapi.json")["components"]["schemas"].values()
    fields = [field for schema in schemas for field in schema.get("properties", {}).items()]
    said = {
        (name, re.sub(r" \[[^]]+\]$", "", field.get("description", ""))) for name, field in fields
    }
    definition = _asked(api, shop, case, "week")["definition"]
    names = {name for name, _ in said} & {
        name for name, text in definition.items() if isinstance(text, str)
    }
    assert {name for name in names if (name, definition[name]) not in said} <= NO_FIELDS.get(
        route_of(CASES[case]), set()
    )


def test_every_route_is_compared(api: Api) -> None:
    answer = {path.removeprefix("/v1") for path in api.json("/openapi.json")["paths"]}
    lists = {path for path in answer if not path.endswith(".csv")}  # see test_csv_files.py
    assert lists - NOT_OF_THE_SHOP == {route_of(path) for path in CASES.values()}


@pytest.mark.slow
@each("route", sorted({route_of(path) for path in CASES.values()}))
def test_every_field_of_a_route_has_a_value_that_is_compared(
    api: Api, shop: PlainShop, route: str
) -> None:
    described = api.json("/openapi.json")
    answers = [path["responses"]["200"] for path in described["paths"][f"/v1{route}"].values()]
    schemas = [answer["content"]["application/json"]["schema"] for answer in answers]
    named = {field for schema in schemas for field in _fields(schema, described)}
    fields = {field for field in named if field.partition(".")[0] not in ENVELOPE}
    compared: set[str] = set()
    for case in (name for name, path in CASES.items() if route_of(path) == route):
        for days in ("week", "twenty days"):
            compared |= set(_fields_of(_asked(api, shop, case, days)))
    assert fields - compared == NEVER_RETURNED.get(route, set())


def _asked(api: Api, shop: PlainShop, case: str, days: str) -> Any:
    """Return an answer that a test above compares."""
    if case in OF_DAYS:
        path, parameters, _ = OF_DAYS[case]
        return api.json(path, **parameters, **days_of(shop, days)[1])
    if case in OF_ONE_S_OWN:
        return api.post(*OF_ONE_S_OWN[case][:2]).json()
    if case in AS_OF:
        return api.json(AS_OF[case][0], **AS_OF[case][1])
    return api.json(TREND, granularity="hour", time_range="week")


def without_envelope(answer: Row) -> Row:
    """Return an answer without what all answers have, and others tests look at."""
    return {name: value for name, value in answer.items() if name not in ENVELOPE}


def _fields(schema: Row, described: Row, path: str = "") -> Iterator[str]:
    """Name each field that holds a value, as OpenAPI describes an answer."""
    if "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    kinds = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    for kind in kinds:
        if "$ref" in kind:
            yield from _fields(kind, described, path)
        elif kind.get("type") == "array":
            yield from _fields(kind["items"], described, path)
        elif "properties" in kind:
            for name, value_schema in kind["properties"].items():
                yield from _fields(value_schema, described, f"{path}.{name}".lstrip("."))
        else:
            yield path


def _fields_of(answer: Any, path: str = "") -> Iterator[str]:
    """Name each field that holds a value other than null in an answer;
    those of a free list of names by its own.
    """
    if isinstance(answer, list):
        for row in answer:
            yield from _fields_of(row, path)
    elif isinstance(answer, dict):
        yield path
        for name, value in answer.items():
            yield from _fields_of(value, f"{path}.{name}".lstrip("."))
    elif answer is not None:
        yield path
