"""Sessions by the definition, in plain Python: an independent answer to compare with."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from ecom_assets_tests.builders import Row

VIEWS = ("page_view", "product_view", "category_view")


class Session(NamedTuple):
    """What is compared of a session."""

    visitor_id: str
    started_at: datetime
    ended_at: datetime
    event_ids: tuple[str, ...]
    is_engaged: bool
    is_single_page: bool


def reference_sessions(events: Iterable[Row], idle_timeout_s: int = 1800) -> list[Session]:
    """Cut the clean events of each visitor on each device where the silence is
    longer than the idle timeout.
    """

    def unit(event: Row) -> tuple[str, str]:
        return event["visitor_id"], event["session_device_id"]

    in_order = sorted(
        events, key=lambda event: (*unit(event), event["event_at"], event["event_id"])
    )
    sessions = []
    for (who, _), theirs in groupby(in_order, key=unit):
        session: list[Row] = []
        for event in theirs:
            if session and event["event_at"] - session[-1]["event_at"] > timedelta(
                seconds=idle_timeout_s
            ):
                sessions.append(_described(who, session))
                session = []
            session.append(event)
        sessions.append(_described(who, session))
    return sorted(sessions)


def stored_sessions(sessions: Iterable[Row], numbered: Iterable[Row]) -> list[Session]:
    """Return the platform's sessions in the same form; which events are in
    them is in `SessionEvents`.
    """
    events = sorted(numbered, key=lambda event: (event["event_at"], event["event_id"]))
    return sorted(
        Session(
            row["visitor_id"],
            row["started_at"],
            row["ended_at"],
            tuple(e["event_id"] for e in events if _is_in(e, row)),
            row["is_engaged"],
            row["is_single_page"],
        )
        for row in sessions
    )


def _is_in(event: Row, session: Row) -> bool:
    inside = session["started_at"] <= event["fragment_started_at"] <= session["ended_at"]
    units = [(row["visitor_id"], row["session_device_id"]) for row in (event, session)]
    return bool(inside and units[0] == units[1])


def _described(who: Any, session: Sequence[Row]) -> Session:
    kinds = [event["event_type"] for event in session]
    view_count = sum(kind in VIEWS for kind in kinds)
    length = session[-1]["event_at"] - session[0]["event_at"]
    engaged = length > timedelta(seconds=10) or "purchase" in kinds or view_count >= 2
    ids = tuple(event["event_id"] for event in session)
    return Session(
        who, session[0]["event_at"], session[-1]["event_at"], ids, engaged, view_count <= 1
    )
