"""A person's rows in the warehouse: find them, delete those of raw tables,
and check that no table has any.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from operator import or_

import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.behaviour.events.clean import (
    CleaningRule,
    received_ids,
    with_content,
    with_event_ids,
    with_known_amounts,
)
from ecom_assets.behaviour.events.contracts import (
    CleanEvents,
    DuplicateEvents,
    KeptEventIds,
    RawEvents,
)
from ecom_assets.behaviour.identity.contracts import ChangedVisitorDays
from ecom_assets.commerce.orders.contracts import (
    ChangedOrderDays,
    RawUserActivityLog,
    RawUserOrderLog,
    WaitingOrderDays,
)
from ecom_assets.commerce.orders.orders import OrderRule, changed_order_days
from ecom_assets.core.tables.contract import Contract, PersonColumns
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import (
    NO,
    arrow_schema_of,
    count_of,
    rows_of,
    union_all,
    value_of,
    values_of,
)
from ecom_assets.core.tables.portable import batches_of as rows_in_batches
from ecom_assets.core.tables.values import FIRST_PLAUSIBLE, LAST_PLAUSIBLE, batches_of
from ecom_assets.core.warehouse.engine import BATCH_ROWS, Engine
from ecom_assets.core.warehouse.raw_losses import declared_loss
from ecom_assets.core.warehouse.raw_slices import note_withdrawn
from ecom_assets.ingestion.sources.erased_people import (
    EVENT_ID,
    UNLINKED,
    among,
    condition,
    id_table,
    words_of,
)
from ecom_assets.ingestion.sources.written_forms import IN_WORDS, forms_of
from ecom_assets.orchestration.privacy.person import AT_ONCE, Person
from ecom_assets.orchestration.registry import ALL, NOTES, PERSONS
from ecom_assets.outputs.delivery.contracts import DeadLetters, Deliveries
from ecom_assets.outputs.delivery.payloads import SIGN_IN

OWN_DAY: dict[Contract, str] = {
    RawEvents: "event_date",
    RawUserOrderLog: "order_date",
    RawUserActivityLog: "activity_date",
}
"""The day of what a row records, beside the day on which it arrived."""
USERS = ("user_id", "customer_id", "visitor_user_id", "previous_id")
TEXTS = ("malformed_row", "payload", "words")
"""Columns in which an id can be one word of many."""
OF_EVENTS: tuple[Contract, ...] = (RawEvents, CleanEvents)
OF_NOBODY = ("session_id", "source_session_id", "anonymous_id", "device_id", EVENT_ID)
"""Columns that identify the person only of rows without a user."""
OF_DELIVERIES: tuple[Contract, ...] = (Deliveries, DeadLetters)


@dataclass(frozen=True)
class RawRows:
    """A person's rows in a raw table: their number, the days on which they arrived,
    and all their days.
    """

    row_count: int = 0
    arrived: Days = field(default_factory=lambda: Days(()))
    days: Days = field(default_factory=lambda: Days(()))


def raw_rows(engine: Engine, contract: Contract, person: Person) -> RawRows:
    """Count a person's rows in a raw table."""
    if not engine.has(contract):
        return RawRows()
    table, own = engine.table(contract), OWN_DAY.get(contract, "received_date")
    rows = table.filter(condition(table, PERSONS[contract], _values(engine, contract, person)))
    counts = rows_of(rows.group_by(arrived=rows.received_date, own=rows[own]).agg(n=rows.count()))
    arrived = Days.from_dates(row["arrived"] for row in counts)
    plausible = [
        row["own"]
        for row in counts
        if row["own"] and FIRST_PLAUSIBLE <= row["own"] <= LAST_PLAUSIBLE
    ]
    return RawRows(
        sum(int(row["n"]) for row in counts), arrived, Days.from_dates([*arrived.dates, *plausible])
    )


def first_day_of_visitors(engine: Engine, visitors: Sequence[str]) -> date | None:
    """Return the first day with a clean event of some visitors; None if there is none."""
    if not visitors or not engine.has(CleanEvents):
        return None
    events = engine.table(CleanEvents)
    days = (
        value_of(events.filter(_has(events, "visitor_id", some)).event_date.min())
        for some in batches_of(visitors, AT_ONCE)
    )
    return min((day for day in days if day is not None), default=None)


