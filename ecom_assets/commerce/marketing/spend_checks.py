"""Checks of what platforms and people get wrong in reports of ads, each in one sentence."""

from datetime import date
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.sessions.contracts import EngagementDaily
from ecom_assets.commerce.marketing.contracts import AdSpend, AdSpendDaily, RawAdSpend
from ecom_assets.commerce.marketing.spend import totals_of_loads
from ecom_assets.core.tables.check import EXAMPLES, CheckResult, check, rows_on_days
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import rows_of

ACCOUNT: Final = ("platform", "account_id")
FEWEST_DAYS: Final = 3
"""Days from which on it is said that an account has weeks, or that a campaign is a total."""
DAYS_OF_A_WEEK: Final = 7


def _result(broken: ir.Table, seen: ir.Table, order: tuple[str, ...], sentence: str) -> CheckResult:
    """Return the result of a check whose broken rows are few.

    Args:
        broken: The broken rows.
        seen: The rows that were looked at.
        order: What examples are ordered by.
        sentence: What to say, with places for the number and the first of them.
    """
    (counts,) = rows_of(seen.agg(seen=seen.count()))
    rows = rows_of(broken.order_by(*order).limit(EXAMPLES))
    (number,) = rows_of(broken.agg(number=broken.count()))
    count = int(number["number"])
    if not count:
        return CheckResult(0, int(counts["seen"]))
    said = sentence.format(count=count, **{name: _plain(value) for name, value in rows[0].items()})
    return CheckResult(count, int(counts["seen"]), rows, metadata={"sentence": said})


def _plain(value: Any) -> str:  # noqa: ANN401 (any value of a row)
    """Return a value of a row for a sentence; money in two digits."""
    is_amount = not isinstance(value, (str, int, date, type(None)))
    return f"{value:,.2f}" if is_amount else str(value)


@check(AdSpend, reads=(AdSpend,), warns=True)
def loads_of_a_day_are_one(_days: Days | None, spend: ir.Table) -> CheckResult:
    """No two exports of an account's day with other campaigns count beside each other."""
    by = ("spend_date", *ACCOUNT)
    rows = spend.filter(spend.is_conflict)
    days = rows.group_by(*by).agg(
        first_file=rows.source_file.min(), last_file=rows.source_file.max()
    )
    return _result(
        days,
        spend,
        by,
        "Days of accounts of which two exports count, as they have no campaign in common: {count}, "
        "first {spend_date} of {platform} {account_id} ({first_file} and {last_file}); export all "
        "campaigns in one file, with their ids where one was renamed.",
    )


@check(AdSpendDaily, reads=(AdSpendDaily,), warns=True)
def no_campaign_is_a_total(_days: Days | None, daily: ir.Table) -> CheckResult:
    """No campaign costs on each of its days what all others of its account do."""
    of_day = ibis.window(group_by=("spend_date", *ACCOUNT))
    rows = daily.mutate(
        total=daily.account_spend_amount.sum().over(of_day),
        campaign_count=daily.count().over(of_day),
    )
    is_sum = (rows.account_spend_amount * 2 == rows.total) & (rows.campaign_count >= FEWEST_DAYS)
    campaigns = rows.group_by(*ACCOUNT, "campaign_key").agg(
        name=rows.campaign_name.max(),
        day_count=rows.count(),
        sum_count=is_sum.ifelse(1, 0).sum(),
        amount=rows.account_spend_amount.sum(),
    )
    broken = campaigns.filter(
        campaigns.sum_count == campaigns.day_count,
        campaigns.day_count >= FEWEST_DAYS,
        campaigns.amount > 0,
    )
    return _result(
        broken,
        campaigns,
        (*ACCOUNT, "campaign_key"),
        "Campaigns that cost each day what all others do, as totals: {count}, first {name} of "
        "{platform} {account_id} ({amount}); export without totals, or all is counted twice.",
    )


@check(AdSpendDaily, reads=(AdSpendDaily,), warns=True)
def spend_is_by_day(_days: Days | None, daily: ir.Table) -> CheckResult:
    """No account has spend on single days of weeks or months only."""
    dates = daily.select(*ACCOUNT, "spend_date").distinct()
    of_account = ibis.window(group_by=ACCOUNT, order_by="spend_date")
    gaps = dates.mutate(before=dates.spend_date.lag().over(of_account))
    gaps = gaps.mutate(gap=gaps.spend_date.delta(gaps.before, unit="day"))
    accounts = gaps.group_by(*ACCOUNT).agg(
        day_count=gaps.count(), shortest=gaps.gap.min(), first=gaps.spend_date.min()
    )
    broken = accounts.filter(accounts.day_count >= FEWEST_DAYS, accounts.shortest >= DAYS_OF_A_WEEK)
    return _result(
        broken,
        accounts,
        ACCOUNT,
        "Accounts whose spend is on days at least a week apart: {count}, first {platform} "
        "{account_id} from {first} on ({day_count} days); if a row is of a week or a month, export "
        "it by day.",
    )


