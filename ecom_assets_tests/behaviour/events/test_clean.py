"""Which received rows are clean events, which are refused and why,
and which of several copies stays.

Every limit is tried on both sides. Days are UTC, `late_days` is 7, so an event of day d may arrive
from d - 1 to d + 7.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.events.checks import accounting_check
from ecom_assets.behaviour.events.clean import PAYLOAD, accounting
from ecom_assets.behaviour.events.contracts import (
    EVENT_TYPES,
    REJECT_REASONS,
    CleanEvents,
    DuplicateEvents,
    QuarantinedEvents,
    RawEvents,
)
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.behaviour.events.copies_reference import digest
from ecom_assets_tests.builders import DAY_ONE, Row, at, received
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.platform import Platform

AROUND = Days.between(DAY_ONE - timedelta(days=12), DAY_ONE + timedelta(days=25))
STAGING = ("duplicate_events", "quarantined_events", "events")


def day(number: int) -> date:
    return DAY_ONE + timedelta(days=number)


@pytest.fixture(scope="module")
def shop(opened: Platform) -> Platform:
    return opened


@pytest.fixture(scope="module")
def listed() -> Iterator[Platform]:
    """Give a platform that takes the types of a list only."""
    platform = Platform(Settings(event_types=EVENT_TYPES))
    yield platform
    platform.close()


@pytest.fixture(scope="module")
def berlin() -> Iterator[Platform]:
    platform = Platform(Settings(timezone="Europe/Berlin"))
    yield platform
    platform.close()


def clean(shop: Platform, rows: Sequence[Row], days: Days = AROUND) -> None:
    """Let rows arrive in an empty platform, and clean them."""
    shop.clear()
    shop.receive(rows, days)
    shop.run(days, only=STAGING)


def fate(shop: Platform, days: Days = AROUND, **values: Any) -> str:
    """Return what becomes of one row: `clean`, or the reason for which it is refused."""
    event_at = values.pop("event_at", at("09:00"))
    clean(shop, [received(values.pop("event_id", "e1"), event_at, **values)], days)
    reasons = [row["reject_reason"] for row in shop.rows(QuarantinedEvents)]
    kept = shop.rows(CleanEvents)
    assert len(reasons) + len(kept) == 1
    return reasons[0] if reasons else "clean"


def fates(shop: Platform, given: Sequence[Row]) -> list[str]:
    """Return what becomes of each of several rows, none of which is a copy of another."""
    rows = [row | {"source_file": f"{number}.csv"} for number, row in enumerate(given)]
    clean(shop, rows)
    refused = {row["source_file"]: row["reject_reason"] for row in shop.rows(QuarantinedEvents)}
    kept = {row["event_id"] for row in shop.rows(CleanEvents)}
    assert len(refused) + len(kept) == len(rows)
    is_lost = {row["source_file"]: row["event_id"] not in kept for row in rows}
    return [refused.get(file, "lost" if lost else "clean") for file, lost in is_lost.items()]


def test_a_plain_page_view_is_clean(shop: Platform) -> None:
    assert fate(shop) == "clean"


MICROSECOND = timedelta(microseconds=1)


FATES: list[tuple[Row, str]] = [
    ({"malformed_row": "a;b"}, "malformed_row"),
    ({"event_id": None}, "missing_event_id"),
    ({"event_id": r"\N"}, "missing_event_id"),
    ({"event_id": "NaN"}, "missing_event_id"),
    ({"event_id": "nan-1"}, "clean"),
    ({"event_at": None, "received_date": DAY_ONE}, "unparseable_timestamp"),
    # Without an arrival time, the arrival day's end and an hour of skew is the limit.
    ({"event_at": at("+1 01:00"), "received_date": DAY_ONE}, "clean"),
    ({"event_at": at("+1 01:00:00.000001"), "received_date": DAY_ONE}, "future_timestamp"),
    ({"event_at": at("10:00"), "received_at": at("09:00")}, "clean"),
    ({"event_at": at("10:00:00.000001"), "received_at": at("09:00")}, "future_timestamp"),
    (
        {"event_at": at("+2 00:00"), "received_date": DAY_ONE, "received_at": at("+1 23:30")},
        "future_timestamp",
    ),
    ({"user_id": None, "session_id": "s1"}, "clean"),
    ({"user_id": None}, "missing_identity"),
    ({"user_id": "(no consent)"}, "without_consent"),
    ({"user_id": "(No Consent)", "session_id": "s1"}, "without_consent"),
    ({"user_id": "(no consent)", "anonymous_id": "d1"}, "clean"),
    ({"user_id": "(no consent)", "anonymous_id": "null"}, "without_consent"),
    ({"user_id": "Undefined", "session_id": "s1"}, "clean"),
    ({"user_id": None, "session_id": "NULL"}, "missing_identity"),
    ({"user_id": "anna", "session_id": "NULL"}, "clean"),
    ({"user_id": "0"}, "missing_identity"),
    ({"user_id": "00"}, "clean"),
    ({"received_at": datetime(1989, 12, 30, 23, 59, 59)}, "implausible_date"),  # noqa: DTZ001
    ({"received_at": datetime(2100, 1, 2)}, "implausible_date"),  # noqa: DTZ001
    ({"received_at": datetime(2100, 1, 1, 23, 59, 59)}, "clean"),  # noqa: DTZ001
    ({"event_type": None}, "malformed_event_type"),
    ({"event_type": "refund"}, "clean"),
    ({"cart_value": "-0.01", "cart_amount": -0.01}, "clean"),
    ({"cart_value": "0", "cart_amount": 0}, "clean"),
    ({"cart_value": "1e8", "cart_amount": 100_000_000}, "clean"),
    ({"cart_value": "100000000.01", "cart_amount": 100_000_000.01}, "clean"),
    ({"user_id": "0", "session_id": "-", "anonymous_id": r"\N"}, "missing_identity"),
    ({"user_id": "0", "session_id": "-", "anonymous_id": "d1"}, "clean"),
    ({"event_type": "product_view", "product_id": None}, "clean"),
    ({"event_type": "remove_from_cart", "product_id": "(not set)"}, "clean"),
    ({"event_type": "purchase", "product_id": None}, "clean"),
    ({"cart_value": "many", "cart_amount": None}, "clean"),
    ({"cart_value": "NaN", "cart_amount": None}, "clean"),
    ({"received_date": DAY_ONE + timedelta(days=7)}, "clean"),
    ({"received_date": DAY_ONE + timedelta(days=8)}, "too_late"),
]
"""Rows by what they say, and what becomes of each: `clean`, or the reason for which it is refused.
"""


def test_each_reason_begins_where_it_says(shop: Platform, subtests: pytest.Subtests) -> None:
    rows = []
    for number, (values, _) in enumerate(FATES):
        row = received(**{"event_id": f"e{number}", "event_at": at("09:00"), **values})
        if row["cart_amount"] is not None:
            row["cart_amount"] = Decimal(str(row["cart_amount"]))
        rows.append(row)
    for actual, (values, expected) in zip(fates(shop, rows), FATES, strict=True):
        with subtests.test(str(values)):
            assert actual == expected


AMOUNTS: list[tuple[str, str, str | None]] = [
    ("purchase", "-10", "-10"),
    ("revenue_amount", "-10", "-10"),
    ("refund", "-10", "10"),
    ("refund", "10", "10"),
    ("add_to_cart", "-10", None),
    ("product_view", "-0.01", None),
    ("purchase", "100000000", "100000000"),
    ("purchase", "100000000.01", None),
    ("purchase", "-100000000.01", None),
]
"""Event types, the amount that one says, and the one that is known of it."""


def test_an_amount_that_cannot_be_is_not_known_and_its_event_counts(shop: Platform) -> None:
    rows = [
        received(
            f"e{number}",
            at("09:00"),
            received_date=DAY_ONE,
            event_type=event_type,
            cart_value=said,
            cart_amount=Decimal(said),
            product_id="p1",
        )
        for number, (event_type, said, _) in enumerate(AMOUNTS)
    ]
    clean(shop, rows)
    amounts = {event["event_id"]: event["cart_amount"] for event in shop.rows(CleanEvents)}
    assert amounts == {
        f"e{number}": None if known is None else Decimal(known)
        for number, (*_, known) in enumerate(AMOUNTS)
    }


FAULTS: dict[str, Row] = {
    "malformed_row": {"malformed_row": "a;b"},
    "implausible_date": {"received_at": datetime(1970, 1, 1)},  # noqa: DTZ001 (UTC, as tables have it)
    "missing_event_id": {"event_id": None},
    "unparseable_timestamp": {"event_at": None, "event_date": None},
    "future_timestamp": {"event_at": at("+9 09:00"), "event_date": day(9)},
    "without_consent": {"user_id": "(no consent)"},
    "missing_identity": {"user_id": None},
    "malformed_event_type": {"event_type": "page\tview"},
    "unknown_event_type": {"event_type": "teleport"},
    "too_late": {"received_date": day(8)},
}


def test_the_reasons_are_tried_in_the_order_of_the_contract(listed: Platform) -> None:
    # Each row has a fault and the next that can stand beside it; the reason is the first in the
    # contract.
    assert tuple(FAULTS) == REJECT_REASONS
    excluded = {("unparseable_timestamp", "future_timestamp")}
    for first, second in pairwise(REJECT_REASONS):
        if (first, second) in excluded:
            continue
        row = received("e1", at("09:00"), received_date=DAY_ONE) | FAULTS[second] | FAULTS[first]
        clean(listed, [row])
        assert [row["reject_reason"] for row in listed.rows(QuarantinedEvents)] == [first]


@pytest.mark.slow
@each(
    "event_at",
    [
        datetime(1, 1, 2),  # noqa: DTZ001
        datetime(1, 1, 2, 0, 0, 0, 1),  # noqa: DTZ001
        datetime(9999, 12, 30),  # noqa: DTZ001
        datetime(1970, 1, 1),  # noqa: DTZ001
    ],
)
def test_the_ends_of_the_calendar_are_refused_without_a_crash(
    shop: Platform, event_at: datetime
) -> None:
    expected = "future_timestamp" if event_at.year == 9999 else "too_late"
    assert fate(shop, event_at=event_at, received_date=DAY_ONE) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("infinity", "future_timestamp"), ("-infinity", "too_late")]
)
def test_an_infinite_timestamp_is_refused_without_a_crash(
    shop: Platform, text: str, expected: str
) -> None:
    clean(shop, [received("e1", at("09:00"))])
    shop.engine.execute(f"UPDATE raw.events SET event_at = '{text}', event_date = '{text}'")
    shop.run(AROUND, only=STAGING)
    reasons = shop.table(QuarantinedEvents).reject_reason.to_pyarrow().to_pylist()
    assert reasons == [expected]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("received_date", "midnight"),
    [
        (date(2026, 3, 29), datetime(2026, 3, 29, 22)),  # noqa: DTZ001 (a day of 23 hours ends at 22:00 UTC)
        (date(2026, 10, 25), datetime(2026, 10, 25, 23)),  # noqa: DTZ001 (one of 25 at 23:00 UTC)
        (date(2026, 7, 1), datetime(2026, 7, 1, 22)),  # noqa: DTZ001
    ],
)
def test_a_day_ends_at_midnight_as_clocks_change(
    berlin: Platform, received_date: date, midnight: datetime
) -> None:
    days = Days((received_date,)).widened(before=1, after=2)
    hour = timedelta(hours=1)
    zone = {"timezone": "Europe/Berlin", "received_date": received_date}
    assert fate(berlin, days, event_at=midnight + hour, **zone) == "clean"
    assert fate(berlin, days, event_at=midnight + hour + MICROSECOND, **zone) == "future_timestamp"


# Copies


def copies_of(
    shop: Platform, *rows: Row
) -> tuple[list[tuple[str, date, str]], list[tuple[date, int, bool]]]:
    """Return clean events as (id, day, file), and surplus copies as (day, count,
    whether one stays).
    """
    clean(shop, rows)
    kept = [
        (row["event_id"], row["event_date"], row["source_file"]) for row in shop.rows(CleanEvents)
    ]
    surplus = [
        (r["event_date"], r["surplus_count"], r["has_kept_copy"])
        for r in shop.rows(DuplicateEvents)
    ]
    return sorted(kept), surplus


def copy(clock: str, arrived: int, file: str = "a", **values: Any) -> Row:
    return received("e1", at(clock), received_date=day(arrived), source_file=file, **values)


def test_of_equal_rows_one_stays(shop: Platform) -> None:
    assert copies_of(shop, *[copy("09:00", 0)] * 3) == ([("e1", day(0), "a")], [(day(0), 2, True)])


def test_the_copy_that_arrived_first_stays_whatever_it_says(shop: Platform) -> None:
    early, late = (
        copy("09:00", 0, "late", received_at=at("09:10")),
        copy("09:00", 0, "early", received_at=at("09:05")),
    )
    assert copies_of(shop, early, late)[0] == [("e1", day(0), "early")]


def test_of_copies_that_arrived_together_that_with_the_smaller_hash_stays(shop: Platform) -> None:
    pages = ("/a", "/b")
    copies_of(shop, *[copy("09:00", 0, page_url=page) for page in pages])
    hashes = {digest(payload(copy("09:00", 0, page_url=page))): page for page in pages}
    assert [row["page_url"] for row in shop.rows(CleanEvents)] == [hashes[min(hashes)]]


def payload(row: Row) -> str:
    return "\x1f".join(row[name] or "" for name in PAYLOAD)


OTHERS: list[Row] = [
    {"user_id": "ben"},
    {"user_id": None, "anonymous_id": "device-1"},
    {"event_type": "purchase"},
    {"product_id": "p2"},
    {"cart_value": "20", "cart_amount": Decimal(20)},
]


@pytest.mark.slow
@each("values", OTHERS)
def test_rows_of_one_id_that_disagree_are_two_events(shop: Platform, values: Row) -> None:
    kept, doubles = copies_of(shop, copy("09:00", 0), copy("09:00", 1, "b", **values))
    assert [(event_id[:3], file) for event_id, _, file in kept] == [("e1", "a"), ("e1~", "b")]
    assert doubles == [(day(0), 0, True), (day(0), 0, True)]
    both = shop.rows(DuplicateEvents)
    assert {row["source_event_id"] for row in both} == {"e1"}
    assert len({row["content_hash"] for row in both}) == 2


def test_rows_that_differ_in_page_time_session_or_agent_are_copies(shop: Platform) -> None:
    more = {
        "page_url": "/a",
        "session_id": "s",
        "anonymous_id": "d",
        "user_agent": "x",
        "properties": "{}",
    }
    kept, _ = copies_of(shop, copy("09:00", 0), copy("09:05", 1, "b", **more))
    assert kept == [("e1", day(0), "a")]


PUBLIC = {"sent_by": "public-key:1234abcd"}


@pytest.mark.slow
def test_a_stranger_who_sends_the_id_of_a_purchase_first_takes_nothing_away(shop: Platform) -> None:
    bought = {"event_type": "purchase", "cart_value": "20", "cart_amount": Decimal(20)}
    own = copy("09:00", 0, "shop", received_at=at("09:10"), **bought)
    lies: list[Row] = [
        {"cart_amount": Decimal("0.01")},
        {"user_id": "eve"},
        {"event_type": "page_view"},
    ]
    for lie in lies:
        stranger = copy("08:00", 0, "page", received_at=at("08:00"), **(bought | lie | PUBLIC))
        kept, _ = copies_of(shop, stranger, own)
        assert sorted(file for *_, file in kept) == ["page", "shop"]
    # Where both agree it is one purchase, and the shop's own row stays.
    kept, surplus = copies_of(
        shop, copy("08:00", 0, "page", received_at=at("08:00"), **bought, **PUBLIC), own
    )
    assert (kept, surplus) == ([("e1", day(0), "shop")], [(day(0), 1, True)])


def test_copies_of_strangers_between_two_uses_of_an_id_join_them_to_nothing(shop: Platform) -> None:
    first, again = copy("09:00", 0), copy("+12 09:00", 12, "b")
    between = [copy(f"+{n} 09:00", n, f"page {n}", **PUBLIC) for n in (4, 8)]
    kept, surplus = copies_of(shop, first, *between, again)
    assert kept == [("e1", day(0), "a"), ("e1", day(12), "b")]
    assert surplus == [(day(4), 1, False), (day(8), 1, False)]


@pytest.mark.slow
def test_an_id_like_that_of_another_event_cannot_take_its_place(shop: Platform) -> None:
    clean(shop, [copy("09:00", 0), copy("09:00", 1, "b", user_id="ben")])
    (forged,) = (row["event_id"] for row in shop.rows(CleanEvents) if row["user_id"] == "ben")
    clean(
        shop,
        [copy("09:00", 0), copy("09:00", 1, "b", user_id="ben"), received(forged, at("09:00"))],
    )
    events = {row["event_id"]: row["user_id"] for row in shop.rows(CleanEvents)}
    assert events.pop("e1") == "anna"
    assert events.pop(forged) == "ben"
    assert [event_id.startswith(f"{forged}~") for event_id in events] == [True]


@pytest.mark.slow
def test_what_arrives_later_changes_no_id_of_an_event(shop: Platform) -> None:
    rows = [copy("09:00", n, f"file {n}", user_id=f"user {n}") for n in range(3)]
    ids: dict[str, str] = {}
    for count in range(1, 4):
        clean(shop, rows[:count])
        now = {row["user_id"]: row["event_id"] for row in shop.rows(CleanEvents)}
        assert len(now) == count
        assert ids.items() <= now.items()
        ids = now
    assert ids["user 0"] == "e1"


def test_a_copy_after_seven_days_is_surplus_and_one_after_eight_is_too_late(shop: Platform) -> None:
    kept, surplus = copies_of(shop, copy("09:00", 0), copy("09:00", 7, "b"), copy("09:00", 8, "c"))
    assert (kept, surplus) == ([("e1", day(0), "a")], [(day(0), 1, True)])
    assert [row["reject_reason"] for row in shop.rows(QuarantinedEvents)] == ["too_late"]


def test_copies_on_both_sides_of_midnight_are_one_event_of_the_day_of_the_first(
    shop: Platform,
) -> None:
    kept, surplus = copies_of(shop, copy("23:59", 0), copy("+1 00:01", 1, "b"))
    assert (kept, surplus) == ([("e1", day(0), "a")], [(day(1), 1, False)])


def test_the_later_day_stays_if_its_copy_arrived_first(shop: Platform) -> None:
    kept, surplus = copies_of(shop, copy("23:59", 2), copy("+1 00:01", 1, "b"))
    assert (kept, surplus) == ([("e1", day(1), "b")], [(day(0), 1, False)])


@pytest.mark.slow
def test_an_id_that_comes_again_after_more_than_eight_days_was_given_twice(shop: Platform) -> None:
    # Seven late days and one of skew: within eight days of the copy before it a copy is surplus, on
    # the ninth not.
    assert copies_of(shop, copy("09:00", 0), copy("+8 09:00", 8, "b"))[0] == [("e1", day(0), "a")]
    kept, surplus = copies_of(shop, copy("09:00", 0), copy("+9 09:00", 9, "b"))
    assert (kept, surplus) == ([("e1", day(0), "a"), ("e1", day(9), "b")], [])


def test_a_refused_copy_makes_no_copy_surplus(shop: Platform) -> None:
    kept, surplus = copies_of(shop, copy("09:00", 0, user_id="null"), copy("09:01", 0, "b"))
    assert (kept, surplus) == ([("e1", day(0), "b")], [])


# Nothing is lost


@st.composite
def any_rows(draw: st.DrawFn) -> list[Row]:
    """Rows of a few ids, with every fault there is, on a few days."""
    rows = []
    for _ in range(draw(st.integers(1, 25))):
        moment = at("00:00") + timedelta(hours=draw(st.integers(-48, 96)))
        row = received(
            draw(st.sampled_from(("a", "b", "c", "d"))),
            moment,
            user_id=draw(st.sampled_from(("x", "y"))),
        )
        row |= draw(st.sampled_from(({}, {}, {}, *FAULTS.values())))
        row["received_date"] = (row["event_date"] or DAY_ONE) + timedelta(
            days=draw(st.sampled_from((-2, -1, 0, 0, 3, 7, 8)))
        )
        row["received_date"] = min(max(row["received_date"], AROUND.first), AROUND.dates[-1])
        rows.append(row)
    return rows


@pytest.mark.slow
@examples(60)
@given(rows=any_rows())
def test_every_row_is_clean_quarantined_or_surplus(shop: Platform, rows: list[Row]) -> None:
    clean(shop, rows)
    tables = [
        shop.table(table) for table in (RawEvents, CleanEvents, QuarantinedEvents, DuplicateEvents)
    ]
    per_day = accounting(None, shop.settings.late_days, *tables).to_pyarrow().to_pylist()
    assert all(row["residue"] == 0 for row in per_day)
    assert sum(row["received_count"] for row in per_day) == len(rows)
    assert (
        max(
            Counter((r["event_date"], r["event_id"]) for r in shop.rows(CleanEvents)).values(),
            default=1,
        )
        == 1
    )


def test_a_leak_is_found_on_its_day(shop: Platform) -> None:
    clean(shop, [received(f"e{n}", at(f"+{n} 09:00")) for n in range(3)])
    check = accounting_check(shop.settings.late_days)
    tables = [shop.table(table) for table in check.tables]
    assert check.evaluate(AROUND, *tables).broken_count == 0
    shop.engine.execute("DELETE FROM staging.events WHERE event_id = 'e1'")
    actual = check.evaluate(AROUND, *tables)
    assert [(example["day"], example["residue"]) for example in actual.examples] == [(day(1), 1)]
