"""Contracts of sessions: their events, their fragments by day, whole sessions, and engagement."""

from ecom_assets.behaviour.events.contracts import CAMPAIGN, CampaignFields, CleanEvents
from ecom_assets.behaviour.sessions.measures import SessionMeasures
from ecom_assets.core.tables.contract import (
    Table,
    amount,
    count,
    day,
    flag,
    instant,
    received_amount,
    seconds,
    text,
)

CUT_BY = ("page_url", *CAMPAIGN)
"""The columns of events that say a campaign, which can end a session."""
SESSION_DEVICE = "The device, or source session in its place, on which; empty if none is known"


class SessionEvents(CampaignFields, Table):
    """One row per clean event, with its run of events and its number in that run."""

    layer = "mart"
    key = ("event_date", "event_id")
    day_column = "event_date"

    event_date = day("The day on which the event happened")
    visitor_id = text("Who", pii=True)
    session_device_id = text(SESSION_DEVICE, pii=True)
    fragment_started_at = instant(
        "Start of the run of events, cut at midnight, that the event belongs to"
    )
    event_number = count("Place in that run, from 1, by time and then event id", unit="place")
    event_at = instant("When the event happened")
    event_id = text("The event")
    event_type = text("What happened")
    product_id = text("The product concerned", nullable=True)
    product_category = text("The product's category", nullable=True)
    page_url = text("The page", nullable=True)
    cart_amount = received_amount("The money that the event carries", nullable=True)
    search_term = text(
        "What was searched, as its properties or address carry it, encoded as it is", nullable=True
    )
    search_result_count = count(
        "How many results the search says it found, in its properties; null if it does not",
        unit="results",
        nullable=True,
    )
    until_next_s = seconds(
        "Time to the next event of the run; unknown for the last, never zero", nullable=True
    )
    is_bot = flag("Whether the user agent calls itself a robot")


class _Behaviour(Table, abstract=True):
    """What is added up over events, for a fragment of a session and for the whole of it alike."""

    layer = "mart"

    visitor_id = text("Who", pii=True)
    session_device_id = text(SESSION_DEVICE, pii=True)
    started_at = instant("First event")
    ended_at = instant("Last event")
    event_count = count("Events")
    view_count = count("Views of pages, products and categories")
    page_view_count = count("Events of type page_view")
    product_view_count = count("Events of type product_view")
    category_view_count = count("Events of type category_view")
    search_count = count("Events of type search")
    add_to_cart_count = count("Events of type add_to_cart")
    remove_from_cart_count = count("Events of type remove_from_cart")
    checkout_start_count = count("Events of type checkout_start")
    purchase_count = count("Events of type purchase")
    refund_count = count("Events of type refund")
    key_event_count = count("Events of the types that count as key events")
    purchase_amount = amount("What the purchases in it come to")
    entry_page_url = text("Page of the first event", nullable=True)
    exit_page_url = text("Page of the last event", nullable=True)
    first_product_category = text("First category that an event carries", nullable=True)
    is_bot = flag("Whether a robot's user agent, or a robot's pace, was seen")


class SessionDays(_Behaviour):
    """One row per visit and day: sessions cut at midnight.

    So a day needs only its own events.
    """

    key = ("visitor_id", "session_device_id", "started_at")
    day_column = "event_date"

    event_date = day("The day")
    is_near_previous_midnight = flag(
        "Whether it begins so early that it may continue a session of the day before"
    )
    is_near_next_midnight = flag("Whether it ends so late that a session may go on the day after")


class Sessions(_Behaviour):
    """One row per session: a visitor's events on one device without a gap over the idle timeout.

    It belongs to the day on which it started.
    """

    key = ("session_id",)
    day_column = "started_date"

    session_id = text(
        "Visitor and start in epoch seconds, as GA4 numbers them; `-2` and so on where several "
        "start in one second",
        pii=True,
    )
    started_date = day("The day on which it started")
    ended_date = day("The day on which it ended")
    duration_s = seconds("Last event minus first event")
    is_engaged = flag("GA4: longer than 10 s, or with a key event, or with two or more views")
    is_single_page = flag("At most one view: the older notion of a bounce")
    has_purchase = flag("Whether something was bought in it")


class EngagementDaily(SessionMeasures, Table):
    """One row per day on which anybody came: visitors, sessions, engagement, stickiness."""

    layer = "mart"
    key = ("event_date",)
    day_column = "event_date"
    counted_from = (CleanEvents,)

    event_date = day("The day", "Day")
