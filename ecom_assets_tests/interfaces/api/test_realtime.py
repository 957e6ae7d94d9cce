"""Real time from landing files: what happened in the last minutes, recomputed in plain Python."""

import gzip
import json
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.behaviour.events.realtime import RealTimeRule
from ecom_assets.behaviour.funnels.definition import FIVE_STEPS, Funnel
from ecom_assets.core.clock import now_utc
from ecom_assets.core.errors import SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.statements import STATEMENTS
from ecom_assets.ingestion.sources.erased_people import ErasedPeople, add
from ecom_assets.ingestion.sources.files.formats import newest_files
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.interfaces.api.app import build_app
from ecom_assets.outputs.serving import live_events
from ecom_assets.outputs.serving.live_events import NotFilesError
from ecom_assets.outputs.serving.realtime import RealTime
from ecom_assets_tests.command import HEADER, ecom
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.api.plain_behaviour import Event, window_of
from ecom_assets_tests.interfaces.api.served import Running, serving
from ecom_assets_tests.outputs.serving.conftest import real_time

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
TYPES = ("page_view", "product_view", "add_to_cart", "purchase")


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    folder.mkdir()
    return folder


def land(
    path: Path, events: Sequence[Event], *, minutes_ago: float = 0, now: datetime = NOW
) -> Path:
    """Write events into a file that changed so many minutes ago."""
    rows = [
        f"{event_id},{user},{kind},{(now - timedelta(minutes=ago)).isoformat()},{product},"
        f"shoes,s-{user},https://shop.example/,,{value}"
        for event_id, user, kind, ago, product, value in events
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    changed(path, minutes_ago, now)
    return path


def changed(path: Path, minutes_ago: float, now: datetime = NOW) -> None:
    moment = (now - timedelta(minutes=minutes_ago)).timestamp()
    os.utime(path, (moment, moment))


def question(landing: Path, now: datetime = NOW, **settings: Any) -> dict[str, Any]:
    return real_time(Settings(home=landing.parent / "home", events=str(landing), **settings), now)


def test_a_shop_of_orders_only_is_told_the_setting_that_real_time_needs(tmp_path: Path) -> None:
    with served(build_app(Settings(home=tmp_path, orders="orders.csv"))) as api:
        answer = api.get("/analytics/realtime")
    assert answer.status_code == 409
    assert "set ECOM_EVENTS" in answer.json()["detail"]


@pytest.mark.slow
def test_five_and_thirty_minutes_of_a_shop(landing: Path) -> None:
    land(
        landing / "a.csv",
        [
            ("1", "anna", "product_view", 29, "boots", ""),
            ("2", "anna", "add_to_cart", 20, "boots", "80.00"),
            ("3", "anna", "purchase", 10, "boots", "80.00"),
            ("4", "anna", "add_to_cart", 4, "socks", "5.00"),
            ("5", "bob", "page_view", 3, "", ""),
            ("6", "carl", "add_to_cart", 2, "boots", "80.00"),
            ("7", "carl", "purchase", 1, "boots", "80.10"),
        ],
    )
    five, thirty = question(landing)["windows"]
    assert [five["minutes"], thirty["minutes"]] == [5, 30]
    answer = ("event_count", "visitor_count", "open_cart_count", "purchase_count", "revenue_amount")
    assert [five[name] for name in answer] == [4, 3, 1, 1, Decimal("80.10")], (
        "Anna's socks are open, Carl's boots paid"
    )
    assert [thirty[name] for name in answer] == [7, 3, 1, 2, Decimal("160.10")]
    assert five["events_by_type"] == {"add_to_cart": 2, "page_view": 1, "purchase": 1}
    assert [
        (product["product_id"], product["visitor_count"]) for product in thirty["top_products"]
    ] == [
        ("boots", 2),
        ("socks", 1),
    ]
    assert thirty["top_products"][0] == {
        "product_id": "boots",
        "visitor_count": 2,
        "view_count": 1,
        "add_to_cart_count": 2,
        "purchase_count": 2,
    }


@pytest.mark.slow
def test_the_ends_of_a_window_and_the_future(landing: Path) -> None:
    second = 1 / 60
    land(
        landing / "a.csv",
        [
            ("1", "a", "page_view", 30, "", ""),
            ("2", "b", "page_view", 30 - second, "", ""),
            ("3", "c", "page_view", 5, "", ""),
            ("4", "d", "page_view", 0, "", ""),
            ("5", "e", "page_view", -1, "", ""),
        ],
    )
    answer = question(landing)
    assert [window["event_count"] for window in answer["windows"]] == [1, 3], (
        "now is in, so many minutes ago is not"
    )
    assert answer["lag_s"] == 0.0, "the newest event that has happened"


@pytest.mark.slow
def test_an_event_that_comes_twice_counts_once_and_what_is_not_clean_never(landing: Path) -> None:
    land(landing / "a.csv", [("1", "anna", "purchase", 2, "p", "10.00")])
    again = [("1", "anna", "purchase", 2, "p", "10.00")]
    refund_as_purchase = ("2", "anna", "purchase", 2, "p", "-4.00")
    odd = [("3", "", "page_view", 2, "", ""), ("4", "bob", "no\u0007such type", 2, "", "")]
    path = land(landing / "b.csv", [*again, refund_as_purchase, *odd])
    path.write_text(path.read_text().replace(",s-,", ",,"))
    changed(path, 0)
    five = question(landing)["windows"][0]
    assert (five["event_count"], five["purchase_count"], five["revenue_amount"]) == (
        2,
        2,
        Decimal("6.00"),
    )


@pytest.mark.slow
def test_the_lag_is_that_of_the_newest_event(landing: Path) -> None:
    land(landing / "a.csv", [("1", "anna", "page_view", 12.5, "", "")], minutes_ago=10)
    answer = question(landing)
    assert (answer["lag_s"], answer["newest_event_at"]) == (750.0, NOW - timedelta(minutes=12.5))
    assert answer["newest_file_at"] == NOW - timedelta(minutes=10)


@pytest.mark.slow
def test_only_files_that_changed_lately_are_opened(landing: Path) -> None:
    land(landing / "new.csv", [("1", "anna", "page_view", 1, "", "")])
    old = land(landing / "old.csv", [("2", "bob", "page_view", 1, "", "")], minutes_ago=66)
    old.chmod(0)
    answer = question(landing)
    assert (
        answer["files_read"],
        answer["files_unreadable"],
        answer["windows"][1]["event_count"],
    ) == (1, 0, 1)


@pytest.mark.slow
def test_without_anything_new_all_is_zero_and_the_lag_unknown(landing: Path) -> None:
    land(landing / "old.csv", [("1", "anna", "page_view", 600, "", "")], minutes_ago=600)
    answer = question(landing)
    assert answer["lag_s"] is None
    assert answer["newest_file_at"] == NOW - timedelta(minutes=600)
    assert [window["event_count"] for window in answer["windows"]] == [0, 0]
    assert [window["revenue_amount"] for window in answer["windows"]] == [Decimal("0.00")] * 2


@pytest.mark.slow
def test_a_file_that_is_still_being_written_keeps_the_others_from_nothing(landing: Path) -> None:
    land(landing / "whole.csv", [("1", "anna", "page_view", 1, "", "")])
    packed = landing / "half.csv.gz"
    packed.write_bytes(gzip.compress((HEADER + "\n" + "x" * 50_000).encode())[:40])
    (landing / "empty.csv").write_bytes(b"")
    (landing / "other.csv").write_text("colour,size\nred,1\n")
    for path in landing.iterdir():
        changed(path, 0)
    answer = question(landing)
    assert (
        answer["files_read"],
        answer["files_unreadable"],
        answer["windows"][0]["event_count"],
    ) == (1, 2, 1)


@pytest.mark.slow
def test_a_mapping_is_used(landing: Path) -> None:
    (landing / "clicks.csv").write_text(
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
        "2026-03-10 11:58:00 UTC,cart,4711,1,lamp,b,19.90,u1,s1\n"
        "2026-03-10 11:59:00 UTC,purchase,4711,1,lamp,b,19.90,u1,s1\n"
    )
    changed(landing / "clicks.csv", 0)
    five = question(landing, events_mapping="rees46")["windows"][0]
    assert (five["events_by_type"], five["revenue_amount"]) == (
        {"add_to_cart": 1, "purchase": 1},
        Decimal("19.90"),
    )


@pytest.mark.slow
def test_any_files_give_what_a_plain_recomputation_gives(landing: Path) -> None:
    dice = random.Random(7)  # noqa: S311 (no secret)
    events: list[Event] = [
        (
            f"e{n}",
            f"u{dice.randrange(20)}",
            dice.choice(TYPES),
            round(dice.uniform(-2, 45), 3),
            f"p{dice.randrange(6)}",
            f"{dice.randrange(10_000) / 100:.2f}",
        )
        for n in range(400)
    ]
    for number in range(4):
        folder = landing / "received_date=2026-03-10" if number % 2 else landing
        land(folder / f"{number}.csv", events[number::4] + events[:9])
    for window in question(landing)["windows"]:
        assert window == window_of(events, NOW, window["minutes"])


# From answer to answer


def reader(landing: Path) -> RealTime:
    funnel = Funnel.from_mapping(
        {"steps": [{"event_type": event_type} for event_type in FIVE_STEPS]}
    )
    return RealTime(
        Settings(home=landing.parent / "home", events=str(landing)), RealTimeRule(), funnel
    )


@pytest.mark.slow
def test_each_file_is_read_once_and_more_than_one_answer_reads_come_with_the_next(
    landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    open_files = RecordFiles.open.__func__  # type: ignore[attr-defined]  # of a class method

    def counted(_: type[RecordFiles], con: Any, paths: Sequence[str], *others: Any) -> RecordFiles:
        opened.extend(Path(path).name for path in paths)
        files: RecordFiles = open_files(RecordFiles, con, paths, *others)
        return files

    monkeypatch.setattr(RecordFiles, "open", classmethod(counted))
    monkeypatch.setattr(live_events, "MOST_BYTES", 400)
    for n in range(6):
        land(landing / f"{n}.csv", [(str(n), f"u{n}", "page_view", n, "", "")], minutes_ago=n)
    with closing(reader(landing)) as live:
        seen = [live.numbers(NOW) for _ in range(6)]
        assert [answer["windows"][1]["event_count"] for answer in seen][-1] == 6
        assert opened == [f"{n}.csv" for n in range(6)], "the newest first, and none again"
        assert [answer["files_read"] + answer["files_left_out"] for answer in seen] == [6] * 6
        land(landing / "new.csv", [("9", "zoe", "page_view", 0, "", "")])
        assert live.numbers(NOW)["windows"][1]["visitor_count"] == 7
        assert opened[6:] == ["new.csv"]


@pytest.mark.slow
def test_a_file_that_is_gone_written_again_or_merged_is_counted_as_it_is_now(landing: Path) -> None:
    for n in range(3):
        land(landing / f"{n}.csv", [(str(n), f"u{n}", "page_view", n + 1, "", "")], minutes_ago=n)
    with closing(reader(landing)) as live:
        assert live.numbers(NOW)["windows"][1]["event_count"] == 3
        (landing / "0.csv").unlink()
        assert live.numbers(NOW)["windows"][1]["event_count"] == 2
        land(
            landing / "1.csv",
            [("1", "u1", "purchase", 1, "p", "7.00"), ("4", "u4", "page_view", 1, "", "")],
        )
        assert live.numbers(NOW)["windows"][1]["events_by_type"] == {"page_view": 2, "purchase": 1}
        land(landing / "all.csv", [(str(n), f"u{n}", "page_view", n + 1, "", "") for n in (1, 2)])
        for n in (1, 2):
            (landing / f"{n}.csv").unlink()
        assert live.numbers(NOW)["windows"][1]["event_count"] == 2


@pytest.mark.slow
def test_events_leave_the_windows_as_time_passes_and_files_are_forgotten(landing: Path) -> None:
    land(
        landing / "a.csv",
        [("1", "anna", "page_view", 1, "", ""), ("2", "bob", "page_view", 28, "", "")],
    )
    with closing(reader(landing)) as live:
        later = [live.numbers(NOW + timedelta(minutes=minutes)) for minutes in (0, 3, 40, 66)]
    assert [answer["windows"][1]["event_count"] for answer in later] == [2, 1, 0, 0]
    assert [answer["files_read"] for answer in later] == [1, 1, 1, 0]


@pytest.mark.slow
def test_an_erased_person_leaves_what_was_read_before(landing: Path) -> None:
    land(
        landing / "a.csv",
        [("1", "anna", "page_view", 1, "", ""), ("2", "bob", "page_view", 1, "", "")],
    )
    settings = Settings(home=landing.parent / "home", events=str(landing))
    with closing(reader(landing)) as live:
        assert live.numbers(NOW, ErasedPeople(settings))["windows"][0]["visitor_count"] == 2
        add(settings, {"user": ["anna"]})
        assert live.numbers(NOW, ErasedPeople(settings))["windows"][0]["visitor_count"] == 1


@pytest.mark.slow
def test_events_by_minute_of_the_clock(landing: Path) -> None:
    second = 1 / 60
    land(
        landing / "a.csv",
        [
            ("1", "a", "page_view", 0, "", ""),
            ("2", "a", "purchase", second, "p", "1.00"),
            ("3", "b", "purchase", 1, "p", "1.00"),
            ("4", "b", "page_view", 29, "", ""),
            ("5", "b", "page_view", 29 + second, "", ""),
        ],
    )
    minutes = question(landing)["minutes"]
    assert (len(minutes), minutes[0]["start_at"]) == (30, NOW - timedelta(minutes=29))
    assert [minute["events_by_type"] for minute in (minutes[0], *minutes[-2:])] == [
        {"page_view": 1},
        {"purchase": 2},
        {"page_view": 1},
    ]
    assert sum(minute["event_count"] for minute in minutes) == 4, (
        "the fifth is before the first of thirty minutes"
    )


@pytest.mark.slow
def test_the_funnel_of_the_last_hour_and_the_pages(landing: Path) -> None:
    anna = [
        ("1", "anna", "page_view", 59),
        ("2", "anna", "product_view", 40),
        ("3", "anna", "add_to_cart", 30),
    ]
    bob = [
        ("4", "bob", "product_view", 20),
        ("5", "bob", "page_view", 10),
        ("6", "bob", "add_to_cart", 5),
    ]
    early = [("7", "carl", "page_view", 61), ("8", "carl", "product_view", 50)]
    land(landing / "a.csv", [(*event, "boots", "") for event in (*anna, *bob, *early)])
    answer = question(landing)
    assert answer["funnel"]["minutes"] == 60
    steps = [
        (step["event_type"], step["visitor_count"], step["from_start_rate"])
        for step in answer["funnel"]["steps"]
    ]
    assert steps[:3] == [
        ("page_view", 2, 1.0),
        ("product_view", 1, 0.5),
        ("add_to_cart", 1, 0.5),
    ], "Bob viewed the product before the page, Carl began more than an hour ago"
    assert answer["windows"][1]["top_pages"] == [{"page": "/", "visitor_count": 1, "view_count": 2}]


def test_events_that_are_not_files_are_reported_without_the_address(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, events="s3://user:pa55@bucket/events")
    with pytest.raises(
        NotFilesError, match=r"ECOM_EVENTS names s3://…; use /analytics/sales"
    ) as refused:
        real_time(settings, NOW)
    assert "pa55" not in str(refused.value)


@pytest.mark.slow
def test_a_stream_of_which_nothing_has_landed_has_no_events_yet(tmp_path: Path) -> None:
    answer = real_time(Settings(home=tmp_path, events="kafka://broker/events"), NOW)
    assert [window["event_count"] for window in answer["windows"]] == [0, 0]


def test_a_place_that_is_not_there_is_named(landing: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere does not exist; check the path in ECOM_EVENTS"):
        question(landing / "nowhere")


# Which files are found


def fresh(*patterns: Path | str) -> list[str]:
    since = NOW - timedelta(minutes=30)
    return [
        file.path
        for file in newest_files([str(pattern) for pattern in patterns], since, since.date()).files
    ]


def test_the_newest_files_come_first_and_old_and_empty_ones_not_at_all(landing: Path) -> None:
    for n in range(5):
        (landing / f"{n}.csv").write_bytes(b"x" * 100 * (n != 1))
        changed(landing / f"{n}.csv", 10 * n)
    assert [Path(path).name for path in fresh(landing)] == ["0.csv", "2.csv", "3.csv"]


def test_landing_folders_of_earlier_days_are_not_looked_into(landing: Path) -> None:
    for day in ("2026-03-08", "2026-03-10", "2026-99-99"):
        land(landing / f"received_date={day}" / "a.csv", [])
    (landing / "received_date=2026-03-08").chmod(0)
    try:
        names = sorted(Path(path).parent.name for path in fresh(landing))
    finally:
        (landing / "received_date=2026-03-08").chmod(0o755)
    assert names == ["received_date=2026-03-10", "received_date=2026-99-99"]


def test_a_file_that_several_places_name_is_read_once_and_hidden_ones_never(landing: Path) -> None:
    land(landing / "a.csv", [])
    for name in ("_SUCCESS", ".a.csv.crc", "b.crc"):
        (landing / name).write_text("x")
        changed(landing / name, 0)
    assert len(fresh(landing, landing / "a.csv", f"{landing}/*.csv")) == 1


# Over HTTP


@pytest.fixture
def live(landing: Path) -> Iterator[Running]:
    settings = Settings(home=landing.parent / "home", events=str(landing), currency="EUR")
    with serving(settings, build_app(settings)) as actual:
        yield actual


@pytest.mark.slow
def test_the_route_states_range_lag_currency_and_definition(live: Running, landing: Path) -> None:
    now = now_utc()
    land(landing / "a.csv", [("1", "anna", "purchase", 1, "p", "10.00")], now=now)
    answer = live.get("/v1/analytics/realtime")
    reported = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert (reported["currency"], reported["windows"][0]["revenue_amount"]) == ("EUR", "10.00")
    assert 60 <= reported["lag_s"] < 90
    assert "Visitors who put something" in reported["definition"]["open_cart_count"]
    assert {"start_at", "end_at", "timezone"} == set(reported["range"])
    assert reported["explain"] is None
    repeated = live.get("/analytics/realtime?limit=5&limit=6")
    assert (repeated.status_code, repeated.json()["detail"]) == (
        422,
        "limit is given 2 times; give it once.",
    )
    assert live.get("/analytics/realtime?format=csv").headers["x-total-count"] == "2", "windows"
    explained = live.get("/analytics/realtime?explain=true").json()["explain"]
    assert explained["tables"][0]["dagster_url"].endswith("/assets/raw/events")
    assert "live_events" in explained["sql"][-1]


@pytest.mark.slow
def test_numbers_are_read_once_in_a_while_only(
    live: Running, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(landing / "a.csv", [])
    reads = []
    numbers = RealTime.numbers

    def counted(self: RealTime, now: datetime, *people: Any) -> dict[str, Any]:
        reads.append(now)
        return numbers(self, now, *people)

    monkeypatch.setattr(RealTime, "numbers", counted)
    assert [live.get("/analytics/realtime").status_code for _ in range(10)] == [200] * 10
    assert len(reads) == 1


@pytest.mark.slow
def test_the_route_refuses_what_it_cannot_answer(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, events="s3://bucket/topic")
    with serving(settings, build_app(settings)) as client:
        answer = client.get("/analytics/realtime")
        assert (answer.status_code, answer.headers["content-type"]) == (
            409,
            "application/problem+json",
        )
        assert answer.json()["detail"].startswith(
            "Real time reads landing files or a table of Snowflake, but "
        )
        assert client.get("/analytics/realtime?exlain=true").status_code == 422


def test_a_place_that_cannot_be_read_is_named_in_the_log_and_not_to_callers(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, events=str(tmp_path / "gone"))
    with serving(settings, build_app(settings)) as client:
        answers = [
            client.get(path)
            for path in ("/analytics/realtime", "/analytics/sales", "/health", "/v1/health/ready")
        ]
        assert [answer.status_code for answer in answers] == [503] * 4
        assert not [answer.text for answer in answers if str(tmp_path) in answer.text]
        reported = answers[0].json()["detail"]
        assert "ECOM_EVENTS, and what it names cannot be read" in reported
        assert reported.endswith("The log of the API says what is wrong.")
        assert "run `ecom run`" in answers[1].json()["detail"]
        assert "run `ecom run`" in answers[2].json()["reason"]
        assert str(tmp_path / "gone") in client.log.getvalue()


@pytest.mark.slow
def test_who_signed_in_days_ago_is_known_by_what_is_published_and_in_no_kept_statement(
    tmp_path: Path,
) -> None:
    """Ann signed in on her laptop three days ago; now she is on her phone, signed in,
    and on the laptop, not.
    """
    home, folder = tmp_path / "home", tmp_path / "landing"
    folder.mkdir()
    now = now_utc()

    def write(name: str, *events: tuple[str, str, str, datetime]) -> None:
        rows = [
            f"{event_id},{user},page_view,{at.isoformat()},,,s-{event_id},https://shop.example/,,,{device}"
            for event_id, user, device, at in events
        ]
        (folder / name).write_text("\n".join([f"{HEADER},anonymous_id", *rows]) + "\n")

    write("before.csv", ("1", "ann", "laptop-4711", now - timedelta(days=3)))
    assert ecom("run", "--events", folder, home=home).exit_code == 0
    minute = timedelta(minutes=1)
    write(
        "now.csv", ("2", "", "laptop-4711", now - 2 * minute), ("3", "ann", "phone", now - minute)
    )
    with served(build_app(Settings(home=home, events=str(folder)))) as api:
        answer = api.get("/analytics/realtime").json()
    assert [window["visitor_count"] for window in answer["windows"]] == [1, 1]
    assert not [sql for sql in STATEMENTS._statements.values() if "laptop-4711" in sql]  # noqa: SLF001 (what is on disk, too)


@pytest.mark.slow
def test_an_amount_in_another_currency_stops_no_number_and_is_not_known(landing: Path) -> None:
    """A stranger's 500 dollars came first and 900 pounds last, by a key of a page;
    the shop sold for 20 euros.
    """

    def send(name: str, event_id: str, amount: str, currency: str, sent_by: str) -> None:
        happened_at = (NOW - timedelta(minutes=1)).isoformat()
        row = {
            "event_id": event_id,
            "user_id": event_id,
            "event_type": "purchase",
            "event_timestamp": happened_at,
            "cart_value": amount,
            "currency": currency,
            "sent_by": sent_by,
        }
        path = landing / name
        path.write_text(json.dumps(row) + "\n")
        changed(path, 0)

    settings = Settings(home=landing.parent / "home", events=str(landing))
    steps = [{"event_type": event_type} for event_type in FIVE_STEPS]
    with closing(
        RealTime(settings, RealTimeRule(), Funnel.from_mapping({"steps": steps}))
    ) as reader:

        def sold() -> tuple[int, float]:
            window = reader.numbers(NOW)["windows"][0]
            return window["purchase_count"], window["revenue_amount"]

        send("a.ndjson", "x", "500", "USD", "public-key:1a2b3c4d")
        assert sold() == (1, 500)
        send("b.ndjson", "o-1", "20", "EUR", "key:5e6f7a8b")
        assert sold() == (2, 20)
        send("c.ndjson", "y", "900", "GBP", "public-key:1a2b3c4d")
        assert sold() == (3, 20)
