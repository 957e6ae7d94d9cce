"""A shop that gave events and nothing else: its sales are those of its purchase events,
and every answer says so.

Recomputed from the events' file in plain Python.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.interfaces.api.app import create_app
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets.interfaces.report.report import build_report
from ecom_assets.interfaces.weeks.weekly import Week
from ecom_assets_tests.command import ecom
from ecom_assets_tests.interfaces.api.conftest import Api, served
from ecom_assets_tests.interfaces.api.plain_shop import PlainShop, Row
from ecom_assets_tests.interfaces.api.shop_files import DAYS, FIRST, write_shop
from ecom_assets_tests.interfaces.api.small_run import run

pytestmark = pytest.mark.xdist_group("api_events_only")
WEEK = 7
COUNTS = ("order_count", "refund_count", "sold_item_count", "refunded_item_count")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("events_only")
    write_shop(folder / "files")
    return folder


@pytest.fixture(scope="module")
def api(folder: Path) -> Iterator[Api]:
    settings = Settings(home=folder / "home", events=str(folder / "files" / "events.csv"))
    run(settings, Days.between(FIRST.date(), FIRST.date() + DAYS * ONE_DAY))
    with served(create_app(settings)) as answer:
        yield answer


@pytest.fixture(scope="module")
def bought(folder: Path) -> list[Row]:
    """The purchases of the newest week."""
    shop = PlainShop(folder / "files")
    week = shop.span(WEEK)
    return [
        row for row in shop.events if row["event_type"] == "purchase" and week.has(row["at"].date())
    ]


def worth(rows: list[Row]) -> str:
    return f"{sum((Decimal(row['cart_value']) for row in rows), Decimal(0)):.2f}"


@pytest.mark.slow
def test_sales_are_those_of_purchase_events(api: Api, bought: list[Row]) -> None:
    answer = api.json("/analytics/sales", time_range="week")
    assert answer["source"] == "purchase_events"
    assert list(answer["range"]["sources"]) == ["purchase_events"]
    assert [answer["sales"][name] for name in COUNTS] == [len(bought), 0, len(bought), 0]
    assert answer["sales"]["revenue_amount"] == answer["sales"]["shipped_amount"] == worth(bought)
    assert answer["sales"]["average_order_value"] == f"{Decimal(worth(bought)) / len(bought):.2f}"
    assert answer["change"]["revenue_amount"] is not None


@pytest.mark.slow
@pytest.mark.parametrize("granularity", ["hour", "day", "week"])
def test_every_point_of_the_trend_is_those_of_its_time(
    api: Api, bought: list[Row], granularity: str
) -> None:
    answer = api.json("/analytics/revenue/trend", time_range="week", granularity=granularity)
    assert answer["source"] == "purchase_events"
    of_time: dict[Any, list[Row]] = defaultdict(list)
    for row in bought:
        of_time[
            row["at"].date() if granularity != "hour" else row["at"].replace(minute=0, second=0)
        ].append(row)
    for point in answer["points"]:
        if granularity == "hour":
            mine = [
                row
                for at, rows in of_time.items()
                if f"{at:%Y-%m-%dT%H}" in point["started_at"]
                for row in rows
            ]
        else:
            mine = [
                row
                for day, rows in of_time.items()
                if point["start_date"] <= str(day) <= point["end_date"]
                for row in rows
            ]
        assert (point["order_count"], point["revenue_amount"]) == (len(mine), worth(mine))


@pytest.mark.slow
def test_categories_add_up_to_sales(api: Api, bought: list[Row]) -> None:
    """These purchases carry no category: what they came to is not lost,
    and no category says 0.00 in its place.
    """
    answer = api.json("/analytics/categories", time_range="week")
    by_name = {category["product_category"]: category for category in answer["categories"]}
    assert answer["source"] == "purchase_events"
    assert by_name["(none)"]["revenue_amount"] == worth(bought)
    assert by_name["Hats"]["product_view_count"] > 0
    assert answer["category_coverage_rate"] == 0
    assert by_name["Hats"]["revenue_amount"] is None  # what a hat sold for is not known


def test_channels_share_all_of_it(api: Api, bought: list[Row]) -> None:
    answer = api.json("/analytics/revenue/by-channel", time_range="week")
    assert (answer["source"], answer["unit"]) == ("purchase_events", "purchase")
    assert (
        f"{sum(Decimal(channel['revenue_amount']) for channel in answer['channels']):.2f}"
        == worth(bought)
    )


def test_customers_are_the_visitors_who_bought(api: Api, folder: Path, bought: list[Row]) -> None:
    answer = api.json("/analytics/customers", time_range="week")
    shop = PlainShop(folder / "files")
    first: dict[str, Any] = {}
    for row in sorted(shop.events, key=lambda row: row["at"]):
        if row["event_type"] == "purchase":
            first.setdefault(row["user_id"], row["at"].date())
    buyers = {row["user_id"] for row in bought}
    new = {who for who in buyers if first[who] >= shop.span(WEEK).first}
    assert answer["source"] == "purchase_events"
    assert answer["customers"]["customer_count"] == len(buyers)
    assert answer["customers"]["new_customer_count"] == len(new)
    assert answer["value"]["customer_count"] == len(first)


def test_products_that_no_purchase_names_have_no_sales_instead_of_none(api: Api) -> None:
    answer = api.json("/analytics/products/top", sort_by="views")
    assert answer["source"] == "purchase_events"
    assert answer["products"][0]["product_view_count"] > 0
    assert {product["revenue_amount"] for product in answer["products"]} == {None}


@pytest.fixture(scope="module")
def without_amounts(folder: Path) -> Path:
    """The same events, none of which has an amount."""
    with (folder / "files" / "events.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    events = folder / "without_amounts.csv"
    _write(events, [row | {"cart_value": ""} for row in rows])
    return events


def _write(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.slow
def test_revenue_that_no_event_knows_is_null_in_every_answer_and_never_0(
    folder: Path, without_amounts: Path
) -> None:
    settings = Settings(home=folder / "unpaid", events=str(without_amounts))
    run(settings, Days.between(FIRST.date(), FIRST.date() + DAYS * ONE_DAY))
    with served(build_dashboard_app(settings)) as api:
        cohorts = api.json("/analytics/cohorts", cohort_by="first_purchase", period="day")[
            "cohorts"
        ]
        assert cohorts[0]["visitor_count"] > 0
        amounts = ("revenue_amount", "cumulative_revenue_amount", "lifetime_value")
        assert {row[name] for row in cohorts for name in amounts} == {None}
        value = api.json("/analytics/customers")["value"]
        assert (value["customer_count"] > 0, value["revenue_per_customer_amount"]) == (True, None)
        segments = api.json("/analytics/customers/segments")["segments"]
        assert sum(row["order_count"] for row in segments) > 0
        assert {row[name] for row in segments for name in ("revenue_amount", "revenue_share")} == {
            None
        }
        credited = api.post("/analytics/attribution", {}).json()
        assert (credited["conversions"] > 0, {row["revenue"] for row in credited["channels"]}) == (
            True,
            {None},
        )
        page = api.get("/dashboard/customers")
        assert (page.status_code, ">0.00<" in page.text) == (200, False)


@pytest.mark.slow
def test_a_refund_with_an_amount_does_not_say_what_purchases_came_to(
    folder: Path, without_amounts: Path
) -> None:
    """Its day has a refund and no purchase, so purchases of that day came to 0;
    all others are still not known.
    """
    with without_amounts.open(newline="") as file:
        rows = list(csv.DictReader(file))
    days = Days.between(FIRST.date(), FIRST.date() + 4 * ONE_DAY)
    first = [row for row in rows if row["event_timestamp"] < str(days.dates[-1])]
    at = f"{days.dates[-1]}T09:00:00Z"
    refund = first[-1] | {
        "event_id": "refund",
        "event_type": "refund",
        "event_timestamp": at,
        "cart_value": "5.00",
    }
    events = folder / "with_a_refund.csv"
    _write(events, [*first, refund])
    settings = Settings(home=folder / "refunded", events=str(events))
    run(settings, days)
    with served(create_app(settings)) as api:
        assert api.json("/analytics/sales", time_range="today")["sales"]["shipped_amount"] == "0.00"
        cohorts = api.json("/analytics/cohorts", cohort_by="first_purchase", period="day")[
            "cohorts"
        ]
        assert {row["revenue_amount"] for row in cohorts} == {None}
        assert api.json("/analytics/customers")["value"]["revenue_per_customer_amount"] is None
        segments = api.json("/analytics/customers/segments")["segments"]
        assert {row["revenue_amount"] for row in segments} == {None}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "rows", "name"),
    [("attribution", "channels", "revenue"), ("segments", "segments", "revenue_amount")],
)
def test_so_it_is_in_answers_over_files(  # noqa: PLR0913, PLR0917 (fixtures and parameters)
    home: Path, folder: Path, without_amounts: Path, command: str, rows: str, name: str
) -> None:
    files = (folder / "files" / "events.csv", without_amounts)
    known, unknown = (ecom(command, "--events", file, "--json", home=home).json for file in files)
    assert all(row[name] is not None for row in known[rows])
    assert {row[name] for row in unknown[rows]} == {None}
    printed = (ecom(command, "--events", file, home=home).out for file in files)
    known_amounts, unknown_amounts = (
        [line.split()[-1] for line in _indented(text)] for text in printed
    )
    assert [float(text.replace(",", "")) for text in known_amounts] == [
        float(row[name]) for row in known[rows]
    ]
    assert unknown_amounts == ["-"] * len(unknown[rows])


def _indented(text: str) -> list[str]:
    """Return the lines of a list in the terminal."""
    return [line for line in text.splitlines() if line.startswith("  ")]


@pytest.mark.parametrize(
    ("path", "setting"),
    [
        ("/analytics/inventory/alerts", "ECOM_CATALOGUE"),
        ("/analytics/geographic", "ECOM_ORDERS"),
    ],
)
def test_what_no_source_has_is_a_conflict_that_names_the_setting(
    api: Api, path: str, setting: str
) -> None:
    response = api.get(path)
    assert (response.status_code, response.headers["Content-Type"]) == (
        409,
        "application/problem+json",
    )
    assert f"set {setting}" in response.json()["detail"]


@pytest.mark.slow
def test_the_weekly_report_is_that_of_purchase_events(api: Api, folder: Path) -> None:
    assert api.get("/health/live").status_code == 200  # which has published what the report reads
    settings = Settings(home=folder / "home", events=str(folder / "files" / "events.csv"))
    report = build_report(settings, Week.parse("2026-W05"))
    week = Week.parse("2026-W05")
    purchases = [
        row for row in PlainShop(folder / "files").events if row["event_type"] == "purchase"
    ]
    mine = [row for row in purchases if week.first <= row["at"].date() <= week.last]
    assert f"{report['numbers']['revenue_amount']['value']:.2f}" == worth(mine)
    assert report["numbers"]["new_customer_count"]["value"] is None
    assert report["missing"]["customers"].startswith("There are no order lines to count this from;")
    parts = {row["dimension"]: row["parts"] for row in report["causes"]["revenue"]}
    assert set(parts) == {"marketing_channel", "device"}  # purchases have no category
    for dimension in parts.values():
        assert (
            sum(part["contribution_amount"] for part in dimension)
            == report["causes"]["revenue_change_amount"]
        )
        assert "(other)" not in {
            part["value"] for part in dimension
        }  # devices are those of the very purchases
