"""Checks of what was spent on ads, and of what it brings."""

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.attribution.contracts import ConversionCredit, Conversions
from ecom_assets.commerce.attribution.credit import SHARING
from ecom_assets.commerce.marketing.campaigns import of_sold_unit
from ecom_assets.commerce.marketing.contracts import (
    REASON_MEANINGS,
    AdCampaigns,
    AdSpend,
    AdSpendDaily,
    CampaignCredit,
    QuarantinedAdSpend,
    RawAdSpend,
    SpendReconciliationDaily,
)
from ecom_assets.core.tables.check import (
    EXAMPLES,
    BrokenRows,
    CheckResult,
    check,
    counted_by,
    rows_on_days,
)
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import rows_of, union_all
from ecom_assets.core.tables.received import NO_FAULT

MONEY_KINDS = {name: column.type for name, column in ConversionCredit.columns.items()}
FEWEST_CLICKS = 20
"""Fewer may have led to no visit that is known, as of people without consent."""
OF_ACCOUNT = ("spend_date", "platform", "account_id")


@check(AdSpend, reads=(RawAdSpend, QuarantinedAdSpend, AdSpend))
def received_spend_is_accounted_for(
    _days: Days | None, raw: ir.Table, quarantined: ir.Table, spend: ir.Table
) -> CheckResult:
    """Each received row of spend counts, is quarantined, or is of a load that a newer one replaced.

    So no account's day is without spend, and no more rows count than were received.
    """
    (row,) = rows_of(raw.agg(received=raw.count()))
    (refused,) = rows_of(quarantined.agg(quarantined=quarantined.count()))
    (counted,) = rows_of(spend.agg(counted=spend.row_count.sum().fill_null(0)))
    counts = {name: int(value) for name, value in {**row, **refused, **counted}.items()}
    replaced = counts["received"] - counts["quarantined"] - counts["counted"]
    ids = quarantined.select("spend_id", "source_file")
    clean = raw.anti_join(ids, ["spend_id", "source_file"])
    lost = clean.filter(clean.spend_date.notnull()).select(*OF_ACCOUNT).distinct()
    lost = lost.anti_join(spend, list(OF_ACCOUNT))
    days = rows_of(lost.order_by(*OF_ACCOUNT).limit(EXAMPLES))
    (number,) = rows_of(lost.agg(number=lost.count()))
    broken = int(number["number"]) + max(0, -replaced)
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


@check(AdSpendDaily, reads=(AdSpend, AdSpendDaily))
def spend_adds_up_to_its_loads(_days: Days | None, spend: ir.Table, daily: ir.Table) -> CheckResult:
    """On each day, what accounts spent is the sum of the rows that count."""
    rows = spend.filter(spend.is_counted)
    kind = daily.spend_amount.type()
    sides = union_all(
        rows.select(*OF_ACCOUNT, amount=rows.spend_amount.cast(kind)),
        daily.select(*OF_ACCOUNT, amount=(-daily.spend_amount).cast(kind)),
    )
    sums = sides.group_by(*OF_ACCOUNT).agg(residue=sides.amount.sum())
    broken = sums.filter(sums.residue != 0)
    (counts,) = rows_of(
        sums.agg(days=sums.count(), broken=(sums.residue != 0).ifelse(1, 0).sum().fill_null(0))
    )
    return CheckResult(int(counts["broken"]), int(counts["days"]), rows_of(broken.limit(EXAMPLES)))


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


@check(SpendReconciliationDaily, reads=(SpendReconciliationDaily, AdCampaigns), warns=True)
def spend_has_visits(days: Days | None, daily: ir.Table, campaigns: ir.Table) -> CheckResult:
    """Each campaign with clicks enough, or with spend of which none are known, has visits."""
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
    (count,) = rows_of(spent.agg(n=spent.count()))
    (lone,) = rows_of(without.agg(n=without.count()))
    number = int(lone["n"])
    sentence = (
        f"Campaigns with spend and no visits: {number:,} of {int(count['n']):,}. Tag their "
        "addresses with utm_id, or name their tags in ECOM_CAMPAIGN_TAGS."
    )
    evidence = {"sentence": sentence} if number else {}
    return CheckResult(number, int(count["n"]), examples, metadata=evidence)


@check(SpendReconciliationDaily, reads=(SpendReconciliationDaily, Conversions), warns=True)
def platforms_claim_no_more_orders_than_there_are(
    days: Days | None, daily: ir.Table, conversions: ir.Table
) -> CheckResult:
    """No platform claims more orders of the days of the run than the shop has."""
    rows = rows_on_days(daily, "marketing_date", days)
    claims = rows.group_by("platform").agg(claimed=rows.platform_conversion_count.sum())
    orders = rows_on_days(of_sold_unit(conversions), "converted_date", days)
    placed = orders.filter(~orders.is_refund)
    (all_orders,) = rows_of(placed.agg(n=placed.count()))
    number = int(all_orders["n"])
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
    spend_has_visits,
    platforms_claim_no_more_orders_than_there_are,
]
"""All checks of what ads bring."""
AD_SPEND_CHECKS = [
    received_spend_is_accounted_for,
    every_spend_is_read,
    spend_adds_up_to_its_loads,
]
"""All checks of ad spend, in addition to the contracts."""
