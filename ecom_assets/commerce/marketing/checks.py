"""Checks of what was spent on ads, and of what it brings."""

from datetime import date
from functools import partial
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.sessions.contracts import EngagementDaily
from ecom_assets.commerce.attribution.contracts import ConversionCredit, Conversions, Touches
from ecom_assets.commerce.attribution.credit import SHARING
from ecom_assets.commerce.marketing.account_zones import (
    ACCOUNT,
    ACCOUNT_ZONE,
    AccountZones,
    days_of_zones,
    in_other_zones,
)
from ecom_assets.commerce.marketing.campaigns import of_sold_unit
from ecom_assets.commerce.marketing.contracts import (
    REASON_MEANINGS,
    AdCampaigns,
    AdSpend,
    AdSpendDaily,
    CampaignCredit,
    CampaignTags,
    MarketingDaily,
    QuarantinedAdSpend,
    RawAdSpend,
    SpendReconciliationDaily,
)
from ecom_assets.core.tables.asset import has_rows
from ecom_assets.core.tables.check import (
    EXAMPLES,
    BrokenRows,
    CheckResult,
    TableCheck,
    check,
    counted_by,
    rows_on_days,
)
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import count_of, rows_of, union_all, value_of
from ecom_assets.core.tables.received import NO_FAULT

MONEY_KINDS = {name: column.type for name, column in ConversionCredit.columns.items()}
FEWEST_CLICKS = 20
"""Fewer may have led to no visit that is known, as of people without consent."""
FEWEST_DAYS: Final = 3
"""Days from which on it is said that an account has weeks, or that a campaign is a total."""
DAYS_OF_A_WEEK: Final = 7
OF_ACCOUNT: Final = ("spend_date", *ACCOUNT)


@check(AdSpend, reads=(RawAdSpend, QuarantinedAdSpend, AdSpend))
def received_spend_is_accounted_for(
    _days: Days | None, raw: ir.Table, quarantined: ir.Table, spend: ir.Table
) -> CheckResult:
    """Each received row of spend counts, is quarantined, or is of a load that a newer one replaced.

    So no account's day is without spend, and no more rows count than were received.
    """
    counts = {
        "received": count_of(raw),
        "quarantined": count_of(quarantined),
        "counted": int(value_of(spend.row_count.sum().fill_null(0))),
    }
    replaced = counts["received"] - counts["quarantined"] - counts["counted"]
    ids = quarantined.select("spend_id", "source_file")
    clean = raw.anti_join(ids, ["spend_id", "source_file"])
    lost = clean.filter(clean.spend_date.notnull()).select(*OF_ACCOUNT).distinct()
    lost = lost.anti_join(spend, list(OF_ACCOUNT))
    days = rows_of(lost.order_by(*OF_ACCOUNT).limit(EXAMPLES))
    broken = count_of(lost) + max(0, -replaced)
    metadata = {**counts, "replaced": replaced}
    return CheckResult(broken, counts["received"], days or [metadata] if broken else [])


@check(QuarantinedAdSpend, reads=(QuarantinedAdSpend,), warns=True)
def every_spend_is_read(_days: Days | None, quarantined: ir.Table) -> CheckResult:
    """Every row of spend counts, but totals of others."""
    return counted_by(
        quarantined.filter(quarantined.reject_reason.notin([*NO_FAULT, "total_line"])),
        "reject_reason",
        REASON_MEANINGS,
        "Rows of ad spend that do not count: {}. Correct the file or its mapping, and run again.",
    )


def _result(broken: ir.Table, seen: ir.Table, order: tuple[str, ...], sentence: str) -> CheckResult:
    """Return the result of a check whose broken rows are few.

    Args:
        broken: The broken rows.
        seen: The rows that were looked at.
        order: What examples are ordered by.
        sentence: What to say, with places for the number and the first of them.
    """
    count, seen_count = count_of(broken), count_of(seen)
    if not count:
        return CheckResult(0, seen_count)
    rows = rows_of(broken.order_by(*order).limit(EXAMPLES))
    said = sentence.format(count=count, **{name: shown(value) for name, value in rows[0].items()})
    return CheckResult(count, seen_count, rows, metadata={"sentence": said})


def shown(value: Any) -> str:  # noqa: ANN401 (any value of a row)
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
    first = value_of(visits[str(EngagementDaily.day_column)].min())
    if first is None:
        return CheckResult(0, 0)
    early = daily.filter(daily.spend_date < first)
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