def record_ids(engine: Engine, person: Person, rule: CleaningRule) -> dict[str, date]:
    """Return the ids by which the ledger knows the person's events, with their days.

    `rule` says which amounts are known: they are a part of what events that share an id are
    distinguished by.

    An event whose id another event has, too, has the hash of its content behind it, if that one
    arrived first; else the ledger knows the other one by the id as received.
    """
    if not engine.has(RawEvents):
        return {}
    table = engine.table(RawEvents)
    rows = table.filter(condition(table, PERSONS[RawEvents], _values(engine, RawEvents, person)))
    rows = with_known_amounts(rows.filter(rows.event_id.notnull(), rows.event_at.notnull()), rule)
    columns = ("event_id", "event_at", "event_date")
    parts = [rows.select(*columns)]
    if engine.has(DuplicateEvents):
        duplicates = engine.table(DuplicateEvents)  # joined with raw rows, in one engine
        named = with_event_ids(rows, duplicates)
        parts = [
            rows.anti_join(received_ids(duplicates), ["event_date", "event_id"]).select(*columns)
        ]
        parts.append(named.mutate(event_id=named.clean_event_id).select(*columns))
    values: dict[str, date] = {}
    with rows_in_batches(union_all(*parts), BATCH_ROWS) as batches:
        for row in (row for batch in batches for row in batch.to_pylist()):
            record_id = f"{row['event_id']}@{row['event_at']:%Y-%m-%d}"
            values |= dict.fromkeys((record_id, SIGN_IN + record_id), row["event_date"])
    return values


def delete_raw_rows(
    engine: Engine, contract: Contract, person: Person, run_id: str, rule: CleaningRule
) -> int:
    """Delete a person's rows from a raw table, in one transaction; return how many there were.

    `rule` as in `record_ids`.
    """
    rows = raw_rows(engine, contract, person)
    if not rows.row_count:
        return 0
    table, columns = engine.table(contract), PERSONS[contract]
    values = _values(engine, contract, person)
    before = engine.day_counts(contract, rows.arrived)
    gone = condition(table, columns, values)
    if contract is RawEvents:
        keep_event_ids(engine, with_known_amounts(table.filter(gone), rule))
    remaining = table.filter(~gone, rows.arrived.contain(table.received_date))
    with declared_loss(engine, contract, rows.arrived):
        engine.remove(contract, list(_conditions(engine, columns, values)), remaining, rows.arrived)
    after = engine.day_counts(contract, rows.arrived)
    note_withdrawn(
        engine, contract, {day: n for day, n in before.items() if not after.get(day)}, run_id
    )
    return rows.row_count


def keep_event_ids(engine: Engine, erased: ir.Table) -> None:
    """Note, of other events whose id an erased event has, too, that they keep the hash behind it.

    Without the note, an event whose id an erased one had first would get that id, and tools would
    get it again. Notes about the erased events themselves are removed.
    """
    if not engine.has(DuplicateEvents):
        return
    duplicates = engine.table(DuplicateEvents)
    erased = erased.filter(erased.event_id.notnull(), erased.event_date.notnull())
    contents = with_content(erased)
    ordered = contents.mutate(content_hash=contents.ordered_hash)
    gone = {
        *_contents(engine, contents),
        *_contents(engine, ordered.filter(ordered.content_hash.notnull())),
    }
    hashed = duplicates.filter(
        duplicates.source_event_id.notnull(), duplicates.event_id != duplicates.source_event_id
    )
    shared = hashed.semi_join(erased, hashed.source_event_id == erased.event_id)
    others = (
        set(
            _contents(
                engine, shared.select("event_date", "content_hash", event_id="source_event_id")
            )
        )
        - gone
    )
    engine.ensure(KeptEventIds)
    days = Days.from_dates(content[0] for content in others | gone)
    if not days.dates:
        return
    names = tuple(KeptEventIds.columns)

    def renewed(old: pa.Table) -> pa.Table:
        stored = {tuple(row[name] for name in names) for row in old.to_pylist()}
        rows = [
            dict(zip(names, content, strict=True)) for content in sorted((stored | others) - gone)
        ]
        return pa.Table.from_pylist(rows, schema=arrow_schema_of(KeptEventIds))

    with engine.transaction():
        engine.rewrite(KeptEventIds, days, renewed)


