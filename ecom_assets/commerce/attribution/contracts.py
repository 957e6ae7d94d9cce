"""Contracts of attribution: session sources, touches, conversions, removal effects,
and the credit of channels.
"""

from ecom_assets.behaviour.events.contracts import CAMPAIGN, CleanEvents
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.core.tables.contract import (
    Column,
    Table,
    amount,
    count,
    day,
    flag,
    instant,
    rate,
    text,
)

ADDRESS = ("page_url", "referrer_url", *CAMPAIGN)
"""The columns of events that say where a visit came from."""
DIRECT_CHANNEL = "Direct"
UNKNOWN_CHANNEL = "(unknown)"
"""Of a visit whose events do not say where it came from: an order report's activities."""
CHANNELS = (
    DIRECT_CHANNEL,
    "Cross-network",
    "Paid Shopping",
    "Paid Search",
    "Paid Social",
    "Paid Video",
    "Display",
    "Paid Other",
    "Organic Shopping",
    "Organic Social",
    "Organic Video",
    "Organic Search",
    "AI Assistant",
    "Referral",
    "Email",
    "Affiliates",
    "Audio",
    "SMS",
    "Mobile Push Notifications",
    "Unassigned",
    UNKNOWN_CHANNEL,
)
"""GA4's default channel group in the order of its rules; AI Assistant,
ours and off by default; and not known.
"""
WITHOUT_SOURCE = (DIRECT_CHANNEL, UNKNOWN_CHANNEL)
"""The channels of visits without a source."""
CREDIT = "decimal(18, 9)"
"""The type of parts of conversions."""
AD_CLICKS = {
    "google_ads": ("gclid", "gbraid", "wbraid"),
    "microsoft_ads": ("msclkid",),
    "meta": ("fbclid",),
    "tiktok": ("ttclid",),
}
"""The advertising platforms whose click ids are known, with the parameters that have these."""
AD_PLATFORMS = tuple(AD_CLICKS)
NO_CHANNEL = "(none)"
"""Stands for a conversion without a touch."""
MODELS = {
    "first": "First touch",
    "last": "Last touch",
    "last_non_direct": "Last non-direct",
    "linear": "Linear",
    "position": "Position (40/20/40)",
    "j": "J shape",
    "time_decay": "Time decay",
    "markov": "Markov",
}
"""The models, and what people call them."""
UNITS = ("purchase", "order")
KINDS = ("purchase", "refund")
"""Of an order and of its event: sold, or paid back."""
MATCHED_BY = ("order_id", "customer_amount", "customer_time")
"""How an order and its event were matched."""


class _Sourced(Table, abstract=True):
    """Where a visit came from."""

    layer = "mart"

    visitor_id = text("Who", pii=True)
    source = text(
        "GA4's source: from the page's parameters, else the referrer's engine or host, else "
        "`(direct)`; `(unknown)` as for the channel"
    )
    medium = text(
        "GA4's medium: from the page's parameters, else organic or referral, else `(none)`; "
        "`(unknown)` as for the channel"
    )
    campaign = text(
        "GA4's campaign, in lower case; `(not set)` without one, `(unknown)` as for the channel"
    )
    channel = text(
        "GA4's default channel group; `(unknown)` where events cannot say where a visit came from, "
        "as an order report's activities",
        one_of=CHANNELS,
    )
    source_lists_version = text("Version of the lists of sites that gave the channel")
    campaign_id = text(
        "The advertising platform's id of the campaign: `utm_id`, else a `utm_campaign` of digits",
        nullable=True,
        chooses_rows=True,
    )
    ad_platform = text(
        "The advertising platform whose click id the page has",
        nullable=True,
        one_of=AD_PLATFORMS,
        chooses_rows=True,
    )


class SessionSources(_Sourced):
    """One row per visit and day with an event that shows where the visitor came from: the first
    such event; without one, the first with a click id or the id of a campaign.
    """

    key = ("event_date", "visitor_id", "session_device_id", "fragment_started_at")
    day_column = "event_date"

    event_date = day("The day")
    session_device_id = text(
        "The device, or source session in its place, as in mart.session_events", pii=True
    )
    fragment_started_at = instant(
        "Start of the run of events, cut at midnight, as in mart.session_events"
    )
    event_at = instant("When the event happened")
    event_id = text("The event")


