"""What answers say of days of which nothing was received, between days with rows:
they are unknown, not zero.

A shop has one visit with a purchase of 10.00 on each day from 1 to 14 March, and an order of 20.00.
Its events arrive in a folder per day, and the folder of 10 March never came. Its orders are in one
file, without a line of 4 and 10 March; on the 4th a purchase event says that the shop sold.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.cli.summary.lines import summary_lines
from ecom_assets.commerce.attribution.session_columns import NO_ADDRESSES
from ecom_assets.commerce.costs.queries import BRINGS_COSTS
from ecom_assets.core.settings.settings import Settings
from ecom_assets_tests.command import DAYS_KNOWN, HEADER, CommandResult, ecom
from ecom_assets_tests.core.warehouse.engines.shop_input import ORDER_HEADER
from ecom_assets_tests.interfaces.api.conftest import Api
from ecom_assets_tests.interfaces.api.test_held_order_days import answering

DAYS = [f"2026-03-{day:02}" for day in range(1, 15)]
LOST, UNSOLD = "2026-03-10", "2026-03-04"
LAST_WEEK = {"start_date": "2026-03-08", "end_date": "2026-03-14"}
ALL = '+key:"serving/marts" or key:"mart/calendar"'
SALES = f'{DAYS_KNOWN} or +key:"mart/purchase_revenue_daily" or key:"serving/marts"'
FEW = '+key:"mart/engagement_daily" or +key:"mart/purchase_revenue_daily" or key:"serving/marts"'


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for day in DAYS:
        if day != LOST:
            visit = f"v{day},ann,product_view,{day}T10:00:00Z,i1,hats,s,https://shop.example/,,"
            bought = f"p{day},ann,purchase,{day}T10:05:00Z,i1,hats,s,https://shop.example/,,10.00"
            landing = folder / "landing" / f"received_date={day}"
            landing.mkdir(parents=True)
            (landing / "events.csv").write_text(f"{HEADER}\n{visit}\n{bought}\n")
    lines = [
        f"{n},l{n},{day}T12:00:00Z,1,Ulm,ann,A,B,i1,Hat,1,20,shipped"
        for n, day in enumerate(DAYS, start=1)
        if day not in {LOST, UNSOLD}
    ]
    (folder / "orders.csv").write_text("\n".join((ORDER_HEADER, *lines, "")))
    return folder


def run(
    files: Path, name: str, env: Mapping[str, str] | None = None, *, tables: str = ALL
) -> CommandResult:
    """Run some tables over the files in a home of some name; few of them need orders."""
    orders = () if tables == FEW else ("--orders", files / "orders.csv")
    arguments = ("run", "--json", "--select", tables)
    result = ecom(*arguments, "--events", files / "landing", *orders, home=files / name, env=env)
    assert result.exit_code == 0, result.err
    return result


@pytest.fixture(scope="module")
def api(files: Path) -> Iterator[Api]:
    run(files, "events", tables=FEW)
    with answering(Settings(home=files / "events")) as answer:
        yield answer


@pytest.fixture(scope="module")
def both(files: Path) -> Iterator[Api]:
    summary = run(files, "both").json
    assert summary["missing_days"] == {"events": [LOST], "orders": [UNSOLD]}
    lines = summary_lines(summary)
    assert f"  no profit, as no cost of what was sold is known; {BRINGS_COSTS}" in lines
    (of_events, of_orders) = lines[2:4]
    assert of_events.startswith(
        f"  No events were received of {LOST}: what happened then is unknown"
    )
    assert of_orders.startswith(f"  No orders were received of {UNSOLD}:")
    unfinished = summary_lines({**summary, "provisional_from": "2026-03-11"})
    assert unfinished[2] == "  2026-03-11 is not over: its numbers are provisional, and grow."
    with answering(Settings(home=files / "both")) as answer:
        yield answer


def known(answer: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return how much of a range is known, between which days, and which are missing."""
    days = answer["range"]
    return days["data"], days["known_from"], days["known_to"], days["missing_days"]


