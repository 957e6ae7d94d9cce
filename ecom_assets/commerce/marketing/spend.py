"""What was spent on ads: which received rows count, which loads do, and what campaigns cost a day.

METRICS "Advertising"; docs/metrics/marketing.md and docs/mappings/ad_spend.md.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.costs.measures import PROFIT
from ecom_assets.commerce.marketing.account_zones import AccountZones
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
from ecom_assets.core.tables.portable import NO, union_all

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
LOAD_OF_DAY: Final = ("source_file", *OF_DAY)


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
    # Campaigns without ad groups stand in an export of ad groups, too.
    load = ["source_file", "platform", "account_id"]
    levels = rows.group_by(*load).agg(has_groups=_any(of_group.notnull()))
    joined = rows.join(levels, load)
    rows = joined.select(*joined.columns)
    of_group, is_of_groups = _key(rows.ad_group_id, rows.ad_group_name), rows.has_groups > 0
    return rows.mutate(
        level=is_of_groups.ifelse(AD_GROUP, CAMPAIGN),
        campaign_key=_key(rows.campaign_id, rows.campaign_name),
        ad_group_key=of_group.fill_null(ALL),
        name_key=rows.campaign_name.strip().lower().fill_null(""),
        arrived_at=rows.received_at.fill_null(LONG_AGO),
    )


def _loads(rows: ir.Table) -> ir.Table:
    """Return one row per load, day, campaign and ad group, from rows with their keys."""
    return rows.group_by(*LOAD_OF_DAY, "campaign_key", "ad_group_key").agg(
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
                "account_time_zone",
                "received_at",
                "received_date",
                "arrived_at",
                "name_key",
            )
        },
        row_count=rows.count().cast("int64"),
    )


def _days_of_loads(loads: ir.Table) -> tuple[ir.Table, ir.Table]:
    """Return the days of loads that count, and of those that are replaced, one row each.

    A load is replaced on a day by a newer one with any of its campaigns, by their ids or names.
    Most days have one load, so campaigns are compared of the others only.
    """
    # A file that was written on several days, such as one of a stream, is one load a day.
    days = loads.group_by(*LOAD_OF_DAY).agg(
        load_date=loads.received_date.max(), load_at=loads.arrived_at.max()
    )
    days = days.mutate(load_count=days.count().over(ibis.window(group_by=OF_DAY)))
    several = days.filter(days.load_count > 1)
    joined = loads.select(*LOAD_OF_DAY, "campaign_key", "name_key").join(several, [*LOAD_OF_DAY])
    rows = joined.select(*joined.columns)
    newest_first = [rows.load_date.desc(), rows.load_at.desc(), rows.source_file.desc()]

    def place(key: str) -> ir.Value:
        window = ibis.window(group_by=(*OF_DAY, key), order_by=newest_first)
        return ibis.dense_rank().over(window)

    placed = rows.mutate(place=place("campaign_key"), name_place=place("name_key"))
    older = placed.filter((placed.place > 0) | ((placed.name_key != "") & (placed.name_place > 0)))
    names = older.select(*LOAD_OF_DAY).distinct()
    joins = (days.anti_join(names, [*LOAD_OF_DAY]), days.semi_join(names, [*LOAD_OF_DAY]))
    counted, replaced = (join.select(*days.columns) for join in joins)
    return counted, replaced


def totals_of_loads(raw: ir.Table) -> ir.Table:
    """Return what each load says that an account's day and level cost, in the account's currency.

    `place` is 0 for the newest load that counts, 1 for the newest that is replaced; others have no
    row.
    """
    loads = _loads(_with_keys(raw))
    totals = loads.group_by(*LOAD_OF_DAY).agg(total=loads.account_spend_amount.sum().cast(PROFIT))

    def newest(days: ir.Table, place: int) -> ir.Table:
        order = [days.load_date.desc(), days.load_at.desc(), days.source_file.desc()]
        numbered = days.mutate(
            number=ibis.row_number().over(ibis.window(group_by=OF_DAY, order_by=order)),
            place=ibis.literal(place, "int64"),
        )
        first = numbered.filter(numbered.number == 0)
        return first.select(*LOAD_OF_DAY, "load_date", "place")

    counted, replaced = _days_of_loads(loads)
    both = union_all(newest(counted, 0), newest(replaced, 1))
    return totals.join(both, [*LOAD_OF_DAY])


def ad_spend(raw: ir.Table, days: Days | OtherDays) -> ir.Table:
    """Return the spend of the days by the loads that count, from all rows of `RawAdSpend`."""
    rows = _with_keys(raw)
    loads = _loads(rows.filter(days.contain(rows.spend_date)))
    counted, _ = _days_of_loads(loads)
    of_account = ibis.window(group_by=("spend_date", "platform", "account_id"))
    is_of_campaigns = counted.level == CAMPAIGN
    counted = counted.select(
        *LOAD_OF_DAY,
        is_counted=is_of_campaigns | (_any(is_of_campaigns).over(of_account) == 0),
        is_conflict=counted.count().over(ibis.window(group_by=OF_DAY)) > 1,
    )
    return loads.join(counted, [*LOAD_OF_DAY]).select(*AdSpend.columns)


def ad_spend_daily(
    spend: ir.Table, account_zones: AccountZones, days: Days | OtherDays
) -> ir.Table:
    """Return what each campaign cost on the days, from rows of `AdSpend`."""
    rows = spend.filter(spend.is_counted, days.contain(spend.spend_date))
    rows = rows.mutate(account_time_zone=account_zones.of_rows(rows))
    by = AdSpendDaily.key
    sums = rows.group_by(*by).agg(
        **{name: rows[name].sum().cast(PROFIT) for name in SPENT},
        **{name: rows[name].sum().cast("int64") for name in COUNTED},
        **{
            name: rows[name].max()
            for name in ("campaign_id", "campaign_name", "currency", "account_time_zone")
        },
        is_conflict=_any(rows.is_conflict) > 0,
    )
    return sums.select(*AdSpendDaily.columns)
