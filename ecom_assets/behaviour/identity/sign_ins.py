"""The event that decided to whom another one belongs: a sign-in on its device,
or an alias of its user.
"""

from collections.abc import Sequence
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.clean import is_public
from ecom_assets.behaviour.identity.contracts import PUBLIC_KEY
from ecom_assets.behaviour.identity.links import IDENTIFY, device_of, joining, may_link
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.identity.visitors import visitor_of_user
from ecom_assets.core.tables.portable import first_of_each, union_all

STEPS: Final = {
    "last_user_of_visit": "signed in before it in the same visit",
    "next_user_of_visit": "signed in after it in the same visit",
    "last_user": "signed in last on the device",
    "next_user": "signed in next on the device",
    "only_user": "is the only one who signed in on the device",
    "first_user": "signed in first on the device",
    "session_user": "signed in in the same source session",
}
"""The steps of identity rules by which another event decides, with what its user did."""
SIGN_IN: Final = (
    "event_id",
    "event_at",
    "joined_by",
    "device_id",
    "user_id",
    "sign_in_event_id",
    "sign_in_at",
)


def deciding_sign_ins(
    events_in_question: ir.Table, events: ir.Table, shared: ir.Table, rule: IdentityRule
) -> ir.Table:
    """Return the sign-in that decided about each of some clean events.

    Args:
        events_in_question: The rows of `CleanEvents` asked about; those that no other event decided
            about are left out.
        events: All rows of `CleanEvents`, or those within `rule.days_around` of them.
        shared: All rows of `SharedIds`.
        rule: The rule by which their visitors were found.

    Returns:
        `SIGN_IN`: the event's id, time and step; the device, or the source session in its place,
            and the user who
        signed in on it; and the id and time of the sign-in.
    """
    decided = events_in_question.filter(events_in_question.joined_by.isin(list(STEPS)))
    device = _device(decided, rule)
    decided = decided.select(
        "event_date", "event_id", "event_at", "joined_by", "visitor_id", device_id=device
    )
    seen = _sign_ins(events, shared, rule)
    pairs = decided.join(seen, decided.device_id == seen.seen_device)
    chosen, order = (
        _of_session(pairs) if rule.owner == "source_session" else _of_device(pairs, rule)
    )
    return first_of_each(chosen, ["event_date", "event_id"], order).select(*SIGN_IN)


ALIASED: Final = "is the user's id by an alias"
"""What the user whom an event belongs to did, if it carries another user."""


def deciding_aliases(events_in_question: ir.Table, merged: ir.Table, aliases: ir.Table) -> ir.Table:
    """Return the last alias that names the user of each event that belongs to
    another user, as `SIGN_IN`.

    `merged` and `aliases` are all rows of `MergedUsers` and `IdentityAliases`.
    """
    others = merged.filter(merged.visitor_user_id != merged.user_id).select(
        "user_id", "visitor_user_id"
    )
    decided = events_in_question.join(others, "user_id")
    decided = decided.select(
        "event_date",
        "event_id",
        "event_at",
        "joined_by",
        "device_id",
        user_id="visitor_user_id",
        named_user="user_id",
    )
    names, joined = ("user_id", "previous_id"), joining(aliases, merged)
    named = union_all(
        *(
            joined.select(sign_in_user=name, sign_in_event_id="event_id", sign_in_at="event_at")
            for name in names
        )
    )
    pairs = decided.join(named, decided.named_user == named.sign_in_user)
    last = [pairs.sign_in_at.desc(), pairs.sign_in_event_id.desc()]
    return first_of_each(pairs, ["event_date", "event_id"], last).select(*SIGN_IN)


def _device(events: ir.Table, rule: IdentityRule) -> ir.StringValue:
    return events.source_session_id if rule.owner == "source_session" else device_of(events)


def _sign_ins(events: ir.Table, shared: ir.Table, rule: IdentityRule) -> ir.Table:
    """Return the events that join a user to their device by the rule."""
    seen = events.filter(events.user_id.notnull(), may_link(events, rule))
    if rule.links_by_identify:
        seen = seen.filter(seen.event_type == IDENTIFY)
    if rule.has_links:
        seen = seen.anti_join(
            shared.filter(shared.id_kind == "user").select(user_id="id_value"), "user_id"
        )
        seen = seen.mutate(
            public_device=is_public(seen).ifelse(_device(seen, rule), ibis.null("string"))
        )
        sessions = shared.filter(shared.reason == PUBLIC_KEY).select(public_device="id_value")
        seen = seen.anti_join(sessions, "public_device")
    return seen.select(
        "user_id",
        seen_device=_device(seen, rule),
        sign_in_date="event_date",
        sign_in_event_id="event_id",
        sign_in_at="event_at",
    )


Chosen = tuple[ir.Table, Sequence[ir.Value]]
"""Pairs of events and sign-ins, and in which order the first of an event's decides."""


def _of_device(pairs: ir.Table, rule: IdentityRule) -> Chosen:
    is_earlier = (pairs.sign_in_at < pairs.event_at) | (
        (pairs.sign_in_at == pairs.event_at) & (pairs.sign_in_event_id < pairs.event_id)
    )
    pairs = pairs.mutate(
        is_earlier=is_earlier, is_last=pairs.joined_by.isin(("last_user_of_visit", "last_user"))
    )
    if rule.owner == "stitched":
        # Of the only user of a device, the sign-in before the event is named, else the one after
        # it.
        reach = ibis.interval(days=rule.one_user_days)
        is_near = pairs.sign_in_at.between(pairs.event_at - reach, pairs.event_at + reach)
        pairs = pairs.mutate(comes_first=(pairs.is_earlier & is_near).ifelse(1, 0))
        of_event = ibis.window(group_by=["event_date", "event_id"])
        pairs = pairs.mutate(has_earlier=pairs.comes_first.max().over(of_event) == 1)
        is_only = pairs.joined_by == "only_user"
        pairs = pairs.mutate(is_last=is_only.ifelse(pairs.has_earlier, pairs.is_last))
    if rule.owner not in {"first_user", "last_user"}:
        pairs = pairs.filter(pairs.is_last == pairs.is_earlier)
    # The newest by the first two, which are alike where the oldest is wanted.
    newest_at = pairs.is_last.ifelse(pairs.sign_in_at, pairs.event_at)
    newest_id = pairs.is_last.ifelse(pairs.sign_in_event_id, pairs.event_id)
    return pairs, [newest_at.desc(), newest_id.desc(), pairs.sign_in_at, pairs.sign_in_event_id]


def _of_session(pairs: ir.Table) -> Chosen:
    """Return the sign-ins in the source session on the same day, else on the day after,
    else on the day before.
    """
    days = pairs.sign_in_date.delta(pairs.event_date, unit="day")
    chosen = pairs.filter(visitor_of_user(pairs.user_id) == pairs.visitor_id, days.between(-1, 1))
    days = chosen.sign_in_date.delta(chosen.event_date, unit="day")
    by_day = ibis.cases((days == 0, 0), (days == 1, 1), else_=2)
    return chosen, [by_day, chosen.sign_in_at, chosen.sign_in_event_id]
