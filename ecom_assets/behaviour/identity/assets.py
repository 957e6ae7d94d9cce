"""Assets of identity: links, ids that join nobody, users that are one person,
and the visitors of clean events.

A sign-in changes the visitors of other days. These days are computed again, as if they were days of
the run, in every table that is computed from clean events: see docs/adr/0030.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.behaviour.events import clean
from ecom_assets.behaviour.events.assets import accepted_arrivals
from ecom_assets.behaviour.events.clean import CleaningRule
from ecom_assets.behaviour.events.contracts import (
    CleanEvents,
    DuplicateEvents,
    QuarantinedEvents,
    RawEvents,
)
from ecom_assets.behaviour.identity import links as linking
from ecom_assets.behaviour.identity.changes import ChangedVisitor, changed_ids, changed_visitors
from ecom_assets.behaviour.identity.contracts import (
    ChangedVisitorDays,
    Identities,
    IdentityAliases,
    IdentityLinks,
    MergedUsers,
    SharedIds,
)
from ecom_assets.behaviour.identity.links import UnlinkedIds, device_of
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.identity.visitors import KnownIds, crowded_days, with_visitors
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.asset import (
    Following,
    Invalidation,
    Reads,
    TableAsset,
    asset_key,
    invalidation,
    table_asset,
)
from ecom_assets.core.tables.computed import computed
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import (
    arrow_schema_of,
    dialect_of,
    has_kernels,
    stored,
    union_all,
)
from ecom_assets.core.tables.received import SliceOutput
from ecom_assets.core.tables.spellings import KeyKind
from ecom_assets.core.warehouse.engine import Engine

EVERY_LINK = Reads(IdentityLinks, whole=True)
EVERY_ALIAS = Reads(IdentityAliases, whole=True)


@invalidation(changed=ChangedVisitorDays)
def days_of_changed_visitors(changed: ir.Table, days: Days) -> ir.Table:
    """Return the days whose visitors the run's days changed."""
    return changed.filter(days.contain(changed.event_date)).select(day="changed_date").distinct()


@invalidation(changed=ChangedVisitorDays)
def days_of_regrouped_visitors(changed: ir.Table, days: Days) -> ir.Table:
    """Return those of `days_of_changed_visitors` on which visitors have more than another id."""
    changed = changed.filter(days.contain(changed.event_date), changed.is_regrouped)
    return changed.select(day="changed_date").distinct()


@invalidation(changed=ChangedVisitorDays)
def visitors_of_changed_days(changed: ir.Table, days: Days) -> ir.Table:
    """Return the visitors, in `visitor_id`,
    whose rows of `days_of_changed_visitors` are others since.
    """
    return changed.filter(days.contain(changed.event_date)).select("visitor_id").distinct()


FOLLOWING: Final[Mapping[Following, tuple[Invalidation, Invalidation | None]]] = {
    "days": (days_of_changed_visitors, None),
    "visitors": (days_of_changed_visitors, visitors_of_changed_days),
    "groups": (days_of_regrouped_visitors, None),
}
"""Which days, and whose rows of them, a table computes again."""


def link_assets(late_days: int) -> list[TableAsset]:
    """Return the assets of links and aliases;
    `late_days` sets how many days around a day they read.
    """
    accepted = accepted_arrivals(late_days)

    @table_asset(IdentityLinks, raw_events=accepted, duplicate_events=DuplicateEvents)
    def identity_links(
        raw_events: ir.Table,
        duplicate_events: ir.Table,
        cleaning_rule: CleaningRule,
        identity_rule: IdentityRule,
        days: Days,
    ) -> ir.Table:
        """Find the runs of events of each device by one user."""
        events = clean.clean_events(raw_events, duplicate_events, cleaning_rule, days)
        return linking.identity_links(events, identity_rule)

    @table_asset(IdentityAliases, raw_events=accepted, duplicate_events=DuplicateEvents)
    def identity_aliases(  # noqa: PLR0913, PLR0917 (each is a table, a definition, or the warehouse)
        raw_events: ir.Table,
        duplicate_events: ir.Table,
        cleaning_rule: CleaningRule,
        identity_rule: IdentityRule,
        user_key: KeyKind,
        erased_users: linking.ErasedUsers,
        warehouse: Engine,
        days: Days,
    ) -> ir.Table:
        """Find the events that say that two user ids are of one person, if neither is erased."""
        asked = {
            "raw_events": raw_events,
            "duplicate_events": duplicate_events,
            "cleaning_rule": cleaning_rule,
            "identity_rule": identity_rule,
            "days": days,
        }
        rows = warehouse.rows_of(computed(_alias_events, asked))
        aliases = linking.identity_aliases((row.values() for row in rows), user_key)
        return table_of(IdentityAliases, linking.without_erased(aliases, erased_users))

    return [identity_links, identity_aliases]