@pytest.mark.slow
@pytest.mark.xdist_group("missing_days")
def test_a_day_without_any_event_is_unknown_and_nothing_is_compared_with_it(api: Api) -> None:
    answer = api.json("/analytics/sales", **LAST_WEEK)
    assert known(answer) == ("part", "2026-03-08", "2026-03-14", [LOST])
    assert (answer["sales"]["revenue_amount"], answer["range"]["previous_missing_days"]) == (
        "60.00",
        [],
    )
    assert answer["previous"]["revenue_amount"] == "70.00"
    assert set(answer["change"].values()) == {None}, "six days are not compared with seven"
    points = api.json("/analytics/revenue/trend", **LAST_WEEK)["points"]
    assert [
        (point["start_date"][-2:], point["data"], point["revenue_amount"]) for point in points[1:4]
    ] == [
        ("09", "whole", "10.00"),
        ("10", "none", None),
        ("11", "whole", "10.00"),
    ]
    (week,) = api.json("/analytics/revenue/trend", granularity="month", **LAST_WEEK)["points"]
    assert (week["data"], week["revenue_amount"]) == ("part", "60.00")


@pytest.mark.slow
@pytest.mark.xdist_group("missing_days")
@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin"]
)  # from the sessions that are published, and cut again
def test_a_breakdown_by_channel_says_that_no_event_came_from_elsewhere(api: Api, zone: str) -> None:
    question = {"series": ["product_view"], "timezone": zone}
    by_channel = api.post("/analytics/trend", {**question, "by": "channel"}).json()
    assert [series["breakdown"] for series in by_channel["series"]] == ["Direct"]
    assert NO_ADDRESSES in by_channel["warnings"]
    assert (
        NO_ADDRESSES
        not in api.post("/analytics/trend", {**question, "by": "visitor_type"}).json()["warnings"]
    )


@pytest.mark.slow
@pytest.mark.xdist_group("missing_days")
def test_a_missing_day_by_itself_has_no_numbers(api: Api) -> None:
    for path, name in (("sales", "sales"), ("engagement", "engagement")):
        answer = api.json(f"/analytics/{path}", start_date=LOST, end_date=LOST)
        assert known(answer) == ("none", None, None, [LOST])
        assert set(answer[name].values()) == {None}
    asked = {"series": [{"event_type": "page_view"}, {"event_type": "product_view"}], **LAST_WEEK}
    (_, viewed) = api.post("/analytics/trend", asked).json()["series"]
    assert viewed["values"] == [1, 1, None, 1, 1, 1, 1]


@pytest.mark.slow
@pytest.mark.xdist_group("missing_days")
def test_orders_of_one_file_are_missing_where_a_purchase_event_says_that_the_shop_sold(
    both: Api,
) -> None:
    answer = both.json("/analytics/sales", start_date="2026-03-01", end_date="2026-03-14")
    assert answer["range"]["sources"]["orders"]["missing_days"] == [UNSOLD]
    assert both.json("/analytics/engagement", **LAST_WEEK)["range"]["missing_days"] == [LOST]
    points = both.json("/analytics/revenue/trend", start_date="2026-03-01", end_date="2026-03-14")[
        "points"
    ]
    assert {
        point["start_date"]: point["revenue_amount"]
        for point in points
        if point["revenue_amount"] != "20.00"
    } == {
        UNSOLD: None,
        LOST: "0.00",  # no order line and no event: nothing says that there were orders
    }
    viewed = both.json("/analytics/products/i1", **LAST_WEEK)["trend"][2]
    assert (viewed["event_date"], viewed["product_view_count"], viewed["revenue_amount"]) == (
        LOST,
        None,
        "0.00",
    )


@pytest.mark.slow
@pytest.mark.parametrize(("empty_days", "missing"), [("zero", []), ("unknown", [UNSOLD, LOST])])
def test_the_setting_says_what_days_without_a_row_mean(
    files: Path, empty_days: str, missing: list[str]
) -> None:
    run(files, empty_days, {"ECOM_EMPTY_DAYS": empty_days}, tables=SALES)
    with answering(Settings(home=files / empty_days)) as answer:
        sold = answer.json("/analytics/sales", start_date="2026-03-01", end_date="2026-03-14")
        assert sold["range"]["missing_days"] == missing
        assert (answer.json("/analytics/engagement", **LAST_WEEK)["range"]["data"] == "whole") == (
            empty_days == "zero"
        )


@pytest.mark.slow
def test_a_trend_over_files_has_a_gap_too_unless_the_setting_says_otherwise(
    files: Path, home: Path
) -> None:
    asked = ("trend", "--events", files / "landing", "--series", "product_view", "--json")
    days = ("--from", "2026-03-09", "--to", "2026-03-11")
    assert ecom(*asked, *days, home=home).json["series"][0]["values"] == [1, None, 1]
    as_zero = ecom(*asked, *days, home=home, env={"ECOM_EMPTY_DAYS": "zero"})
    assert as_zero.json["series"][0]["values"] == [1, 0, 1]