@check(AdSpendDaily, reads=(AdSpendDaily, EngagementDaily), warns=True)
def spend_is_not_before_the_first_visit(
    _days: Days | None, daily: ir.Table, visits: ir.Table
) -> CheckResult:
    """No ad was paid before the first visit that is known."""
    (first,) = rows_of(visits.agg(day=visits[str(EngagementDaily.day_column)].min()))
    if first["day"] is None:
        return CheckResult(0, 0)
    early = daily.filter(daily.spend_date < first["day"])
    accounts = early.group_by(*ACCOUNT).agg(
        first=early.spend_date.min(), last=early.spend_date.max(), amount=early.spend_amount.sum()
    )
    return _result(
        accounts,
        daily,
        ACCOUNT,
        "Accounts with spend before the first visit, which no visit can repay: {count}, first "
        "{amount} of {platform} {account_id} from {first} to {last}; load the events of these days "
        "too, or look at later ones.",
    )


@check(AdSpendDaily, reads=(AdSpendDaily,), warns=True)
def no_campaign_costs_less_than_nothing(days: Days | None, daily: ir.Table) -> CheckResult:
    """On the days of the run, no campaign costs less than nothing: corrections are small."""
    rows = rows_on_days(daily, "spend_date", days)
    broken = rows.filter(rows.account_spend_amount < 0).select(
        "spend_date", *ACCOUNT, "campaign_key", "campaign_name", "account_spend_amount", "currency"
    )
    return _result(
        broken,
        rows,
        ("spend_date", *ACCOUNT, "campaign_key"),
        "Days on which a campaign costs less than nothing, by a correction: {count}, first "
        "{account_spend_amount} {currency} for {campaign_name} on {spend_date}; they lower what "
        "was spent, as the platform says.",
    )


@check(AdSpendDaily, reads=(AdSpendDaily,), warns=True)
def accounts_have_one_currency(_days: Days | None, daily: ir.Table) -> CheckResult:
    """Each account has one currency."""
    accounts = daily.group_by(*ACCOUNT).agg(
        first_currency=daily.currency.min(), last_currency=daily.currency.max()
    )
    return _result(
        accounts.filter(accounts.first_currency != accounts.last_currency),
        accounts,
        ACCOUNT,
        "Accounts with two currencies: {count}, first {platform} {account_id} ({first_currency} "
        "and {last_currency}); each is converted by its own rate, so see whether two accounts "
        "share the id.",
    )


@check(AdSpendDaily, reads=(AdSpendDaily,), warns=True)
def campaigns_keep_their_names(days: Days | None, daily: ir.Table) -> CheckResult:
    """No campaign has another name on the days of the run than before them."""
    now = rows_on_days(daily, "spend_date", days)
    now = now.filter(now.campaign_name.notnull())
    now = now.group_by(*ACCOUNT, "campaign_key").agg(
        name=now.campaign_name.max(), first=now.spend_date.min()
    )
    before = daily.select(*ACCOUNT, "campaign_key", "campaign_name", "spend_date")
    pairs = now.join(before, [*ACCOUNT, "campaign_key"])
    pairs = pairs.filter(pairs.spend_date < pairs.first, pairs.campaign_name != pairs.name)
    broken = pairs.group_by(*ACCOUNT, "campaign_key", "name", "first").agg(
        former=pairs.campaign_name.max()
    )
    return _result(
        broken,
        now,
        (*ACCOUNT, "campaign_key"),
        "Campaigns that were renamed: {count}, first {former} to {name} on {first}; by their ids "
        "they are the same, and where visits have names as tags, both names need to be known.",
    )


@check(AdSpend, reads=(AdSpend, RawAdSpend), warns=True)
def spend_did_not_fall_by_half(_days: Days | None, spend: ir.Table, raw: ir.Table) -> CheckResult:
    """No account's day costs less than half of what the load before its last one said."""
    loads = totals_of_loads(raw)
    (newest,) = rows_of(spend.agg(day=spend.received_date.max()))
    if newest["day"] is None:
        return CheckResult(0, 0)
    now = loads.filter(loads.place == 0, loads.load_date == newest["day"])
    before = loads.filter(loads.place == 1)
    by = ("spend_date", *ACCOUNT, "level")
    pairs = now.join(before, list(by), rname="{name}_before")
    broken = pairs.filter(pairs.total < pairs.total_before / 2, pairs.total_before >= 1).select(
        *by, "source_file", "total", "total_before"
    )
    return _result(
        broken,
        now,
        by,
        "Days of accounts that cost less than half of what their load before said: {count}, first "
        "{total} in place of {total_before} on {spend_date} of {platform} {account_id} "
        "({source_file}); see whether the export has all campaigns.",
    )


SPEND_CHECKS = [
    loads_of_a_day_are_one,
    no_campaign_is_a_total,
    spend_is_by_day,
    spend_is_not_before_the_first_visit,
    no_campaign_costs_less_than_nothing,
    accounts_have_one_currency,
    campaigns_keep_their_names,
    spend_did_not_fall_by_half,
]
"""Checks of bad input; all of them warn."""
