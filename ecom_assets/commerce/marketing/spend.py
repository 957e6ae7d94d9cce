"""What was spent on ads: which received rows count, which loads do, and what campaigns cost a day.

METRICS "Advertising"; docs/metrics/marketing.md and docs/mappings/ad_spend.md.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.costs.measures import PROFIT
from ecom_assets.commerce.marketing.contracts import (
    AD_GROUP,
    ALL,
    CAMPAIGN,
    NO_VALUES,
    AdSpend,
    AdSpendDaily,
    QuarantinedAdSpend,
)
from ecom_assets.core.tables.days import Days, OtherDays
from ecom_assets.core.tables.portable import NO

TOTAL: Final = "^ *(grand )?(total|totals|gesamt|gesamtsumme|totaal|totale|итого)([^a-z]|$)"
"""What begins the name of a total: `Total: Campaigns` of Google, `Total` of others."""
LONG_AGO: Final = ibis.timestamp("0001-01-01 00:00:00")
SPENT: Final = (
    "account_spend_amount",
    "spend_amount",
    "account_conversion_amount",
    "platform_conversion_amount",
    "platform_conversion_count",
)
"""The columns of received rows that are added up as decimals; counts are added up as whole numbers.
"""
COUNTED: Final = ("impression_count", "click_count")
OF_DAY: Final = ("spend_date", "platform", "account_id", "level")
"""What the campaigns of a load have in common that another load may replace."""


def classified(raw: ir.Table) -> ir.Table:
    """Add `reject_reason` to received rows; null for one that counts."""
    received = raw.received_spend_amount.strip()
    has_no_day = raw.spend_date.isnull()
    is_of_many = has_no_day | (raw.until_date != raw.spend_date).fill_null(NO)
    named = ibis.coalesce(raw.campaign_name, raw.received_spend_date, "").lower()
    has_no_campaign = raw.campaign_id.isnull() & raw.campaign_name.isnull()
    # The total of some days has no day of its own; a campaign may be called so.
    is_total = is_of_many & (has_no_campaign | (named.re_search(TOTAL) & raw.campaign_id.isnull()))
    reason = ibis.cases(
        (raw.malformed_row.notnull(), "malformed_row"),
        (raw.left_out.notnull(), "left_out"),
        (is_total, "total_line"),
        (raw.account_id.isnull() | raw.platform.isnull(), "missing_account"),
        (has_no_day, "unparseable_spend_date"),
        ((raw.until_date != raw.spend_date).fill_null(NO), "several_days"),
        (has_no_campaign, "missing_campaign"),
        (received.isnull() | received.isin(NO_VALUES), "missing_spend"),
        (raw.account_spend_amount.isnull(), "unparseable_spend"),
        (raw.currency.isnull(), "missing_currency"),
        (raw.unrated_currency.notnull(), "currency_without_rate"),
        else_=ibis.null("string"),
    )
    return raw.mutate(reject_reason=reason)


def quarantined_ad_spend(raw: ir.Table) -> ir.Table:
    """Return the received rows that count nowhere, with the first reason."""
    rows = classified(raw)
    return rows.filter(rows.reject_reason.notnull()).select(*QuarantinedAdSpend.columns)


def _key(id_: ir.Column, name: ir.Column) -> ir.Value:
    return ibis.coalesce(id_, name.strip().lower())


def _any(condition: ir.Value) -> ir.Value:
    """Return 1 if a condition holds for any row, else 0: engines have no maximum of booleans."""
    return condition.ifelse(1, 0).max()


def _with_keys(raw: ir.Table) -> ir.Table:
    """Return the rows that count, with the level of their load and keys of what they are about."""
    rows = classified(raw)
    rows = rows.filter(rows.reject_reason.isnull())
    of_group = _key(rows.ad_group_id, rows.ad_group_name)
    of_load = ibis.window(group_by=("source_file", "platform", "account_id"))
    # Campaigns without ad groups stand in an export of ad groups, too.
    is_of_groups = _any(of_group.notnull()).over(of_load) > 0
    return rows.mutate(
        level=is_of_groups.ifelse(AD_GROUP, CAMPAIGN),
        campaign_key=_key(rows.campaign_id, rows.campaign_name),
        ad_group_key=of_group.fill_null(ALL),
        name_key=rows.campaign_name.strip().lower().fill_null(""),
        arrived_at=rows.received_at.fill_null(LONG_AGO),
    )


def _of_loads(raw: ir.Table) -> ir.Table:
    """Return one row per load, day, campaign and ad group, with `is_replaced`.

    A load is replaced on a day by a newer one with any of its campaigns, by their ids or names.
    """
    rows = _with_keys(raw)
    by = ("source_file", *OF_DAY, "campaign_key", "ad_group_key")
    loads = rows.group_by(*by).agg(
        **{name: rows[name].sum().cast(PROFIT) for name in SPENT},
        **{name: rows[name].sum().cast("int64") for name in COUNTED},
        **{
            name: rows[name].max()
            for name in (
                "campaign_id",
                "campaign_name",
                "ad_group_id",
                "ad_group_name",
                "final_url",
                "currency",
                "received_at",
                "received_date",
                "arrived_at",
                "name_key",
            )
        },
        row_count=rows.count().cast("int64"),
    )
    # A file that was written on several days, such as one of a stream, is one load a day.
    of_load = ibis.window(group_by=("source_file", *OF_DAY))
    loads = loads.mutate(
        load_date=loads.received_date.max().over(of_load),
        load_at=loads.arrived_at.max().over(of_load),
    )
    newest_first = [loads.load_date.desc(), loads.load_at.desc(), loads.source_file.desc()]

    def place(key: str) -> ir.Value:
        window = ibis.window(group_by=(*OF_DAY, key), order_by=newest_first)
        return ibis.dense_rank().over(window)

    loads = loads.mutate(place=place("campaign_key"), name_place=place("name_key"))
    is_older = (loads.place > 0) | ((loads.name_key != "") & (loads.name_place > 0))
    return loads.mutate(is_replaced=_any(is_older).over(of_load) > 0)


def _counted_loads(raw: ir.Table) -> ir.Table:
    """Return the rows of `_of_loads` that no newer load replaces, with `is_conflict`."""
    loads = _of_loads(raw)
    counted = loads.filter(~loads.is_replaced)
    of_day = ibis.window(group_by=OF_DAY)
    return counted.mutate(
        is_conflict=counted.source_file.max().over(of_day) != counted.source_file.min().over(of_day)
    )


def totals_of_loads(raw: ir.Table) -> ir.Table:
    """Return what each load says that an account's day and level cost, in the account's currency.

    `place` is 0 for the newest load that counts, 1 for the newest that is replaced; others have no
    row.
    """
    loads = _of_loads(raw)
    by = ("source_file", *OF_DAY, "is_replaced", "load_date", "load_at")
    totals = loads.group_by(*by).agg(total=loads.account_spend_amount.sum().cast(PROFIT))
    newest_first = [totals.load_date.desc(), totals.load_at.desc(), totals.source_file.desc()]
    window = ibis.window(group_by=(*OF_DAY, "is_replaced"), order_by=newest_first)
    totals = totals.mutate(number=ibis.row_number().over(window))
    totals = totals.filter(totals.number == 0)
    return totals.mutate(place=totals.is_replaced.ifelse(1, 0))


def ad_spend(raw: ir.Table, days: Days | OtherDays) -> ir.Table:
    """Return the spend of the days by the loads that count, from all rows of `RawAdSpend`."""
    loads = _counted_loads(raw)
    loads = loads.filter(days.contain(loads.spend_date))
    of_account = ibis.window(group_by=("spend_date", "platform", "account_id"))
    of_campaigns = _any(loads.level == CAMPAIGN).over(of_account) > 0
    return loads.mutate(
        is_counted=(loads.level == CAMPAIGN) | ~of_campaigns,
    ).select(*AdSpend.columns)


def ad_spend_daily(spend: ir.Table, days: Days | OtherDays) -> ir.Table:
    """Return what each campaign cost on the days, from rows of `AdSpend`."""
    rows = spend.filter(spend.is_counted, days.contain(spend.spend_date))
    by = AdSpendDaily.key
    sums = rows.group_by(*by).agg(
        **{name: rows[name].sum().cast(PROFIT) for name in SPENT},
        **{name: rows[name].sum().cast("int64") for name in COUNTED},
        **{name: rows[name].max() for name in ("campaign_id", "campaign_name", "currency")},
        is_conflict=_any(rows.is_conflict) > 0,
    )
    return sums.select(*AdSpendDaily.columns)
