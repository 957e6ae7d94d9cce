"""Customers by story: valid ids, names, addresses, times; versions are the same in
whatever order days are run.
"""

import random
from datetime import date, timedelta
from typing import Any

import ibis
import pytest

from ecom_assets.commerce.customers.contracts import Customers
from ecom_assets.commerce.customers.customers import CustomerRule, quality_score
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.builders import DAY_ONE, at, journeys
from ecom_assets_tests.commerce.customers.customer_stories import (
    PERFECT,
    computed,
    each_of,
    one_of,
    visits,
)
from ecom_assets_tests.each import each
from ecom_assets_tests.platform import Platform

# What is valid


def test_a_customer_without_a_flaw_has_a_hundred_points(shop: Platform) -> None:
    row = one_of(shop)
    assert (row["data_quality_score"], row["quality_band"], row["flawed_fields"]) == (
        100,
        "high",
        None,
    )
    assert (row["full_name"], row["email_domain"], row["market_segment"]) == (
        "Zoe Doe",
        "mail.example.org",
        "EU-Central",
    )


def test_an_address_that_is_missing_or_malformed_has_the_domain_unknown(shop: Platform) -> None:
    emails = [
        None,
        "",
        "   ",
        "n/a",
        "@example.com",
        "zoe@",
        "zoe(at)example.com",
        "zoe @example.com",
        "zoe@example",
        "zoe@@example.com",
        "zoe@ex ample.com",
        "zoe@example..com",
        "zoe@.com",
        "zoe@example.com.",
        "zoe@exämple.com",
    ]
    for email, row in zip(
        emails, each_of(shop, *({"email": email} for email in emails)), strict=True
    ):
        assert (row["email_domain"], row["flawed_fields"], row["data_quality_score"]) == (
            "unknown",
            "email",
            90,
        ), email


def test_an_unusual_address_is_valid(shop: Platform) -> None:
    domains = {
        "zoë+a.b@EXAMPLE.com": "example.com",
        "\tz@a-b.co.uk ": "a-b.co.uk",
        "o'neil@x.io": "x.io",
    }
    rows = each_of(shop, *({"email": email} for email in domains))
    assert [row["email_domain"] for row in rows] == [*domains.values()]
    assert {row["flawed_fields"] for row in rows} == {None}


def test_names_are_kept_in_every_script_and_missed_where_they_are_empty(shop: Platform) -> None:
    stories = [
        ("Zoë", "Łukasiewicz", "Zoë Łukasiewicz", None),
        ("李", "小龙", "李 小龙", None),
        ("محمد", "علي", "محمد علي", None),
        ("Jose\u0301", "Núñez", "Jos\u00e9 Núñez", None),
        (" Zoe\u00a0", "\tDoe\n", "Zoe Doe", None),
        ("Zoe", "", "Zoe", "last_name"),
        ("   ", "Doe", "Doe", "first_name"),
        (None, "\t", None, "first_name,last_name"),
    ]
    rows = each_of(
        shop, *({"first_name": first, "last_name": last} for first, last, _, _ in stories)
    )
    assert [(row["full_name"], row["flawed_fields"]) for row in rows] == [
        story[2:] for story in stories
    ]


@pytest.mark.slow
@pytest.mark.parametrize("field", ["created_at", "updated_at", "last_login_at"])
def test_a_time_that_is_missing_unreadable_or_to_come_is_none(shop: Platform, field: str) -> None:
    result = [None, "", "0000-00-00", "2026-02-30T10:00:00Z", "yesterday", "2999-01-01T00:00:00Z"]
    for time, row in zip(result, each_of(shop, *({field: time} for time in result)), strict=True):
        assert (row[field], row["flawed_fields"], row["data_quality_score"]) == (None, field, 90), (
            time
        )


@pytest.mark.slow
def test_a_time_is_to_come_from_the_end_of_the_day_on(shop: Platform) -> None:
    assert one_of(shop, last_login_at="2026-03-10T23:59:59.999999Z")["flawed_fields"] is None
    shop.clear()
    assert one_of(shop, last_login_at="2026-03-11T00:00:00Z")["flawed_fields"] == "last_login_at"
    shop.clear()
    assert one_of(shop, last_login_at="2026-03-11T01:30:00+02:00")["last_login_at"] == at(
        "23:30", date(2026, 3, 10)
    )


def test_everything_missing_leaves_twenty_points(shop: Platform) -> None:
    visits(shop, (at("09:00", date(2026, 3, 10)), {}), who="someone else")
    row = one_of(shop, **dict.fromkeys((name for name in PERFECT if name != "id"), None))
    assert (row["data_quality_score"], row["quality_band"]) == (20, "low")
    assert (
        row["flawed_fields"]
        == "email,first_name,last_name,city,country,created_at,updated_at,last_login_at"
    )
    assert (row["activity_status"], row["engagement_level"], row["customer_tier"]) == (
        "unknown",
        "low",
        "basic",
    )
    assert (row["acquisition_channel"], row["market_segment"]) == ("unknown", "unknown")


