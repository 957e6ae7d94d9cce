"""The measures of engagement: visits, how many of them were engaged, and visitors."""

from ecom_assets.behaviour.events.recorded import PURCHASES, VIEWS
from ecom_assets.core.tables.contract import Aggregate, Ratio, count, per_unit, rate, seconds


class SessionMeasures:
    """What a day's visits were like, counted from sessions by the day on which they started.

    What needs views or purchases is null where events record none, as an order report's activities.
    """

    session_count = count(
        "How many visits began", "Sessions", Aggregate(), unit="sessions", example=10999
    )
    engaged_session_count = count(
        "Visits that lasted longer than 10 seconds, saw two pages or more, or did something that "
        "counts",
        "Engaged",
        Aggregate(where={"is_engaged": True}, needs_all=True),
        nullable=True,
        needs=(VIEWS,),
        unit="sessions",
        example=7204,
    )
    single_page_session_count = count(
        "Visits that saw one page at most",
        "Saw one page at most",
        Aggregate(where={"is_single_page": True}, needs_all=True),
        nullable=True,
        needs=(VIEWS,),
        unit="sessions",
        better="down",
        example=2981,
    )
    purchase_session_count = count(
        "Visits in which something was bought",
        "With a purchase",
        Aggregate(where={"has_purchase": True}, needs_all=True),
        nullable=True,
        needs=(PURCHASES,),
        unit="sessions",
        example=311,
    )
    bot_session_count = count(
        "Visits of robots",
        "Of robots",
        Aggregate(where={"is_bot": True}),
        unit="sessions",
        better=None,
        example=14,
    )
    engagement_rate = rate(
        "The share of visits that were engaged",
        "Engagement rate",
        Ratio("engaged_session_count", "session_count"),
        nullable=True,
        example=0.655,
    )
    bounce_rate = rate(
        "The share of visits that were not engaged, as GA4 counts it",
        "Bounce rate",
        Ratio("engaged_session_count", "session_count", is_rest=True),
        nullable=True,
        better="down",
        example=0.345,
    )
    single_page_rate = rate(
        "The share of visits that saw one page at most",
        "Share that saw one page at most",
        Ratio("single_page_session_count", "session_count"),
        nullable=True,
        better="down",
        example=0.271,
    )
    session_conversion_rate = rate(
        "The share of visits in which something was bought",
        "Sessions with a purchase",
        Ratio("purchase_session_count", "session_count"),
        nullable=True,
        example=0.028,
    )
    pages_per_session = per_unit(
        "Views of pages, products and categories divided by visits",
        "Pages per session",
        needs=(VIEWS,),
        unit="views per session",
        at_least=0,
        example=3.1,
    )
    mean_duration_s = seconds(
        "The mean time from a visit's first event to its last",
        "Mean length",
        nullable=True,
        example=184.2,
    )
    median_duration_s = seconds(
        "The time from first to last event that half of the visits exceed",
        "Median length",
        nullable=True,
        example=94.0,
    )
    daily_visitor_count = count(
        "Visitors of the day",
        "Visitors of the day",
        unit="visitors",
        is_additive=False,
        example=351,
    )
    weekly_visitor_count = count(
        "Visitors of the 7 days that end with the day",
        "Visitors of 7 days",
        unit="visitors",
        is_additive=False,
        example=2104,
    )
    monthly_visitor_count = count(
        "Visitors of the 30 days that end with the day",
        "Visitors of 30 days",
        unit="visitors",
        is_additive=False,
        example=8269,
    )
    stickiness_rate = rate(
        "Visitors of the day divided by those of the 30 days that end with it",
        "Stickiness",
        Ratio("daily_visitor_count", "monthly_visitor_count"),
        nullable=True,
        example=0.042,
    )
