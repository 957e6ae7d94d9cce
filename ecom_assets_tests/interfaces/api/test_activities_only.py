"""A shop whose events are the activities of an order report: nobody knows its bounces,
nor where visits came from.
"""

import csv
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from ecom_assets.behaviour.events.recorded import (
    CATEGORY_VIEWS,
    EVERYTHING,
    ORDER_VISITS,
    PRODUCT_VIEWS,
    PURCHASES,
    VIEWS,
)
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.ingestion.sources.activities import not_recorded
from ecom_assets.ingestion.sources.report_paths import ACTIVITIES, report_path
from ecom_assets.interfaces.api.app import create_app
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets.interfaces.report.report import build_report
from ecom_assets.interfaces.weeks.weekly import Week
from ecom_assets.interfaces.weeks.wording import text_lines
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import Api, served
from ecom_assets_tests.interfaces.api.shop_files import DAYS, FIRST, write_shop
from ecom_assets_tests.interfaces.api.small_run import run
from ecom_assets_tests.interfaces.dashboard.html import read, tiles_of

pytestmark = pytest.mark.xdist_group("api_activities_only")
OF_VIEWS = ("engaged_session_count", "single_page_session_count")
RATES = ("engagement_rate", "bounce_rate", "single_page_rate")
WEEK = "2026-W05"
PATIENT: Final[dict[str, Any]] = {"api_timeout_s": 300, "adhoc_timeout_s": 300}
"""A busy machine may take long for a question."""


OWN_NAMES = """\
fields:
  event_id: uniq_id
  user_id: customer_id
  event_type: {expression: "'action_' || action_id"}
  event_timestamp: date_time
event_types: {action_7: product_view, action_3: purchase}
other_columns: ignore
"""