@each("flaw_count, score", [(0, 100), (1, 90), (10, 0), (11, 0)])
def test_the_score_never_falls_below_zero(flaw_count: int, score: int) -> None:
    assert computed(quality_score(ibis.literal(flaw_count))) == score


@pytest.mark.slow
@pytest.mark.parametrize(
    ("expected", "flaws", "score"),
    [
        (("email", "first_name", "last_name"), "last_name", 90),
        (("email",), None, 100),
        ((), None, 100),
    ],
)
def test_a_field_that_is_not_expected_costs_nothing(
    expected: tuple[str, ...], flaws: str | None, score: int
) -> None:
    shop = Platform(customer_rule=CustomerRule(expected_fields=expected))
    row = one_of(
        shop,
        **dict.fromkeys(
            ("last_name", "city", "country", "created_at", "updated_at", "last_login_at")
        ),
    )
    shop.close()
    assert (row["flawed_fields"], row["data_quality_score"]) == (flaws, score)


def test_an_id_is_a_text_that_remembers_whether_it_was_a_number(shop: Platform) -> None:
    shop.receive_customers([PERFECT | {"id": id_} for id_ in (7, 0, "0b7c1f6e-1", "007")], DAY_ONE)
    shop.run(Days((DAY_ONE,)))
    found = {row["customer_id"]: row["is_number_id"] for row in shop.rows(Customers)}
    assert found == {"7": True, "0": True, "0b7c1f6e-1": False, "007": False}


def test_ids_from_before_their_kind_was_kept_were_numbers(shop: Platform) -> None:
    one_of(shop)
    shop.engine.execute("UPDATE raw.customers SET is_number_id = NULL")
    shop.run(Days((DAY_ONE,)), only=["customers"])
    assert [row["is_number_id"] for row in shop.rows(Customers)] == [True]


DAYS = Days.between(DAY_ONE, DAY_ONE + timedelta(days=5))
PLANS = 2
BEHAVIOUR = ("events", "first_touches", "session_events", "session_days", "sessions")
Received = dict[date, list[dict[str, Any]]]


def random_fetch(dice: random.Random, day: date) -> list[dict[str, Any]]:
    """Return what the API returns on a day: some of four people, one of two cities each,
    signed in or not.
    """
    people = dice.sample((1, 2, 3, 4), dice.randint(1, 4))
    return [
        {
            "id": person,
            "city": dice.choice(("Berlin", "Rome")),
            "last_login_at": dice.choice((None, f"{day}T08:00:00Z")),
        }
        for person in people
    ]


def by_hand(answer: Received) -> list[tuple[str, str, date, date | None]]:
    """Return customer, city, first day and end of every version."""
    versions: dict[int, list[list[Any]]] = {}
    for day in sorted(answer):
        for record in answer[day]:
            own = versions.setdefault(record["id"], [])
            if not own or own[-1][0] != record["city"]:
                if own:
                    own[-1][2] = day
                own.append([record["city"], day, None])
    return [
        (str(who), city, begin, end)
        for who, own in sorted(versions.items())
        for city, begin, end in own
    ]


@pytest.mark.slow
def test_any_order_of_days_ends_as_one_run_over_all_and_as_counting_by_hand(
    shop: Platform,
) -> None:
    for seed in range(PLANS):
        dice = random.Random(seed)  # noqa: S311 (stories, not secrets)
        shop.clear()
        # What people do is known at some moment between the fetches.
        behaviour_known_at = dice.randrange(len(DAYS.dates))
        shop.receive(
            journeys(
                {"1": [("09:00", "page_view"), ("+2 09:00", "purchase", {"cart_amount": 200})]}
            ),
            DAYS,
        )
        answer: Received = {}
        steps = [*DAYS.dates, *dice.choices(DAYS.dates, k=2)]
        for number, day in enumerate(dice.sample(steps, len(steps))):
            if number == behaviour_known_at:
                shop.run(DAYS, only=BEHAVIOUR)
            answer[day] = random_fetch(dice, day)
            shop.receive_customers(answer[day], day)
            shop.run(Days((day,)), only=["customers"])
        piecewise = shop.rows(Customers)
        shop.engine.execute("DELETE FROM staging.customers")
        shop.run(DAYS, only=["customers"])
        assert piecewise == shop.rows(Customers), f"plan {seed}"
        actual = [
            (row["customer_id"], row["city"], row["valid_from"], row["valid_to"])
            for row in shop.rows(Customers)
        ]
        assert actual == by_hand(answer), f"plan {seed}"
