"""Contracts of events: as received, quarantined, surplus and clean."""

from ecom_assets.core.tables.contract import (
    DEVICE,
    SESSION,
    PersonColumns,
    Table,
    count,
    day,
    flag,
    instant,
    received_amount,
    text,
)
from ecom_assets.core.tables.received import RefusedMoney, RowCounts

EVENT_TYPES = (
    "page_view",
    "product_view",
    "category_view",
    "search",
    "add_to_cart",
    "remove_from_cart",
    "checkout_start",
    "purchase",
    "refund",
)
"""The event types with a meaning for the platform's own numbers.

Every other well-formed type counts as an event, too.
"""
VIEW_TYPES = ("page_view", "product_view", "category_view")
"""The event types that are views of a page."""
IDENTITY_TYPES = ("identify", "alias")
"""The event types that say who somebody is."""
JOINED_BY = (
    "user",
    "last_user_of_visit",
    "next_user_of_visit",
    "last_user",
    "next_user",
    "only_user",
    "first_user",
    "session_user",
    "device",
    "source_session",
)
"""The user itself, or the step of the identity rule by which an event got its visitor."""
REJECT_REASONS = (
    "malformed_row",
    "implausible_date",
    "missing_event_id",
    "unparseable_timestamp",
    "future_timestamp",
    "without_consent",
    "missing_identity",
    "malformed_event_type",
    "unknown_event_type",
    "too_late",
)
"""Why a row can be quarantined; a row carries the first that applies, in this order."""


CAMPAIGN_SCOPES = ("event", "session", "inherited", "user")
"""What a source of events says a campaign of: this event, the visit that the event is in, an
earlier click that it still counts for this visit, or the first visit of the visitor.
"""


class CampaignFields:
    """Where somebody came from, as the source keeps it in fields of its own.

    Source, medium and name are from one place of the source, never one from each.
    """

    campaign_source = text(
        "The source that the source of the events names, as it spells it",
        "Source, as received",
        nullable=True,
    )
    campaign_medium = text("Its medium", "Medium, as received", nullable=True)
    campaign_name = text("Its campaign", "Campaign, as received", nullable=True)
    campaign_id = text("The id of the campaign", "Campaign's id, as received", nullable=True)
    click_id = text(
        "The click id of an advertising platform with its parameter, such as `gclid=Cj0KCQ`",
        "Click id, as received",
        nullable=True,
    )
    campaign_scope = text(
        "What the campaign is of: this `event`, its `session`, an earlier click (`inherited`), or "
        "the first visit of the `user`; null, and any other word, as `event`",
        "What the campaign is of",
        nullable=True,
    )


CAMPAIGN = tuple(name for name in vars(CampaignFields) if not name.startswith("_"))
"""The columns of `CampaignFields`."""


class ReceivedEvent(CampaignFields, Table, abstract=True):
    """What every received event carries: text as it came, and the values that were read from it."""

    layer = "raw"

    event_id = text(
        "The source's id of the event, or a stable hash where it has none", nullable=True
    )
    user_id = text("The shop's id of a known user", nullable=True, pii=True)
    event_type = text(
        "What happened, by the platform's name where the mapping translates it", nullable=True
    )
    event_timestamp = text("When it happened, as received", nullable=True)
    product_id = text("The product concerned", nullable=True)
    product_category = text("The product's category, as received", nullable=True)
    session_id = text("The source's own session id", nullable=True, pii=True)
    page_url = text("The page on which it happened, with its UTM parameters", nullable=True)
    referrer_url = text("The page that led there", "Address of the page before", nullable=True)
    cart_value = text("The money that the event carries, as received", nullable=True)
    anonymous_id = text("A device or cookie id", nullable=True, pii=True)
    user_agent = text("The browser's description of itself", nullable=True, pii=True)
    properties = text("Further values, as JSON text", nullable=True)
    sent_by = text(
        "Who sent the event: `key:` and the id of a key, `topic:` and the name of a topic, with "
        "`public-` before it where anybody may have the key; null for files that do not say it",
        nullable=True,
    )
    event_at = instant("When it happened; null if the text could not be read", nullable=True)
    event_date = day("The day of event_at; null if that is", nullable=True)
    cart_amount = received_amount(
        "The number in cart_value, cut to what fits; null if there is none or it could not be read",
        nullable=True,
    )
    unrated_currency = text(
        "The currency of cart_value, where there is no rate for it, so that cart_amount is not "
        "known",
        nullable=True,
    )
    received_at = instant("When the event arrived, where the source says so", nullable=True)
    received_date = day("The day on which the event arrived")
    source = text("Where the event came from: `sandbox`, or the path or URL that was read")
    source_file = text("The file within the source")
    malformed_row = text(
        "The whole line, where it could not be split into columns", nullable=True, pii=True
    )


