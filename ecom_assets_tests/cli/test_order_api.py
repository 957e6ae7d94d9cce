"""Order history and the nights of the order report API in one home: the real files,
by a file and by the report.
"""

import csv
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from ecom_assets_tests.cli.test_run_orders import orders_csv, queried
from ecom_assets_tests.cli.test_waiting_lines import revenue, waiting
from ecom_assets_tests.command import FEW_SALES, CommandResult, ecom, real_file
from ecom_assets_tests.each import each
from ecom_sandbox.services.orders import COHORT, NICKNAME, OrderService

NIGHTS = ("--from", "2022-11-28", "--to", "2022-12-05")
"""Eight nights, of which only the last has an increment; the history ends with the fourth."""
RUN = ("run", "--json", *FEW_SALES)


def settings_of(service: OrderService) -> dict[str, str]:
    """Return the variables of a shop with the API, which no command has to leave out."""
    return {
        "ECOM_ORDER_API_URL": service.api_url,
        "ECOM_ORDER_API_NICKNAME": NICKNAME,
        "ECOM_ORDER_API_COHORT": COHORT,
        "ECOM_ORDER_API_KEY": service.key,
        "ECOM_ORDER_CUSTOMERS_OVER": "3",
    }


def as_parquet(source: Path, path: Path) -> None:
    """Store a real increment, every value as text, as the stand-in reads it."""
    with source.open(encoding="utf-8") as file:
        names = file.readline().strip().split(",")
    kinds = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    path.parent.mkdir(parents=True)
    pq.write_table(pyarrow.csv.read_csv(source, convert_options=kinds), path)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[OrderService]:
    """The service with the real report and its only increment."""
    as_parquet(real_file("user_order_log_inc.csv"), tmp_path / "increments" / "2022-12-05.parquet")
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "user_order_log.csv").write_bytes(
        real_file("user_order_log.csv").read_bytes()
    )
    with OrderService(tmp_path / "increments", report=tmp_path / "report") as served:
        yield served


def amounts(home: Path) -> list[tuple[Any, ...]]:
    lines = (
        "SELECT status, count(*), sum(payment_amount)::INTEGER FROM staging.user_order_log GROUP "
        "BY 1 ORDER BY 1"
    )
    return queried(home, lines)


def warned(result: CommandResult) -> list[str]:
    return [row["sentence"] for row in result.json["checks"]["warned"]]


HISTORY = [("shipped", 3_790, 1_987_570)]
WITH_NIGHTS = [("refunded", 6, 2_390), ("shipped", 3_914, 1_987_570 + 58_865)]


@pytest.mark.slow
def test_eight_nights_of_the_api_over_a_loaded_history_are_green_and_add_up(
    home: Path, service: OrderService
) -> None:
    env = settings_of(service)
    loaded = ecom(*RUN, "--orders", real_file("user_order_log.csv"), home=home, env=env)
    assert (loaded.exit_code, amounts(home)) == (0, HISTORY), loaded.err
    nights = ecom(*RUN, *NIGHTS, home=home, env=env)
    assert (nights.exit_code, nights.json["checks"]["failed"], amounts(home)) == (
        0,
        [],
        WITH_NIGHTS,
    ), nights.err
    [sentence] = warned(nights)
    assert sentence == (
        "The source of orders has no increment of 2022-11-28, 2022-11-29, 2022-11-30, 2022-12-01, "
        "2022-12-02 and 2 more days; the 4,110 rows that came of them otherwise stay, and all "
        "other days are built."
    )
    status = ecom("status", home=home, env=env).out
    assert "nothing of 2022-12-01, seen first on" in status
    assert "the 1,144 rows that came otherwise stay." in status
    [row] = [
        row
        for row in ecom("status", "--json", home=home, env=env).json
        if row["table"] == "raw.user_order_log"
    ]
    assert (row["lost_days"], len(row["absent_days"])) == ([], 7)
    allowed = ecom(*RUN, *NIGHTS, "--allow-withdrawal", home=home, env=env)
    assert (allowed.exit_code, amounts(home)) == (0, WITH_NIGHTS), (
        "what came by file is not the API's to withdraw"
    )
    revenue = "SELECT sum(revenue_amount)::INTEGER FROM mart.sales"
    assert queried(home, revenue) == [(2_044_045,)]


