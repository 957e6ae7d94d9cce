"""Whole answers about funnels, carts and retention, field by field, from the small shop's files."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from ecom_assets_tests.interfaces.api.plain_shop import (
    STEPS,
    ZERO,
    PlainShop,
    Row,
    Session,
    Span,
    compared,
    if_known,
)

DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)
BARS: Final = (0, 1, 10, 60, 300, 900, 3_600, 21_600, 86_400, 259_200, 604_800, 2_592_000)
RATES: Final = ("conversion_rate", "cart_abandonment_rate", "checkout_abandonment_rate")


def conversion(shop: PlainShop, span: Span, by: str | None = None) -> Row:
    """`/analytics/conversion` of sessions, by a property of `Session`."""
    now, before = (
        _funnelled(shop.reached(days)) | {"abandonment": shop.carts(days) | shop.cart_amounts(days)}
        for days in (span, span.before)
    )
    rates, rates_before = (
        row["abandonment"] | {"conversion_rate": row["conversion_rate"]} for row in (now, before)
    )
    rates, rates_before = ({name: row[name] for name in RATES} for row in (rates, rates_before))
    answer = compared(rates, rates_before, shop, span, "events")
    parts: dict[str, list[Session]] = defaultdict(list)
    for session in (session for session in shop.sessions if by and span.has(session.day)):
        parts[getattr(session, str(by))].append(session)
    breakdown = [
        {"value": value, **_funnelled(shop.reached(span, mine)), **shop.carts(span, mine)}
        for value, mine in parts.items()
    ]
    return {
        "funnel_name": "default",
        "unit": "session",
        "by": by,
        **now,
        "abandonment": if_known(now["abandonment"], shop, span, "events"),
        **answer,
        "previous": answer["previous"] and before,
        "total_count": len(breakdown),
        "breakdown": sorted(
            breakdown, key=lambda part: (-part["steps"][0]["unit_count"], part["value"])
        ),
    }


def visitors(shop: PlainShop, span: Span) -> list[Row]:
    """The steps of `/analytics/conversion` of visitors, each by the day on which
    their best try of it began.
    """
    reached = [0] * len(STEPS)
    for events in _streams(shop).values():
        for day in {event["at"].date() for event in events if event["event_type"] == STEPS[0]}:
            if span.has(day):
                for step in range(len(_best_try(events, STEPS, day))):
                    reached[step] += 1
    steps: list[Row] = _funnelled(reached)["steps"]
    return steps


def funnel(shop: PlainShop, steps: Sequence[str], *, by_category: bool = False) -> Row:
    """`/analytics/funnel`: of each visitor the longest try, of equally long ones the first."""
    attempts = [_best_try(events, steps) for events in _streams(shop).values()]
    breakdown = _by_category(attempts, steps) if by_category else []
    return {
        "event_count": len(shop.events),
        "steps": _timed_steps(attempts, steps),
        "total_count": len(breakdown),
        "breakdown": breakdown,
        "warnings": [],
        **dict.fromkeys(("entries", "cohorts", "time_to_convert")),
    }


OVER_TIME: Final[Row] = {
    "steps": STEPS[1:3],
    "over": "day",
    "last": "10d",
    "by": "product_category",
}
OVER_TIME["time_to_convert"] = {"from": 1, "to": 2, "bins": ["1m", "1h"]}


def funnel_over_time(shop: PlainShop) -> Row:
    """`/analytics/funnel` as `OVER_TIME` asks: a visitor's longest try of each of
    the last ten days of events.
    """
    steps, streams = OVER_TIME["steps"], _streams(shop).values()
    newest_at = max(event["at"] for event in shop.events)
    days = [newest_at.date() - n * DAY for n in range(9, -1, -1)]
    by_day = {day: [_best_try(events, steps, day) for events in streams] for day in days}
    whole = [max(attempts, key=len) for attempts in zip(*by_day.values(), strict=True)]
    cohorts = [
        {
            "start": str(day),
            "complete": datetime.combine(day + DAY, datetime.min.time()) + WEEK
            <= newest_at.replace(tzinfo=None),
            "steps": _timed_steps(attempts, steps),
            "breakdown": _by_category(attempts, steps),
        }
        for day, attempts in by_day.items()
    ]
    took = sorted((row[1]["at"] - row[0]["at"]).total_seconds() for row in whole if len(row) > 1)
    ends = ((0, 60), (60, 3_600), (3_600, None))
    return {
        "event_count": len(shop.events),
        "steps": _timed_steps(whole, steps),
        "total_count": len(cohorts),
        "breakdown": _by_category(whole, steps),
        "warnings": [],
        "entries": {
            "first_date": str(days[0]),
            "last_date": str(days[-1]),
            "timezone": "UTC",
            "complete": False,
        },
        "cohorts": cohorts,
        "time_to_convert": {
            "from_step": 1,
            "to_step": 2,
            "count": len(took),
            "average_s": sum(took) / len(took),
            "median_s": _quantile(took, 0.5),
            "p90_s": _quantile(took, 0.9),
            "bins": [
                {
                    "from_s": low,
                    "to_s": high,
                    "count": sum(low <= time < (high or float("inf")) for time in took),
                }
                for low, high in ends
            ],
        },
    }


def _by_category(attempts: Iterable[list[Row]], steps: Sequence[str]) -> list[Row]:
    """Return the attempts by the category of their first event, the most frequent first."""
    parts: dict[str, list[list[Row]]] = defaultdict(list)
    for attempt in attempts:
        if attempt:
            parts[attempt[0]["product_category"]].append(attempt)
    in_order = sorted(parts, key=lambda value: (-len(parts[value]), value))
    return [
        {"value": value, "values": [value], "steps": _timed_steps(parts[value], steps)}
        for value in in_order
    ]


RETENTION: Final[Row] = {
    "period": "week",
    "by": "product_category",
    "limit": 1,
    "sum_of": "cart_amount",
}


def retention(shop: PlainShop) -> Row:
    """`/analytics/retention` by the week, of any event."""
    actual = _retention(_streams(shop).values(), shop.newest, is_summed=False)
    numbers = {"total_count": len(actual["cohorts"]), **actual, "breakdown": []}
    return {"event_count": len(shop.events), "warnings": [], **numbers}


CELL: Final = "cohort=2026-01-05&period=2&limit=1000"
"""The third week of those who began in the second one of the year."""


def who_came_back(shop: PlainShop, *, returned: bool = True) -> Row:
    """`/analytics/retention/who` of `CELL`: whose first event is in the week,
    and who came two weeks later, too.
    """
    monday = date(2026, 1, 5)
    cohort = {
        who: events for who, events in _streams(shop).items() if _monday(events[0]["at"]) == monday
    }
    came = {
        who
        for who, events in cohort.items()
        if any(_monday(event["at"]) == monday + 2 * WEEK for event in events)
    }
    listed = sorted(came if returned else cohort.keys() - came)
    numbers = {"event_count": len(shop.events), "count": len(listed), "total_count": len(listed)}
    cell = {"cohort": str(monday), "period": "2", "warnings": []}
    return {**numbers, **cell, "who": [{"visitor_id": who} for who in listed]}


def who_did_not(shop: PlainShop) -> Row:
    """`/analytics/retention/who` of those of `CELL` who did not come in that week."""
    return who_came_back(shop, returned=False)


def retention_by_category(shop: PlainShop) -> Row:
    """`/analytics/retention` as `RETENTION` asks: the category in which most visitors began,
    and all others.
    """
    streams = list(_streams(shop).values())
    sizes = Counter(events[0]["product_category"] or "(none)" for events in streams)
    first = min(sizes, key=lambda name: (-sizes[name], name))
    parts: dict[str, list[list[Row]]] = {first: [], "(other)": []}
    for events in streams:
        parts[first if (events[0]["product_category"] or "(none)") == first else "(other)"].append(
            events
        )
    numbers = _retention(streams, shop.newest, is_summed=True)
    answer = [
        {"value": name, **_retention(own, shop.newest, is_summed=True)}
        for name, own in parts.items()
        if own
    ]
    counts = {"event_count": len(shop.events), "total_count": len(numbers["cohorts"])}
    return {**counts, **numbers, "breakdown": answer, "warnings": []}


def _retention(streams: Iterable[list[Row]], newest: date, *, is_summed: bool) -> Row:
    """Return the cohorts and totals of visitors, with sums of `cart_amount` if asked for."""
    members: dict[date, list[list[Row]]] = defaultdict(list)
    for events in streams:
        members[_monday(events[0]["at"])].append(events)
    cohorts = [_cohort(monday, mine, newest) for monday, mine in sorted(members.items())]
    totals = []
    for period in range(max(len(cohort["returned"]) for cohort in cohorts)):
        whole = [
            cohort
            for cohort in cohorts
            if period < len(cohort["returned"]) and cohort["complete"][period]
        ]
        size, came = (
            sum(row["size"] for row in whole),
            sum(row["returned"][period] for row in whole),
        )
        revenue = sum((Decimal(row["revenue"][period]) for row in whole), ZERO)
        answer = {"period": str(period), "cohorts": len(whole), "size": size, "returned": came}
        answer |= {
            "rate": came / size if size else None,
            "lifetime_value": float(revenue) / size if size else None,
        }
        carried = sum(row["sum"][period] for row in whole)
        sums = {"sum": carried, "sum_per_visitor": carried / size if size else None}
        totals.append(
            {**answer, "revenue": f"{revenue:.2f}", **(sums if is_summed else dict.fromkeys(sums))}
        )
    return {
        "cohorts": [cohort if is_summed else {**cohort, "sum": None} for cohort in cohorts],
        "totals": totals,
    }


PAID: Final[Row] = {"event_type": "purchase", "measure": "sum", "of": "cart_amount"}
TREND: Final[Row] = {
    "series": ["*:visitors", {**PAID, "where": ["cart_amount > 20"]}],
    "time_range": "week",
    "by": "product_category",
    "limit": 1,
    "compare": True,
    "formula": "B / A",
}


def trend(shop: PlainShop) -> Row:
    """`/analytics/trend` as `TREND` asks: the last seven days of the category with most events,
    and of all others.
    """
    events = [
        {
            "who": who,
            "day": event["at"].date(),
            "shelf": event["product_category"] or "(none)",
            **event,
        }
        for who, own in _streams(shop).items()
        for event in own
    ]
    span = Span(shop.newest - 6 * DAY, shop.newest)
    sizes = Counter(event["shelf"] for event in events if span.has(event["day"]))
    first = min(sizes, key=lambda name: (-sizes[name], name))
    series = []
    for name, of, answer in (
        ("A", _people, {"event_type": None, "measure": "visitors"}),
        ("B", _paid, PAID),
    ):
        for value in (first, "(other)"):
            own = [event for event in events if (event["shelf"] == first) == (value == first)]
            where = WHERE if name == "B" else None
            line = {
                "name": name,
                "of": None,
                "where": where,
                "occurrence": None,
                **answer,
                "each": None,
                "breakdown": value,
            }
            line["total"] = of([row for row in own if span.has(row["day"])])
            line["values"], line["previous"] = (
                [of([row for row in own if row["day"] == day]) for day in days.days]
                for days in (span, span.before)
            )
            series.append(line)
    return {
        "event_count": sum(sizes.values()),
        "total_count": len(series),
        "periods": [str(day) for day in span.days],
        "complete": [day < shop.newest for day in span.days],
        "series": series,
        "formula": [_ratios(*pair) for pair in zip(series[2:], series[:2], strict=True)],
        "stickiness": None,
        "lifecycle": None,
        "warnings": [],
    }


HOURS: Final[Row] = {"series": ["*"], "period": "hour", "time_range": "today"}


def trend_by_the_hour(shop: PlainShop) -> Row:
    """`/analytics/trend` as `HOURS` asks: the events of the newest day,
    where hours after the newest event are null.
    """
    times = [event["at"] for own in _streams(shop).values() for event in own]
    midnight = datetime.combine(shop.newest, time(), UTC)
    starts = [midnight + timedelta(hours=n) for n in range(24)]
    counts = Counter(
        at.replace(minute=0, second=0, microsecond=0) for at in times if at.date() == shop.newest
    )
    values = [counts[start] if start <= max(times) else None for start in starts]
    line: Row = {
        "name": "A",
        "event_type": None,
        "measure": "count",
        "of": None,
        "where": None,
        "breakdown": None,
    }
    line["occurrence"] = line["each"] = None
    return {
        "event_count": counts.total(),
        "total_count": 1,
        "periods": [f"{start:%Y-%m-%dT%H:%M}+00:00" for start in starts],
        "complete": [False] * 24,
        "series": [{**line, "total": counts.total(), "values": values, "previous": None}],
        "formula": None,
        "stickiness": None,
        "lifecycle": None,
        "warnings": [],
    }


BOUGHT: Final[Row] = {"event_type": "purchase", "where": ["cart_amount > 20"]}
STICKY: Final[Row] = {
    "series": [BOUGHT],
    "kind": "stickiness",
    "time_range": "week",
    "by": "event_type",
}
LIVES: Final[Row] = {"series": [BOUGHT], "kind": "lifecycle", "time_range": "week"}


def stickiness(shop: PlainShop) -> Row:
    """`/analytics/trend` as `STICKY` asks: on how many of the last seven days
    visitors bought for more than 20.
    """
    span = Span(shop.newest - 6 * DAY, shop.newest)
    sizes = [
        len({day for day in days if span.has(day)}) for days in _large_purchases(shop).values()
    ]
    rows = [
        {"period_count": n, "exactly": sizes.count(n), "at_least": sum(size >= n for size in sizes)}
        for n in range(1, 8)
    ]
    answer = {
        **_OF_PURCHASES,
        "breakdown": "purchase",
        "visitor_count": sum(size > 0 for size in sizes),
        "visitors": rows,
    }
    seen = sum(span.has(event["at"].date()) for event in shop.events)
    return {**_kind(shop, span), "event_count": seen, "stickiness": [answer], "lifecycle": None}


def lifecycle(shop: PlainShop) -> Row:
    """`/analytics/trend` as `LIVES` asks: who bought for more than 20 for the first time,
    again, or no longer.
    """
    span = Span(shop.newest - 6 * DAY, shop.newest)
    lines: dict[str, list[int]] = {}
    for day in span.days:
        counts: Counter[str] = Counter()
        for days in _large_purchases(shop).values():
            was, before = day - DAY in days, min(days) < day
            state = (
                ("returning" if was else "resurrecting" if before else "new")
                if day in days
                else "dormant" * was
            )
            counts[state] += 1
        for state in ("new", "returning", "resurrecting", "dormant"):
            lines.setdefault(state, []).append(counts[state])
    answer = {
        "event_count": len(shop.events),
        "stickiness": None,
        "lifecycle": [{**_OF_PURCHASES, **lines}],
    }
    return {**_kind(shop, span), **answer}


def _kind(shop: PlainShop, span: Span) -> Row:
    days = {
        "periods": [str(day) for day in span.days],
        "complete": [day < shop.newest for day in span.days],
    }
    return {**days, "series": [], "formula": None, "total_count": 1, "warnings": []}


def _large_purchases(shop: PlainShop) -> dict[str, set[date]]:
    """Return the days on which each visitor bought for more than 20."""
    actual: dict[str, set[date]] = defaultdict(set)
    for event in shop.events:
        if (
            event["event_type"] == "purchase"
            and event["cart_value"]
            and Decimal(event["cart_value"]) > 20
        ):
            actual[event["user_id"]].add(event["at"].date())
    return actual


def _ratios(parts: Row, wholes: Row) -> Row:
    both = zip(parts["values"], wholes["values"], strict=True)
    part, whole = parts["total"], wholes["total"]
    return {
        "breakdown": parts["breakdown"],
        "total": part / whole if whole else None,
        "values": [part / whole if whole else None for part, whole in both],
    }


WHERE: Final[Row] = {"all_of": [{"column": "cart_amount", "operator": "greater", "value": 20}]}


_OF_PURCHASES: Final[Row] = {
    "name": "A",
    "event_type": "purchase",
    "measure": "count",
    "where": WHERE,
}


def _people(events: Sequence[Row]) -> int:
    return len({event["who"] for event in events})


def _paid(events: Sequence[Row]) -> float:
    paid = [
        Decimal(event["cart_value"])
        for event in events
        if event["event_type"] == "purchase" and event["cart_value"]
    ]
    return float(sum((amount for amount in paid if amount > 20), ZERO))


def _cohort(monday: date, members: list[list[Row]], newest: date) -> Row:
    starts = [monday + n * WEEK for n in range((newest - monday) // WEEK + 1)]
    answer: Row = {
        "returned": [
            sum(any(_monday(event["at"]) == start for event in events) for events in members)
            for start in starts
        ],
        "complete": [start + WEEK <= newest for start in starts],
    }
    carried = [
        (event, Decimal(event["cart_value"]))
        for events in members
        for event in events
        if event["cart_value"]
    ]
    until = [[pair for pair in carried if pair[0]["at"].date() < start + WEEK] for start in starts]
    paid = [
        sum((amount for row, amount in own if row["event_type"] == "purchase"), ZERO)
        for own in until
    ]
    answer["revenue"] = [f"{amount:.2f}" for amount in paid]
    answer["lifetime_value"] = [float(amount) / len(members) for amount in paid]
    answer["sum"] = [float(sum((amount for _, amount in own), ZERO)) for own in until]
    return {"cohort": str(monday), "size": len(members), **answer}


def _monday(at: datetime) -> date:
    return at.date() - timedelta(days=at.weekday())


def _funnelled(reached: Sequence[int]) -> Row:
    if not reached[0]:
        return {"steps": [], "conversion_rate": None}
    steps = [
        {
            "step": step,
            "event_type": STEPS[step - 1],
            "unit_count": count,
            "conversion_from_start_rate": round(count / reached[0], 6),
            "conversion_from_previous_rate": _rate(count, reached[max(step - 2, 0)]),
        }
        for step, count in enumerate(reached, start=1)
    ]
    return {"steps": steps, "conversion_rate": round(reached[-1] / reached[0], 6)}


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _timed_steps(attempts: Iterable[list[Row]], steps: Sequence[str]) -> list[Row]:
    """Steps of a custom funnel, with how long they took."""
    attempts, answer = list(attempts), []
    counts = [sum(len(attempt) > step for attempt in attempts) for step in range(len(steps))]
    for position, kind in enumerate(steps):
        arrived = [attempt for attempt in attempts if len(attempt) > position]
        step = {
            "step": position + 1,
            "event_type": kind,
            "count": counts[position],
            "conversion_from_start": counts[position] / counts[0] if counts[0] else None,
            "conversion_from_previous": counts[position] / before
            if (before := counts[max(position - 1, 0)])
            else None,
        }
        for name, since in (("previous", position - 1), ("start", 0)):
            times = sorted(
                (row[position]["at"] - row[since]["at"]).total_seconds()
                for row in arrived
                if position
            )
            step[f"median_s_from_{name}"] = _quantile(times, 0.5)
            step[f"p90_s_from_{name}"] = _quantile(times, 0.9)
            step[f"average_s_from_{name}"] = sum(times) / len(times) if times else None
            if name == "previous":
                step["histogram_from_previous"] = _histogram(times)
        answer.append(step)
    return answer


def _quantile(times: list[float], part: float) -> Any:
    if not times:
        return None
    position = (len(times) - 1) * part
    low, high = times[int(position)], times[min(int(position) + 1, len(times) - 1)]
    return round(low + (high - low) * (position - int(position)), 6)


def _histogram(times: list[float]) -> list[Row]:
    ends = [
        (low, high)
        for low, high in zip(BARS, [*BARS[1:], None], strict=True)
        if low <= WEEK.total_seconds()
    ]
    return [
        {
            "from_s": low,
            "to_s": high,
            "count": sum(low <= time < (high or float("inf")) for time in times),
        }
        for low, high in ends
        if times
    ]


def _streams(shop: PlainShop) -> dict[str, list[Row]]:
    actual: dict[str, list[Row]] = defaultdict(list)
    for event in shop.events:
        actual[event["user_id"]].append(event)
    return actual


def _best_try(events: list[Row], steps: Sequence[str], day: date | None = None) -> list[Row]:
    """The longest try within a week that begins with the first step (on a day, if one is given),
    the first of these.
    """
    best: list[Row] = []
    for start in events:
        if start["event_type"] != steps[0] or day not in {None, start["at"].date()}:
            continue
        taken: list[Row] = []
        for event in events:
            is_next = len(taken) < len(steps) and event["event_type"] == steps[len(taken)]
            if (
                is_next
                and start["at"] <= event["at"] <= start["at"] + WEEK
                and (taken or event is start)
            ):
                taken.append(event)
        best = taken if len(taken) > len(best) else best
    return best