class Touches(_Sourced):
    """One row per session in which more happened than refunds,
    with the channel that its first sourced event gives.
    """

    key = ("session_id",)
    day_column = "started_date"

    session_id = text("The session, see mart.sessions", pii=True)
    started_at = instant("First event of the session")
    started_date = day("The day of that")
    is_bot = flag("Whether a robot's user agent, or a robot's pace, was seen")


class SessionColumns(Table, abstract=True):
    """What questions about events may name of the session that an event is in."""

    channel = text(
        "GA4's default channel group of the session", "Channel of the session", one_of=CHANNELS
    )
    source = text("GA4's source of the session", "Source of the session")
    medium = text("GA4's medium of the session", "Medium of the session")
    campaign = text("GA4's campaign of the session, in lower case", "Campaign of the session")
    first_channel = text(
        "Channel of the visitor's first session in all data",
        "Channel of the visitor's first session",
        one_of=CHANNELS,
    )
    visitor_type = text(
        "`new` in the visitor's first session in all data, `returning` in later ones",
        "New or returning visitor",
        one_of=("new", "returning"),
    )
    landing_page = text(
        "First page of the session, without query, or the pattern of ECOM_LANDING_PAGES that it "
        "matches; (none) of a session that begins without a page",
        "Landing page of the session",
    )
    first_category = text(
        "Category of the visitor's first purchase event with a product; (none) without one",
        "Category first bought",
    )
    first_product = text(
        "Product of the visitor's first purchase event with a product; (none) without one",
        "Product first bought",
    )


class OrderVisits(Table):
    """One row per order, or refund, whose purchase, or refund, event is known: the visit in which
    it happened.
    """

    layer = "mart"
    key = ("order_date", "kind", "order_id")
    day_column = "order_date"

    order_date = day("The day of the order, or of the refund")
    kind = text("Whether something was sold, or paid back", one_of=KINDS)
    order_id = text("The order", "Order", pii=True)
    customer_id = text("Whose order it is", "Customer", pii=True)
    event_date = day("The day of the event, at most one from that of the order")
    event_id = text("The event")
    session_id = text(
        "The visit, see mart.sessions; null where the event is in none", nullable=True, pii=True
    )
    visitor_id = text("Whose visit it is, see staging.events", "Visitor", pii=True)
    matched_by = text(
        "How order and event were matched: by the order that the event names, by customer and "
        "amount, or by customer and time",
        one_of=MATCHED_BY,
    )
    sent_by = text("Who sent the event, see staging.events", nullable=True)
    product_id = text(
        "The product that the event names; null in rows from before this was kept", nullable=True
    )
    equal_sums = Column(
        "int64",
        "Which sums of the order's parts the event's amount equals, added up: 1 for the items, 2, "
        "4, 8 and 16 for these with taxes, shipping, a tip or before discounts, and so on; null in "
        "rows from before this was kept",
        nullable=True,
    )


class _OfConversion(Table, abstract=True):
    """What credit is given for: a purchase or refund event,
    or an order or refund of order lines.
    """

    layer = "mart"
    day_column = "converted_date"

    converted_date = day("The day of the purchase, or of the refund")
    unit = text("`purchase`: an event; `order`: the lines of one order", one_of=UNITS)
    conversion_id = text("The event, or the order", pii=True)
    visitor_id = text(
        "Whose visits count for it: who made the purchase event; of an order, the visitor of its "
        "event, else its customer",
        pii=True,
    )
    customer_id = text(
        "Who bought: the customer of an order, else the visitor; null in rows from before this was "
        "kept, where it is the visitor",
        nullable=True,
        pii=True,
    )
    is_refund = flag(
        "Whether money was paid back; such a row takes back revenue, and no conversion"
    )


class Conversions(_OfConversion):
    """One row per purchase or refund event, and per order or refund of order lines:
    what credit is given for.
    """

    key = ("converted_date", "unit", "conversion_id", "visitor_id", "is_refund")

    converted_at = instant("When")
    revenue_amount = amount(
        "What was paid; negative for a refund, null where an event has no amount", nullable=True
    )
    is_renewal = flag(
        "Whether a line says that a subscription made the order by itself; null in rows from "
        "before this was kept",
        nullable=True,
        chooses_rows=False,
    )


