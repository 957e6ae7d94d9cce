"""Visitors: to whom each clean event belongs, by the identity rule. METRICS "Visitor".

`with_visitors` takes clean events and what is known of ids (`KnownIds`: which users signed in on
which devices, and when), and adds the columns `OF_IDENTITY`: the visitor, the step of the rule that
found it, and what sessions are cut on. The steps stand in `_steps`, in the order in which they are
tried; the first that finds a user decides. `rule.py` says which of them a rule has.

Terms: docs/glossary.md#visitor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.clean import OF_IDENTITY, is_public
from ecom_assets.behaviour.identity.contracts import PUBLIC_KEY
from ecom_assets.behaviour.identity.links import (
    device_of,
    identity_links,
    is_gap,
    is_placeholder,
    shared_devices,
    shared_ids,
    shared_users,
    sign_ins,
)
from ecom_assets.behaviour.identity.rule import LONGEST_VISIT, IdentityRule
from ecom_assets.core.tables.portable import NO, first_of_each, union_all

ANONYMOUS: Final = "anon-"
"""The prefix of the id of a visitor who is known by a device or a source session only."""
FEW_RUNS: Final = 64
"""So many runs of a device on a day are compared with each of its events; where there are more,
they are counted.
"""
DAY_US: Final = 86_400_000_000
SIGN_INS: Final = (
    "last_user",
    "last_user_at",
    "is_last_in_visit",
    "next_user",
    "next_user_at",
    "is_next_in_visit",
    "last_other_at",
    "next_other_at",
)
"""What is known of the sign-ins around a run of events without a user."""


def visitor_of_user(user_id: ir.StringValue) -> ir.StringValue:
    """Return the visitor id of a user: the user id,
    escaped if it looks like the id of an anonymous visitor.

    `anon-s9` becomes `user-anon-s9`. So that two users never become one visitor, `user-anon-s9`
    gets another `user-`.
    """
    escaped = ibis.literal("user-").concat(user_id)
    return ibis.cases(
        (user_id.startswith(ANONYMOUS), escaped),
        # The pattern is much slower than the prefix test, which limits it to a few rows.
        (user_id.startswith("user-") & user_id.re_search(f"^(user-)+{ANONYMOUS}"), escaped),
        else_=user_id,
    )


@dataclass(frozen=True)
class KnownIds:
    """What is known of ids: all rows of `IdentityLinks` that the rule may need,
    of `SharedIds` and of `MergedUsers`.
    """

    links: ir.Table
    shared: ir.Table
    merged: ir.Table
    may_crowd: bool = True
    """Whether `crowded_days` of the days of the events may have rows."""


def with_visitors(events: ir.Table, known_ids: KnownIds, rule: IdentityRule) -> ir.Table:
    """Return clean events with the columns `OF_IDENTITY`.

    Args:
        events: Clean events of whole days, with the columns of `CleanEvents` but these, or with
            some of them. With `source_session` as rule, those of the first and the last day may
            lack users of the day before and after.
        known_ids: What is known of ids, on these days and as many around them as
            `rule.days_around`.
        rule: The identity rule.
    """
    owned = _owned(events, known_ids, rule) if rule.has_links else _unlinked(events, rule)
    return _as_visitors(owned, known_ids.merged, rule).select(*events.columns, *OF_IDENTITY)


def _as_visitors(owned: ir.Table, merged: ir.Table, rule: IdentityRule) -> ir.Table:
    """Return events that have `visitor_user`, the user who owns them,
    with the id of the visitor and of the session.
    """
    if rule.joins_aliases:
        owned = owned.left_join(merged, owned.visitor_user == merged.user_id, rname="merged_{name}")
        owned = owned.mutate(visitor_user=ibis.coalesce(owned.visitor_user_id, owned.visitor_user))
    user = visitor_of_user(owned.visitor_user)
    visitor = ibis.coalesce(user, ibis.literal(ANONYMOUS).concat(_nobody_of(owned, rule)))
    device = session_device_of(owned, rule)
    return owned.mutate(visitor_id=visitor, session_device_id=device)


def with_visitors_of_all(
    events: ir.Table,
    merged: ir.Table,
    rule: IdentityRule,
    *,
    names_step: bool = True,
    unlinked: ir.Table | None = None,
) -> ir.Table:
    """Return what `with_visitors` does for all events at once,
    which say themselves what is known of ids.

    Args:
        events: All clean events, as in `with_visitors`.
        merged: All rows of `MergedUsers`; not read by a rule without aliases.
        rule: The identity rule.
        names_step: Whether `joined_by` is read. If not, it may be null, and visitors are found in a
            fifth of the time.
        unlinked: Rows of `SharedIds` that the events do not say: devices of erased people.
    """
    if unlinked is None and not names_step and _is_decided_by_device(rule):
        owned = _owned_by_device(events, rule).mutate(joined_by=ibis.null("string"))
        return _as_visitors(owned, merged, rule).select(*events.columns, *OF_IDENTITY)
    links = identity_links(events, rule)
    shared = shared_ids(links, rule)
    shared = shared if unlinked is None else union_all(shared, unlinked)
    return with_visitors(events, KnownIds(links, shared, merged), rule)


def with_own_visitors(
    events: ir.Table, rule: IdentityRule, *, has_anonymous: bool, has_escaped: bool
) -> ir.Table:
    """Return clean events with the columns `OF_IDENTITY`, of which each says itself whose it is.

    Args:
        events: Clean events without aliases, as in `with_visitors`; those without a user share no
            device and no source session with a user's.
        rule: The identity rule, which keeps users.
        has_anonymous: Whether some may have no user.
        has_escaped: Whether the visitors of some users may not be called as these.
    """
    visitor = visitor_of_user(events.user_id) if has_escaped else events.user_id
    step: ir.StringValue = ibis.literal("user")
    if has_anonymous:
        visitor = ibis.coalesce(visitor, ibis.literal(ANONYMOUS).concat(_nobody_of(events, rule)))
        step = events.user_id.isnull().ifelse(_kind_of(events, rule), step)
    return events.mutate(
        visitor_id=visitor, joined_by=step, session_device_id=session_device_of(events, rule)
    )


def session_device_of(events: ir.Table, rule: IdentityRule) -> ir.StringValue:
    """Return what sessions are cut on, besides the visitor: the device, else the source session,
    else empty text.
    """
    if rule.owner == "source_session":
        return ibis.literal("")
    result: ir.StringValue = device_of(events).fill_null("")
    return result


def _nobody_of(events: ir.Table, rule: IdentityRule) -> ir.StringValue:
    """Return the id that stands for the owner of an event that no user owns."""
    if rule.owner == "source_session":
        return ibis.coalesce(events.source_session_id, events.device_id)
    return device_of(events)


def _kind_of(events: ir.Table, rule: IdentityRule) -> ir.StringValue:
    """Return what it is an id of."""
    if rule.owner == "source_session":
        return events.source_session_id.isnull().ifelse("device", "source_session")
    return events.device_id.isnull().ifelse("source_session", "device")


def _unlinked(events: ir.Table, rule: IdentityRule) -> ir.Table:
    """Return events with their owners by a rule without links."""
    users: list[tuple[str, ir.StringValue]] = [("user", events.user_id)]
    if rule.owner == "device":
        users = [("user", device_of(events).isnull().ifelse(events.user_id, ibis.null("string")))]
    if rule.owner == "source_session":
        events = _with_session_users(events, events, rule.late_days)
        users = [("user", events.user_id), ("session_user", events.session_user_id)]
    return events.mutate(
        visitor_user=ibis.coalesce(*(user for _, user in users)),
        joined_by=ibis.cases(
            *((user.notnull(), name) for name, user in users), else_=_kind_of(events, rule)
        ),
    )


def _owned(events: ir.Table, known_ids: KnownIds, rule: IdentityRule) -> ir.Table:
    """Return events with the owners that the links of their devices name."""
    runs = _without_shared(known_ids.links, known_ids.shared, rule)
    if rule.owner in {"first_user", "last_user"}:
        # The first user of each device, or the last, by the rule.
        sign_ins = runs.filter(runs.link_user.notnull())
        order = [sign_ins.event_date, sign_ins.run_number]
        ordered = [value.desc() for value in order] if rule.owner == "last_user" else order
        owners = first_of_each(sign_ins, "device_id", ordered).select(
            owned_device="device_id", owner="link_user"
        )
        # A column of its own: Ibis takes the expression for one of the owners, whose rows come from
        # the same events.
        events = events.mutate(asked_device=device_of(events))
        events = events.left_join(owners, events.asked_device == owners.owned_device)
    else:
        events = _with_sign_ins(events, sign_ins_around(runs), may_crowd=known_ids.may_crowd)
    # The owner of each event and the step that found it; the first step that applies counts.
    own: Step = ("user", events.user_id, events.user_id.notnull())
    steps = (
        [*_steps(events, rule), own] if rule.owner == "last_user" else [own, *_steps(events, rule)]
    )
    user = ibis.cases(*((applies, owner) for _, owner, applies in steps), else_=ibis.null("string"))
    name = ibis.cases(
        *((applies, name) for name, _, applies in steps), else_=_kind_of(events, rule)
    )
    return events.mutate(visitor_user=user, joined_by=name)


def _is_decided_by_device(rule: IdentityRule) -> bool:
    """Return whether the sign-ins of a device with one user all join,
    and no visit reaches further than they do.
    """
    bounds = (rule.device_users, rule.session_users)
    days = (rule.days_back, rule.days_ahead)
    return rule.owner == "stitched" and min(bounds) > 1 and min(days) >= LONGEST_VISIT.days


def _owned_by_device(events: ir.Table, rule: IdentityRule) -> ir.Table:
    """Return events with `visitor_user` by the rule `stitched`, without the step that found it.

    Most devices have one user, who signed in often enough that the first and the last sign-in
    decide. Only the events of the other devices are put in order.
    """
    devices, shared = _devices_with_users(events, rule)
    with_device = events.mutate(
        asked_device=device_of(events)
    )  # a column of its own, as in `_owned`
    joined = with_device.left_join(devices, with_device.asked_device == devices.owned_device)
    is_near = (joined.event_at >= joined.owned_from) & (joined.event_at <= joined.owned_to)
    owner = is_near.fill_null(NO).ifelse(joined.owner, ibis.null("string"))
    decided = joined.filter(~joined.is_ordered.fill_null(NO)).mutate(
        visitor_user=ibis.coalesce(joined.user_id, owner)
    )
    # Not the rest of `found`: what is read twice is stored, with all of its columns.
    unsure = devices.filter(devices.is_ordered)
    ordered = with_device.semi_join(unsure, with_device.asked_device == unsure.owned_device).select(
        *events.columns
    )
    links = identity_links(ordered, rule)
    known_ids = KnownIds(links, union_all(shared, shared_devices(links, rule)), links)
    columns = [*events.columns, "visitor_user"]
    return union_all(decided.select(*columns), _owned(ordered, known_ids, rule).select(*columns))


def _devices_with_users(events: ir.Table, rule: IdentityRule) -> tuple[ir.Table, ir.Table]:
    """Return the devices that users signed in on, and the users who join nobody,
    and devices beyond their bound.

    The owner of a device is null if it joins nobody. `is_ordered` says that the owners of its
    events depend on their order: it has several users, was away for so long between sign-ins that
    they may not reach each other, or is a source session that a public key sent, too.
    """
    seen = sign_ins(events, rule)
    pairs = seen.group_by("device_id", "user_id").agg(
        is_device=seen.is_device.any(),
        is_session=(~seen.is_device).any(),
        is_public=seen.is_public.all(),
        has_public=seen.is_public.any(),
        first_at=seen.event_at.min(),
        last_at=seen.event_at.max(),
    )
    shared = shared_users(seen.mutate(first_seen_at=seen.event_at), pairs, rule)
    nobody = shared.filter(shared.id_kind == "user").select(shared_user="id_value").distinct()
    closed = shared.filter(shared.id_kind == "device").select(closed_device="id_value").distinct()
    devices = pairs.group_by("device_id").agg(
        owner=pairs.user_id.max(),
        user_count=pairs.count(),
        is_both=pairs.is_device.any() & pairs.is_session.any(),
        has_public=pairs.has_public.any(),
        first_at=pairs.first_at.min(),
        last_at=pairs.last_at.max(),
    )
    devices = devices.left_join(nobody, devices.owner == nobody.shared_user)
    devices = devices.left_join(closed, devices.device_id == closed.closed_device)
    devices = _with_own_sessions(devices, events)
    back = ibis.interval(days=max(rule.days_back, rule.one_user_days))
    ahead = ibis.interval(days=max(rule.days_ahead, rule.one_user_days))
    joins = (
        devices.shared_user.isnull()
        & devices.closed_device.isnull()
        & ~is_placeholder(devices.device_id)
    )
    joined = devices.select(
        owned_device="device_id",
        owner=joins.ifelse(devices.owner, ibis.null("string")),
        owned_from=devices.first_at - ahead,
        owned_to=devices.last_at + back,
        is_ordered=(devices.user_count > 1)
        | devices.is_both
        | (devices.last_at > devices.first_at + back)
        | (devices.has_public & devices.is_own_session),
    )
    return joined, shared


def _with_own_sessions(devices: ir.Table, events: ir.Table) -> ir.Table:
    """Return devices with `is_own_session`:
    whether it is the source session of an event that no public key sent.
    """
    if "sent_by" not in events.columns:
        return devices.mutate(is_own_session=NO)
    own = events.filter(
        events.device_id.isnull(), events.source_session_id.notnull(), ~is_public(events)
    )
    own = own.select(own_session="source_session_id").distinct()
    devices = devices.left_join(own, devices.device_id == own.own_session)
    return devices.mutate(is_own_session=devices.own_session.notnull())


def crowded_days(runs: ir.Table) -> ir.Table:
    """Return the days and devices that have more than `FEW_RUNS` runs, of `IdentityLinks`."""
    crowded = runs.filter(runs.run_number > FEW_RUNS)
    return crowded.select("event_date", run_device="device_id").distinct()


def _with_sign_ins(events: ir.Table, runs: ir.Table, *, may_crowd: bool) -> ir.Table:
    """Return events with the columns `SIGN_INS` of the run without a user that they are in;
    null if there is none. `may_crowd` as in `KnownIds`.
    """
    # A column of its own, as in `_owned`. An event with a user asks nobody.
    asking = events.user_id.isnull().ifelse(device_of(events), ibis.null("string"))
    events = events.mutate(asked_device=asking)
    ends = ("first_seen_at", "first_event_id", "last_seen_at", "last_event_id")
    of_run = runs.select("event_date", *ends, *SIGN_INS, run_device="device_id")
    if not may_crowd:
        return _by_range(events, of_run)
    # Read twice, all events are stored on the way: a tenth of the time of `staging.events`.
    crowded = crowded_days(runs)
    in_crowd = [
        events.event_date == crowded.event_date,
        events.asked_device == crowded.run_device,
    ]
    joined = [
        _by_range(events.anti_join(crowded, in_crowd), of_run),
        _by_position(
            events.semi_join(crowded, in_crowd),
            of_run.semi_join(crowded, ["event_date", "run_device"]),
        ),
    ]
    return union_all(*(rows.select(*events.columns, *SIGN_INS) for rows in joined))


def _by_range(events: ir.Table, runs: ir.Table) -> ir.Table:
    """Return events with the run that they are in:
    each is compared with the few of its device and day.
    """
    is_in_run = [
        events.event_date == runs.event_date,
        events.asked_device == runs.run_device,
        is_from(events, runs),
        is_until(events, runs),
    ]
    return events.left_join(runs, is_in_run)


def is_from(events: ir.Table, runs: ir.Table) -> ir.BooleanValue:
    """Return whether an event is the first of a run or after it,
    in the order of time and event id.
    """
    is_same = (events.event_at == runs.first_seen_at) & (events.event_id >= runs.first_event_id)
    return (events.event_at > runs.first_seen_at) | is_same


def is_until(events: ir.Table, runs: ir.Table) -> ir.BooleanValue:
    """Return whether an event is the last of a run or before it,
    in the order of time and event id.
    """
    is_same = (events.event_at == runs.last_seen_at) & (events.event_id <= runs.last_event_id)
    return (events.event_at < runs.last_seen_at) | is_same


def _by_position(events: ir.Table, runs: ir.Table) -> ir.Table:
    """Return events with the run that they are in,
    which is as many as begin before each of them on its day.
    """
    unit = ["event_date", "asked_device"]
    window = ibis.window(
        group_by=["event_date", "run_device"], order_by=["first_seen_at", "first_event_id"]
    )
    runs = runs.mutate(place=ibis.row_number().over(window).cast("int64") + 1)
    # Columns of their own have the order, so that lineage does not take times of runs for those of
    # events.
    begins = runs.select(
        "event_date",
        asked_device="run_device",
        point_at="first_seen_at",
        point_id="first_event_id",
        begun=1,
    )
    begins = begins.mutate(
        **{
            name: ibis.null(kind.copy(nullable=True))
            for name, kind in events.schema().items()
            if name not in begins.columns
        }
    )
    points = events.mutate(point_at=events.event_at, point_id=events.event_id, begun=0)
    timeline = union_all(points, begins)
    order = ["point_at", "point_id", ibis.desc("begun")]
    so_far = ibis.cumulative_window(group_by=unit, order_by=order)
    timeline = timeline.mutate(begun_count=timeline.begun.sum().over(so_far).cast("int64"))
    placed = timeline.filter(timeline.begun == 0)
    is_in_run = [
        placed.event_date == runs.event_date,
        placed.asked_device == runs.run_device,
        placed.begun_count == runs.place,
        is_until(placed, runs),
    ]
    return placed.left_join(runs, is_in_run)


def sign_ins_around(runs: ir.Table) -> ir.Table:
    """Return the runs without a user of devices that a user signed in on,
    with the sign-ins before and after each.

    Args:
        runs: Rows of `IdentityLinks` with `link_user`, the user whom the run links to the device,
            and `is_guest`: whether a public key sent them in a source session of others.

    Returns:
        Columns of `IdentityLinks` and `SIGN_INS`: the user of the sign-in before the run, when, and
            whether it is in
        the same visit, and the same of the one after it; and when another user than that of the
            sign-in before
        it was last on the device before that, and another than that of the one after it first after
            that.
    """
    runs = runs.semi_join(runs.filter(runs.link_user.notnull()), "device_id")
    order = ["event_date", "run_number"]
    # Guests, which public keys sent, neither begin a visit nor prolong one.
    previous_at = runs.last_seen_at.lag().over(
        ibis.window(group_by=["device_id", "is_guest"], order_by=order)
    )
    begins = (previous_at.isnull() | is_gap(previous_at, runs.first_seen_at)) & ~runs.is_guest
    runs = runs.mutate(
        begins_visit=begins.ifelse(1, 0), sign_in=runs.link_user.notnull().ifelse(1, 0)
    )
    so_far = ibis.cumulative_window(group_by="device_id", order_by=order)
    runs = runs.mutate(
        visit=runs.begins_visit.sum().over(so_far), sign_ins=runs.sign_in.sum().over(so_far)
    )
    sign_in_runs = _with_other_users(runs.filter(runs.sign_in == 1))
    anonymous_runs = runs.filter(runs.user_id.isnull())
    last = sign_in_runs.select(
        "last_other_at",
        last_device="device_id",
        last="sign_ins",
        last_user="link_user",
        last_user_at="last_seen_at",
        last_visit="visit",
    )
    after = sign_in_runs.select(
        "next_other_at",
        next_device="device_id",
        next="sign_ins",
        next_user="link_user",
        next_user_at="first_seen_at",
        next_visit="visit",
    )
    joined = anonymous_runs.left_join(
        last,
        [anonymous_runs.device_id == last.last_device, anonymous_runs.sign_ins == last["last"]],
    )
    joined = joined.left_join(
        after, [joined.device_id == after.next_device, joined.sign_ins + 1 == after["next"]]
    )
    return joined.mutate(
        is_last_in_visit=joined.last_visit == joined.visit,
        is_next_in_visit=joined.next_visit == joined.visit,
    )


def _with_other_users(sign_in_runs: ir.Table) -> ir.Table:
    """Return runs of sign-ins with `last_other_at` and `next_other_at`.

    They are when another user was last on the device before the run, and when another one is first
    after it.
    """
    in_order = ibis.window(group_by="device_id", order_by="sign_ins")
    user = sign_in_runs.link_user
    last_seen_at = sign_in_runs.last_seen_at.lag().over(in_order)
    first_seen_at = sign_in_runs.first_seen_at.lead().over(in_order)
    runs = sign_in_runs.mutate(
        left_at=ibis.cases((user.lag().over(in_order) != user, last_seen_at)),
        came_at=ibis.cases((user.lead().over(in_order) != user, first_seen_at)),
    )
    so_far = ibis.cumulative_window(group_by="device_id", order_by="sign_ins")
    to_come = ibis.cumulative_window(group_by="device_id", order_by=ibis.desc("sign_ins"))
    return runs.mutate(
        last_other_at=runs.left_at.max().over(so_far),
        next_other_at=runs.came_at.min().over(to_come),
    )


def _without_shared(links: ir.Table, shared: ir.Table, rule: IdentityRule) -> ir.Table:
    """Return links with `link_user`: the user,
    unless the id joins nobody or the rule wants an `identify` event.

    They have `is_guest`, too: whether a public key sent them in a source session of others, where
    they join nobody.
    """
    of_others = shared.reason == PUBLIC_KEY
    users = shared.filter(shared.id_kind == "user").select(shared_user="id_value").distinct()
    devices = shared.filter(shared.id_kind != "user").group_by(shared_device="id_value")
    devices = devices.agg(is_closed=of_others.ifelse(0, 1).max())
    links = links.left_join(users, links.user_id == users.shared_user)
    links = links.left_join(devices, links.device_id == devices.shared_device)
    is_guest = links.shared_device.notnull() & links.is_public.fill_null(NO)
    joins = links.shared_user.isnull() & (links.is_closed.fill_null(0) == 0) & ~is_guest
    if rule.links_by_identify:
        joins &= links.identified_at.notnull()
    return links.mutate(
        link_user=joins.ifelse(links.user_id, ibis.null("string")), is_guest=is_guest
    )


Step = tuple[str, ir.StringValue, ir.BooleanValue]
"""A step of a rule: its name, the user, and whether it applies."""


def _steps(events: ir.Table, rule: IdentityRule) -> Sequence[Step]:
    """Return the steps of a rule for events that have `owner`, the user of their device,
    or `SIGN_INS`, by the rule.
    """
    if rule.owner in {"first_user", "last_user"}:
        return [(rule.owner, events.owner, events.owner.notnull())]
    has_last, has_next = events.last_user.notnull(), events.next_user.notnull()
    if rule.owner == "last_or_next_user":
        return [
            ("last_user", events.last_user, has_last),
            ("next_user", events.next_user, has_next),
        ]
    since_last_us = events.event_at.delta(events.last_user_at, unit="microsecond")
    until_next_us = events.next_user_at.delta(events.event_at, unit="microsecond")
    visit_us = int(LONGEST_VISIT.total_seconds()) * 1_000_000
    of_visit: list[Step] = [
        (
            "last_user_of_visit",
            events.last_user,
            events.is_last_in_visit & (since_last_us <= visit_us),
        ),
        (
            "next_user_of_visit",
            events.next_user,
            events.is_next_in_visit & (until_next_us <= visit_us),
        ),
    ]
    is_last_near, is_next_near = (
        since_last_us <= rule.days_back * DAY_US,
        until_next_us <= rule.days_ahead * DAY_US,
    )
    is_guess = ibis.literal(value=False)
    if not rule.guesses_if_shared:
        is_guess = (is_last_near & is_next_near & (events.last_user != events.next_user)).fill_null(
            NO
        )
    steps = of_visit[::-1] if rule.looks_ahead_first else of_visit
    steps += [("last_user", events.last_user, is_last_near & ~is_guess)]
    steps += [("next_user", events.next_user, is_next_near & ~is_guess)]
    if rule.one_user_days:
        steps += [_only_user(events, rule.one_user_days * DAY_US)]
    return [(name, user, applies.fill_null(NO)) for name, user, applies in steps]


def _only_user(events: ir.Table, longest_us: int) -> Step:
    """Return the step that finds the user of events on whose device nobody else signs in,
    so long before and after.
    """
    has_last = (
        events.event_at.delta(events.last_user_at, unit="microsecond") <= longest_us
    ).fill_null(NO)
    has_next = (
        events.next_user_at.delta(events.event_at, unit="microsecond") <= longest_us
    ).fill_null(NO)
    has_other = (
        events.event_at.delta(events.last_other_at, unit="microsecond") <= longest_us
    ).fill_null(NO)
    has_other |= (
        events.next_other_at.delta(events.event_at, unit="microsecond") <= longest_us
    ).fill_null(NO)
    has_other |= has_last & has_next & (events.last_user != events.next_user)
    return (
        "only_user",
        has_last.ifelse(events.last_user, events.next_user),
        (has_last | has_next) & ~has_other,
    )


CANDIDATES: Final = ("of_day", "of_day_after", "of_day_before")
"""The candidates for the user of a session, in order of preference."""


def _with_session_users(events: ir.Table, sightings: ir.Table, late_days: int) -> ir.Table:
    """Return clean events with `session_user_id`:
    the user of the source session of an event without a user.

    The user of a session is searched on the same day, then on the day after, then on the day
    before. If there are several users on that day, the smallest id is used. Users whom public keys
    name count for events of public keys only: a source session is often a number that anybody can
    guess. From the day after, only rows that arrived within `late_days` of the event's own day
    count. From the day before, only rows that did not arrive before that day count. So the result
    for a day needs no arrival that the day itself would not accept.

    Args:
        events: Clean events of some days.
        sightings: Clean events of these days and of the days before and after each of them.
        late_days: As in `CleaningRule`.
    """
    users = _session_users(sightings, late_days)
    joined = events.left_join(users, ["source_session_id", "event_date"], rname="{name}_of_session")
    if "sent_by" in events.columns:
        own = _session_users(
            sightings.filter(~is_public(sightings) | sightings.user_id.isnull()), late_days
        )
        own = own.rename(
            own_session="source_session_id", own_date="event_date", own_user_id="session_user_id"
        )
        joined = joined.left_join(
            own, [joined.source_session_id == own.own_session, joined.event_date == own.own_date]
        )
        joined = joined.mutate(
            session_user_id=is_public(joined).ifelse(joined.session_user_id, joined.own_user_id)
        )
    return joined.select(*events.columns, "session_user_id")


def _session_users(sightings: ir.Table, late_days: int) -> ir.Table:
    # Only sessions that also have events without a user need one. The filter saves time and does
    # not change the result.
    anonymous = sightings.filter(sightings.user_id.isnull()).select("source_session_id").distinct()
    seen = sightings.filter(sightings.user_id.notnull(), sightings.source_session_id.notnull())
    seen = seen.semi_join(anonymous, "source_session_id")
    day_before = (seen.event_date - ibis.interval(days=1)).cast("date")
    is_timely = seen.received_date <= (day_before + ibis.interval(days=late_days)).cast("date")
    is_punctual = seen.received_date >= seen.event_date
    users = seen.group_by("source_session_id", "event_date").agg(
        of_day=seen.user_id.min(),
        of_day_after=seen.user_id.min(where=is_timely),
        of_day_before=seen.user_id.min(where=is_punctual),
    )
    nothing = ibis.null("string")

    def candidates_on(shift_days: int, chosen: str) -> ir.Table:
        """Return the users of one column of `CANDIDATES` as those of the day before or after."""
        return users.select(
            "source_session_id",
            event_date=(users.event_date + ibis.interval(days=shift_days)).cast("date"),
            **{name: users[name] if name == chosen else nothing for name in CANDIDATES},
        )

    nearby = union_all(*map(candidates_on, (0, -1, 1), CANDIDATES))
    return nearby.group_by("source_session_id", "event_date").agg(
        session_user_id=ibis.coalesce(*(nearby[name].min() for name in CANDIDATES))
    )
