"""Contracts of visitor segments: who was in which segment from when to when,
and how many on each day.
"""

from ecom_assets.core.tables.contract import Table, count, day, flag, text


class VisitorSegments(Table):
    """One row per declared segment, visitor and stay in it:
    a visitor who leaves and returns has two.

    Recomputed from all events in each run, since definitions change. Empty without
    ECOM_VISITOR_SEGMENTS.
    """

    layer = "mart"
    key = ("segment", "visitor_id", "entered_date")

    segment = text("The name that ECOM_VISITOR_SEGMENTS gives it")
    visitor_id = text("Who", pii=True)
    entered_date = day("The first day at whose end the visitor is in it")
    left_date = day(
        "The first later day at whose end not any more; null while the visitor is in it",
        nullable=True,
    )
    is_current = flag("Whether the visitor is in it at the end of as_of_date")
    as_of_date = day("The newest day with an event")


class VisitorSegmentsDaily(Table):
    """One row per declared segment and day, from the first day with an event to the newest.

    Recomputed from all events in each run, since definitions change. Empty without
    ECOM_VISITOR_SEGMENTS.
    """

    layer = "mart"
    key = ("segment", "as_of_date")

    segment = text("The name that ECOM_VISITOR_SEGMENTS gives it", example="loyal")
    as_of_date = day("The day, at whose end visitors are counted")
    visitor_count = count("Visitors who are in it", unit="visitors", example=412)
    entered_count = count(
        "Of these, those who were not in it the day before", unit="visitors", example=4
    )
    left_count = count(
        "Those who were in it the day before, and are not any more", unit="visitors", example=2
    )
