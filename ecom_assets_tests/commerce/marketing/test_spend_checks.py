"""What people and platforms get wrong in reports of ads is said in one sentence each."""

from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from ecom_assets.behaviour.sessions.contracts import EngagementDaily
from ecom_assets.commerce.marketing.checks import (
    accounts_have_one_currency,
    campaigns_keep_their_names,
    every_spend_is_read,
    loads_of_a_day_are_one,
    no_campaign_costs_less_than_nothing,
    no_campaign_is_a_total,
    received_spend_is_accounted_for,
    spend_adds_up_to_its_loads,
    spend_is_by_day,
    spend_is_not_before_the_first_visit,
)
from ecom_assets.commerce.reconciliation.checks import spend_did_not_fall_by_half
from ecom_assets.core.tables.check import CheckResult, TableCheck
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import in_memory
from ecom_assets_tests.builders import Row
from ecom_assets_tests.commerce.marketing.spend_rows import DAY, AdShop, spend

LATER = date(2026, 6, 11)
ONE_DAY = timedelta(days=1)


def checked(
    check: TableCheck, loads: Sequence[Sequence[Row]], days: Days | None = None
) -> CheckResult:
    """Return what a check says after some loads, where the first visit is on 1 June."""
    shop = AdShop()
    for rows in loads:
        shop.load(*rows)
    engine = shop.engine

    def table(contract: type[Table]) -> object:
        engine.ensure(contract)  # the log of changes is written by runs
        if contract is not EngagementDaily:
            return engine.table(contract)
        row = dict.fromkeys(EngagementDaily.columns) | {"event_date": DAY}
        engine.con.con.register("visits", in_memory([row], EngagementDaily).to_pyarrow())
        return engine.con.table("visits")

    return check.evaluate(days, *map(table, check.tables))


def sentence(result: CheckResult) -> str:
    return str(result.metadata["sentence"])


def test_the_same_day_from_two_exports_with_other_campaigns_is_said_with_both() -> None:
    brand, rest = spend("1 Brand", "10", file="a.csv"), spend("2 Shoes", "5", file="b.csv")
    result = checked(loads_of_a_day_are_one, [[brand, rest]])
    assert sentence(result).startswith(
        "Days of accounts of which two exports count, as they have no campaign in common: 1, first "
        "2026-06-01 of google_ads shop (a.csv and b.csv)"
    )
    both = spend("2 Shoes", "5", file="a.csv")
    assert checked(loads_of_a_day_are_one, [[brand, rest, both]]).broken_count == 0


def test_a_total_that_is_read_as_a_campaign_is_said() -> None:
    days = [DAY + n * ONE_DAY for n in range(3)]
    rows = [
        spend(name, amount, on=day)
        for day in days
        for name, amount in (("1 Brand", "10"), ("2 Shoes", "5"), ("9 All", "15"))
    ]
    result = checked(no_campaign_is_a_total, [rows])
    assert "totals: 1, first All of google_ads shop (45.00)" in sentence(result)
    assert checked(no_campaign_is_a_total, [rows[:6]]).broken_count == 0, "two days are chance"


def test_weeks_in_place_of_days_are_said() -> None:
    weeks = [spend("1 Brand", "70", on=DAY + 7 * n * ONE_DAY) for n in range(3)]
    result = checked(spend_is_by_day, [weeks])
    assert "google_ads shop from 2026-06-01 on (3 days)" in sentence(result)
    days = [*weeks, spend("1 Brand", "10", on=DAY + ONE_DAY)]
    assert checked(spend_is_by_day, [days]).broken_count == 0


def test_spend_before_the_first_visit_is_said_with_its_amount() -> None:
    rows = [spend("1 Brand", "12.34", on=DAY - ONE_DAY), spend("1 Brand", "10")]
    result = checked(spend_is_not_before_the_first_visit, [rows])
    said = "1, first 12.34 of google_ads shop from 2026-05-31 to 2026-05-31"
    assert said in sentence(result)
    assert checked(spend_is_not_before_the_first_visit, [rows[1:]]).broken_count == 0


def test_a_correction_below_zero_is_said_and_counts() -> None:
    result = checked(no_campaign_costs_less_than_nothing, [[spend("1 Brand", "-3.5")]])
    assert "1, first -3.50 EUR for Brand on 2026-06-01" in sentence(result)


def test_two_currencies_of_an_account_are_said() -> None:
    rows = [spend("1 Brand", "1"), spend("1 Brand", "1", on=DAY + ONE_DAY, currency="USD")]
    result = checked(accounts_have_one_currency, [rows])
    assert "google_ads shop (EUR and USD)" in sentence(result)
    other = [rows[0], spend("1 Brand", "1", currency="USD", account_id="us")]
    assert checked(accounts_have_one_currency, [other]).broken_count == 0


def test_a_campaign_that_was_renamed_is_said_on_the_days_of_its_new_name() -> None:
    rows = [spend("1 Brand", "1"), spend("1 Brand DE", "1", on=DAY + ONE_DAY)]
    second = Days((DAY + ONE_DAY,))
    result = checked(campaigns_keep_their_names, [rows], second)
    assert "1, first Brand to Brand DE on 2026-06-02" in sentence(result)
    assert checked(campaigns_keep_their_names, [rows], Days((DAY,))).broken_count == 0


@pytest.mark.parametrize(("amount", "is_fallen"), [("4.99", True), ("5", False)])
def test_spend_that_fell_by_half_since_its_last_load_is_said(
    amount: str,
    is_fallen: bool,  # noqa: FBT001 (a case)
) -> None:
    first = [spend("1 Brand", "6"), spend("2 Shoes", "4")]
    second = [spend("1 Brand", amount, file="b.csv", arrived=LATER)]
    result = checked(spend_did_not_fall_by_half, [first, second])
    assert bool(result.broken_count) is is_fallen
    if is_fallen:
        assert "1, first 4.99 in place of 10.00 on 2026-06-01 of google_ads shop" in sentence(
            result
        )


def test_received_rows_are_accounted_for_and_days_add_up() -> None:
    loads = [
        [spend("1 Brand", "6"), spend("2 Shoes", None), spend(None, "6", on=None)],
        [spend("1 Brand", "5", file="b.csv", arrived=LATER)],
    ]
    for check in (received_spend_is_accounted_for, spend_adds_up_to_its_loads):
        assert checked(check, loads).broken_count == 0
    result = checked(every_spend_is_read, loads)
    assert sentence(result).startswith("Rows of ad spend that do not count: 1 without an amount.")


def test_days_that_are_lost_or_count_more_than_was_received_are_found() -> None:
    shop = AdShop()
    shop.load(spend("1 Brand", "6"), spend("2 Shoes", "4"))
    engine = shop.engine

    def broken(check: TableCheck) -> int:
        return check.evaluate(None, *map(engine.table, check.tables)).broken_count

    engine.execute('UPDATE "mart"."ad_spend_daily" SET spend_amount = spend_amount + 1')
    assert broken(spend_adds_up_to_its_loads) == 1, "a day of an account, of two campaigns"
    engine.execute('UPDATE "staging"."ad_spend" SET row_count = 3')
    assert broken(received_spend_is_accounted_for) == 4, "six rows of two"
    engine.execute('DELETE FROM "staging"."ad_spend"')
    assert broken(received_spend_is_accounted_for) == 1