def _alias_events(
    raw_events: ir.Table,
    duplicate_events: ir.Table,
    cleaning_rule: CleaningRule,
    identity_rule: IdentityRule,
    days: Days,
) -> ir.Table:
    """Return the events that say that two user ids are of one person."""
    # Before they are cleaned: copies of one event have one type.
    received = raw_events.filter(raw_events.event_type == linking.ALIAS)
    events = clean.clean_events(received, duplicate_events, cleaning_rule, days)
    return linking.alias_events(events, identity_rule)


def clean_events_asset(late_days: int) -> TableAsset:
    """Return the asset of clean events with their visitors; `late_days` as in `link_assets`."""

    @table_asset(
        CleanEvents,
        follows="visitors",
        deps=(asset_key(QuarantinedEvents), asset_key(ChangedVisitorDays)),
        also_reads=(CleanEvents,),
        raw_events=Reads(RawEvents, days_before=2, days_after=late_days + 1),
        duplicate_events=Reads(DuplicateEvents, days_before=1, days_after=1),
        identity_links=EVERY_LINK,
        shared_ids=SharedIds,
        merged_users=MergedUsers,
    )
    def events(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
        raw_events: ir.Table,
        duplicate_events: ir.Table,
        identity_links: ir.Table,
        shared_ids: ir.Table,
        merged_users: ir.Table,
        cleaning_rule: CleaningRule,
        identity_rule: IdentityRule,
        warehouse: Engine,
        days: Days,
        run_days: Days,
        only_visitors: ir.Table | None,
    ) -> ir.Table:
        """Give each clean event its visitor."""
        known_ids = KnownIds(identity_links, shared_ids, merged_users)
        received = {
            "raw_events": raw_events,
            "duplicate_events": duplicate_events,
            "identity_links": identity_links,
            "shared_ids": shared_ids,
            "merged_users": merged_users,
            "cleaning_rule": cleaning_rule,
            "identity_rule": identity_rule,
        }
        if not identity_rule.has_links:
            return computed(_events_without_links, {**received, "days": days}, CleanEvents)
        # Those of some days that a run cleans, and those of which only visitors change.
        own = set(days.dates) & set(run_days.dates)
        of_run, other_days = Days.from_dates(own), Days.from_dates(set(days.dates) - own)
        parts = []
        if of_run.dates:
            seen = {"identity_links": identity_links, "days": of_run}
            may_crowd = bool(warehouse.rows_of(computed(_any_crowded_day, seen)))
            cleaned = {**received, "may_crowd": may_crowd, "days": of_run}
            parts.append(computed(_events_of_run, cleaned, CleanEvents))
        if other_days.dates:
            others = _with_other_visitors(
                warehouse, known_ids, identity_rule, other_days, only_visitors
            )
            parts.append(others.select(*CleanEvents.columns))
        return parts[0] if len(parts) == 1 else union_all(*parts)

    return events


def _stored_events(warehouse: Engine, days: Days, only_visitors: ir.Table | None) -> ir.Table:
    """Return the clean events of days that the run has not cleaned,
    apart from the table that is about to be replaced.

    Only their visitors change: their copies and rejected rows are those of the run that cleaned
    them.
    """
    events = warehouse.table(CleanEvents)
    rows = events.filter(days.contain(events.event_date))
    if only_visitors is not None:
        rows = rows.semi_join(only_visitors, "visitor_id")
    return stored(warehouse.con, "events_of_other_days", rows)


def _with_other_visitors(
    warehouse: Engine,
    known_ids: KnownIds,
    rule: IdentityRule,
    days: Days,
    only_visitors: ir.Table | None,
) -> ir.Table:
    """Return stored events with their visitors of now; only if these are among `only_visitors`,
    others as stored.

    A visitor who is not is the change of another day, whose run replaces the rows of both visitors
    in every table.
    """
    events = _stored_events(warehouse, days, only_visitors)
    nearby_ids = _ids_near(known_ids, rule, days, events.select(device_id=device_of(events)))
    rows = with_visitors(
        events.rename({f"stored_{name}": name for name in clean.OF_IDENTITY}), nearby_ids, rule
    )
    if only_visitors is None:
        return rows
    named = only_visitors.select(now_visitor_id="visitor_id")
    rows = rows.left_join(named, rows.visitor_id == named.now_visitor_id)
    is_known = rows.now_visitor_id.notnull()
    return rows.mutate(
        **{name: is_known.ifelse(rows[name], rows[f"stored_{name}"]) for name in clean.OF_IDENTITY}
    )