def _credited(how: str) -> tuple[Column, Column]:
    """Return the columns of a channel's part of a conversion, and of its revenue, by a model."""
    part = Column(
        CREDIT,
        f"Its part of the conversion {how}; 0 of a refund",
        "conversions",
        at_least=0,
        at_most=1,
    )
    return part, amount(f"Its part of the revenue {how}; negative of a refund")


class ModelCredit:
    """What each model that shares touches gives of a conversion, and by which rule."""

    first_credit, first_revenue_amount = _credited("if the first touch gets all")
    last_credit, last_revenue_amount = _credited("if the last touch gets all")
    last_non_direct_credit, last_non_direct_revenue_amount = _credited(
        "if the last touch that is not direct gets all"
    )
    linear_credit, linear_revenue_amount = _credited("if all touches get the same")
    position_credit, position_revenue_amount = _credited(
        "if the first and the last touch get 40 % each"
    )
    j_credit, j_revenue_amount = _credited("if the first touch gets 20 % and the last 60 %")
    time_decay_credit, time_decay_revenue_amount = _credited("if later touches get more")
    definition_hash = text("Which rule of attribution the row follows; it differs if the rule does")


class ConversionCredit(ModelCredit, _OfConversion):
    """One row per conversion or refund and channel of its touches:
    what each model that shares touches gives it.
    """

    key = (*Conversions.key, "channel")

    channel = text(
        "The channel; `(none)` for a conversion without a touch", one_of=(*CHANNELS, NO_CHANNEL)
    )
    bought_date = day(
        "The day of the purchase, also of a refund; null of a refund whose purchase is not known",
        nullable=True,
    )


class ChannelRemovalEffects(Table):
    """One row per day, unit and channel: how many conversions would be lost without the channel,
    by a Markov chain.
    """

    layer = "mart"
    key = ("converted_date", "unit", "channel")
    day_column = "converted_date"

    converted_date = day("The last day of the paths in the chain")
    unit = text("What is counted as a conversion", one_of=UNITS)
    channel = text("The channel", one_of=CHANNELS)
    removal_effect_rate = rate("Share of conversions that would be lost without it")
    credit_share = Column(
        CREDIT,
        "Its part of all channels' effects; adds up to 1 exactly",
        "share",
        at_least=0,
        at_most=1,
    )
    rank_number = count("Its place by that share, from 1", unit="place")


class ChannelAttribution(Table):
    """One row per day of conversion, unit,
    model and channel that the model credits with any of that day.
    """

    layer = "mart"
    key = ("converted_date", "unit", "model", "channel")
    day_column = "converted_date"
    counted_from = (CleanEvents, UserOrderLog)

    converted_date = day("The day of the purchases, and of the refunds")
    unit = text("What is counted as a conversion", one_of=UNITS, example="order")
    model = text("How credit is shared among touches", one_of=tuple(MODELS))
    channel = text(
        "The channel; `(none)` for conversions without a touch",
        "Channel",
        one_of=(*CHANNELS, NO_CHANNEL),
        example="Organic Search",
    )
    credit = Column(
        CREDIT,
        "Conversions credited; over channels they add up to the conversions",
        "conversions",
        at_least=0,
    )
    revenue_amount = amount(
        "Revenue credited, net of refunds; over channels it adds up to the revenue of the day, to "
        "which a conversion without an amount adds nothing",
        "Revenue",
        example="6938.00",
    )


class FirstTouches(Table):
    """One row per visitor and day: the first event of the day,
    with the data that show how they came.

    None of events that cannot say it, as an order report's activities.
    """

    layer = "mart"
    key = ("event_date", "visitor_id")
    day_column = "event_date"

    event_date = day("The day")
    visitor_id = text("Who", pii=True)
    event_at = instant("When the first event of the day happened")
    event_id = text("That event")
    page_url = text("Its page, with its UTM parameters", nullable=True)
    referrer_url = text("The page that led there", nullable=True)
    user_agent = text("The browser's or app's description of itself", nullable=True, pii=True)
    acquisition_channel = text(
        "By campaign, referrer and browser of that event",
        one_of=("website", "mobile_app", "email_campaign"),
    )
    default_channel_group = text("GA4's channel of that event, Direct where it has no source")
    source_lists_version = text("Version of the lists of sites that gave it")