class RawEvents(ReceivedEvent):
    """One row per event received, exactly as it came, duplicates and broken rows included."""

    name = "events"
    day_column = "received_date"
    person = PersonColumns("user_id", {"session_id": SESSION, "anonymous_id": DEVICE})


class QuarantinedEvents(ReceivedEvent):
    """One row per received row that is not a clean event, with the first reason that applies."""

    layer = "staging"
    day_column = "accounted_date"

    accounted_date = day(
        "The day that the row counts for: its own where it may, else the day it arrived"
    )
    reject_reason = text("Why it is not a clean event", one_of=REJECT_REASONS)


class DuplicateEvents(Table):
    """One row per day and event whose id several rows have: copies, or different events.

    So has a purchase that repeats another one of the same order, with all of its rows surplus. Rows
    of one id that agree in who, what and amount, and name no two orders, are copies of one event,
    of which one stays. The others are different events; then each has a row, with the hash of its
    content.
    """

    layer = "staging"
    key = ("event_date", "event_id")
    day_column = "event_date"

    event_date = day("The day on which the rows say the event happened")
    event_id = text(
        "The id that clean events have: as received, or, if another event of this id arrived "
        "first, followed by `~` and content_hash"
    )
    source_event_id = text(
        "The id as received, if events that disagree have it; else null", nullable=True
    )
    content_hash = text(
        "A hash of who, what and amount, if events that disagree have the id; of the order, too, "
        "where that alone differs; else null",
        nullable=True,
    )
    surplus_count = count("Copies left out of the clean events of this day", unit="rows")
    has_kept_copy = flag(
        "Whether a copy of this very day stays; if not, one of another day did, or another "
        "purchase of the same order"
    )
    first_received_date = day("When the first copy of this day arrived")
    last_received_date = day("When the last copy of this day arrived")


class KeptEventIds(Table):
    """One row per day and event whose id keeps its hash.

    No other event has the id any more.

    An erasure notes it of events whose id an erased event had, too: an event that tools know by one
    id is never sent again under another.
    """

    layer = "raw"
    written_by = "run"
    key = ("event_date", "event_id", "content_hash")
    day_column = "event_date"

    event_date = day("The day on which the event happened")
    event_id = text("The id as received")
    content_hash = text("The hash of who, what and amount that follows the event's id")


class EventAccountingDaily(RowCounts, Table):
    """One row per day with received events: how many rows came, and what became of them."""

    layer = "mart"
    key = ("accounted_date",)
    day_column = "accounted_date"

    accounted_date = day(
        "The day that the rows count for: their own where it may, else the day they arrived"
    )


class QuarantinedEventSamples(RefusedMoney, QuarantinedEvents):
    """One row per day, reject reason and each of the first five rows quarantined for it."""

    layer = "mart"
    key = ("accounted_date", "reject_reason", "sample_number")

    sample_number = count("Place among the rows of the day and reason, from 1", unit="place")
    row_count = count("Rows of the day that were quarantined for this reason", unit="rows")


class CleanEvents(CampaignFields, Table):
    """One row per clean event, each event once.

    It has an id, a well-formed type, a readable time and a visitor.
    """

    layer = "staging"
    name = "events"
    key = ("event_date", "event_id")
    day_column = "event_date"

    event_id = text(
        "The event's id, followed by `~` and a hash if another event of this id arrived first; "
        "unique unless the source gives it again after more than ECOM_LATE_DAYS + 1 days"
    )
    event_at = instant("When it happened")
    event_date = day("The day on which it happened")
    visitor_id = text(
        "Who did it, by the identity rule: a user (`user-` before an id that begins with "
        "`anon-`), else `anon-` and the device or source session",
        pii=True,
    )
    joined_by = text(
        "The step of the identity rule that found the visitor", nullable=True, one_of=JOINED_BY
    )
    session_device_id = text(
        "The device, or else the source session, on which sessions are cut; empty where "
        "there is neither, or where the identity rule knows no devices",
        pii=True,
    )
    event_type = text("What happened")
    user_id = text("The user that the event itself carries", nullable=True, pii=True)
    device_id = text("The device or cookie id", nullable=True, pii=True)
    source_session_id = text("The source's own session id", nullable=True, pii=True)
    product_id = text("The product concerned", nullable=True)
    product_category = text("The product's category", nullable=True)
    page_url = text("The page on which it happened", "Page address", nullable=True)
    referrer_url = text("The page that led there", nullable=True)
    cart_amount = received_amount(
        "The money that the event carries; below zero only of a purchase or of a type of the shop "
        "itself",
        nullable=True,
    )
    user_agent = text("The browser's description of itself", nullable=True, pii=True)
    properties = text("Further values, as JSON text", nullable=True)
    is_bot = flag("Whether the user agent calls itself a robot; such events stay, flagged", "Robot")
    received_date = day("The day on which the event arrived")
    source_file = text("The file in which it came")
    sent_by = text(
        "Who sent it, as in raw.events; null for files that do not say it", nullable=True
    )
