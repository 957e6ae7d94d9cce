"""Queries about identity: whether events lack the device ids that visitors who do not sign in are known by."""

from collections.abc import Sequence
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.tables.queries import Fetch

FEWEST_SESSIONS: Final = 100
"""Of fewer sessions without a user nothing is said: some of few may lack devices by chance."""
WARNED_SHARE: Final = 0.9
MOST_EVENTS: Final = 200_000
NEEDED: Final = ("visitor_id", "joined_by", "device_id", "source_session_id")


def userless_sessions(events: ir.Table) -> dict[str, ir.Value]:
    """Return aggregates of clean events: the sessions of visitors without a user, and those that have no device."""
    has_no_user = events.joined_by.isin(("device", "source_session"))
    session = ibis.coalesce(events.source_session_id, events.device_id)
    return {
        "session_count": session.nunique(where=has_no_user),
        "without_device_count": events.visitor_id.nunique(where=events.joined_by == "source_session"),
    }


def device_warning(session_count: int, without_device_count: int) -> str:
    """Return the warning that visitors cannot be known again, by the counts of `userless_sessions`; else no text."""
    if session_count < FEWEST_SESSIONS or without_device_count < WARNED_SHARE * session_count:
        return ""
    return (
        f"{without_device_count / session_count:.0%} of the sessions without a signed-in user have no device ids, so "
        "each is a visitor of its own; numbers of returning visitors cannot be trusted. A column of device or cookie "
        "ids can be mapped to anonymous_id."
    )


def device_warnings(events: ir.Table, event_count: int, fetch: Fetch) -> Sequence[str]:
    """Return the warning for clean events; none if it does not apply, or if they lack the columns to tell.

    Of more than `MOST_EVENTS` nothing is said: counting takes a third as long as the answer itself, and the check of
    the run warns anyway.
    """
    if event_count > MOST_EVENTS or not set(NEEDED) <= set(events.columns):
        return []
    (counts,) = fetch(events.agg(**userless_sessions(events)))
    warning = device_warning(int(counts["session_count"]), int(counts["without_device_count"]))
    return [warning] if warning else []