@pytest.mark.slow
def test_the_report_is_the_first_load_and_the_nights_follow_in_the_same_home(
    home: Path, service: OrderService
) -> None:
    env = settings_of(service) | {"ECOM_ORDERS": ""}
    first = ecom(*RUN, "--orders", "api", "--to", "2022-12-01", home=home, env=env)
    assert (first.exit_code, amounts(home), first.json["days"]) == (
        0,
        HISTORY,
        {"from": "2022-11-09", "to": "2022-12-01"},
    ), first.err
    assert warned(first) == []
    for night in ("2022-12-04", "2022-12-05", "2022-12-05"):
        result = ecom(*RUN, "--from", "2022-12-03", "--to", night, home=home, env=env)
        assert result.exit_code == 0, result.err
    assert amounts(home) == WITH_NIGHTS
    again = ecom(*RUN, "--orders", "api", "--to", "2022-12-05", home=home, env=env)
    assert (again.exit_code, amounts(home)) == (0, WITH_NIGHTS), again.err


@pytest.mark.slow
def test_a_line_of_a_day_waits_until_the_api_says_that_there_is_no_more_of_it(
    home: Path, tmp_path: Path
) -> None:
    increment = real_file("user_order_log_inc.csv").read_text(encoding="utf-8")
    _, line, *_ = increment.splitlines()
    number, _, _, *values = line.split(",")
    (tmp_path / "with_late.csv").write_text(
        increment + ",".join([number, "late", "2022-12-03T00:00:00", *values])
    )
    as_parquet(tmp_path / "with_late.csv", tmp_path / "increments" / "2022-12-05.parquet")
    with OrderService(tmp_path / "increments") as service:
        env = settings_of(service)
        alone = ecom(*RUN, "--from", "2022-12-05", "--to", "2022-12-05", home=home, env=env)
        assert (alone.exit_code, waiting(alone)) == (0, [("2022-12-03", "2022-12-03", 1)]), (
            alone.err
        )
        assert revenue(home).keys() == {"2022-12-05"}
        asked = ecom(*RUN, "--from", "2022-12-03", "--to", "2022-12-03", home=home, env=env)
        assert (asked.exit_code, waiting(asked)) == (0, []), asked.err
        assert revenue(home).keys() == {"2022-12-03", "2022-12-05"}


@pytest.mark.slow
def test_a_person_is_erased_from_the_stored_report_too(
    home: Path, service: OrderService, tmp_path: Path
) -> None:
    activities = (
        "id,date_time,action_id,customer_id,quantity\n"
        "1,2022-11-10T00:00:00,3,5116,2\n"
        "2,2022-11-10T00:00:00,3,77,1\n"
    )
    (tmp_path / "report" / "user_activity_log.csv").write_text(activities)
    (tmp_path / "report" / "price_log.csv").write_text("Хлеб ржаной,20\n")
    env = settings_of(service)
    loaded = ecom("run", "--json", "--orders", "api", "--to", "2022-12-01", home=home, env=env)
    assert (loaded.exit_code, loaded.json["checks"]["failed"]) == (0, []), loaded.err
    counts = {
        name: loaded.json["tables"][name]
        for name in ("staging.user_activity_log", "staging.price_log")
    }
    assert counts == {"staging.user_activity_log": 2, "staging.price_log": 1}
    erased = ecom("erase", "--yes", "--customer", "5116", home=home, env=env)
    assert erased.exit_code == 0, erased.err
    report = home / "order_reports" / "report"
    assert (report / "user_activity_log.csv").read_text().splitlines()[1:] == [
        "2,2022-11-10T00:00:00,3,77,1"
    ]
    assert ",5116,Оксана," not in (report / "user_order_log.csv").read_text(encoding="utf-8")
    people = "SELECT DISTINCT customer_id FROM {}"
    for table in ("raw.user_activity_log", "staging.user_activity_log"):
        assert queried(home, people.format(table)) == [("77",)]
    assert queried(home, "SELECT DISTINCT user_id FROM raw.events") == [("77",)], (
        "activities are events here"
    )
    without_settings = ecom("erase", "--yes", "--customer", "77", home=home)
    assert without_settings.exit_code == 0, without_settings.err
    assert (report / "user_activity_log.csv").read_text().splitlines()[1:] == []
    assert queried(home, "SELECT user_id FROM raw.events") == []