def _events_without_links(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    raw_events: ir.Table,
    duplicate_events: ir.Table,
    identity_links: ir.Table,
    shared_ids: ir.Table,
    merged_users: ir.Table,
    cleaning_rule: CleaningRule,
    identity_rule: IdentityRule,
    days: Days,
) -> ir.Table:
    """Return the clean events of some days with visitors whom no link decides."""
    near = days.widened(before=1, after=1)
    events = clean.clean_events(raw_events, duplicate_events, cleaning_rule, near)
    known_ids = KnownIds(identity_links, shared_ids, merged_users)
    rows = with_visitors(events, known_ids, identity_rule)
    return rows.filter(days.contain(rows.event_date)).select(*CleanEvents.columns)


def _any_crowded_day(identity_links: ir.Table, days: Days) -> ir.Table:
    """Return a row if a device is crowded on any of some days."""
    return crowded_days(_seen_on(identity_links, days)).limit(1)


def _seen_on(links: ir.Table, days: Days) -> ir.Table:
    return links.filter(days.contain(links.event_date))


def _events_of_run(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    raw_events: ir.Table,
    duplicate_events: ir.Table,
    identity_links: ir.Table,
    shared_ids: ir.Table,
    merged_users: ir.Table,
    cleaning_rule: CleaningRule,
    identity_rule: IdentityRule,
    may_crowd: bool,  # noqa: FBT001 (asked of the data before)
    days: Days,
) -> ir.Table:
    """Return the clean events of a run's days with their visitors, by those links only that can
    decide about them, whose visitors other events decide.
    """
    events = clean.clean_events(raw_events, duplicate_events, cleaning_rule, days)
    seen = _seen_on(identity_links, days)
    asking = seen.filter(seen.user_id.isnull()) if identity_rule.keeps_users else seen
    known_ids = KnownIds(identity_links, shared_ids, merged_users)
    nearby_ids = _ids_near(known_ids, identity_rule, days, asking.select("device_id"))
    rows = with_visitors(events, replace(nearby_ids, may_crowd=may_crowd), identity_rule)
    return rows.select(*CleanEvents.columns)


def _ids_near(known_ids: KnownIds, rule: IdentityRule, days: Days, devices: ir.Table) -> KnownIds:
    """Return what is known of ids with those links only that can decide about events
    on some devices and days.
    """
    links = known_ids.links.semi_join(devices, "device_id")
    if rule.days_around is not None:
        before, after = rule.days_around
        links = links.filter(days.widened(before=before, after=after).contain(links.event_date))
    return replace(known_ids, links=links)


@table_asset(ChangedVisitorDays, deps=(asset_key(IdentityLinks), asset_key(IdentityAliases)))
def changed_visitor_days(
    identity_rule: IdentityRule, unlinked_ids: UnlinkedIds, warehouse: Engine, days: Days
) -> SliceOutput:
    """Find the stored events whose visitor is another since the run's days came,
    changed or went.
    """
    noted = warehouse.table(ChangedVisitorDays)
    noted = noted.filter(days.contain(noted.event_date))
    # A day of the run is computed again by itself: no later run has to know that it changed.
    noted = noted.filter(noted.changed_date != noted.event_date)
    rows = {
        tuple(row[name] for name in ChangedVisitorDays.key): row for row in warehouse.rows_of(noted)
    }
    warning = ""
    warehouse.ensure(CleanEvents)
    if identity_rule.has_links and warehouse.row_count(CleanEvents):
        links, aliases = warehouse.table(IdentityLinks), warehouse.table(IdentityAliases)
        before = KnownIds(links, warehouse.table(SharedIds), warehouse.table(MergedUsers))
        shared_now = shared_ids(links, aliases, identity_rule, unlinked_ids, warehouse)
        merged_now = merged_users(aliases, shared_now, identity_rule, warehouse)
        if has_kernels(
            warehouse.con
        ):  # where statements are kept, so that they are the same in each run
            shared_now = stored(warehouse.con, "shared_now", shared_now)
            merged_now = stored(warehouse.con, "merged_now", merged_now)
        now = KnownIds(links, shared_now, merged_now)
        ids = changed_ids(before, now, warehouse.rows_of)
        events = warehouse.table(CleanEvents)
        keep = partial(dialect_of(warehouse.con).kept, warehouse.con)
        changed = changed_visitors(events, ids, now, identity_rule, days, warehouse.rows_of, keep)
        rows |= dict(_rows_by_key(changed, rows, days))
        warning = ids.sentence(_event_counts(changed))
    notes = ([row[name] for name in ChangedVisitorDays.columns] for _, row in sorted(rows.items()))
    return SliceOutput(table_of(ChangedVisitorDays, notes), days, warning=warning)


