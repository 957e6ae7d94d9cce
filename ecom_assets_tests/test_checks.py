"""Every check holds on a small good shop, and goes red for a defect of each
kind that it checks to catch.

Defects are planted by SQL in a finished table, as a fault of the platform would leave them.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import duckdb
import ibis
import pytest

from ecom_assets.behaviour.events.contracts import RawEvents
from ecom_assets.behaviour.identity.contracts import (
    ChangedVisitorDays,
    IdentityAliases,
    MergedUsers,
    SharedIds,
)
from ecom_assets.behaviour.visitor_segments.segment import VisitorSegment
from ecom_assets.commerce.customers.contracts import RawCustomers
from ecom_assets.core.errors import WarehouseError
from ecom_assets.core.tables import check as contract_holds
from ecom_assets.core.tables.check import CheckResult, TableCheck, days_of_run
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import NO
from ecom_assets.definitions import checks
from ecom_assets.orchestration.registry import ALL
from ecom_assets_tests.builders import DAY_ONE, Step, journeys, received
from ecom_assets_tests.each import each
from ecom_assets_tests.platform import Platform
from ecom_assets_tests.services import people

pytestmark = pytest.mark.xdist_group("checks")
DAYS = Days.between(DAY_ONE - timedelta(days=1), DAY_ONE + timedelta(days=3))
VISIT: list[Step] = [
    ("09:00", "page_view"),
    ("09:01", "product_view", {"product_category": "hats"}),
    ("09:02", "add_to_cart"),
    ("23:50", "page_view"),
    ("+1 00:10", "purchase", {"cart_amount": 20}),
    ("+1 00:11", "search"),
]


EMPTY_HERE = {IdentityAliases, SharedIds, MergedUsers, ChangedVisitorDays}
"""Tables without rows: nobody has two ids, no id is shared, and a single run changes no other day.
"""


@pytest.fixture(scope="module")
def good_shop() -> Iterator[Platform]:
    """Two visitors over two days, one of them across midnight, with a
    surplus copy and a broken row.
    """
    loyal = VisitorSegment.from_definition("loyal", {"did": "page_view"})
    platform = Platform(declared_segments=(loyal,))
    people_at_once = journeys({"anna": VISIT, "ben": VISIT[:2]})
    rows = [
        row
        | {
            "referrer_url": "https://www.google.com/",
            "anonymous_id": "d1",
            "properties": f'{{"order_id": "{row["event_id"]}"}}',
        }
        for row in people_at_once
    ]
    rows += [rows[0] | {"source_file": "again.csv"}, received(None, rows[0]["event_at"])]
    platform.receive(rows, DAYS)
    platform.receive_customers(
        [
            *(person | {"has_email_consent": True} for person in people(1, 2)),
            people(1)[0] | {"city": "Bonn", "has_email_consent": True},
            {"id": "none"},
        ],
        DAY_ONE,
    )
    moved = people(1)[0] | {"city": "Paris", "has_email_consent": False}
    platform.receive_customers([moved], DAY_ONE + timedelta(days=1))
    platform.run(DAYS)
    for contract in ALL:  # those of sales too, outside of any transaction
        platform.engine.ensure(contract)
    yield platform
    platform.close()


@pytest.fixture
def shop(good_shop: Platform) -> Iterator[Platform]:
    """The good shop, made good again after each test."""
    with good_shop.made_good_again():
        yield good_shop


def check(platform: Platform, name: str) -> TableCheck:
    """Return a check by `schema.table: name`."""
    (actual,) = [
        candidate
        for candidate in checks(platform.settings)
        if f"{candidate.contract.qualified_name()}: {candidate.name}" == name
    ]
    return actual


def result(platform: Platform, table_check: TableCheck, days: Days | None = DAYS) -> CheckResult:
    """Run a check on the tables as they are."""
    return table_check.evaluate(
        days, *(platform.table(contract) for contract in table_check.tables)
    )


@each("days", [DAYS, None])
def test_every_check_holds_on_a_good_shop_and_has_looked_at_something(
    good_shop: Platform, days: Days | None
) -> None:
    ours = {RawEvents, RawCustomers, *(asset.contract for asset in good_shop.assets)}
    evaluated = [
        table_check
        for table_check in checks(good_shop.settings)
        if ours.issuperset(table_check.tables)
    ]
    # Of so few rows the one that is broken is more than a twentieth.
    evaluated = [
        evaluation for evaluation in evaluated if evaluation.name != "very_few_were_refused"
    ]
    assert {evaluation.contract for evaluation in evaluated} == ours, (
        "sales and stock are looked at by the tests of their own checks"
    )
    for evaluation in evaluated:
        actual = result(good_shop, evaluation, days)
        assert (actual.broken_count, actual.examples) == (0, []), evaluation.name
        # The reasons of days are compared with those of days before, and of all of history there
        # are none before.
        if evaluation.contract not in EMPTY_HERE and (
            days or evaluation.name != "reasons_are_usual"
        ):
            assert actual.looked_at_count > 0, (
                f"{evaluation.contract.qualified_name()}: {evaluation.name}"
            )


@pytest.mark.slow
def test_a_purchase_below_zero_lowers_sums_and_stops_nothing() -> None:
    platform = Platform()
    back: Step = ("09:30", "purchase", {"cart_amount": -50})
    platform.receive(
        journeys({"anna": [*VISIT, back], "ben": [*VISIT[:3], back], "cleo": [back]}), DAYS
    )
    platform.run(DAYS)
    for asset in platform.assets:
        actual = result(platform, contract_holds.contract_check(asset.contract))
        assert (asset.contract, actual.broken_count, actual.examples) == (asset.contract, 0, [])
    sums = platform.engine.con.raw_sql("SELECT sum(purchase_amount) FROM mart.sessions").fetchone()
    assert sums == (20 - 3 * 50,)
    platform.close()


ACCOUNTING = "staging.events: received_is_clean_plus_quarantined_plus_surplus"
FRAGMENTS = "mart.session_days: events_add_up_to_clean_events"
HOMES = "mart.sessions: every_fragment_is_in_one_session"
NARROW = "mart.conversion_funnel: steps_never_increase"
TOTAL = "mart.conversion_funnel: categories_add_up_to_total"
ENGAGED = "mart.engagement_daily: sessions_agree"
RECEIVED = "staging.customers: received_is_customers_plus_quarantined_plus_surplus"
CURRENT = "staging.customers: one_version_is_current"
PROFILES = "mart.customer_profiles: profiles_add_up_to_all_customers"
SECOND, SECOND_NOW = (f"{layer}.customers WHERE customer_id = '2'" for layer in ("raw", "staging"))
ANNA_CROSSING = "mart.sessions WHERE visitor_id = 'anna' AND started_date <> ended_date"
ANNA_CROSSES = "visitor_id = 'anna' AND started_date <> ended_date"

DEFECTS: dict[str, tuple[str, str]] = {
    "a customer is lost": (RECEIVED, "DELETE FROM staging.customers WHERE customer_id = '2'"),
    "a quarantined customer is forgotten": (RECEIVED, "DELETE FROM staging.quarantined_customers"),
    "a copy of a customer is forgotten": (RECEIVED, "DELETE FROM staging.duplicate_customers"),
    "too many copies of a customer are counted": (
        RECEIVED,
        "UPDATE staging.duplicate_customers SET surplus_count = 2",
    ),
    "a record of a customer arrives after the versions": (
        RECEIVED,
        (
            "INSERT INTO raw.customers BY NAME SELECT * REPLACE ('3' AS customer_id, 9 AS "
            f"record_number) FROM {SECOND}"
        ),
    ),
    "a customer is two at once": (
        RECEIVED,
        (
            "INSERT INTO staging.customers BY NAME SELECT * REPLACE (DATE '2026-03-09' AS "
            f"valid_from) FROM {SECOND_NOW}"
        ),
    ),
    "no version is current": (
        CURRENT,
        "UPDATE staging.customers SET is_current = FALSE WHERE customer_id = '2'",
    ),
    "an old version is current": (
        CURRENT,
        "UPDATE staging.customers SET is_current = TRUE WHERE customer_id = '1'",
    ),
    "a version ends before the next begins": (
        CURRENT,
        "UPDATE staging.customers SET valid_to = valid_from WHERE NOT is_current",
    ),
    "a dimension of the profiles is lost": (
        PROFILES,
        "DELETE FROM mart.customer_profiles WHERE dimension = 'quality_band'",
    ),
    "an old version of a customer is counted": (
        PROFILES,
        (
            "UPDATE mart.customer_profiles SET customer_count = customer_count + 1 WHERE value = "
            "'basic'"
        ),
    ),
    "a customer is fetched after the profiles": (PROFILES, f"DELETE FROM {SECOND_NOW}"),
    "a received row is lost in cleaning": (
        ACCOUNTING,
        "DELETE FROM staging.events WHERE event_id = 'ben-0'",
    ),
    "a clean event is there twice": (
        ACCOUNTING,
        "INSERT INTO staging.events SELECT * FROM staging.events LIMIT 1",
    ),
    "a quarantined row is forgotten": (ACCOUNTING, "DELETE FROM staging.quarantined_events"),
    "a surplus copy is not counted": (ACCOUNTING, "DELETE FROM staging.duplicate_events"),
    "too many surplus copies are counted": (
        ACCOUNTING,
        "UPDATE staging.duplicate_events SET surplus_count = 2",
    ),
    "rows arrive after the cleaning": (
        ACCOUNTING,
        "INSERT INTO raw.events SELECT * FROM raw.events",
    ),
    "a numbered event is lost": (
        FRAGMENTS,
        "DELETE FROM mart.session_events WHERE event_id = 'anna-1'",
    ),
    "a fragment is lost": (FRAGMENTS, "DELETE FROM mart.session_days WHERE visitor_id = 'ben'"),
    "a fragment counts one event too many": (
        FRAGMENTS,
        "UPDATE mart.session_days SET event_count = event_count + 1",
    ),
    "a day of fragments outlives its events": (
        FRAGMENTS,
        "DELETE FROM staging.events; DELETE FROM mart.session_events",
    ),
    "a session is lost": (HOMES, "DELETE FROM mart.sessions WHERE visitor_id = 'ben'"),
    "a session outlives its fragments": (
        HOMES,
        "DELETE FROM mart.session_days WHERE visitor_id = 'ben'",
    ),
    "a session ends at midnight though it went on": (
        HOMES,
        (
            "UPDATE mart.sessions SET ended_at = started_at, ended_date = started_date WHERE "
            f"{ANNA_CROSSES}"
        ),
    ),
    "a fragment is in two sessions": (
        HOMES,
        (
            "INSERT INTO mart.sessions BY NAME SELECT * REPLACE ('2' AS session_id) FROM "
            f"{ANNA_CROSSING}"
        ),
    ),
    "a session counts one event too few": (
        HOMES,
        f"UPDATE mart.sessions SET event_count = 1 WHERE {ANNA_CROSSES}",
    ),
    "a later step has more": (
        NARROW,
        "UPDATE mart.conversion_funnel SET unit_count = 9 WHERE step = 3",
    ),
    "a category is lost": (
        TOTAL,
        "DELETE FROM mart.conversion_funnel WHERE product_category = 'hats'",
    ),
    "a total is lost": (
        TOTAL,
        "DELETE FROM mart.conversion_funnel WHERE product_category = '(all)'",
    ),
    "a category has one too many": (
        TOTAL,
        (
            "UPDATE mart.conversion_funnel SET unit_count = unit_count + 1 WHERE product_category "
            "= 'hats'"
        ),
    ),
    "a day of engagement is lost": (
        ENGAGED,
        f"DELETE FROM mart.engagement_daily WHERE event_date = '{DAY_ONE}'",
    ),
    "a day of engagement outlives its sessions": (
        ENGAGED,
        "DELETE FROM mart.sessions; DELETE FROM mart.session_days",
    ),
    "a session is not counted": (
        ENGAGED,
        "UPDATE mart.engagement_daily SET session_count = session_count - 1",
    ),
    "a visitor is counted twice": (
        ENGAGED,
        (
            "UPDATE mart.engagement_daily "
            "SET daily_visitor_count = 3, weekly_visitor_count = 3, monthly_visitor_count = 3"
        ),
    ),
    "a week has fewer visitors than a day": (
        ENGAGED,
        "UPDATE mart.engagement_daily SET weekly_visitor_count = 0",
    ),
    "a month has fewer visitors than a week": (
        ENGAGED,
        "UPDATE mart.engagement_daily SET weekly_visitor_count = 5, monthly_visitor_count = 4",
    ),
    "a key is there twice": (
        "mart.sessions: contract_holds",
        "INSERT INTO mart.sessions SELECT * FROM mart.sessions LIMIT 1",
    ),
    "a rate is above one": (
        "mart.engagement_daily: contract_holds",
        "UPDATE mart.engagement_daily SET bounce_rate = 1.000001",
    ),
    "a count is below zero": (
        "mart.sessions: contract_holds",
        "UPDATE mart.sessions SET view_count = -1",
    ),
    "a reason is unknown": (
        "staging.quarantined_events: contract_holds",
        "UPDATE staging.quarantined_events SET reject_reason = 'mood'",
    ),
    "a value is missing": (
        "mart.sessions: contract_holds",
        (
            "ALTER TABLE mart.sessions ALTER is_engaged DROP NOT NULL; UPDATE mart.sessions SET "
            "is_engaged = NULL"
        ),
    ),
}


@each("defect", DEFECTS)
def test_a_check_goes_red_when(good_shop: Platform, defect: str) -> None:
    name, sql = DEFECTS[defect]
    with good_shop.made_good_again():
        for statement in sql.split("; "):
            good_shop.engine.execute(statement)
        actual = result(good_shop, check(good_shop, name))
    assert actual.broken_count > 0
    assert actual.examples


def test_many_keys_are_compared_a_few_days_at_a_time(
    shop: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = check(shop, "staging.events: contract_holds")
    whole = result(shop, held)
    monkeypatch.setattr(
        contract_holds, "KEYS_AT_ONCE", 3
    )  # the first day has six events, the second two
    assert result(shop, held) == whole
    shop.engine.execute(
        "INSERT INTO staging.events SELECT * FROM staging.events WHERE event_id = 'anna-4'"
    )
    shop.engine.execute(
        "INSERT INTO staging.events SELECT * FROM staging.events WHERE event_id = 'ben-0'"
    )
    assert result(shop, held).broken_count == 2


def test_a_defect_outside_of_the_days_of_the_run_is_not_looked_at(shop: Platform) -> None:
    shop.engine.execute("DELETE FROM staging.quarantined_events")
    before = Days((DAY_ONE - timedelta(days=1),))
    assert result(shop, check(shop, ACCOUNTING), before).broken_count == 0


def test_no_example_names_a_visitor(shop: Platform) -> None:
    shop.engine.execute("DELETE FROM mart.sessions")
    actual = result(shop, check(shop, HOMES))
    assert "anna" not in str(actual.examples)


def test_a_check_that_cannot_look_raises_instead_of_passing(
    good_shop: Platform, subtests: pytest.Subtests
) -> None:
    for table_check in checks(good_shop.settings):
        name = f"{table_check.contract.qualified_name()}: {table_check.name}"
        with subtests.test(name), good_shop.made_good_again():
            tables = [good_shop.table(contract) for contract in table_check.tables]
            lost = table_check.tables[0].qualified_name()
            good_shop.engine.execute(f"DROP TABLE IF EXISTS {lost}")
            with pytest.raises((duckdb.CatalogException, WarehouseError), match="does not exist"):
                table_check.evaluate(DAYS, *tables)


def test_the_days_of_a_run_are_its_tags_both_ends_included() -> None:
    first, last = DAY_ONE, DAY_ONE + timedelta(days=1)
    tags = {
        "dagster/asset_partition_range_start": first.isoformat(),
        "dagster/asset_partition_range_end": last.isoformat(),
    }
    assert days_of_run(tags) == Days((first, last))
    assert days_of_run({"dagster/partition": first.isoformat()}) == Days((first,))
    assert days_of_run({}) is None


def test_values_that_cannot_be_read_are_counted_by_name_with_the_most_frequent_first() -> None:
    """Of five rows two say no number of items, and three no tax; one says neither."""
    texts = [("2", "x"), ("y", "x"), ("y", "0.5"), ("1", "x"), ("3", None)]
    columns = ibis.schema({"items": "string", "tax": "string"})
    rows = ibis.memtable([{"items": items, "tax": tax} for items, tax in texts], schema=columns)
    unread = {name: rows[name].re_search("[a-z]").fill_null(NO) for name in ("items", "tax")}
    unread["tip"] = rows["items"].isnull()

    def sentence(received: int, counts: Mapping[str, int], first: Mapping[str, Any]) -> str:
        return f"{received}: {counts}, such as {first['items']} and {first['tax']}"

    actual = contract_holds.unread_values(rows, unread, ("items", "tax"), sentence)
    assert (actual.broken_count, actual.looked_at_count) == (3, 5)
    assert actual.metadata["sentence"] == "5: {'items': 2, 'tax': 3}, such as 1 and x"
    assert [row["row_count"] for row in actual.examples] == [1] * 4
    fine = contract_holds.unread_values(rows, {"tip": unread["tip"]}, ("items",), sentence)
    assert (fine.broken_count, fine.looked_at_count, fine.metadata) == (0, 5, {})