def zone_checks(account_zones: AccountZones) -> list[TableCheck]:
    """Return the check that accounts have the days of the shop."""
    return [
        TableCheck(
            contract=AdSpendDaily,
            name="accounts_have_the_days_of_the_shop",
            description=(
                "The days of each account are those of the shop's time zone, and each account "
                "whose zone a setting says has spend."
            ),
            function=partial(_other_zones, account_zones),
            tables=(AdSpendDaily,),
            warns=True,
        )
    ]


def _other_zones(account_zones: AccountZones, _days: Days | None, daily: ir.Table) -> CheckResult:
    """Count accounts in other zones than the shop's, and those of the setting without spend."""
    accounts = rows_of(daily.select(*ACCOUNT).distinct())
    others = in_other_zones(rows_of(days_of_zones(daily)), account_zones.timezone)
    spending = {tuple(row[name] for name in ACCOUNT) for row in accounts}
    unmet = sorted("/".join(account) for account in account_zones.by_account.keys() - spending)
    sentences = []
    if others:
        zones = ", ".join(
            "{platform} {account_id} {account_time_zone}".format_map(row)
            for row in others[:EXAMPLES]
        )
        sentences.append(
            f"Time zones of ad accounts that are not the shop's {account_zones.timezone}: "
            f"{len(others)}, such as {zones}; their days are shown as they are, so that spend near "
            "midnight may stand beside orders of another day."
        )
    if unmet and spending:
        sentences.append(
            "Accounts in ECOM_AD_ACCOUNT_TIME_ZONES that have no spend: "
            f"{', '.join(unmet[:EXAMPLES])}; write platform and account as mart.ad_spend_daily "
            "has them."
        )
    count = len(others) + (len(unmet) if spending else 0)
    evidence = {"sentence": " ".join(sentences)} if sentences else {}
    examples = [{name: row[name] for name in ACCOUNT_ZONE} for row in others[:EXAMPLES]]
    return CheckResult(count, len(accounts), examples, metadata=evidence)


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


@check(AdSpendDaily, reads=(AdSpend, AdSpendDaily))
def spend_adds_up_to_its_loads(_days: Days | None, spend: ir.Table, daily: ir.Table) -> BrokenRows:
    """On each day, what accounts spent is the sum of the rows that count."""
    rows = spend.filter(spend.is_counted)
    kind = daily.spend_amount.type()
    sides = union_all(
        rows.select(*OF_ACCOUNT, amount=rows.spend_amount.cast(kind)),
        daily.select(*OF_ACCOUNT, amount=(-daily.spend_amount).cast(kind)),
    )
    sums = sides.group_by(*OF_ACCOUNT).agg(residue=sides.amount.sum())
    return BrokenRows(sums.filter(sums.residue != 0), sums)


@check(CampaignCredit, reads=(ConversionCredit, CampaignCredit))
def credit_by_campaign_is_that_by_channel(
    days: Days | None, by_channel: ir.Table, by_campaign: ir.Table
) -> BrokenRows:
    """Per day, channel and model, credit and revenue of campaigns add up to the channel's."""
    names = [f"{model}_{part}" for model in SHARING for part in ("credit", "revenue_amount")]
    units = by_campaign.select("unit").distinct()
    due = by_channel.semi_join(units, "unit")
    unit = ("converted_date", "unit", "channel")
    sides = union_all(
        due.select(*unit, **{name: due[name].cast(MONEY_KINDS[name]) for name in names}),
        by_campaign.select(
            *unit, **{name: (-by_campaign[name]).cast(MONEY_KINDS[name]) for name in names}
        ),
    )
    rows = rows_on_days(sides, "converted_date", days)
    sums = rows.group_by(*unit).agg(**{name: rows[name].sum() for name in names})
    broken = sums.filter(ibis.or_(*(sums[name] != 0 for name in names)))
    return BrokenRows(broken.select(*unit), sums)


