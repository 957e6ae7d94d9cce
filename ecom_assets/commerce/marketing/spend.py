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
from ecom_assets.core.tables.portable import NO, union_all, union_distinct
from ecom_assets.core.tables.received import BROKEN_PROOF, breaks_proof

TOTAL: Final = (
    "^ *(grand |sub-? ?|sous-? ?|ara |zwischen|teil)?"
    "(total|totals|totaux|gesamt|gesamtsumme|summe|totaal|totale|suma|summa|razem|toplam|celkem"
    "|mezisoučet|összesen|yhteensä|i alt|σύνολο|итого|всего|разом|всього"
    '|合計|小計|总计|小计|總計|합계|소계|סה"כ|المجموع|الإجمالي|รวม|tổng)([^a-z]|$)'
)
"""What begins the name of a total: `Total: Campaigns` of Google, `Total` or `Subtotal` of others.
"""
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
STATED: Final = (
    *("campaign_id", "campaign_name", "ad_group_id", "ad_group_name", "final_url"),
    *("currency", "account_time_zone", "received_at", "received_date"),
)
OF_ACCOUNT: Final = ("spend_date", "platform", "account_id")
OF_DAY: Final = (*OF_ACCOUNT, "level")
"""What the campaigns of a load have in common that another load may replace."""
LOAD_OF_DAY: Final = ("source_file", *OF_DAY)
FILE_OF_DAY: Final = ("source_file", *OF_ACCOUNT)
"""The same of rows: what a file has of an account is of one level."""

PLACE: Final = ("day_number", "load_place")
"""Which load of `_loads` a row is of."""


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
        (breaks_proof(raw), BROKEN_PROOF),
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
    """Return the rows that count, with keys of what they are about."""
    rows = classified(raw)
    rows = rows.filter(rows.reject_reason.isnull())
    return rows.mutate(
        campaign_key=_key(rows.campaign_id, rows.campaign_name),
        ad_group_key=_key(rows.ad_group_id, rows.ad_group_name).fill_null(ALL),
    )


def _loads(rows: ir.Table, days: Days | OtherDays | None = None) -> ir.Table:
    """Return one row per load and day with its level, from rows with their keys.

    `load_place` is 0 for the newest of the account's day and level, `load_count` how many there
    are.
    """
    # A file that was written on several days, such as one of a stream, is one load a day.
    loads = rows.group_by(*FILE_OF_DAY).agg(
        has_groups=_any(_key(rows.ad_group_id, rows.ad_group_name).notnull()),
        load_date=rows.received_date.max(),
        load_at=rows.received_at.max().fill_null(LONG_AGO),
    )
    # Campaigns without ad groups stand in an export of ad groups, too.
    of_file = ibis.window(group_by=("source_file", "platform", "account_id"))
    has_groups = loads.has_groups.max().over(of_file) > 0
    loads = loads.mutate(level=has_groups.ifelse(AD_GROUP, CAMPAIGN)).drop("has_groups")
    if days is not None:
        loads = loads.filter(days.contain(loads.spend_date))
    newest_first = [loads.load_date.desc(), loads.load_at.desc(), loads.source_file.desc()]
    return loads.mutate(
        load_place=ibis.row_number().over(ibis.window(group_by=OF_DAY, order_by=newest_first)),
        day_number=ibis.dense_rank().over(ibis.window(order_by=OF_DAY)),
        load_count=loads.count().over(ibis.window(group_by=OF_DAY)),
    )


def _split_loads(loads: ir.Table, rows: ir.Table) -> tuple[ir.Table, ir.Table]:
    """Return the loads that count, and those that are replaced, from rows of `_loads`, and from
    their rows with their keys.

    A load is replaced on a day by a newer one with any of its campaigns, by their ids or names.
    Most days have one load, so campaigns are compared of the others only.
    """
    several = loads.filter(loads.load_count > 1).select(*LOAD_OF_DAY, *PLACE)
    about = ("campaign_key", "ad_group_key")
    among = rows.select(*FILE_OF_DAY, *about, "campaign_name").join(several, [*FILE_OF_DAY])
    among = among.select(*PLACE, *about, "campaign_name")
    by_key = _older(among, "campaign_key")
    # Names are compared of the days only that have several loads still.
    beside = several.anti_join(by_key, [*PLACE])
    beside = beside.group_by("day_number").agg(load_count=beside.count())
    among = among.semi_join(beside.filter(beside.load_count > 1), "day_number")
    among = among.select(*PLACE, *about, "campaign_name")
    named = among.group_by(*PLACE, *about).agg(
        name_key=among.campaign_name.strip().lower().max().nullif("")
    )
    older = union_distinct(by_key, _older(named, "name_key"))
    joins = (loads.anti_join(older, [*PLACE]), loads.semi_join(older, [*PLACE]))
    counted, replaced = (join.select(*loads.columns) for join in joins)
    return counted, replaced


def _older(rows: ir.Table, key: str) -> ir.Table:
    """Return the loads of which the campaign with some key is in a newer one, too."""
    of_campaign = ["day_number", key]
    newest = rows.group_by(*of_campaign).agg(newest_place=rows.load_place.min())
    joined = rows.join(newest, of_campaign)
    return joined.filter(joined.load_place > joined.newest_place).select(*PLACE).distinct()


def totals_of_loads(raw: ir.Table) -> ir.Table:
    """Return what each load says that an account's day and level cost, in the account's currency.

    `place` is 0 for the newest load that counts, 1 for the newest that is replaced; others have no
    row.
    """
    rows = _with_keys(raw)
    loads = _loads(rows)

    def newest(days: ir.Table, place: int) -> ir.Table:
        number = ibis.row_number().over(ibis.window(group_by=OF_DAY, order_by="load_place"))
        numbered = days.mutate(number=number, place=ibis.literal(place, "int64"))
        first = numbered.filter(numbered.number == 0)
        return first.select(*LOAD_OF_DAY, "load_date", "place")

    counted, replaced = _split_loads(loads, rows)
    both = union_all(newest(counted, 0), newest(replaced, 1))
    total = rows.account_spend_amount.sum().cast(PROFIT)
    return rows.group_by(*FILE_OF_DAY).agg(total=total).join(both, [*FILE_OF_DAY])


def ad_spend(raw: ir.Table, days: Days | OtherDays) -> ir.Table:
    """Return the spend of the days by the loads that count, from all rows of `RawAdSpend`."""
    every = _with_keys(raw)
    loads, rows = _loads(every, days), every.filter(days.contain(every.spend_date))
    counted, _ = _split_loads(loads, rows)
    of_account = ibis.window(group_by=OF_ACCOUNT)
    is_of_campaigns = counted.level == CAMPAIGN
    counted = counted.select(
        *LOAD_OF_DAY,
        is_counted=is_of_campaigns | (_any(is_of_campaigns).over(of_account) == 0),
        is_conflict=counted.count().over(ibis.window(group_by=OF_DAY)) > 1,
    )
    rows = rows.semi_join(counted, [*FILE_OF_DAY]).select(*rows.columns)
    sums = rows.group_by(*FILE_OF_DAY, "campaign_key", "ad_group_key").agg(
        **{name: rows[name].sum().cast(PROFIT) for name in SPENT},
        **{name: rows[name].sum().cast("int64") for name in COUNTED},
        **{name: rows[name].max() for name in STATED},
        row_count=rows.count().cast("int64"),
    )
    return sums.join(counted, [*FILE_OF_DAY]).select(*AdSpend.columns)


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