Notes = Mapping[tuple[Any, ...], NamedValues]
"""Rows of `ChangedVisitorDays` by their key."""


def _rows_by_key(
    changed: Iterable[ChangedVisitor], noted: Notes, days: Days
) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Yield what a run of `days` has found as rows by key;
    what was once regrouped stays so for tables to come.
    """
    for visitor in changed:
        event_date = visitor.changed_date if visitor.changed_date in days.dates else days.dates[-1]
        key = (event_date, visitor.changed_date, visitor.visitor_id)
        is_regrouped = visitor.is_regrouped or bool(key in noted and noted[key]["is_regrouped"])
        yield (
            key,
            {"event_date": event_date, **visitor._replace(is_regrouped=is_regrouped)._asdict()},
        )


def _event_counts(changed: Iterable[ChangedVisitor]) -> dict[date, int]:
    counts: dict[date, int] = {}
    for visitor in changed:
        if visitor.changed_count:
            counts[visitor.changed_date] = (
                counts.get(visitor.changed_date, 0) + visitor.changed_count
            )
    return counts


@table_asset(
    SharedIds,
    deps=(changed_visitor_days.key,),
    identity_links=EVERY_LINK,
    identity_aliases=EVERY_ALIAS,
)
def shared_ids(
    identity_links: ir.Table,
    identity_aliases: ir.Table,
    identity_rule: IdentityRule,
    unlinked_ids: UnlinkedIds,
    warehouse: Engine,
) -> ir.Table:
    """Find the ids that join nobody, of all links and aliases; they are few."""
    asked = {"links": identity_links, "rule": identity_rule}
    shared = warehouse.rows_of(computed(linking.shared_ids, asked))
    rows = [tuple(row[name] for name in SharedIds.columns) for row in shared]
    users = {id_value for id_kind, id_value, *_ in rows if id_kind == "user"}
    _, too_large = groups_of(identity_aliases, users, identity_rule, warehouse)
    of_groups = [("user", user, "group_users", len(users)) for users in too_large for user in users]

    def users_of_each() -> list[tuple[str, bool, int]]:
        devices = linking.users_of_devices(identity_links.filter(identity_links.user_id.notnull()))
        return [
            (row["device_id"], row["is_device"], row["reached_count"])
            for row in warehouse.rows_of(devices)
        ]

    return table_of(
        SharedIds, [*rows, *of_groups, *linking.erased_devices(users_of_each, unlinked_ids)]
    )


@table_asset(
    MergedUsers,
    deps=(changed_visitor_days.key,),
    also_reads=(),
    identity_aliases=EVERY_ALIAS,
    shared_ids=SharedIds,
)
def merged_users(
    identity_aliases: ir.Table, shared_ids: ir.Table, identity_rule: IdentityRule, warehouse: Engine
) -> ir.Table:
    """Find the users that aliases make one person,
    of all aliases and all ids that join nobody; they are few.
    """
    of_users = shared_ids.filter(shared_ids.id_kind == "user").select("id_value")
    users = {row["id_value"] for row in warehouse.rows_of(of_users)}
    groups, _ = groups_of(identity_aliases, users, identity_rule, warehouse)
    return table_of(MergedUsers, linking.merged_rows(groups))


def groups_of(
    aliases: ir.Table, shared: Set[str], rule: IdentityRule, warehouse: Engine
) -> linking.Groups:
    """Return the groups of users that all rows of `IdentityAliases` join,
    without the users who join nobody.
    """
    if not rule.joins_aliases:
        return {}, []
    rows = warehouse.rows_of(computed(linking.aliases_in_order, {"aliases": aliases}))
    pairs = linking.aliases_of_users(((row["user_id"], row["previous_id"]) for row in rows), shared)
    return linking.merged_users(pairs, rule.group_users)


def table_of(contract: Contract, rows: Iterable[Sequence[object]]) -> ir.Table:
    """Return rows whose values are in the order of the columns of a contract."""
    records = [dict(zip(contract.columns, row, strict=True)) for row in rows]
    return ibis.memtable(pa.Table.from_pylist(records, schema=arrow_schema_of(contract)))


identities = table_asset(Identities, follows="visitors", events=CleanEvents)(linking.identities)


def identity_assets(late_days: int) -> list[TableAsset]:
    """Return the assets of identity, in dependency order; `late_days` as in `link_assets`."""
    id_assets = [changed_visitor_days, shared_ids, merged_users]
    return [*link_assets(late_days), *id_assets, clean_events_asset(late_days), identities]