def _contents(engine: Engine, rows: ir.Table) -> Iterator[tuple[date, str, str]]:
    """Yield the day, the id as received and the hash of the content of events."""
    distinct = rows.select("event_date", "event_id", "content_hash").distinct()
    for row in engine.rows_of(distinct):
        yield row["event_date"], row["event_id"], row["content_hash"]


def delete_left_rows(engine: Engine, person: Person, records: Iterable[str]) -> dict[str, int]:
    """Delete a person's remaining rows, such as in tables that no run computes any more;
    return the counts.
    """
    deleted: dict[str, int] = {}
    nobody = f"{engine.quoted('user_id')} IS NULL AND "
    for contract, result in _naming_tables(engine, person, records):
        table = engine.table(contract)
        remaining = table.filter(~_is_of(table, result))
        conditions = [
            f"{nobody if _is_of_nobody(table, name) else ''}{engine.quoted(name)} IN "
            f"({', '.join(map(engine.text_of, batch))})"
            for name, values in result.items()
            for batch in batches_of(sorted(values), AT_ONCE)
        ]
        deleted[contract.qualified_name()] = count_of(table) - count_of(remaining)
        with declared_loss(engine, contract):
            engine.remove(contract, conditions, remaining, None)
    return deleted


def forget_changed_visitors(engine: Engine, days: Days) -> None:
    """Delete the notes that days of a run changed visitors of days of the same run,
    which are computed again by it.

    An erasure would leave how many events of which day an erased person had.
    """
    if not engine.has(ChangedVisitorDays):
        return
    notes = engine.table(ChangedVisitorDays)
    remaining = notes.filter(~(days.contain(notes.event_date) & days.contain(notes.changed_date)))
    first, last = (f"DATE '{day}'" for day in (days.first, days.dates[-1]))
    within = " AND ".join(
        f"{name} BETWEEN {first} AND {last}" for name in ("event_date", "changed_date")
    )
    engine.remove(ChangedVisitorDays, [within], remaining, None)


def forget_withdrawn_order_days(engine: Engine, rule: OrderRule, days: Days) -> None:
    """Delete the order days that only lines which have been removed could change; a run keeps them.

    An erasure would leave on which days an order of an erased person was placed and arrived.
    """
    if engine.has(ChangedOrderDays):
        raw, waiting = engine.table(RawUserOrderLog), engine.table(WaitingOrderDays)
        engine.replace(ChangedOrderDays, changed_order_days(raw, waiting, rule, days), days)


def tables_with(engine: Engine, person: Person, records: Iterable[str] = ()) -> dict[str, int]:
    """Return the tables that have rows of a person, with their number; none after an erasure."""
    return {
        contract.qualified_name(): count_of(table.filter(_is_of(table, values)))
        for contract, values in _naming_tables(engine, person, records)
        for table in [engine.table(contract)]
    }


def mentions(engine: Engine, person: Person) -> dict[str, int]:
    """Return how many rows of other people have an id of the person in a text, by column;
    these rows are kept.

    Such a row is an address of a page with the id of another visitor. Call it when the person's own
    rows are gone.
    """
    alternatives = person.id_pattern()
    if alternatives is None:
        return {}
    pattern = f"(^|[^{IN_WORDS}])({alternatives})($|[^{IN_WORDS}])"
    result: dict[str, int] = {}
    for contract in (table for table in (*ALL, *NOTES) if engine.has(table)):
        table = engine.table(contract)
        texts = {name: table[name] for name, kind in table.schema().items() if kind.is_string()}
        if texts:
            counts = {
                name: text.re_search(pattern).fill_null(NO).ifelse(1, 0).sum()
                for name, text in texts.items()
            }
            (row,) = rows_of(table.agg(**counts))
            result |= {
                f"{contract.qualified_name()}.{name}": int(n) for name, n in row.items() if n
            }
    return result


def _naming_tables(
    engine: Engine, person: Person, records: Iterable[str]
) -> Iterator[tuple[Contract, dict[str, set[str]]]]:
    """Yield each table that names a person, with the values of its columns that do."""
    for contract in (table for table in ALL if engine.has(table)):
        result = {
            name: values
            for name, wanted in named_by(contract, person, records).items()
            if (values := _present(engine.table(contract), name, wanted))
        }
        result |= {
            name: values
            for name in TEXTS
            if name in contract.columns
            and (values := _naming(engine.table(contract), name, person))
        }
        if result:
            yield contract, result


