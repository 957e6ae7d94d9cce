"""Contract of daily engagement. Not here: the sessions that it is made of."""

from ecom_assets.contracts.events import CleanEvents
from ecom_assets.contracts.table import Column, Table, count, day, rate, seconds


class EngagementDaily(Table):
    """One row per day on which anybody came: visitors, sessions, engagement, time spent, and stickiness."""

    layer = "mart"
    group = "behaviour"
    key = ("event_date",)
    day_column = "event_date"
    counted_from = (CleanEvents,)

    event_date = day("The day")
    session_count = count("Sessions that started on the day", unit="sessions")
    engaged_session_count = count("Of these, engaged ones", unit="sessions")
    single_page_session_count = count("Of these, with at most one view", unit="sessions")
    bot_session_count = count("Of these, flagged as robots'", unit="sessions")
    engagement_rate = rate("Engaged sessions among sessions", nullable=True)
    bounce_rate = rate("1 minus engagement_rate, as GA4 has it", nullable=True)
    single_page_rate = rate("Sessions of at most one view among sessions", nullable=True)
    pages_per_session = Column("float64", "Views per session", unit="views per session", nullable=True, at_least=0)
    mean_duration_s = seconds("Mean of the sessions' durations", nullable=True)
    median_duration_s = seconds("Median of the sessions' durations", nullable=True)
    daily_visitor_count = count("Visitors of the day (DAU)", unit="visitors")
    weekly_visitor_count = count("Visitors of the 7 days that end with the day (WAU)", unit="visitors")
    monthly_visitor_count = count("Visitors of the 30 days that end with the day (MAU)", unit="visitors")
    stickiness_rate = rate("DAU among MAU", nullable=True)