def write_activities(events: Path, path: Path) -> int:
    """Write what users of a file of events did as an order report does;
    return the number of activities.
    """
    with events.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["user_id"]]
    types = sorted({row["event_type"] for row in rows})
    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "uniq_id", "date_time", "action_id", "customer_id", "quantity"))
        for number, row in enumerate(rows, start=1):
            at, action = row["event_timestamp"][:19], types.index(row["event_type"])
            writer.writerow((number, row["event_id"], at, action, row["user_id"], 1))
    return len(rows)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of an API over such a shop, which was run and published."""
    folder = tmp_path_factory.mktemp("activities_only")
    write_shop(folder / "files")
    activities = report_path(folder / "home", ACTIVITIES)
    assert write_activities(folder / "files" / "events.csv", activities) > 1_000
    shutil.copy(folder / "files" / "customers.json", activities.parent)
    loaded = Settings(
        home=folder / "home",
        events=str(activities),
        events_mapping=ACTIVITIES,
        orders=str(folder / "files" / "orders.csv"),
        order_customers_over=0,
        **PATIENT,
    )
    monday = FIRST.date() - FIRST.weekday() * ONE_DAY
    run(loaded, Days.between(monday, FIRST.date() + DAYS * ONE_DAY))
    return loaded


@pytest.fixture(scope="module", params=["of the run", "of the orders alone"])
def api(settings: Settings, request: pytest.FixtureRequest) -> Iterator[Api]:
    """The API with the settings of the run, and with those that leave the events
    to what the home remembers.
    """
    without_events = Settings(home=settings.home, orders=settings.orders, **PATIENT)
    with served(
        create_app(settings if request.param == "of the run" else without_events)
    ) as answer:
        yield answer


@pytest.mark.slow
def test_no_day_and_no_period_has_a_bounce(api: Api) -> None:
    answer = api.json("/analytics/engagement", time_range="week")
    numbers = answer["engagement"]
    assert numbers["session_count"] > 0
    assert {numbers[name] for name in (*OF_VIEWS, *RATES)} == {None}
    assert {answer["change"][name] for name in (*OF_VIEWS, *RATES)} == {None}
    assert len(answer["days"]) == 7
    for day in answer["days"]:
        assert {day[name] for name in (*OF_VIEWS, *RATES, "pages_per_session")} == {None}
        assert day["daily_visitor_count"] > 0


@pytest.mark.slow
@each("definition", [{}, {"idle": "10m"}])
def test_a_question_about_sessions_says_what_is_not_known(
    api: Api, definition: dict[str, str]
) -> None:
    answer = api.post("/analytics/sessions", definition).json()
    assert answer["sessions"] > 0
    assert [answer[name] for name in ("engaged_sessions", "bounce_rate", "pages_per_session")] == [
        None
    ] * 3
    assert any("bounces and pages are not known" in warning for warning in answer["warnings"])


@pytest.mark.slow
def test_all_that_was_ordered_after_a_visit_is_of_an_unknown_channel(api: Api) -> None:
    answer = api.json("/analytics/revenue/by-channel", time_range="month")
    revenue = {
        channel["channel"]: Decimal(channel["revenue_amount"]) for channel in answer["channels"]
    }
    assert {"(unknown)"} <= revenue.keys() <= {"(unknown)", "(none)"}
    total = api.json("/analytics/sales", time_range="month")["sales"]["revenue_amount"]
    assert sum(revenue.values()) == Decimal(total)


@pytest.mark.slow
def test_a_question_about_attribution_says_that_no_channel_is_known(api: Api) -> None:
    answer = api.post("/analytics/attribution", {}).json()
    assert answer["notes"][-1].endswith(
        "do not say where visits came from, so no channel is known."
    )
    assert {row["channel"] for row in answer["channels"]} <= {"(unknown)", "(none)"}


@pytest.mark.slow
def test_an_item_stands_for_the_category_of_order_lines_without_one(api: Api) -> None:
    """No order line of this shop has a category, so what was sold is listed by item."""
    answer = api.json("/analytics/categories", time_range="month")
    rows = answer["categories"]
    assert answer["category_data"] == "none"
    assert answer["total_count"] == len(rows) > 5
    total = api.json("/analytics/sales", time_range="month")["sales"]
    assert sum(Decimal(row["revenue_amount"]) for row in rows) == Decimal(total["revenue_amount"])
    products = api.json("/analytics/products/top", time_range="month", limit=100)["products"]
    names = {row["product_id"]: row["product_name"] for row in products}
    assert {row["product_category"]: row["product_name"] for row in rows} == names
    assert {row["viewing_session_count"] for row in rows} == {None}
    of_weeks = api.json("/analytics/customers/retention", time_range="month", limit=1000)
    assert {row["item_category"] for row in of_weeks["weeks"]} <= {*names, "(all)"}


@pytest.mark.slow
def test_nothing_is_0_that_activities_do_not_record(api: Api) -> None:
    """They are no views, no searches, no carts, no checkouts and no purchases."""
    days = {"time_range": "month"}
    numbers = api.json("/analytics/engagement", **days)["engagement"]
    assert (numbers["purchase_session_count"], numbers["session_conversion_rate"]) == (None, None)
    products = api.json("/analytics/products/top", **days)["products"]
    of_carts = ("add_to_cart_count", "remove_from_cart_count")
    of_looks = ("product_view_count", "purchases_per_view", *of_carts)
    assert {row[name] for row in products for name in of_looks} == {None}
    assert all(row["purchase_count"] > 0 for row in products)
    one = api.json(f"/analytics/products/{products[0]['product_id']}", **days)
    assert {one["product"][name] for name in of_looks} == {None}
    assert {day["product_view_count"] for day in one["trend"]} == {None}
    funnel = api.json("/analytics/conversion", **days)
    assert (funnel["steps"], funnel["conversion_rate"]) == ([], None)
    assert set(funnel["abandonment"].values()) == {None}
    searches = api.json("/analytics/searches", **days)
    assert (searches["searches"], searches["total_count"]) == ([], None)
    steps = api.json("/analytics/journeys", **days)["transitions"]
    assert {step["converted_transition_count"] for step in steps} == {None}
    assert {step["conversion_rate"] for step in steps} == {None}


@pytest.mark.slow
def test_paths_do_not_say_what_ends_in_a_purchase(api: Api) -> None:
    answer = api.post("/analytics/journeys", {}).json()
    assert (answer["sessions"] > 0, answer["converted_sessions"]) == (True, None)
    assert {path["conversion_rate"] for path in answer["top_paths"]} == {None}
    assert answer["converting_paths"] == answer["other_paths"] == []


@pytest.mark.slow
def test_orders_are_not_missing_events_where_no_event_is_a_purchase(api: Api) -> None:
    answer = api.json("/analytics/reconciliation", time_range="month")
    assert set(answer["reconciliation"].values()) == {None}
    assert (answer["days"], answer["total_count"]) == ([], None)


@pytest.mark.slow
def test_a_mapping_of_ones_own_records_the_types_that_it_names(tmp_path: Path) -> None:
    mapping = tmp_path / "named.yaml"
    mapping.write_text(OWN_NAMES)
    file = tmp_path / f"{ACTIVITIES}.csv"  # in any folder, by the mapping of such files
    plain = Settings(home=tmp_path, events=str(file), events_mapping=ACTIVITIES)
    assert not_recorded(plain) == EVERYTHING - {ORDER_VISITS}
    report = report_path(tmp_path, ACTIVITIES)
    named = Settings(home=tmp_path, events=str(report), events_mapping=str(mapping))
    types = {VIEWS, PRODUCT_VIEWS, CATEGORY_VIEWS, PURCHASES}
    assert not_recorded(named) == EVERYTHING - {ORDER_VISITS} - types
    assert not_recorded(Settings(home=tmp_path, events="events.csv")) == frozenset()


@pytest.mark.slow
def test_the_way_down_says_that_the_number_is_not_known(api: Api) -> None:
    one, several = '["event_date = 2026-01-21"]', '["event_date >= 2026-01-21"]'
    for where in (one, several):
        number = api.json(
            "/explain/mart/engagement_daily", column="engaged_session_count", where=where, limit=0
        )["number"]
        assert [number[name] for name in ("value", "adds_up")] == [None, None]
        assert number["note"].startswith("This number is not known")


@pytest.mark.slow
def test_pages_show_nothing_where_nothing_is_known(settings: Settings) -> None:
    with served(build_dashboard_app(settings)) as pages:
        for path in ("/dashboard/?time_range=week", "/dashboard/sessions"):
            tiles = tiles_of(read(pages.get(path).text))
            assert (tiles["Bounce rate"], int(tiles["Sessions"]) > 0) == ("", True), path
        for path in ("sales", "attribution"):
            text = read(pages.get(f"/dashboard/{path}?time_range=month").text).text
            assert "(unknown)" in text, path
            assert "Direct" not in text, path


@pytest.mark.slow
def test_the_report_leaves_the_bounce_rate_out(settings: Settings) -> None:
    report = build_report(settings, Week.parse(WEEK))
    assert report["numbers"]["session_count"]["value"] > 0
    assert report["numbers"]["bounce_rate"] == {"value": None, "previous": None, "change": None}
    (line,) = [line for line in text_lines(report) if "ounce" in line]
    assert "100" not in line