@check(MarketingDaily, reads=(CampaignCredit, CampaignTags, MarketingDaily))
def credit_of_ads_and_renewals_is_that_of_their_campaigns(
    days: Days | None, credit: ir.Table, tags: ir.Table, daily: ir.Table
) -> BrokenRows:
    """Per day and model, orders credited and renewals add up to all credit of visits from ads."""
    of_ads = credit.semi_join(tags, list(CampaignTags.key))
    orders = daily.credited_order_count + daily.renewal_order_count
    revenue = daily.credited_revenue_amount + daily.renewal_revenue_amount
    due, stored = {}, {}
    for model in SHARING:
        for part, amount in (("credit", orders), ("revenue_amount", revenue)):
            name = f"{model}_{part}"
            due[name] = of_ads[name].cast(MONEY_KINDS[name])
            stored[name] = (daily.model == model).ifelse(-amount, 0).cast(MONEY_KINDS[name])
    sides = union_all(
        of_ads.select(day="converted_date", **due),
        daily.select(day="marketing_date", **stored),
    )
    rows = rows_on_days(sides, "day", days)
    sums = rows.group_by("day").agg(**{name: rows[name].sum() for name in due})
    broken = sums.filter(ibis.or_(*(sums[name] != 0 for name in due)))
    return BrokenRows(broken.select("day"), sums)


@check(SpendReconciliationDaily, reads=(SpendReconciliationDaily, AdCampaigns, Touches), warns=True)
def spend_has_visits(
    days: Days | None, daily: ir.Table, campaigns: ir.Table, touches: ir.Table
) -> CheckResult:
    """Each campaign with clicks enough, or with spend of which none are known, has visits, if the
    shop knows any at all.
    """
    if not has_rows(touches):
        return CheckResult(0, 0, [])
    rows = rows_on_days(daily, "marketing_date", days)
    sums = rows.group_by(*AdCampaigns.key).agg(
        spend_amount=rows.spend_amount.sum(),
        session_count=rows.session_count.sum(),
        click_count=rows.click_count.sum(),
    )
    is_enough = sums.click_count.isnull() | (sums.click_count >= FEWEST_CLICKS)
    spent = sums.filter(sums.spend_amount > 0, is_enough)
    without = spent.filter(spent.session_count == 0)
    named = without.join(campaigns, list(AdCampaigns.key))
    names = named.select("platform", "campaign_name").order_by("platform", "campaign_name")
    examples = rows_of(names.limit(EXAMPLES))
    number, count = count_of(without), count_of(spent)
    sentence = (
        f"Campaigns with spend and no visits: {number:,} of {count:,}. Tag their "
        "addresses with utm_id, or name their tags in ECOM_CAMPAIGN_TAGS or on Lists of your shop."
    )
    evidence = {"sentence": sentence} if number else {}
    return CheckResult(number, count, examples, metadata=evidence)


@check(SpendReconciliationDaily, reads=(SpendReconciliationDaily, Conversions), warns=True)
def platforms_claim_no_more_orders_than_there_are(
    days: Days | None, daily: ir.Table, conversions: ir.Table
) -> CheckResult:
    """No platform claims more orders of the days of the run than the shop has."""
    rows = rows_on_days(daily, "marketing_date", days)
    claims = rows.group_by("platform").agg(claimed=rows.platform_conversion_count.sum())
    orders = rows_on_days(of_sold_unit(conversions), "converted_date", days)
    number = count_of(orders.filter(~orders.is_refund))
    said = [row for row in rows_of(claims.order_by("platform")) if row["claimed"] is not None]
    broken = [row for row in said if row["claimed"] > number]
    sentence = (
        f"Platforms that claim more orders than the shop's {number:,}: "
        f"{', '.join(row['platform'] for row in broken)}. They count views, or count an order "
        "several times."
    )
    evidence = {"sentence": sentence} if broken else {}
    return CheckResult(len(broken), len(said), broken, metadata=evidence)


MARKETING_CHECKS = [
    credit_by_campaign_is_that_by_channel,
    credit_of_ads_and_renewals_is_that_of_their_campaigns,
    spend_has_visits,
    platforms_claim_no_more_orders_than_there_are,
]
"""All checks of what ads bring."""
AD_SPEND_CHECKS = [
    received_spend_is_accounted_for,
    every_spend_is_read,
    spend_adds_up_to_its_loads,
    loads_of_a_day_are_one,
    no_campaign_is_a_total,
    spend_is_by_day,
    spend_is_not_before_the_first_visit,
    no_campaign_costs_less_than_nothing,
    accounts_have_one_currency,
    campaigns_keep_their_names,
]
"""All checks of ad spend, in addition to the contracts."""
