"""Journeys, searches and categories by the definition, in plain Python: an independent answer."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby, pairwise

from ecom_assets_tests.behaviour.sessions.session_reference import reference_sessions
from ecom_assets_tests.builders import Row

VIEWS = ("product_view", "category_view")
Transitions = Counter[tuple[date, str, int, str, str, bool]]
"""How often, by day, dimension, place, from, to, and whether the session has a purchase."""


def sessions_with_events(events: Sequence[Row]) -> list[tuple[date, list[Row]]]:
    """Return each session's day and its events in order."""
    by_id = {event["event_id"]: event for event in events}
    actual = [[by_id[id_] for id_ in session.event_ids] for session in reference_sessions(events)]
    return [(session[0]["event_date"], session) for session in actual]


def steps(session: Iterable[Row], dimension: str) -> list[str]:
    """Return a session's steps, repeats in a row as one."""
    column = {"page_type": "event_type", "category": "product_category"}[dimension]
    return [
        step for step, _ in groupby(event[column] for event in session if event[column] is not None)
    ]


def has_purchase(session: Iterable[Row]) -> bool:
    """Return whether a session converted."""
    return any(event["event_type"] == "purchase" for event in session)


def reference_journeys(
    events: Sequence[Row], most_steps: int
) -> list[tuple[date, str, str, list[str], int, bool]]:
    """Return day, visitor, dimension, the steps that are kept, how many there are,
    and whether it converted.
    """
    return sorted(
        (
            day,
            session[0]["visitor_id"],
            dimension,
            taken[:most_steps],
            len(taken),
            has_purchase(session),
        )
        for day, session in sessions_with_events(events)
        for dimension in ("page_type", "category")
        for taken in [steps(session, dimension)]
    )


def reference_transitions(events: Sequence[Row], most_places: int) -> Transitions:
    """Count transitions; starts and exits are steps too."""
    actual: Transitions = Counter()
    for day, session in sessions_with_events(events):
        for dimension in ("page_type", "category"):
            path = ["(start)", *steps(session, dimension), "(exit)"]
            for position, (from_step, to_step) in enumerate(pairwise(path)):
                actual[
                    day,
                    dimension,
                    min(position, most_places),
                    from_step,
                    to_step,
                    has_purchase(session),
                ] += 1
    return actual


def reference_searches(events: Sequence[Row]) -> dict[tuple[date, str], tuple[int, int, int, int]]:
    """Return searches, sessions, searches with a view after them, and with a cart,
    by day and term.
    """
    counts: dict[tuple[date, str], list[int]] = {}
    for day, session in sessions_with_events(events):
        seen = set()
        positions = [n for n, event in enumerate(session) if event["event_type"] == "search"]
        for begin, end in pairwise([*positions, len(session)]):
            after = [event["event_type"] for event in session[begin + 1 : end]]
            key = day, session[begin]["term"]
            count = counts.setdefault(key, [0, 0, 0, 0])
            for index, is_so in enumerate(
                (True, key not in seen, "product_view" in after, "add_to_cart" in after)
            ):
                count[index] += is_so
            seen.add(key)
    return {key: (count[0], count[1], count[2], count[3]) for key, count in counts.items()}


def reference_categories(
    events: Sequence[Row],
) -> dict[tuple[date, str], tuple[int, int, int, int]]:
    """Return sessions that viewed a category, and of these with a cart of it, any cart,
    a purchase afterwards.
    """
    counts: dict[tuple[date, str], list[int]] = {}
    for day, session in sessions_with_events(events):
        of_it = {
            event["product_category"]
            for event in session
            if event["product_category"] and event["event_type"] in {*VIEWS, "add_to_cart"}
        }
        for category in of_it:
            count = counts.setdefault((day, category), [0, 0, 0, 0])
            views = [
                n
                for n, event in enumerate(session)
                if event["product_category"] == category and event["event_type"] in VIEWS
            ]
            if not views:
                continue
            after = session[views[0] :]
            own = [event for event in after if event["product_category"] == category]
            count[0] += 1
            count[1] += any(event["event_type"] == "add_to_cart" for event in own)
            count[2] += any(event["event_type"] == "add_to_cart" for event in after)
            count[3] += has_purchase(after)
    return {key: (count[0], count[1], count[2], count[3]) for key, count in counts.items()}
