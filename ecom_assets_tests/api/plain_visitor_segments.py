"""Whole answers about visitor segments, from the small shop's files: everybody is looked at on every day."""

from datetime import date, timedelta

from ecom_assets_tests.api.plain_shop import PlainShop, Row, Span

BUYERS_DAYS, SLEEPING_DAYS = 7, 5
NAMES = ("buyers", "sleeping")


def members(shop: PlainShop, name: str, day: date) -> set[str]:
    """Return who is in a segment of `shop_files.SEGMENTS` at the end of a day."""
    until = [one for one in shop.events if one["at"].date() <= day]
    buys = [one for one in until if one["event_type"] == "purchase"]
    if name == "buyers":
        return {one["user_id"] for one in buys if one["at"].date() > day - timedelta(days=BUYERS_DAYS)}
    seen = {one["user_id"] for one in until if one["at"].date() > day - timedelta(days=SLEEPING_DAYS)}
    return {one["user_id"] for one in buys} - seen


def visitor_segments(shop: PlainShop, span: Span) -> Row:
    """`/analytics/visitor-segments`."""
    days = segment_days(shop, span)["days"]
    segments = []
    for name in NAMES:
        own = [one for one in days if one["segment"] == name]
        at_end = [one["visitor_count"] for one in own if one["as_of_date"] == str(span.last)]
        moves = {key: sum(one[key] for one in own) if own else None for key in ("entered_count", "left_count")}
        segments.append({"segment": name, "visitor_count": at_end[0] if at_end else None, **moves})
    return {"total_count": len(NAMES), "segments": segments}


def segment_days(shop: PlainShop, span: Span, segment: str | None = None, limit: int = 1000) -> Row:
    """`/analytics/visitor-segments/daily`."""
    first = min(one["at"].date() for one in shop.events)
    known = span.within(Span(first, shop.newest))
    rows = [_day(shop, name, day) for day in (known.days if known else ()) for name in NAMES if segment in {None, name}]
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