@pytest.mark.slow
def test_a_service_without_any_increment_stops_a_home_that_never_had_orders(
    home: Path, service: OrderService
) -> None:
    result = ecom(
        *RUN, "--from", "2022-11-28", "--to", "2022-11-29", home=home, env=settings_of(service)
    )
    assert result.exit_code == 1
    assert "No orders came for 2022-11-28 to 2022-11-29" in result.err


def test_the_first_load_needs_the_address_of_the_api_and_stands_alone(
    home: Path, tmp_path: Path
) -> None:
    alone = ecom("run", "--orders", "api", home=home)
    assert (
        alone.sentence
        == "ECOM_ORDER_API_URL is not set; set it to the address of the order report API."
    )
    file = orders_csv(tmp_path / "o.csv", "2026-01-02", "abcd")
    both = ecom("run", "--orders", "api", "--orders", file, home=home)
    assert both.sentence.startswith("--orders api stands alone; load files in a run of their own")


ACTIVITIES = """id,uniq_id,date_time,action_id,customer_id,quantity
1,a,2022-11-10T10:00:00,7,5116,1
2,b,2022-11-10T10:05:00,3,5116,1
3,c,2022-11-11T10:00:00,7,77,1
4,c,2022-11-11T10:00:00,7,77,1
"""
"""Reports repeat lines by their `uniq_id`."""
LATER = "uniq_id,date_time,action_id,customer_id,quantity\nd,2022-12-05T10:00:00,7,5116,1\n"
LOGGED = "SELECT uniq_id FROM staging.user_activity_log ORDER BY 1"
CLICKS = (
    "event_id,user_id,event_type,event_timestamp,product_id,product_category,session_id,page_url,referrer_url,"
    "cart_value\n"
    "1,anna,page_view,2022-11-11T09:00:00Z,,,,,,\n"
)
SESSIONS = (
    "SELECT started_date::VARCHAR, sum(event_count)::INTEGER FROM mart.sessions GROUP BY 1 ORDER "
    "BY 1"
)
BOUNCES = (
    "SELECT event_date::VARCHAR, session_count, session_count - engaged_session_count, "
    "bounce_rate::INTEGER FROM mart.engagement_daily WHERE session_count > 0 ORDER BY 1"
)
CHANNELS = "SELECT DISTINCT channel FROM mart.channel_attribution ORDER BY 1"
TYPES = "SELECT event_type, count(*) FROM staging.events GROUP BY 1 ORDER BY 1"


