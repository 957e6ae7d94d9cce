"""Whole answers about visitor segments, from the small shop's files:
everybody is looked at on every day.
"""

from datetime import date, timedelta

from ecom_assets_tests.interfaces.api.plain_shop import PlainShop, Row, Span

BUYERS_DAYS, SLEEPING_DAYS = 7, 5
NAMES = ("buyers", "sleeping")


def members(shop: PlainShop, name: str, day: date) -> set[str]:
    """Return who is in a segment of `shop_files.SEGMENTS` at the end of a day."""
    until = [event for event in shop.events if event["at"].date() <= day]
    buys = [row for row in until if row["event_type"] == "purchase"]
    if name == "buyers":
        return {
            buy["user_id"] for buy in buys if buy["at"].date() > day - timedelta(days=BUYERS_DAYS)
        }
    seen = {
        row["user_id"] for row in until if row["at"].date() > day - timedelta(days=SLEEPING_DAYS)
    }
    return {buy["user_id"] for buy in buys} - seen


def visitor_segments(shop: PlainShop, span: Span) -> Row:
    """`/analytics/visitor-segments`."""
    days = segment_days(shop, span)["days"]
    segments = []
    for name in NAMES:
        own = [day for day in days if day["segment"] == name]
        at_end = [row["visitor_count"] for row in own if row["as_of_date"] == str(span.last)]
        moves = {
            key: sum(row[key] for row in own) if own else None
            for key in ("entered_count", "left_count")
        }
        segments.append({"segment": name, "visitor_count": at_end[0] if at_end else None, **moves})
    return {"total_count": len(NAMES), "segments": segments}


def segment_days(shop: PlainShop, span: Span, segment: str | None = None, limit: int = 1000) -> Row:
    """`/analytics/visitor-segments/daily`."""
    first = min(event["at"].date() for event in shop.events)
    known_span = span.within(Span(first, shop.newest))
    rows = [
        _day(shop, name, day)
        for day in (known_span.days if known_span else ())
        for name in NAMES
        if segment in {None, name}
    ]
    return {"segment": segment, "total_count": len(rows), "days": rows[:limit]}


def _day(shop: PlainShop, name: str, day: date) -> Row:
    now, before = members(shop, name, day), members(shop, name, day - timedelta(days=1))
    return {
        "as_of_date": str(day),
        "segment": name,
        "visitor_count": len(now),
        "entered_count": len(now - before),
        "left_count": len(before - now),
    }
