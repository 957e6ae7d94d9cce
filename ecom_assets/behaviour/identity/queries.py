"""Queries about identity: whether events lack the device ids that visitors who do
not sign in are known by.
"""

from collections.abc import Sequence
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.identity.visitors import ANONYMOUS
from ecom_assets.core.tables.portable import rows_of

FEWEST_SESSIONS: Final = 100
"""Of fewer sessions without a user nothing is said: some of few may lack devices by chance."""
WARNED_SHARE: Final = 0.9
MOST_EVENTS: Final = 200_000
"""Of about so many events answers are warned about:
to count more would take a third as long as the answer itself.
"""
NEEDED: Final = ("event_at", "visitor_id", "device_id", "source_session_id")


def userless_sessions(events: ir.Table) -> dict[str, ir.Value]:
    """Return aggregates of clean events: the sessions of visitors without a user,
    and those that have no device.
    """
    has_no_user = events.visitor_id.startswith(ANONYMOUS)
    session = ibis.coalesce(events.source_session_id, events.device_id)
    return {
        "session_count": session.nunique(where=has_no_user),
        "without_device_count": session.nunique(where=has_no_user & events.device_id.isnull()),
    }


def device_warning(session_count: int, without_device_count: int) -> str:
    """Return the warning that visitors cannot be known again,
    by the counts of `userless_sessions`; else no text.
    """
    if session_count < FEWEST_SESSIONS or without_device_count < WARNED_SHARE * session_count:
        return ""
    return (
        f"{without_device_count / session_count:.0%} of the sessions without a signed-in user "
        "have no device ids, so each is a visitor of its own; numbers of returning visitors "
        "cannot be trusted. A column of device or cookie ids can be mapped to anonymous_id."
    )


def device_warnings(events: ir.Table, event_count: int) -> Sequence[str]:
    """Return the warning for clean events; none if it does not apply,
    or if they lack the columns that say it.

    Of many events those of every so many seconds are looked at, which are at most about
    `MOST_EVENTS`.
    """
    if not set(NEEDED) <= set(events.columns):
        return []
    if seconds := event_count // MOST_EVENTS:
        events = events.filter(events.event_at.epoch_seconds() % (seconds + 1) == 0)
    events = events.filter(
        events.visitor_id.startswith(ANONYMOUS)
    )  # first, so that of other rows nothing else is read
    (counts,) = rows_of(events.agg(**userless_sessions(events)))
    warning = device_warning(int(counts["session_count"]), int(counts["without_device_count"]))
    return [warning] if warning else []
