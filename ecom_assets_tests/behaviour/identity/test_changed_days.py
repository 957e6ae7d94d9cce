"""A sign-in changes the visitors of other days: they are computed again,
and what was published is restated.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import product
from typing import Any

import ibis
import ibis.expr.types as ir
import pytest

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.funnels.contracts import ConversionFunnel
from ecom_assets.behaviour.funnels.daily import DailyFunnel
from ecom_assets.behaviour.identity.changes import (
    ChangedIds,
    EventCounts,
    Move,
    changed_visitors,
    split_or_joined_days,
)
from ecom_assets.behaviour.identity.contracts import (
    ChangedVisitorDays,
    IdentityLinks,
    MergedUsers,
    SharedIds,
)
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.identity.visitors import KnownIds
from ecom_assets.behaviour.sessions.contracts import EngagementDaily, Sessions
from ecom_assets.commerce.attribution.contracts import ChannelAttribution
from ecom_assets.commerce.attribution.credit import AttributionRule
from ecom_assets.commerce.conversion.contracts import ConversionByDimension
from ecom_assets.commerce.reconciliation.contracts import Restatements
from ecom_assets.commerce.reconciliation.restatements import RestatementLog
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.tables.received import SliceOutput
from ecom_assets.core.warehouse.engines.postgres.engine import PortablePostgresCompiler
from ecom_assets_tests.behaviour.funnels.definitions import funnel_of, step_of
from ecom_assets_tests.builders import DAY_ONE, Row, at, received
from ecom_assets_tests.each import each
from ecom_assets_tests.platform import Platform, ShopPlatform

DAY_TWO = DAY_ONE + timedelta(days=1)
BOTH = Days((DAY_ONE, DAY_TWO))
VISITORS = ("daily_visitor_count", "weekly_visitor_count", "monthly_visitor_count")


@pytest.fixture(scope="module")
def opened() -> Iterator[Platform]:
    platform = Platform()
    yield platform
    platform.close()


@pytest.fixture
def shop(opened: Platform) -> Platform:
    opened.clear()
    opened.engine.drop(Restatements)
    return opened


def event(event_id: str, clock: str, device: str, user: str | None = None, **values: Any) -> Row:
    """Return an event on a device, each in a source session of its own."""
    return received(
        event_id, at(clock), user_id=user, session_id=f"s{event_id}", anonymous_id=device, **values
    )


def published(shop: Platform, run_id: str, days: Days) -> None:
    """Run days, and engagement watched, as the IO manager does."""
    (engagement,) = [asset for asset in shop.assets if asset.contract is EngagementDaily]
    shop.run(days, only=shop.made_from(EngagementDaily) - {EngagementDaily.name})
    log = RestatementLog(shop.engine, run_id)
    output = shop.output(engagement, days)
    hooks = log.hooks_for(EngagementDaily, output.days, days)
    shop.engine.replace(EngagementDaily, output.rows, output.days, hooks)


def test_what_an_alias_changes_is_found_by_sql_that_postgres_takes() -> None:
    """Ibis leaves LEFT SEMI JOIN, which Postgres lacks,
    where rows of a semi-join are read twice.
    """
    statements: list[str] = []

    def write(rows: ir.Table) -> list[dict[str, Any]]:
        statements.append(
            str(PortablePostgresCompiler().to_sqlglot(rows).sql(dialect="postgres", copy=False))
        )
        return []

    events, links, shared, merged = (
        ibis.table(schema_of(contract), name=contract.name)
        for contract in (CleanEvents, IdentityLinks, SharedIds, MergedUsers)
    )
    known = KnownIds(links, shared, merged)
    of_aliases, none = (
        ChangedIds(frozenset({"ann"}), frozenset({("device", "d1")})),
        ChangedIds(frozenset(), frozenset()),
    )
    for changed, rule in product(
        (of_aliases, none), (IdentityRule(), IdentityRule(owner="last_user"))
    ):
        assert (
            changed_visitors(events, changed, known, rule, BOTH, write, lambda _, rows: rows) == []
        )
    assert len(statements) == 4
    assert not [sql for sql in statements if "SEMI JOIN" in sql]


FIRST = [event("1", "09:00", "d1"), event("2", "15:00", "d1"), event("3", "16:00", "d2", "ben")]
"""Two visitors: a device, and ben on another. With the sign-in, the example of `changes.py`."""
SIGN_IN = event("4", "+1 09:00", "d1", "ben")


@pytest.mark.slow
@pytest.mark.parametrize(
    "days", [Days((DAY_TWO,)), BOTH], ids=["the day of the sign-in", "both days"]
)
def test_a_sign_in_restates_the_day_before_with_its_cause_and_amount(
    shop: Platform, days: Days
) -> None:
    shop.receive(FIRST, BOTH)
    published(shop, "run 1", Days((DAY_ONE,)))
    shop.receive([*FIRST, SIGN_IN], BOTH)
    published(shop, "run 2", days)
    assert {row["visitor_id"] for row in shop.rows(CleanEvents)} == {"ben"}
    logged = [
        (row["restated_date"], row["column_name"], row["difference"], row["cause"])
        for row in restated(shop)
    ]
    assert sorted(logged) == sorted((DAY_ONE, name, -1, "identity") for name in VISITORS)
    assert {(row["before_value"], row["after_value"]) for row in restated(shop)} == {(2, 1)}
    # Days of the run are computed whole, so that it is not asked whether visitors came together.
    is_regrouped = DAY_ONE not in days.dates
    assert [
        (row["changed_date"], row["visitor_id"], row["changed_count"], row["is_regrouped"])
        for row in shop.rows(ChangedVisitorDays)
    ] == [
        (DAY_ONE, "anon-d1", 0, is_regrouped),
        (DAY_ONE, "ben", 2, is_regrouped),
    ]


@pytest.mark.slow
def test_a_sign_in_that_goes_again_restates_the_day_back(shop: Platform) -> None:
    shop.receive([*FIRST, SIGN_IN], BOTH)
    published(shop, "run 1", BOTH)
    shop.receive(FIRST, BOTH)
    published(shop, "run 2", Days((DAY_TWO,)))
    assert [
        (row["cause"], row["difference"])
        for row in restated(shop)
        if row["restated_date"] == DAY_ONE
    ] == [("identity", 1)] * 3


@pytest.mark.slow
def test_a_late_row_of_the_day_itself_is_the_cause_even_if_visitors_change_too(
    shop: Platform,
) -> None:
    shop.receive(FIRST, BOTH)
    published(shop, "run 1", Days((DAY_ONE,)))
    late = event("5", "23:00", "d3") | {"received_date": DAY_TWO}
    shop.receive([*FIRST, SIGN_IN, late], BOTH)
    published(shop, "run 2", BOTH)
    assert {row["cause"] for row in restated(shop)} == {"late_rows"}


@pytest.mark.slow
def test_a_day_whose_visitors_stay_changes_by_the_rows_of_other_days(shop: Platform) -> None:
    # The session of d1 goes on after midnight: it lasts longer, and nobody is somebody else.
    first = [event("1", "23:50", "d1")]
    shop.receive(first, BOTH)
    published(shop, "run 1", Days((DAY_ONE,)))
    shop.receive([*first, event("2", "+1 00:10", "d1") | {"session_id": "s1"}], BOTH)
    published(shop, "run 2", Days((DAY_TWO,)))
    assert {(row["restated_date"], row["cause"]) for row in restated(shop)} == {
        (DAY_ONE, "rows_of_other_days")
    }


def said(shop: Platform, days: Days) -> str:
    """Return what a run of days says before it computes other days again."""
    (asset,) = [asset for asset in shop.assets if asset.contract is ChangedVisitorDays]
    shop.run(days, only=["duplicate_events", "identity_links", "identity_aliases"])
    assert shop.engine, "what is left to compute is computed first"
    return shop.output(asset, days).warning


@pytest.mark.slow
def test_an_alias_says_how_many_days_it_changes_and_why_before_they_are_computed_again(
    shop: Platform,
) -> None:
    """Anna came on two days of the month before; now she is ann, and of ben nothing changes."""
    month_before = [
        event("1", "-40 09:00", "d1", "anna"),
        event("2", "-38 09:00", "d1", "anna"),
        event("3", "-38 09:30", "d1"),
        event("4", "-38 11:00", "d2", "ben"),
    ]
    earlier = Days.between(DAY_ONE - timedelta(days=40), DAY_ONE)
    shop.receive(month_before, earlier)
    shop.run(earlier, only=TO_SESSIONS)
    alias = event(
        "5", "+1 09:00", "d1", "ann", event_type="alias", properties='{"previous_id": "anna"}'
    )
    shop.receive(
        [*month_before, alias],
        Days.between(DAY_ONE - timedelta(days=40), DAY_TWO + timedelta(days=1)),
    )
    assert said(shop, Days((DAY_TWO,))) == (
        f"3 events have another visitor on 2 days, {DAY_ONE - timedelta(days=40)} to "
        f"{DAY_ONE - timedelta(days=38)}, since aliases join 2 users, or no longer do; these days "
        "are computed again, and mart.restatements lists each published number that changes."
    )


@pytest.mark.slow
def test_a_guard_that_trips_says_so_and_a_sign_in_nothing(shop: Platform) -> None:
    shop.receive(FIRST, BOTH)
    shop.run(Days((DAY_ONE,)), only=TO_SESSIONS)
    shop.receive([*FIRST, SIGN_IN], BOTH)
    assert not said(shop, Days((DAY_TWO,))), "a sign-in is what happens every day"
    shop.run(BOTH, only=TO_SESSIONS)
    crowd = [event(f"u{n}", "+1 10:00", "d1", f"u{n}") for n in range(20)]
    shop.receive([*FIRST, SIGN_IN, *crowd], BOTH)
    assert said(shop, Days((DAY_TWO,))).startswith(
        f"2 events have another visitor on {DAY_ONE}, since 1 id joins nobody any more, or "
        "somebody again;"
    )


def restated(shop: Platform) -> list[Row]:
    """Return what was logged, but the means and rates, which follow from the counts."""
    shop.engine.ensure(Restatements)
    rows: list[Row] = shop.engine.table(Restatements).to_pyarrow().to_pylist()
    return [row for row in rows if row["difference"] is not None]


@pytest.mark.slow
def test_a_table_without_days_is_replaced_as_a_whole_however_far_back_a_run_reaches(
    shop: Platform,
) -> None:
    whole = [
        asset for asset in shop.assets if asset.widened_by and asset.contract.day_column is None
    ]
    assert whole
    read = [reads.contract for asset in whole for reads in asset.reads.values()]
    shop.receive([*FIRST, SIGN_IN], BOTH)
    shop.run(BOTH, only=shop.made_from(*read))
    for asset in whole:
        tables = {name: shop.engine.table(reads.contract) for name, reads in asset.reads.items()}
        rows = asset.output(
            Days(()), {**shop.rules, **tables, "warehouse": shop.engine}, shop.engine
        )
        assert not isinstance(rows, SliceOutput), asset.contract.name


FOUND = ("duplicate_events", "identity_links", "identity_aliases", "changed_visitor_days")
TO_SESSIONS = (
    *FOUND,
    "shared_ids",
    "merged_users",
    "events",
    "session_events",
    "session_days",
    "sessions",
)


def outputs(shop: Platform, days: Days, *names: str) -> dict[str, SliceOutput]:
    """Run days up to sessions, and return what each of some tables replaces."""
    replaced = {}
    for asset in shop.assets:
        name = asset.contract.name
        if name in names:
            replaced[name] = shop.output(asset, days)
        if name in TO_SESSIONS:
            shop.run(days, only=[name])
            assert shop.engine, "what is left to compute is computed before the next table"
    return replaced


@pytest.mark.slow
def test_a_sign_in_replaces_the_rows_of_its_visitors_only(shop: Platform) -> None:
    """Of the three events of the first day two are ben's now; ben's own of that day is
    read with them, eva's is not.
    """
    shop.receive([*FIRST, event("9", "10:00", "d9", "eva")], BOTH)
    shop.run(Days((DAY_ONE,)), only=TO_SESSIONS)
    shop.receive([*FIRST, event("9", "10:00", "d9", "eva"), SIGN_IN], BOTH)
    row_counts = {"events": 3, "session_events": 3, "sessions": 3}
    replaced = outputs(shop, Days((DAY_TWO,)), *row_counts)
    for name, row_count in row_counts.items():
        also = replaced[name].also
        assert also is not None, name
        assert (DAY_ONE in also.changed.dates, DAY_ONE in replaced[name].days.dates) == (
            True,
            False,
        ), name
        rows = also.rows.to_pyarrow().to_pylist()
        assert ({row["visitor_id"] for row in rows}, len(rows)) == ({"ben"}, row_count), name
    assert [row["visitor_id"] for row in shop.rows(Sessions)] == ["ben", "ben", "ben", "ben", "eva"]


@pytest.mark.slow
def test_a_visitor_with_another_id_changes_no_count_of_visits(shop: Platform) -> None:
    """Device d1 is ben's: on the first day he is on no other, so its visits are as many,
    and of as many visitors.
    """
    first = [event("1", "09:00", "d1"), event("2", "15:00", "d3", "eva")]
    shop.receive(first, BOTH)
    shop.run(Days((DAY_ONE,)), only=TO_SESSIONS)
    shop.receive([*first, SIGN_IN], BOTH)
    names = ("journey_transitions", "purchase_revenue_daily", "event_accounting_daily")
    replaced = outputs(shop, Days((DAY_TWO,)), "engagement_daily", *names)
    assert DAY_ONE in replaced["engagement_daily"].days.dates, (
        "he may have been counted in the month before"
    )
    for name in names:
        assert DAY_ONE not in replaced[name].days.dates, name


@pytest.mark.slow
def test_two_visitors_who_are_one_are_counted_again(shop: Platform) -> None:
    """On the first day ben was on d2, too: two visitors are one."""
    shop.receive(FIRST, BOTH)
    shop.run(Days((DAY_ONE,)), only=TO_SESSIONS)
    shop.receive([*FIRST, SIGN_IN], BOTH)
    replaced = outputs(shop, Days((DAY_TWO,)), "journey_transitions")
    assert DAY_ONE in replaced["journey_transitions"].days.dates


DAY_THREE = DAY_TWO + timedelta(days=1)


@each(
    "moves, event_counts, regrouped",
    [
        ([Move(DAY_TWO, "anon-d1", "ben", 2)], {(DAY_TWO, "anon-d1"): 2}, set()),
        (
            [Move(DAY_TWO, "anon-d1", "ben", 2)],
            {(DAY_TWO, "anon-d1"): 3},
            {DAY_TWO},
        ),  # one event stays the device's
        (
            [Move(DAY_TWO, "anon-d1", "ben", 2)],
            {(DAY_TWO, "anon-d1"): 2, (DAY_TWO, "ben"): 1},
            {DAY_TWO},
        ),
        (
            [Move(DAY_TWO, "anon-d1", "ben", 2)],
            {(DAY_TWO, "anon-d1"): 2, (DAY_THREE, "ben"): 1},
            {DAY_TWO},
        ),
        (
            [Move(DAY_TWO, "anon-d1", "ben", 2)],
            {(DAY_ONE, "anon-d1"): 1, (DAY_TWO, "anon-d1"): 2},
            {DAY_TWO},
        ),
        (
            [Move(DAY_TWO, "anon-d1", "ben", 2), Move(DAY_TWO, "anon-d2", "ben", 1)],
            {(DAY_TWO, "anon-d1"): 2, (DAY_TWO, "anon-d2"): 1},
            {DAY_TWO},
        ),
        (
            [Move(DAY_TWO, "ann", "anna", 2), Move(DAY_THREE, "ann", "anna", 1)],
            {(DAY_TWO, "ann"): 2, (DAY_THREE, "ann"): 1},
            set(),
        ),
        (
            [Move(DAY_TWO, "ben", "ben", 2)],
            {(DAY_TWO, "ben"): 3},
            set(),
        ),  # by another step of the rule
    ],
)
def test_visitors_come_together_or_apart(
    moves: list[Move], event_counts: EventCounts, regrouped: set[date]
) -> None:
    assert split_or_joined_days(moves, event_counts) == regrouped


@pytest.mark.slow
def test_how_an_event_was_joined_changes_though_its_visitor_stays(shop: Platform) -> None:
    """At 23:30 on d1, and ben signs in at 00:20: the next on the device.

    With 00:00 known as well, it is one visit.
    """
    first = [event("1", "23:30", "d1"), event("2", "+1 00:20", "d1", "ben")]
    shop.receive(first, BOTH)
    shop.run(BOTH, only=TO_SESSIONS)
    assert joined(shop) == {"1": "next_user", "2": "user"}
    shop.receive([*first, event("3", "+1 00:00", "d1")], BOTH)
    shop.run(Days((DAY_TWO,)), only=TO_SESSIONS)
    assert joined(shop) == {"1": "next_user_of_visit", "2": "user", "3": "next_user_of_visit"}


@pytest.mark.slow
def test_a_day_alone_finds_who_signed_in_on_the_device_before_it(shop: Platform) -> None:
    shop.receive([event("1", "09:00", "d1", "ben"), event("2", "+1 09:00", "d1")], BOTH)
    for day in BOTH.dates:
        shop.run(Days((day,)), only=TO_SESSIONS)
    assert joined(shop) == {"1": "user", "2": "last_user"}


def joined(shop: Platform) -> dict[str, str]:
    return {row["event_id"]: row["joined_by"] for row in shop.rows(CleanEvents)}


@pytest.mark.slow
def test_a_visitor_of_links_that_came_in_between_waits_for_its_own_run(shop: Platform) -> None:
    """The run of day two found ben; before its tables were written,
    day one brought eva, who is nearer.
    """
    first, ben, eva = (
        event("1", "09:00", "d1"),
        event("2", "+1 09:00", "d1", "ben"),
        event("3", "09:10", "d1", "eva"),
    )
    shop.receive([first], BOTH)
    shop.run(Days((DAY_ONE,)), only=TO_SESSIONS)
    shop.receive([first, ben], BOTH)
    shop.run(Days((DAY_TWO,)), only=FOUND)
    assert shop.engine
    shop.receive([first, ben, eva], BOTH)
    shop.run(Days((DAY_ONE,)), only=FOUND[:3])
    assert shop.engine
    shop.run(Days((DAY_TWO,)), only=["events", "session_events", "session_days", "sessions"])
    assert {row["visitor_id"] for row in shop.rows(Sessions)} == {"anon-d1", "ben"}, (
        "nobody is lost meanwhile"
    )
    shop.run(Days((DAY_ONE,)), only=TO_SESSIONS)
    assert [row["visitor_id"] for row in shop.rows(Sessions)] == ["ben", "eva"]


VIEW, BUY = (
    funnel_of([step_of("page_view"), step_of(last)]) for last in ("purchase", "add_to_cart")
)
BEFORE: dict[str, Any] = {
    "funnels": [DailyFunnel("a", VIEW), DailyFunnel("b", VIEW)],
    "attribution_rule": AttributionRule(),
}
CHANGED: dict[str, dict[str, Any]] = {
    "a new funnel, and another look-back": {
        "funnels": [DailyFunnel("a", VIEW), DailyFunnel("c", VIEW)],
        "attribution_rule": AttributionRule(lookback_s=3600),
    },
    "another funnel of the name": {"funnels": [DailyFunnel("a", VIEW), DailyFunnel("b", BUY)]},
}
MAIL = "https://shop.example/?utm_source=letter&utm_medium=email"
COUNTED = (ConversionFunnel, ConversionByDimension, ChannelAttribution)
BOUGHT: dict[str, Any] = {"event_type": "purchase", "cart_amount": 10}
ON_DAY_ONE = [
    event("1", "09:00", "d1", page_url=MAIL),
    event("2", "15:00", "d1", **BOUGHT),
    event("3", "09:00", "d2", "cara", page_url=MAIL),
    event("4", "15:00", "d2", "cara", **BOUGHT),
]
LATE_SIGN_IN = event("5", "+12 09:00", "d1", "ben")
ITS_DAY = Days.from_dates([LATE_SIGN_IN["received_date"]])
FORTNIGHT = Days.between(DAY_ONE, DAY_ONE + timedelta(days=14))


@pytest.fixture(scope="module")
def counted() -> Iterator[ShopPlatform]:
    shop = ShopPlatform()
    yield shop
    shop.close()


@pytest.mark.slow
@each("changed", CHANGED.values())
def test_a_day_that_a_sign_in_changes_is_counted_by_the_definitions_of_now(
    counted: ShopPlatform, changed: dict[str, Any]
) -> None:
    """No sign-in changes the rows of Cara, who was there, too: they must not
    stay by the old definitions.
    """
    counted.rules |= BEFORE
    counted.receive(ON_DAY_ONE, FORTNIGHT)
    counted.run(Days((DAY_ONE,)), only=counted.made_from(*COUNTED))
    assert counted.engine, "what is left to compute is computed by the definitions of then"
    counted.rules |= changed
    counted.receive([*ON_DAY_ONE, LATE_SIGN_IN], ITS_DAY)
    answers = []
    for days in (ITS_DAY, Days((DAY_ONE,))):
        counted.run(days, only=counted.made_from(*COUNTED))
        answers.append({table.name: counted.by_day(table).get(DAY_ONE) for table in COUNTED})
    assert answers[0] == answers[1]
    assert all(answers[0].values())
