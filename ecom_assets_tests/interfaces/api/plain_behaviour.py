"""Whole answers about engagement, journeys, searches, cohorts and the last minutes,
from the small shop's files.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby, pairwise
from statistics import mean, median
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from ecom_assets_tests.interfaces.api.plain_answers import Near
from ecom_assets_tests.interfaces.api.plain_shop import (
    ZERO,
    PlainShop,
    Row,
    Session,
    Span,
    compared,
    if_known,
)

VIEWS: Final = {"page_view", "product_view", "category_view"}
ROUNDED: Final = 1e-6
DAY: Final = timedelta(days=1)
START_OF: Final[dict[str, Callable[[date], date]]] = {
    "day": lambda day: day,
    "week": lambda day: day - day.weekday() * DAY,
    "month": lambda day: day.replace(day=1),
}


def engagement(shop: PlainShop, span: Span) -> Row:
    """`/analytics/engagement`."""
    now, before = (_engaged(_of_days(shop, days)) for days in (span, span.before))
    days = [
        _day(shop, day)
        for day in span.days
        if any(event["at"].date() == day for event in shop.events)
    ]
    answer = compared(now, before, shop, span, "events")
    return {
        "engagement": if_known(now, shop, span, "events"),
        **answer,
        "total_count": len(days),
        "days": days,
    }


def journeys(
    shop: PlainShop, span: Span, dimension: str = "page_type", place: int | None = None
) -> Row:
    """`/analytics/journeys`."""
    column = {"page_type": "event_type", "category": "product_category"}[dimension]
    pairs: Counter[tuple[str, str]] = Counter()
    converted: Counter[tuple[str, str]] = Counter()
    for session in _of_days(shop, span):
        steps = [
            name for name, _ in groupby(event[column] for event in session.events if event[column])
        ]
        for number, pair in enumerate(pairwise(["(start)", *steps, "(exit)"])):
            if place in {None, min(number, 10)}:
                pairs[pair] += 1
                converted[pair] += session.has("purchase")
    from_step: Counter[str] = Counter()
    for (step, _), count in pairs.items():
        from_step[step] += count
    transitions = [
        {
            "from_step": pair[0],
            "to_step": pair[1],
            "transition_count": count,
            "converted_transition_count": converted[pair],
            "step_share": round(count / from_step[pair[0]], 6),
            "conversion_rate": round(converted[pair] / count, 6),
        }
        for pair, count in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    ]
    return {
        "dimension": dimension,
        "place": place,
        "total_count": len(pairs),
        "transitions": transitions,
    }


def custom_journeys(shop: PlainShop) -> Row:
    """`POST /analytics/journeys` of all sessions by event type, with three paths."""
    pairs: Counter[tuple[int, str, str]] = Counter()
    converted: Counter[tuple[int, str, str]] = Counter()
    walks: list[tuple[tuple[str, ...], bool]] = []
    for session in shop.sessions:
        steps = [name for name, _ in groupby(event["event_type"] for event in session.events)]
        walks.append((tuple(steps), session.has("purchase")))
        for number, pair in enumerate(pairwise(["(start)", *steps, "(exit)"])):
            pairs[min(number, 10), *pair] += 1
            converted[min(number, 10), *pair] += session.has("purchase")
    placed: list[Row] = [
        {
            "step": step,
            "from": from_step,
            "to": to_step,
            "count": count,
            "converted": converted[step, from_step, to_step],
        }
        for (step, from_step, to_step), count in sorted(
            pairs.items(), key=lambda row: (row[0][0], -row[1], row[0])
        )
    ]
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in placed:
        sums[row["from"], row["to"]][0] += row["count"]
        sums[row["from"], row["to"]][1] += row["converted"]
    transitions = [
        {"from": from_step, "to": to_step, "count": count, "converted": bought}
        for (from_step, to_step), (count, bought) in sorted(
            sums.items(), key=lambda row: (-row[1][0], row[0])
        )
    ]
    return {
        "event_count": len(shop.events),
        "sessions": len(walks),
        "converted_sessions": sum(bought for _, bought in walks),
        "total_count": len(transitions),
        "transitions": transitions,
        "steps": placed,
        "top_paths": _top(walks),
        "converting_paths": _top([path for path in walks if path[1]]),
        "other_paths": _top([path for path in walks if not path[1]]),
    }


def _top(walks: list[tuple[tuple[str, ...], bool]]) -> list[Row]:
    counts = Counter(path for path, _ in walks)
    bought = Counter(path for path, is_bought in walks if is_bought)
    first = sorted(counts.items(), key=lambda item: (-item[1], " → ".join(item[0])))[:3]
    return [
        {
            "path": list(path[:20]),
            "is_cut": len(path) > 20,
            "sessions": count,
            "share": Near(count / len(walks), ROUNDED),
            "converted_sessions": bought[path],
            "conversion_rate": Near(bought[path] / count, ROUNDED),
        }
        for path, count in first
    ]


def searches(shop: PlainShop, span: Span) -> Row:
    """`/analytics/searches`."""
    terms: dict[str, Row] = defaultdict(lambda: {"searches": [], "sessions": set()})
    for number, session in enumerate(_of_days(shop, span)):
        positions = [n for n, event in enumerate(session.events) if event["event_type"] == "search"]
        for position, end in pairwise([*positions, len(session.events)]):
            after = {event["event_type"] for event in session.events[position + 1 : end]}
            term = parse_qs(urlsplit(session.events[position]["page_url"]).query)["q"][0].lower()
            terms[term]["searches"].append(after)
            terms[term]["sessions"].add(number)
    rows: list[Row] = []
    for term, actual in terms.items():
        count = len(actual["searches"])
        clicked, carted = (
            sum(kind in after for after in actual["searches"])
            for kind in ("product_view", "add_to_cart")
        )
        rows.append(
            {
                "search_term": term,
                "search_count": count,
                "session_count": len(actual["sessions"]),
                "clicked_search_count": clicked,
                "unclicked_search_count": count - clicked,
                "empty_search_count": None,
                "cart_search_count": carted,
                "click_rate": round(clicked / count, 6),
                "cart_rate": round(carted / count, 6),
            }
        )
    rows.sort(key=lambda row: (-row["search_count"], row["search_term"]))
    return {"total_count": len(rows), "searches": rows}


def cohorts(shop: PlainShop, cohort_by: str = "first_activity", period: str = "week") -> Row:
    """`/analytics/cohorts`."""
    start_of = START_OF[period]
    counted = [
        event
        for event in shop.events
        if cohort_by == "first_activity" or event["event_type"] == "purchase"
    ]
    came: dict[str, set[date]] = defaultdict(set)
    for event in counted:
        came[event["user_id"]].add(start_of(event["at"].date()))
    members: dict[date, list[str]] = defaultdict(list)
    for who, starts in came.items():
        members[min(starts)].append(who)
    newest = start_of(max(event["at"].date() for event in shop.events))
    paid: dict[tuple[str, date], Decimal] = defaultdict(lambda: ZERO)
    for event in shop.events:
        if event["event_type"] == "purchase":
            paid[event["user_id"], start_of(event["at"].date())] += Decimal(event["cart_value"])
    rows: list[Row] = []
    for start, mine in sorted(members.items()):
        total = ZERO
        for number, period_start in enumerate(_starts(start, newest, start_of)[:31]):
            revenue = sum((paid.get((who, period_start), ZERO) for who in mine), ZERO)
            total += revenue
            on = sum(period_start in came[who] for who in mine)
            later = sum(any(day >= period_start for day in came[who]) for who in mine)
            rows.append(
                {
                    "cohort_date": str(start),
                    "period_number": number,
                    "visitor_count": len(mine),
                    "returned_on_count": on,
                    "returned_on_or_after_count": later,
                    "retention_on_rate": Near(on / len(mine), ROUNDED),
                    "retention_on_or_after_rate": Near(later / len(mine), ROUNDED),
                    "is_complete": period_start < newest,
                    "revenue_amount": f"{revenue:.2f}",
                    "cumulative_revenue_amount": f"{total:.2f}",
                    "lifetime_value": Near(float(total) / len(mine), ROUNDED),
                }
            )
    return {"cohort_by": cohort_by, "period": period, "total_count": len(rows), "cohorts": rows}


def _starts(first: date, last: date, start_of: Callable[[date], date]) -> list[date]:
    return sorted({start_of(first + n * DAY) for n in range((last - first).days + 1)})


def _of_days(shop: PlainShop, span: Span) -> list[Session]:
    return [session for session in shop.sessions if span.has(session.day)]


def lasts_s(session: Session) -> float:
    """Seconds from its first event to its last."""
    length: timedelta = session.events[-1]["at"] - session.events[0]["at"]
    return length.total_seconds()


def views(session: Session) -> int:
    """How many views it has."""
    return sum(event["event_type"] in VIEWS for event in session.events)


def custom_sessions(shop: PlainShop) -> Row:
    """`POST /analytics/sessions` of all events, as each has a page."""
    engaged, lengths = _engaged(shop.sessions), [lasts_s(session) for session in shop.sessions]
    count = len(shop.sessions)
    return {
        "event_count": len(shop.events),
        "events": len(shop.events),
        "visitors": len({event["user_id"] for event in shop.events}),
        "sessions": count,
        "engaged_sessions": engaged["engaged_session_count"],
        "bounce_rate": Near(1 - engaged["engaged_session_count"] / count, ROUNDED),
        "pages_per_session": Near(mean(map(views, shop.sessions)), ROUNDED),
        "median_duration_s": Near(median(lengths), ROUNDED),
    }


def _engaged(sessions: list[Session]) -> Row:
    engaged = sum(
        lasts_s(session) > 10 or session.has("purchase") or views(session) >= 2
        for session in sessions
    )
    single = sum(views(session) <= 1 for session in sessions)
    bought = sum(session.has("purchase") for session in sessions)
    count = len(sessions)

    def rate(part: int) -> Any:
        return round(part / count, 6) if count else None

    return {
        "session_count": count,
        "engaged_session_count": engaged,
        "single_page_session_count": single,
        "purchase_session_count": bought,
        # nobody's browser of the shop calls itself a robot, or clicks like one
        "bot_session_count": 0,
        "engagement_rate": rate(engaged),
        "bounce_rate": rate(count - engaged),
        "single_page_rate": rate(single),
        "session_conversion_rate": rate(bought),
    }


def _day(shop: PlainShop, day: date) -> Row:
    sessions = _of_days(shop, Span(day, day))
    answer = _engaged(sessions)
    lengths = [lasts_s(session) for session in sessions]

    def visitors(days: int) -> int:
        some = Span(day - (days - 1) * DAY, day)
        return len({event["user_id"] for event in shop.events if some.has(event["at"].date())})

    rates = {
        name: answer[name] if answer[name] is None else Near(answer[name], ROUNDED)
        for name in answer
        if "rate" in name
    }
    return {
        **answer,
        **rates,
        "event_date": str(day),
        "pages_per_session": Near(mean(map(views, sessions)), ROUNDED) if sessions else None,
        "mean_duration_s": Near(mean(lengths), ROUNDED) if sessions else None,
        "median_duration_s": Near(median(lengths), ROUNDED) if sessions else None,
        "daily_visitor_count": visitors(1),
        "weekly_visitor_count": visitors(7),
        "monthly_visitor_count": visitors(30),
        "stickiness_rate": Near(visitors(1) / visitors(30), ROUNDED),
    }


Event = tuple[str, str, str, float, str, str]
"""Id, user, type, minutes ago, product, cart value."""
LOOKED_AT: Final = ("product_view", "add_to_cart", "purchase")


def window_of(events: Sequence[Event], now: datetime, minutes: int) -> dict[str, Any]:
    """What a window comes to, every field of it."""
    inside = [event for event in events if 0 <= event[3] < minutes]
    bought = [row for row in inside if row[2] == "purchase"]
    last_add = {
        event[1]: event[3]
        for event in sorted(inside, key=lambda event: -event[3])
        if event[2] == "add_to_cart"
    }
    last_buy = {
        event[1]: event[3]
        for event in sorted(inside, key=lambda event: -event[3])
        if event[2] == "purchase"
    }
    products = [product_of(inside, name) for name in sorted({row[4] for row in inside})]
    seen = [product for product in products if product["visitor_count"]]
    return {
        "minutes": minutes,
        "start_at": now - timedelta(minutes=minutes),
        "end_at": now,
        "event_count": len(inside),
        "visitor_count": len({row[1] for row in inside}),
        "open_cart_count": sum(1 for who, ago in last_add.items() if ago < last_buy.get(who, 1e9)),
        "purchase_count": len(bought),
        "revenue_amount": sum((Decimal(purchase[5]) for purchase in bought), Decimal(0)),
        "events_by_type": dict(Counter(row[2] for row in inside)),
        "top_products": sorted(seen, key=_place),
        "top_pages": [
            {
                "page": "/",
                "visitor_count": len({row[1] for row in inside}),
                "view_count": sum(map(is_view, inside)),
            }
        ],
    }


def is_view(event: Event) -> bool:
    """Whether an event is a view; all events of these tests are on one page."""
    return event[2].endswith("_view")


def product_of(events: Sequence[Event], name: str) -> dict[str, Any]:
    """What a product comes to."""
    mine = [event for event in events if event[4] == name and event[2] in LOOKED_AT]
    counts = Counter(event[2] for event in mine)
    return {
        "product_id": name,
        "visitor_count": len({event[1] for event in mine}),
        "view_count": counts["product_view"],
        "add_to_cart_count": counts["add_to_cart"],
        "purchase_count": counts["purchase"],
    }


def _place(product: dict[str, Any]) -> tuple[Any, ...]:
    return *(
        -product[name] for name in ("visitor_count", "purchase_count", "add_to_cart_count")
    ), product["product_id"]
