"""Checks of identity: each is seen to fail on rows that it is there for,
and to pass on the others.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import ibis
import pyarrow as pa
import pytest

from ecom_assets.behaviour.events.clean import OF_IDENTITY as OF_IDENTITY_COLUMNS
from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.identity.checks import (
    identity_checks,
    ids_are_not_shared,
    visitors_have_devices,
)
from ecom_assets.behaviour.identity.queries import MOST_EVENTS, device_warning, device_warnings
from ecom_assets.behaviour.identity.rule import PRESETS
from ecom_assets.behaviour.identity.visitors import with_visitors_of_all
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.check import CheckResult, TableCheck
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.definitions import checks
from ecom_assets_tests.builders import DAY_ONE, Row, at, received
from ecom_assets_tests.platform import Platform

DAY = Days((DAY_ONE,))
OF_IDENTITY = (
    "duplicate_events",
    "identity_links",
    "identity_aliases",
    "changed_visitor_days",
    "shared_ids",
    "merged_users",
    "events",
)


@pytest.fixture(scope="module")
def opened() -> Iterator[Platform]:
    platform = Platform(Settings(home=Path("never written"), identity_device_users=3))
    yield platform
    platform.close()


@pytest.fixture
def shop(opened: Platform) -> Platform:
    opened.clear()
    return opened


def visit(
    number: int, device: str | None = None, user: str | None = None, clock: str = "09:00"
) -> Row:
    """Return an event in a source session of its own."""
    return received(
        f"e{number}", at(clock), user_id=user, session_id=f"s{number}", anonymous_id=device
    )


def ran(shop: Platform, rows: Iterable[Row]) -> Platform:
    """Receive rows and compute identity."""
    shop.receive(rows, DAY)
    shop.run(DAY, only=OF_IDENTITY)
    return shop


def result(shop: Platform, check: TableCheck) -> CheckResult:
    """Evaluate a check of the day."""
    return check.evaluate(DAY, *(shop.table(table) for table in check.tables))


def users_stay_themselves() -> TableCheck:
    """Return the check of users by the rule by default."""
    return identity_checks(PRESETS["stitched"])[0]


# Ids that join nobody


@pytest.mark.slow
def test_ids_that_join_nobody_are_counted_by_reason_with_five_examples_without_the_ids(
    shop: Platform,
) -> None:
    tills = [
        visit(10 * till + user, f"till{till}", f"u{user}") for till in range(6) for user in range(3)
    ]
    ran(shop, [*tills, visit(99, "d1", "null "), visit(100, "d2", "Guest")])
    actual = result(shop, ids_are_not_shared)
    assert (actual.broken_count, len(actual.examples)) == (7, 5)
    assert "7 ids join nobody: 6 by device_users, 1 by placeholder" in actual.metadata["sentence"]
    shown = str(ids_are_not_shared.reported(actual).metadata["examples"].value)
    assert "device_users" in shown
    assert "till" not in shown


def test_a_single_id_that_joins_nobody_is_said_in_the_singular(shop: Platform) -> None:
    sentence = result(ran(shop, [visit(1, "d1", "Guest")]), ids_are_not_shared).metadata["sentence"]
    assert sentence.startswith("1 id joins nobody: 1 by placeholder; see mart.shared_ids")


def test_without_shared_ids_nothing_is_said(shop: Platform) -> None:
    assert result(ran(shop, [visit(1, "d1", "ann")]), ids_are_not_shared).broken_count == 0


# Visitors without devices


@pytest.mark.slow
def test_a_hundred_sessions_without_devices_warn_with_their_share(shop: Platform) -> None:
    ran(shop, [*(visit(n) for n in range(95)), *(visit(n, f"d{n}") for n in range(95, 100))])
    actual = result(shop, visitors_have_devices)
    assert (actual.broken_count, actual.looked_at_count) == (95, 100)
    assert actual.metadata["sentence"].startswith(
        "95% of the sessions without a signed-in user have no device ids"
    )
    assert "numbers of returning visitors cannot be trusted" in actual.metadata["sentence"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "rows",
    [
        [visit(n) for n in range(99)],
        [*(visit(n) for n in range(89)), *(visit(n, f"d{n}") for n in range(89, 100))],
        [visit(n, f"d{n}") for n in range(200)],
        [visit(n, None, f"u{n}") for n in range(200)],
    ],
    ids=["few sessions", "89 of 100", "all with devices", "all signed in"],
)
def test_there_is_no_warning_of_few_sessions_nor_where_devices_or_users_are_known(
    shop: Platform, rows: list[Row]
) -> None:
    assert result(ran(shop, rows), visitors_have_devices).broken_count == 0


def test_the_warning_needs_the_columns_that_tell() -> None:
    events = ibis.memtable(pa.table({"visitor_id": ["anon-s1"]}))
    assert device_warnings(events, 1) == []
    assert device_warning(0, 0) == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("event_count", "warning_count"), [(200, 0), (MOST_EVENTS - 1, 0), (MOST_EVENTS, 1)]
)
def test_of_many_events_answers_look_at_those_of_every_other_second(
    shop: Platform, event_count: int, warning_count: int
) -> None:
    """A hundred sessions without devices begin at 9:00:00,
    and as many with devices a second later.
    """
    later = [visit(n, f"d{n}", clock="09:00:01") for n in range(100, 200)]
    events = ran(shop, [*(visit(n) for n in range(100)), *later]).table(CleanEvents)
    assert len(device_warnings(events, event_count)) == warning_count


@pytest.mark.slow
def test_devices_count_by_whatever_rule_visitors_are_found(shop: Platform) -> None:
    """By source sessions each of a hundred visits of devices is a visitor of its own,
    yet the file has device ids.
    """
    rows = ran(shop, [visit(n, f"d{n}") for n in range(100)]).table(CleanEvents)
    events = with_visitors_of_all(rows.drop(*OF_IDENTITY_COLUMNS), rows, PRESETS["user"])
    assert {row["joined_by"] for row in rows_of(events.select("joined_by"))} == {"source_session"}
    assert device_warnings(events, 100) == []


# Users


def stored(shop: Platform, contract: type[Table], **values: str) -> None:
    """Change all rows of a table, as a fault would."""
    changes = ", ".join(f"{name} = {value}" for name, value in values.items())
    shop.engine.execute(f"UPDATE {contract.qualified_name()} SET {changes}")


@pytest.mark.slow
def test_users_and_those_whom_aliases_merge_pass(shop: Platform) -> None:
    alias = visit(3, "d1", "ann") | {"event_type": "alias", "properties": '{"previous_id": "anna"}'}
    ran(shop, [visit(1, "d1", "anna"), visit(2, "d1"), alias, visit(4, "d2", "anon-s9")])
    actual = result(shop, users_stay_themselves())
    assert (actual.broken_count, actual.looked_at_count) == (0, 3)


def test_an_event_with_a_user_that_belongs_to_another_visitor_fails(shop: Platform) -> None:
    ran(shop, [visit(1, "d1", "ann"), visit(2, "d1")]).table(CleanEvents)
    stored(shop, CleanEvents, visitor_id="'anon-d1'")
    assert result(shop, users_stay_themselves()).broken_count == 1


@pytest.mark.slow
def test_two_users_whom_no_alias_joins_are_not_one_visitor(shop: Platform) -> None:
    ran(shop, [visit(1, "d1", "ann"), visit(2, "d1", "ben")]).table(CleanEvents)
    stored(shop, CleanEvents, visitor_id="'ann'")
    assert result(shop, users_stay_themselves()).broken_count == 2


def test_rules_that_give_events_of_users_to_others_have_no_such_check() -> None:
    for name, count in {
        "stitched": 3,
        "posthog": 3,
        "user": 3,
        "ga4_device": 2,
        "segment_dbt": 2,
    }.items():
        assert len(identity_checks(PRESETS[name])) == count
    names = {check.name for check in checks(Settings(home=Path("never written")))}
    assert {"users_stay_themselves", "visitors_have_devices", "ids_are_not_shared"} <= names
