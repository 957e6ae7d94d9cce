"""Campaigns: which of them visits from ads meet, and what orders are credited to them.

Visits meet spend by the campaign's id, then by its name in small letters, which a table of the shop
may translate, then by a click id, which says the platform alone. METRICS "Advertising";
docs/metrics/marketing.md.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.attribution.contracts import AD_PLATFORMS, NO_CHANNEL
from ecom_assets.commerce.attribution.credit import (
    CONVERSION,
    SHARING,
    AttributionRule,
    buyer_of,
    conversion_touches,
    sum_credit,
    with_model_credit,
)
from ecom_assets.commerce.attribution.touches import AD, NOT_SET
from ecom_assets.commerce.marketing.contracts import (
    NO_CAMPAIGN,
    NO_PLATFORM,
    AdCampaigns,
    CampaignCredit,
    CampaignTags,
)
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import NO, first_of_each, union_all

PAID_CHANNELS: Final = (
    "Cross-network",
    "Paid Shopping",
    "Paid Search",
    "Paid Social",
    "Paid Video",
    "Display",
    "Paid Other",
)
"""The channels of visits from ads."""
TAG: Final = CampaignTags.key
CAMPAIGN: Final = AdCampaigns.key
NONE_OF: Final = {"ad_platform": NO_PLATFORM, "campaign_id": NO_CAMPAIGN, "campaign": NOT_SET}
"""What stands for null in what a visit says of its campaign."""
BRAND: Final = "(^|[^a-z])brand([^a-z]|$)"


@dataclass(frozen=True)
class CampaignTag:
    """A line of the table of a shop whose tags are not the names of its campaigns.

    Attributes:
        tag: The `utm_campaign`, or the `utm_id`, in small letters.
        campaign: The campaign's name or id at the platform, in small letters.
        platform: The platform; empty for any.
    """

    tag: str
    campaign: str
    platform: str = ""


@dataclass(frozen=True)
class CampaignRule:
    """How visits meet campaigns.

    `tags`: which campaign a tag is of, where their names differ. `brand`: a regular expression that
    is found in the name of a brand campaign, in small letters: people who search for the shop would
    have come anyway.
    """

    tags: tuple[CampaignTag, ...] = ()
    brand: str = BRAND

    def __post_init__(self) -> None:
        """Raise `DefinitionError` for an invalid pattern."""
        try:
            re.compile(self.brand)
        except re.error as error:
            raise DefinitionError(
                f"{self.brand!r} is no regular expression for brand campaigns: {error}."
            ) from error


def tagged(touches: ir.Table) -> ir.Table:
    """Return touches that say each column of `TAG`, without null."""
    return touches.mutate(**{name: touches[name].fill_null(NONE_OF[name]) for name in AD})


def of_sold_unit(conversions: ir.Table) -> ir.Table:
    """Return the orders and refunds of a shop with order lines, else its purchase events, with who
    bought in `customer_id`.
    """
    is_order = conversions.unit == "order"
    orders = conversions.agg(order_count=is_order.ifelse(1, 0).sum().fill_null(0))
    joined = conversions.cross_join(orders)
    sold = joined.filter((joined.unit == "order") == (joined.order_count > 0))
    return sold.drop("order_count").mutate(customer_id=buyer_of(sold))


def campaign_credit(
    conversions: ir.Table, touches: ir.Table, attribution_rule: AttributionRule, days: Days
) -> ir.Table:
    """Return rows of `CampaignCredit` of `days`, from all rows of `Conversions` and `Touches`."""
    said = ("started_date", *(name for name in TAG if name != "channel"))
    rows = conversion_touches(
        of_sold_unit(conversions), tagged(touches), attribution_rule, days, SHARING, also=said
    )
    rows = rows.mutate(
        touched_date=rows.started_date.fill_null(rows.converted_date),
        **{name: rows[name].fill_null(nothing) for name, nothing in NONE_OF.items()},
    )
    unit = (*CONVERSION, "bought_date", "touched_date", *TAG)
    sums = sum_credit(rows, attribution_rule, SHARING, unit)
    return with_model_credit(sums, attribution_rule).select(*CampaignCredit.columns)


def campaign_tags(touches: ir.Table, spend: ir.Table, campaign_rule: CampaignRule) -> ir.Table:
    """Return rows of `CampaignTags`, from all rows of `Touches` and `AdSpendDaily`.

    A name is looked for only of visits that a click id or their channel says are from ads: a letter
    may be called as a campaign is. What meets several campaigns meets none.
    """
    rows = tagged(touches)
    people = rows.is_bot.ifelse(0, 1).sum().cast("int64")
    tags = _translated(rows.group_by(*TAG).agg(session_count=people), campaign_rule.tags)
    is_ad = (tags.ad_platform != NO_PLATFORM) | tags.channel.isin(PAID_CHANNELS)
    tags = tags.mutate(is_ad=is_ad)
    ids = spend.filter(spend.campaign_id.notnull())
    ids = ids.mutate(is_called=ids.campaign_id.lower())
    names = spend.filter(spend.campaign_name.notnull())
    names = names.mutate(is_called=names.campaign_name.strip().lower())
    met = union_all(
        _meeting(tags, ids, tags.wanted_id, place=1),
        _meeting(tags.filter(tags.is_ad), names, tags.wanted_name, place=2),
    )
    first = first_of_each(met, TAG, ["place"])
    met_by = first.select(
        *CAMPAIGN,
        **{f"met_{name}": first[name] for name in TAG},
        matched=(first.place == 1).ifelse("campaign_id", "campaign_name"),
    )
    joined = tags.left_join(met_by, [tags[name] == met_by[f"met_{name}"] for name in TAG])
    joined = joined.filter(joined.is_ad | joined.matched.notnull())
    has_click = joined.ad_platform != NO_PLATFORM
    has_id = joined.campaign_id != NO_CAMPAIGN
    return joined.mutate(
        platform=joined.platform.fill_null(joined.ad_platform),
        account_id=joined.account_id.fill_null(NO_PLATFORM),
        campaign_key=joined.campaign_key.fill_null(
            has_id.ifelse(joined.campaign_id, joined.campaign)
        ),
        matched_by=joined.matched.fill_null(has_click.ifelse("click_id", "nothing")),
    ).select(*CampaignTags.columns)


def _translated(tags: ir.Table, rules: Sequence[CampaignTag]) -> ir.Table:
    """Add what the campaign of a tag is called at its platform, as an id and as a name."""
    of_rules = [
        (
            ((tags.campaign == rule.tag) | (tags.campaign_id == rule.tag))
            & (tags.ad_platform.isin([NO_PLATFORM, rule.platform]) if rule.platform else ~NO),
            rule.campaign,
        )
        for rule in rules
    ]
    nothing = ibis.null("string")
    called = ibis.cases(*of_rules, else_=nothing) if of_rules else nothing
    has_id, has_name = tags.campaign_id != NO_CAMPAIGN, tags.campaign != NOT_SET
    return tags.mutate(
        wanted_id=ibis.coalesce(called, has_id.ifelse(tags.campaign_id, nothing)),
        wanted_name=ibis.coalesce(called, has_name.ifelse(tags.campaign, nothing)).lower(),
    )


def _meeting(tags: ir.Table, spend: ir.Table, wanted: ir.StringValue, place: int) -> ir.Table:
    """Return tags with the campaign of the spend that they want, where it is one alone."""
    wanted = tags[wanted.get_name()]
    campaigns = spend.select(*CAMPAIGN, "is_called").distinct()
    # A shop may write a platform otherwise than click ids say it.
    is_same = (tags.ad_platform == campaigns.platform) | campaigns.platform.notin(AD_PLATFORMS)
    joined = tags.join(
        campaigns, [wanted == campaigns.is_called, (tags.ad_platform == NO_PLATFORM) | is_same]
    )
    met = joined.group_by(*TAG).agg(
        campaign_count=joined.count(), **{name: joined[name].max() for name in CAMPAIGN}
    )
    met = met.filter(met.campaign_count == 1)
    return met.select(*TAG, *CAMPAIGN, place=ibis.literal(place, "int64"))


def ad_campaigns(spend: ir.Table, tags: ir.Table, campaign_rule: CampaignRule) -> ir.Table:
    """Return rows of `AdCampaigns`, from all rows of `AdSpendDaily` and `CampaignTags`."""
    span = spend.group_by(*CAMPAIGN).agg(
        first_spend_date=spend.spend_date.min(), last_spend_date=spend.spend_date.max()
    )
    newest = first_of_each(spend, CAMPAIGN, [spend.spend_date.desc()])
    newest = newest.select(
        *CAMPAIGN, campaign_name=newest.campaign_name.fill_null(newest.campaign_key)
    )
    spent = newest.join(span, list(CAMPAIGN))
    by_channel = tags.group_by(*CAMPAIGN, "channel").agg(session_count=tags.session_count.sum())
    most = [by_channel.session_count.desc(), by_channel.channel]
    visited = first_of_each(by_channel, CAMPAIGN, most)
    visited = visited.select("channel", **{f"visited_{name}": visited[name] for name in CAMPAIGN})
    pairs = spent.outer_join(
        visited, [spent[name] == visited[f"visited_{name}"] for name in CAMPAIGN]
    )
    rows = pairs.select(
        "first_spend_date",
        "last_spend_date",
        **{name: pairs[name].fill_null(pairs[f"visited_{name}"]) for name in CAMPAIGN},
        campaign_name=pairs.campaign_name.fill_null(pairs.visited_campaign_key),
        channel=pairs.channel.fill_null(NO_CHANNEL),
    )
    is_brand = rows.campaign_name.lower().re_search(campaign_rule.brand)
    return rows.mutate(is_brand=is_brand).select(*AdCampaigns.columns)