@pytest.mark.slow
def test_activities_are_events_until_a_clickstream_comes(
    home: Path, service: OrderService, tmp_path: Path
) -> None:
    (tmp_path / "report" / "user_activity_log.csv").write_text(ACTIVITIES)
    env = settings_of(service)
    first = ("run", "--json", "--orders", "api", "--to", "2022-12-01")
    loaded = ecom(*first, home=home, env=env)
    assert (loaded.exit_code, loaded.json["checks"]["failed"]) == (0, []), loaded.err
    assert (loaded.json["activity_types"], loaded.json["sessions"]["sessions"]) == (
        ["action_3", "action_7"],
        2,
    )
    assert queried(home, SESSIONS) == [("2022-11-10", 2), ("2022-11-11", 1)]
    assert (loaded.json["sessions"]["bounce_rate"], loaded.json["channels"]) == (None, None)
    assert queried(home, BOUNCES) == [("2022-11-10", 1, None, None), ("2022-11-11", 1, None, None)]
    assert {channel for (channel,) in queried(home, CHANNELS)} == {"(none)", "(unknown)"}
    asked = ("sessions", "--events", report_file(home), "--mapping", "user_activity_log", "--json")
    assert [
        ecom(*asked, home=home, env=env).json[name] for name in ("sessions", "bounce_rate")
    ] == [2, None]

    (tmp_path / "own.yaml").write_text(own_mapping())
    arguments = ("run", *first[2:], "--events-mapping", str(tmp_path / "own.yaml"))
    named = ecom(*arguments, home=home, env=env)
    assert (
        "Events are the order report's activities, as action_3, page_view: a mapping of your own"
        in named.out
    )
    assert (named.exit_code, queried(home, TYPES)) == (0, [("action_3", 1), ("page_view", 2)]), (
        named.err
    )
    assert queried(home, BOUNCES) == [("2022-11-10", 1, 0, 0), ("2022-11-11", 1, 1, 1)], (
        "views are named"
    )
    (tmp_path / "increments" / "2022-12-05").mkdir()
    (tmp_path / "increments" / "2022-12-05" / "user_activity_log_inc.csv").write_text(LATER)
    night = ecom("run", "--json", "--from", "2022-12-04", "--to", "2022-12-05", home=home, env=env)
    assert (night.exit_code, queried(home, TYPES)) == (0, [("action_3", 1), ("page_view", 3)]), (
        night.err
    )
    assert queried(home, LOGGED) == [("a",), ("b",), ("c",), ("d",)]

    (tmp_path / "clicks.csv").write_text(CLICKS)
    clicks = (
        "--events",
        str(tmp_path / "clicks.csv"),
        "--from",
        "2022-11-11",
        "--to",
        "2022-11-11",
    )
    failed = ecom("run", *clicks, home=home, env=env | {"ECOM_ORDER_API_KEY": "wrong"})
    assert (failed.exit_code, queried(home, "SELECT event_id FROM raw.events")) == (1, [("1",)])
    assert "activities of 2022-11-10 to 2022-12-05 are no events any more" in failed.err
    replaced = ecom("run", *clicks, home=home, env=env)
    assert replaced.exit_code == 0, replaced.err
    assert queried(home, TYPES) == [("page_view", 1)]
    assert queried(home, SESSIONS) == [("2022-11-11", 1)]
    assert queried(home, BOUNCES) == [("2022-11-11", 1, 1, 1)]
    assert queried(home, CHANNELS) == [("(none)",)], "the clickstream has nobody who ordered"
    assert amounts(home) == [("refunded", 6, 2_390), ("shipped", 3_914, 1_987_570 + 58_865)]

    again = ecom(*first, home=home, env=env)
    assert (again.exit_code, again.json["activity_types"], queried(home, TYPES)) == (
        0,
        [],
        [("page_view", 1)],
    )


def report_file(home: Path) -> str:
    """Return the path of the report's activities in a home."""
    return str(home / "order_reports" / "report" / "user_activity_log.csv")


def own_mapping() -> str:
    """Return the shipped mapping with a name for one action."""
    shipped = (
        resources.files("ecom_assets.ingestion.sources") / "mappings" / "user_activity_log.yaml"
    )
    return shipped.read_text(encoding="utf-8") + "event_types: {action_7: page_view}\n"


@pytest.mark.slow
@each("dropped", [(), ("uniq_id",), ("uniq_id", "quantity")])
@each("day", ["date_time", "date_id"])
def test_a_funnel_over_activities_needs_no_platform(
    home: Path, tmp_path: Path, dropped: tuple[str, ...], day: str
) -> None:
    lines = list(csv.DictReader(ACTIVITIES.splitlines()))
    names = [name for name in lines[0] if name not in dropped]
    renamed = (
        ["date_id" if name == "date_time" else name for name in names]
        if day == "date_id"
        else names
    )
    rows = [",".join(renamed), *(",".join(line[name] for name in names) for line in lines)]
    path = tmp_path / "user_activity_log.csv"
    path.write_text("\n".join(rows) + "\n")
    asked = (
        "--events",
        str(path),
        "--mapping",
        "user_activity_log",
        "--steps",
        "action_7,action_3",
        "--json",
    )
    answer = ecom("funnel", *asked, home=home)
    assert answer.exit_code == 0, answer.err
    assert [step["count"] for step in answer.json["steps"]] == [2, 1]
