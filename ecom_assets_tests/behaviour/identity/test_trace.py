"""From the ids of a visitor, and from ids that join nobody, one gets to the received
rows that a reader can count.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.cli.explain import reader_of
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.conditions import parse_where
from ecom_assets.core.tables.contract import HIDDEN
from ecom_assets.core.tables.days import Days
from ecom_assets.interfaces.explain.answer import explain
from ecom_assets.interfaces.explain.question import RowsQuestion, table_named
from ecom_assets_tests.builders import DAY_ONE, Row, at, received
from ecom_assets_tests.each import each
from ecom_assets_tests.platform import Platform

DAYS = Days.between(DAY_ONE, DAY_ONE + timedelta(days=3))
OF_IDENTITY = (
    "duplicate_events",
    "identity_links",
    "identity_aliases",
    "changed_visitor_days",
    "shared_ids",
    "merged_users",
    "events",
    "identities",
)


@pytest.fixture(scope="module")
def shop() -> Iterator[Platform]:
    """Ben signs in on d1 a day late; a till has three users; ann was anna and once annie;
    max is on two devices.
    """
    settings = Settings(
        home=Path("never written"),
        identity_device_users=3,
        identity_user_devices=2,
        identity_group_users=3,
    )
    platform = Platform(settings)
    platform.receive(
        [
            event("1", "09:00", "d1"),
            event("2", "15:00", "d1"),
            event("3", "+1 09:00", "d1", "ben"),
            *(event(f"till {user}", "12:00", "till", user) for user in ("carl", "dora", "emil")),
            event("till again", "12:30", "till", "emil"),
            *(event(f"max {device}", "12:00", device, "max") for device in ("m1", "m2")),
            *aliases("anna ann", "annie anna", "max anna"),
            *aliases("p2 p1", "p3 p2", "p4 p3"),
            event("nobody", "12:00", "d9", "GUEST"),
        ],
        DAYS,
    )
    platform.run(DAYS, only=OF_IDENTITY)
    yield platform
    platform.close()


def event(
    event_id: str, clock: str, device: str | None, user: str | None = None, **values: Any
) -> Row:
    """Return an event on a device."""
    return received(
        event_id, at(clock), user_id=user, session_id=f"s{event_id}", anonymous_id=device, **values
    )


def aliases(*joined: str) -> list[Row]:
    """Return an event for each "new old" pair of user ids."""
    pairs = [names.split() for names in joined]
    return [
        event(
            f"{new} {old}",
            "18:00",
            None,
            new,
            event_type="alias",
            properties=f'{{"previous_id": "{old}"}}',
        )
        for new, old in pairs
    ]


def levels(
    shop: Platform, table: str, column: str, *where: str
) -> tuple[Any, list[tuple[str, int, Any]]]:
    """Return a number, and each table on the way down from it with its rows and what they give."""
    question = RowsQuestion(table_named(table), parse_where(where), column)
    number = explain(question, reader_of(shop.engine, shop.settings))["number"]
    (part,) = number["down"]
    return number["value"], [
        (level["table"], level["row_count"], level["gives"]) for level in part["levels"]
    ]


@pytest.mark.slow
def test_two_events_before_a_sign_in_are_two_received_rows_of_the_user(shop: Platform) -> None:
    where = (
        "visitor_id = ben",
        "id_kind = device",
        "event_date = 2026-03-10",
        "joined_by = next_user",
    )
    value, down = levels(shop, "mart.identities", "event_count", *where)
    assert (value, down) == (2, [("staging.events", 2, 2), ("raw.events", 2, 2)])


@pytest.mark.slow
def test_the_sign_in_that_decided_is_named_with_its_device_and_time(shop: Platform) -> None:
    where = parse_where(["visitor_id = ben", "id_kind = device", "joined_by = next_user"])
    for is_personal, ben, d1 in ((True, "ben", "d1"), (False, HIDDEN, HIDDEN)):
        question = RowsQuestion(
            table_named("mart.identities"), where, "event_count", is_personal=is_personal
        )
        (part,) = explain(question, reader_of(shop.engine, shop.settings))["number"]["down"]
        assert part["received"]["sign_ins"] == [
            {
                "event_id": event_id,
                "event_at": f"2026-03-10T{clock}:00",
                "joined_by": "next_user",
                "device_id": d1,
                "user_id": ben,
                "sign_in_event_id": "3",
                "sign_in_at": "2026-03-11T09:00:00",
                "why": "signed in next on the device",
            }
            for event_id, clock in (("1", "09:00"), ("2", "15:00"))
        ]


def test_the_alias_that_joins_an_event_s_user_with_another_is_named(shop: Platform) -> None:
    question = RowsQuestion(
        table_named("mart.identities"),
        parse_where(["visitor_id = annie", "id_value = anna"]),
        "event_count",
    )
    (part,) = explain(question, reader_of(shop.engine, shop.settings))["number"]["down"]
    assert [
        (row["event_id"], row["user_id"], row["sign_in_event_id"], row["why"])
        for row in part["received"]["sign_ins"]
    ] == [("anna ann", HIDDEN, "annie anna", "is the user's id by an alias")]


@pytest.mark.slow
def test_events_that_no_other_event_decided_about_name_no_sign_in(shop: Platform) -> None:
    question = RowsQuestion(
        table_named("mart.identities"), parse_where(["visitor_id = carl"]), "event_count", 10
    )
    assert [
        part["received"]["sign_ins"]
        for part in explain(question, reader_of(shop.engine, shop.settings))["number"]["down"]
    ] == [[]]


@pytest.mark.slow
@each(
    "where, value, tables",
    [
        (
            ("id_value = till",),
            3,
            [("staging.identity_links", 3), ("staging.events", 4), ("raw.events", 4)],
        ),
        (
            ("id_value = max",),
            2,
            [("staging.identity_links", 2), ("staging.events", 2), ("raw.events", 2)],
        ),
        (
            ("id_value = GUEST",),
            1,
            [("staging.identity_links", 1), ("staging.events", 1), ("raw.events", 1)],
        ),
        (
            ("id_value = p1",),
            4,
            [("staging.identity_aliases", 6), ("staging.events", 6), ("raw.events", 6)],
        ),
    ],
)
def test_an_id_that_joins_nobody_goes_down_to_the_rows_that_share_it(
    shop: Platform, where: Sequence[str], value: int, tables: list[tuple[str, int]]
) -> None:
    reached, down = levels(shop, "mart.shared_ids", "reached_count", *where)
    assert reached == value
    assert [(table, count) for table, count, _ in down] == tables
    assert {gives for _, _, gives in down} == {value}


def test_users_who_are_one_person_go_down_to_their_aliases(shop: Platform) -> None:
    value, down = levels(shop, "mart.merged_users", "user_count", "user_id = ann")
    assert value == 3
    assert [(table, gives) for table, _, gives in down] == [
        ("staging.identity_aliases", 3),
        ("staging.events", 3),
        ("raw.events", 3),
    ]