def named_by(
    contract: Contract, person: Person, records: Iterable[str] = ()
) -> dict[str, set[str]]:
    """Return the columns of a table that hold ids of people,
    each with the ids that the person can have there.
    """
    wanted: dict[str, set[str]] = {name: set(person.users) for name in USERS}
    wanted |= {"visitor_id": set(person.visitors), "source_session_id": set(person.sessions)}
    wanted |= {
        "anonymous_id": set(person.devices),
        "device_id": {*person.devices, *person.sessions},
    }
    wanted |= {"id_value": {*person.users, *person.devices, *person.sessions}}
    if contract in OF_EVENTS:
        wanted[EVENT_ID] = set(person.events)
    if "malformed_row" in contract.columns:  # events as received; `session_id` of marts is another
        wanted["session_id"] = set(person.sessions)
    if contract in OF_DELIVERIES:
        wanted["record_id"] = {*records, *person.users}
    return {name: ids for name, ids in wanted.items() if ids and name in contract.columns}


def _present(table: ir.Table, name: str, wanted: set[str]) -> set[str]:
    """Return which of some values a column has;
    rows of others in the same session or device do not count.
    """
    result: set[str] = set()
    for batch in batches_of(sorted(wanted), AT_ONCE):
        rows = table.filter(_has(table, name, batch)).select(name).distinct()
        result |= set(values_of(rows[name]))
    return result


def _naming(table: ir.Table, name: str, person: Person) -> set[str]:
    """Return the texts in which a word is an id of the person."""
    users = {*person.users, *person.visitors}
    if not users:
        return set()
    forms = {form for user in users for form in forms_of(user)}
    texts = table.filter(table[name].notnull()).select(name).distinct()
    ids = id_table(table.get_backend(), forms)
    if ids is None:
        rows = texts.filter(reduce(or_, (texts[name].contains(form) for form in sorted(forms))))
    else:
        rows = texts.semi_join(ids, texts[name].contains(ids.value))
    with rows_in_batches(rows, BATCH_ROWS) as batches:
        result = (text for batch in batches for text in batch[name].to_pylist())
        return {text for text in result if users.intersection(words_of(text))}


def _is_of(table: ir.Table, result: Mapping[str, set[str]]) -> ir.BooleanValue:
    return reduce(or_, (_has(table, name, sorted(values)) for name, values in result.items()))


def _has(table: ir.Table, name: str, values: Sequence[str]) -> ir.BooleanValue:
    result = among(table, name, values)
    return result & table.user_id.isnull() if _is_of_nobody(table, name) else result


def _is_of_nobody(table: ir.Table, name: str) -> bool:
    """Return whether a column identifies the person only of rows without a user."""
    return name in OF_NOBODY and "user_id" in table.columns


def _values(engine: Engine, contract: Contract, person: Person) -> dict[str, set[str]]:
    """Return the person's ids, and texts with such an id, by column of a raw table."""
    columns = PERSONS[contract]
    table = engine.table(contract)
    alone = table.filter(table[columns.user].isnull())
    by_kind = {kind: set(ids) for kind, ids in person.ids.items()}
    return {
        columns.user: set(person.users),
        columns.text: _naming(alone, columns.text, person),
        **{name: by_kind[kind] for name, kind in columns.without_user.items()},
        EVENT_ID: set(person.received_events) if contract is RawEvents else set(),
        UNLINKED: set(person.unlinked),
    }


def _conditions(
    engine: Engine, columns: PersonColumns, values: Mapping[str, set[str]]
) -> Iterator[str]:
    """Yield the SQL conditions of a person's rows in a raw table."""
    nobody = f"{engine.quoted(columns.user)} IS NULL AND "
    for name in columns.names:
        for listed in _in_lists(engine, name, values[name]):
            yield f"{'' if name == columns.user else nobody}{listed}"
    for of_event in _in_lists(engine, EVENT_ID, values[EVENT_ID]):
        for name in columns.without_user:
            for on_shared in _in_lists(engine, name, values[UNLINKED]):
                yield f"{nobody}{of_event} AND {on_shared}"


def _in_lists(engine: Engine, name: str, values: Iterable[str]) -> Iterator[str]:
    """Yield the SQL conditions that a column has one of some values, of at most `AT_ONCE` each."""
    for batch in batches_of(sorted(values), AT_ONCE):
        yield f"{engine.quoted(name)} IN ({', '.join(map(engine.text_of, batch))})"
