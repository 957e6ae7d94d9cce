"""Links: runs of the events of a device by one user, aliases of users, and ids that too many share.

Definitions: METRICS "Visitor". All orders end in the event id, so none has ties.

Terms: docs/glossary.md#link, #alias and #shared-id.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.clean import is_public
from ecom_assets.behaviour.events.contracts import IDENTITY_TYPES
from ecom_assets.behaviour.identity.contracts import ERASED, PUBLIC_KEY, Identities, IdentityLinks
from ecom_assets.behaviour.identity.rule import VISIT_TIMEOUT, IdentityRule
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables import placeholders
from ecom_assets.core.tables.columns import text_of
from ecom_assets.core.tables.placeholders import JOINS_NOBODY, is_placeholder_text
from ecom_assets.core.tables.portable import NO, first_of_each, union_all
from ecom_assets.core.tables.spellings import KeyKind, spelled

ZEROS = "^[0-]+$"
"""A pattern of further ids that stand for no id, such as a UUID of zeros."""
CONSENT = ("true", "granted", "yes", "1")
"""Values that mean yes, in lower case."""
IDENTIFY, ALIAS = IDENTITY_TYPES
ALIAS_EVENT = ("event_date", "event_id", "event_at", "user_id", "properties")
NO_ID = f"{ZEROS}|[\ud800-\udfff]"
"""What no previous id has: only zeros, or half a character (a surrogate),
which JSON can hold and no table.
"""
PREVIOUS_IDS = ("previous_id", "previousId", "previous_user_id")
"""The properties of an event of type `alias` that have the user id until now;
the first that has one counts.
"""


def is_placeholder(value: ir.StringValue) -> ir.BooleanValue:
    """Return whether an id stands for no id, in any case."""
    return (placeholders.is_placeholder(value, JOINS_NOBODY) | value.re_search(ZEROS)).fill_null(NO)


def device_of(events: ir.Table) -> ir.StringValue:
    """Return the device of clean events, else the source session in its place;
    null without either.
    """
    return ibis.coalesce(events.device_id, events.source_session_id)


def identity_links(events: ir.Table, rule: IdentityRule) -> ir.Table:
    """Return the rows of `IdentityLinks` for clean events of whole days,
    whose visitors are not read.
    """
    events = _linking(events, rule)
    events = events.mutate(
        link_user=events.link_user.fill_null(""),
        is_identify=(events.event_type == IDENTIFY).fill_null(NO),
        is_public=is_public(events).ifelse(1, 0),
    )
    unit = ["event_date", "link_device"]
    in_order = ibis.window(group_by=unit, order_by=["event_at", "event_id"])
    previous_at, previous_user = (
        events.event_at.lag().over(in_order),
        events.link_user.lag().over(in_order),
    )
    is_first = (
        previous_at.isnull()
        | (previous_user != events.link_user)
        | is_gap(previous_at, events.event_at)
    )
    is_first |= events.is_public.lag().over(in_order) != events.is_public
    events = events.select(
        *unit,
        "is_device",
        "link_user",
        "is_identify",
        "is_public",
        "event_at",
        "event_id",
        begins=is_first.ifelse(1, 0),
        place=ibis.row_number().over(in_order),
    )
    # By the place, because an order by text takes twice as long as one by numbers.
    by_place = ibis.window(group_by=unit, order_by="place")
    so_far = ibis.cumulative_window(group_by=unit, order_by="place")
    events = events.mutate(
        run_number=events.begins.sum().over(so_far).cast("int64"),
        ends=events.begins.lead().over(by_place).fill_null(1) == 1,
    )
    rows = events.group_by(*unit, "run_number").agg(
        is_device=events.is_device.ifelse(1, 0).max() == 1,
        user_id=events.link_user.max().nullif(""),
        first_seen_at=events.event_at.min(),
        first_event_id=events.event_id.max(where=events.begins == 1),
        last_seen_at=events.event_at.max(),
        last_event_id=events.event_id.max(where=events.ends),
        event_count=events.count(),
        identified_at=events.event_at.min(where=events.is_identify),
        is_public=events.is_public.max() == 1,
    )
    return rows.rename(device_id="link_device").select(*IdentityLinks.columns)


def _linking(events: ir.Table, rule: IdentityRule) -> ir.Table:
    """Return events that have a device, with it as `link_device`, whether it `is_device`,
    and the user it links to.
    """
    user = may_link(events, rule).ifelse(events.user_id, ibis.null("string"))
    events = events.mutate(link_device=device_of(events), link_user=user)
    events = events.filter(events.link_device.notnull())
    return events.mutate(is_device=(events.link_device == events.device_id).fill_null(NO))


def may_link(events: ir.Table, rule: IdentityRule) -> ir.BooleanValue:
    """Return whether clean events can link a device to a user: no robot's can,
    nor one without the consent it takes.
    """
    is_persons = ~events.is_bot if "is_bot" in events.columns else ibis.literal(value=True)
    if not rule.consent:
        return is_persons
    return is_persons & text_of(events, f"properties.{rule.consent}").lower().isin(
        CONSENT
    ).fill_null(NO)


def first_sign_ins(links: ir.Table, shared: ir.Table) -> ir.Table:
    """Return the link by which each device first has a user, of rows of `IdentityLinks`;
    none of ids of `SharedIds`.
    """
    users = shared.filter(shared.id_kind == "user").select(user_id="id_value").distinct()
    devices = shared.filter(shared.id_kind == "device").select(device_id="id_value").distinct()
    seen = links.filter(links.is_device, links.user_id.notnull())
    seen = seen.anti_join(users, "user_id").anti_join(devices, "device_id")
    return first_of_each(seen, "device_id", ["first_seen_at", "first_event_id"])


def sign_ins(events: ir.Table, rule: IdentityRule) -> ir.Table:
    """Return the events with a user on a device,
    with what `IdentityLinks` calls `device_id` and `is_device`.
    """
    events = _linking(events, rule).drop("device_id", "user_id")
    events = events.filter(events.link_user.notnull())
    return events.select(
        "event_date",
        "event_at",
        "is_device",
        device_id="link_device",
        user_id="link_user",
        is_public=is_public(events),
    )


def is_gap(earlier: ir.TimestampValue, later: ir.TimestampValue) -> ir.BooleanValue:
    """Return whether a device was silent for so long between two events that its visit ended."""
    return later > earlier + ibis.interval(seconds=int(VISIT_TIMEOUT.total_seconds()))


def alias_events(events: ir.Table, rule: IdentityRule) -> ir.Table:
    """Return the clean events that can join two users, in order of time,
    with the columns `ALIAS_EVENT`.
    """
    named = events.filter(
        events.event_type == ALIAS, events.user_id.notnull(), events.properties.notnull()
    )
    named = named.filter(may_link(named, rule), ~is_placeholder(named.user_id), ~is_public(named))
    return named.order_by(["event_at", "event_id"]).select(*ALIAS_EVENT)


def identity_aliases(
    events: Iterable[Iterable[Any]], user_key: KeyKind | None = None
) -> list[tuple[Any, ...]]:
    """Return the rows of `IdentityAliases` for rows of `alias_events`;
    one without two ids that differ joins nobody.

    In Python, because engines read JSON differently, and some fail at text that is none.

    Args:
        events: The rows.
        user_key: What the id of a user is, by which both ids have one spelling.
    """
    named = ((*row, _previous_id(properties, user_key)) for *row, properties in events)
    return [row for row in named if row[-1] not in {None, row[-2]}]


ErasedUsers = Callable[[Iterable[str]], set[str]]
"""Returns which users were erased."""


def without_erased(
    aliases: Sequence[tuple[Any, ...]], erased_users: ErasedUsers
) -> list[tuple[Any, ...]]:
    """Return the rows of `IdentityAliases` of which neither user was erased.

    An alias of somebody else can name an erased user, at any time.
    """
    erased = erased_users({id_ for *_, user, previous in aliases for id_ in (user, previous)})
    return [row for row in aliases if erased.isdisjoint(row[-2:])]


def _previous_id(properties: str, user_key: KeyKind | None) -> str | None:
    """Return the user id until now in properties, a text or a whole number, in its one spelling;
    None without one.
    """
    try:
        document = json.loads(properties)
    except (ValueError, RecursionError):
        return None
    previous = previous_id_of(document) if isinstance(document, dict) else None
    return spelled(previous, user_key) or None if previous else None


def previous_id_of(document: NamedValues) -> str | None:
    """Return the user id until now in the properties of an alias; None without one,
    or where it stands for no id.
    """
    values = (document.get(name) for name in PREVIOUS_IDS)
    texts = (
        str(value)
        for value in values
        if isinstance(value, str | int) and not isinstance(value, bool)
    )
    result = next(filter(None, texts), None)
    is_id = (
        result is not None
        and not is_placeholder_text(result, JOINS_NOBODY)
        and not re.search(NO_ID, result)
    )
    return result if is_id else None


def shared_ids(links: ir.Table, rule: IdentityRule) -> ir.Table:
    """Return the rows of `SharedIds` for all rows of `IdentityLinks`,
    whatever their order of arrival.

    Groups of users that are too large are found with the aliases; see `merged_users`.
    """
    seen = links.filter(links.user_id.notnull())
    return union_all(shared_devices(links, rule), shared_users(seen, seen, rule))


def _of_public_key(links: ir.Table) -> ir.BooleanValue:
    return links.is_public.fill_null(NO)


def users_of_devices(seen: ir.Table) -> ir.Table:
    """Return each device and source session with the number of its users,
    of links or events that have a user.

    Users whom only public keys name there do not count, where other events have a user: else
    anybody could name so many that the device joins nobody any more.
    """
    own_user = (~_of_public_key(seen)).ifelse(seen.user_id, ibis.null("string"))
    users = seen.mutate(own_user=own_user).group_by("device_id", "is_device")
    users = users.agg(all_count=seen.user_id.nunique(), own_count=lambda t: t.own_user.nunique())
    # An id can be a device's in one event, and a source session's in another.
    has_own = users.own_count.max().over(ibis.window(group_by="device_id")) > 0
    reached = has_own.ifelse(users.own_count, users.all_count)
    return users.select("device_id", "is_device", reached_count=reached)


UnlinkedIds = Callable[[Iterable[str]], set[str]]
"""Returns which devices and source sessions an erased person shared with others."""


def erased_devices(
    users: Callable[[], Iterable[tuple[str, bool, int]]], unlinked_ids: UnlinkedIds
) -> Iterator[tuple[str, str, str, int]]:
    """Yield the rows of `SharedIds` of devices that an erased person used, too.

    `users` returns the rows of `users_of_devices`, which are many, and read only if there are such
    devices.
    """
    by_id: dict[str, tuple[str, int]] = {}

    def ids() -> Iterator[str]:
        for device, is_device, count in users():
            by_id[device] = ("device" if is_device else "source_session", int(count))
            yield device

    for device in sorted(unlinked_ids(ids())):
        kind, count = by_id[device]
        yield kind, device, ERASED, count


def shared_devices(links: ir.Table, rule: IdentityRule) -> ir.Table:
    """Return the devices and source sessions that join nobody, of rows of `IdentityLinks`."""
    users = users_of_devices(links.filter(links.user_id.notnull()))
    bound = users.is_device.ifelse(rule.device_users, rule.session_users)
    kind = users.is_device.ifelse("device", "source_session")
    by_bound = users.is_device.ifelse("device_users", "session_users")
    placeholders = users.filter(is_placeholder(users.device_id), users.reached_count < bound)
    return union_all(
        _shared_rows(users.filter(users.reached_count >= bound), kind, "device_id", by_bound),
        _shared_rows(placeholders, kind, "device_id", ibis.literal("placeholder")),
        _sessions_of_others(links),
    )


def _sessions_of_others(links: ir.Table) -> ir.Table:
    """Return the source sessions of events of no public key that public keys sent, too,
    as a session or as a device.

    A source session is not a secret of a browser as its device is, and is often a number that
    anybody can guess.
    """
    own = links.filter(~links.is_device, ~_of_public_key(links)).select("device_id").distinct()
    public = links.filter(_of_public_key(links)).semi_join(own, "device_id")
    sessions = public.group_by("device_id").agg(reached_count=public.user_id.nunique())
    return _shared_rows(
        sessions, ibis.literal("source_session"), "device_id", ibis.literal(PUBLIC_KEY)
    )


def _shared_rows(
    counted: ir.Table, kind: ir.StringValue, value: str, reason: ir.StringValue
) -> ir.Table:
    """Return ids, in a column of a table that has their `reached_count`, as rows of `SharedIds`."""
    return counted.select(
        id_kind=kind, id_value=value, reason=reason, reached_count="reached_count"
    )


def shared_users(seen: ir.Table, pairs: ir.Table, rule: IdentityRule) -> ir.Table:
    """Return the users who join nobody,
    and devices that no longer join whom public keys name on too many.

    Args:
        seen: `device_id`, `is_device`, `user_id`, `event_date`, `first_seen_at` and `is_public` of
            links or events with a user.
        pairs: The same without dates, each device and user at least once.
        rule: The identity rule.
    """
    named = pairs.filter(is_placeholder(pairs.user_id)).group_by("user_id")
    named = named.agg(reached_count=lambda t: t.device_id.nunique())
    placeholders = _shared_rows(named, ibis.literal("user"), "user_id", ibis.literal("placeholder"))
    many = _users_of_many_devices(pairs, rule)
    return union_all(
        placeholders, _users_beyond_bound(seen, many, rule), _devices_beyond_bound(seen, many, rule)
    )


def _users_of_many_devices(pairs: ir.Table, rule: IdentityRule) -> ir.Table:
    """Return the users, without placeholders,
    of so many devices that they may be too many within some days.

    Devices that only public keys name do not count, where another event has the user on a device or
    in a session (`has_own`).
    """
    pairs = pairs.filter(~is_placeholder(pairs.user_id))
    nothing = ibis.null("string")
    devices = pairs.mutate(
        any_device=pairs.is_device.ifelse(pairs.device_id, nothing),
        own_device=(pairs.is_device & ~_of_public_key(pairs)).ifelse(pairs.device_id, nothing),
        own_count=_of_public_key(pairs).ifelse(0, 1),
    )
    many = devices.group_by("user_id").agg(
        any_count=devices.any_device.nunique(),
        own_count=devices.own_device.nunique(),
        has_own=devices.own_count.max(),
    )
    reached = (many.has_own == 1).ifelse(many.own_count, many.any_count)
    return many.filter(reached >= rule.user_devices).select("user_id", "has_own")


def _users_beyond_bound(seen: ir.Table, many: ir.Table, rule: IdentityRule) -> ir.Table:
    """Return the users who were on too many devices on a day and some days before it,
    by rows of no public key.
    """
    own = seen.filter(seen.is_device, ~_of_public_key(seen)).semi_join(
        many.filter(many.has_own == 1), "user_id"
    )
    counted = devices_within_days(own, rule)
    reached = counted.group_by("user_id").agg(reached_count=counted.device_count.max())
    reached = reached.filter(reached.reached_count >= rule.user_devices)
    return _shared_rows(reached, ibis.literal("user"), "user_id", ibis.literal("user_devices"))


def _devices_beyond_bound(seen: ir.Table, many: ir.Table, rule: IdentityRule) -> ir.Table:
    """Return the devices on which a user, whom only public keys name,
    was first seen after too many others.

    Anyone who knows the id of a user can name any number of devices. Those before the bound
    still join the user, and those beyond it join nobody: a flood takes no device from anybody.
    """
    on_devices = seen.filter(seen.is_device).semi_join(many.filter(many.has_own == 0), "user_id")
    first = on_devices.group_by("user_id", "device_id").agg(
        first_at=on_devices.first_seen_at.min(), first_date=on_devices.event_date.min()
    )
    in_order = ibis.window(group_by="user_id", order_by=["first_at", "device_id"])
    first = first.mutate(
        place=ibis.row_number().over(in_order),
        before=first.first_date.lag(rule.user_devices - 1).over(in_order),
    )
    days = ibis.interval(days=rule.user_devices_days - 1)
    beyond = first.filter((first.before >= (first.first_date - days).cast("date")).fill_null(NO))
    reached = beyond.group_by("device_id").agg(reached_count=(beyond.place.max() + 1).cast("int64"))
    return _shared_rows(reached, ibis.literal("device"), "device_id", ibis.literal("user_devices"))


def devices_within_days(devices: ir.Table, rule: IdentityRule) -> ir.Table:
    """Return `device_count` of links of devices:
    on how many a user was on each of their days and those before it.
    """
    days = devices.select("user_id", "device_id", "event_date").distinct()
    last = days.select("user_id", last_date="event_date").distinct()
    first = (last.last_date - ibis.interval(days=rule.user_devices_days - 1)).cast("date")
    inside = last.join(
        days,
        [last.user_id == days.user_id, days.event_date <= last.last_date, days.event_date >= first],
    )
    return inside.group_by("user_id", "last_date").agg(device_count=inside.device_id.nunique())


Alias = tuple[str, str]
"""The user id from now on, and the id until now; in the order of time and event id."""


def aliases_in_order(aliases: ir.Table) -> ir.Table:
    """Return rows of `IdentityAliases` as `merged_users` takes them."""
    return aliases.order_by(["event_at", "event_id"]).select("user_id", "previous_id")


def joining(aliases: ir.Table, users: ir.Table) -> ir.Table:
    """Return the rows of `IdentityAliases` of which both users are in a column `user_id`."""
    previous = users.select(previous_id="user_id")
    return aliases.semi_join(users, "user_id").semi_join(previous, "previous_id")


def aliases_of_users(aliases: Iterable[Alias], shared: Set[str]) -> list[Alias]:
    """Return the aliases that join users; none of those who join nobody, by `SharedIds`."""
    return [alias for alias in aliases if shared.isdisjoint(alias)]


Groups = tuple[Mapping[str, list[str]], list[list[str]]]
"""The users of each visitor, by the id of the visitor, and those who are too many to be one."""


def merged_users(aliases: Sequence[Alias], most_users: int) -> Groups:
    """Return the groups of users that aliases join, each by the id that the visitor has,
    and those that are too large.

    A group's id is the one that no alias replaces; where there are several, or, in a cycle, none,
    it is the new id of the last alias among these. It depends on the set of aliases only, not on
    how they are grouped.
    """
    parent: dict[str, str] = {}

    def root(user: str) -> str:
        while (above := parent.setdefault(user, user)) != user:
            parent[user] = parent[above]
            user = parent[above]
        return user

    for user, previous in aliases:
        parent[root(previous)] = root(user)
    groups: dict[str, list[str]] = {}
    for user in sorted(parent):
        groups.setdefault(root(user), []).append(user)
    replaced = {previous for _, previous in aliases}
    latest: dict[str, str] = {}
    current: dict[str, str] = {}
    for user, _ in aliases:
        latest[root(user)] = user
        if user not in replaced:
            current[root(user)] = user
    named = {current.get(name, latest[name]): users for name, users in groups.items()}
    too_large = [users for users in named.values() if len(users) > most_users]
    return {name: users for name, users in named.items() if len(users) <= most_users}, too_large


def merged_rows(groups: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str, int]]:
    """Yield groups of users as rows of `MergedUsers`."""
    return ((user, name, len(users)) for name, users in groups.items() for user in users)


def identities(events: ir.Table) -> ir.Table:
    """Return the rows of `Identities` for clean events."""
    ids = {
        "user": events.user_id,
        "device": events.device_id,
        "source_session": events.source_session_id,
    }
    columns = ("event_date", "visitor_id", "joined_by", "event_at", "event_id")
    listed = union_all(
        *(
            events.filter(value.notnull()).select(
                *columns, id_kind=ibis.literal(kind), id_value=value
            )
            for kind, value in ids.items()
        )
    )
    return listed.group_by(*Identities.key).agg(
        event_count=listed.count(),
        first_seen_at=listed.event_at.min(),
        last_seen_at=listed.event_at.max(),
        first_event_id=listed.event_id.min(),
    )
