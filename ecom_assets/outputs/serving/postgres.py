"""Publishing tables of another engine in Postgres: the days that have changed, of all tables,
in one transaction.

Anyone who reads sees the tables of the publication before, or all of the new one's.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from ecom_assets.commerce.orders.held_days import DEFAULT_RULE, held_dates
from ecom_assets.commerce.orders.orders import OrderRule
from ecom_assets.commerce.sales.source_days import EmptyDayMeaning
from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.errors import WarehouseError
from ecom_assets.core.json_text import json_text
from ecom_assets.core.retrying import reconnecting
from ecom_assets.core.rows import Row, without_none
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.portable import arrow_schema_of, batches_of, conform
from ecom_assets.core.warehouse.engine import BATCH_ROWS, Engine
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.core.warehouse.migration import changes
from ecom_assets.core.warehouse.sql_text import text
from ecom_assets.outputs.serving.contracts import Publication, PublishedSlices
from ecom_assets.outputs.serving.fingerprints import (
    Fingerprint,
    State,
    data_version,
    differing,
    notes_of,
    recorded_state,
    state_of,
)
from ecom_assets.outputs.serving.history import Runs
from ecom_assets.outputs.serving.places import newest_publication
from ecom_assets.outputs.serving.reading import source_days

MARK = "Published by ecom_assets: changes made here are overwritten."
"""The comment that marks a table of the platform."""
TURN = (
    # a publisher that is frozen does not hold up all others
    "SET LOCAL idle_in_transaction_session_timeout = '30min'",
    "SET LOCAL lock_timeout = '60min'",
    "SELECT pg_advisory_xact_lock(hashtextextended('ecom_assets publication', 0))",
)
"""Publishers wait for each other, so that nothing changes while one compares and writes."""
NOTES: tuple[Contract, ...] = (PublishedSlices, Publication)

Contracts = Iterable[Contract]
Slices = dict[str, Fingerprint]


@dataclass(frozen=True)
class Published:
    """The result of a publication: rows by table, how many of them it wrote,
    and the data version.
    """

    data_version: str
    row_counts: dict[str, int]
    written_row_counts: dict[str, int]

    @property
    def written(self) -> int:
        """Return how many rows were written."""
        return sum(self.written_row_counts.values())


def publish(  # noqa: PLR0913, PLR0917 (what a publication is made of)
    source: Engine,
    target: PostgresEngine,
    contracts: Contracts,
    run_id: str,
    built_on: Runs | None = None,
    order_rule: OrderRule = DEFAULT_RULE,
    *,
    empty_days: EmptyDayMeaning = "auto",
) -> Published:
    """Make the tables in `target` equal to those in `source`, all of them or none.

    Tables are made as needed, with their keys. If nothing has changed, nothing is written.
    Publishers take turns. A lost connection is fixed and all of it done again, which is safe: what
    is there already is not written twice.

    Raises:
        WarehouseError: Another's table has the name of one of ours, the source changed all the
            while, or Postgres refuses.
        ConnectionLostError: The connection stayed lost; the tables are as they were.
    """
    tables = tuple(contracts)
    notes = partial(_notes, source, built_on or {}, order_rule, empty_days)
    return reconnecting(target.reconnect, source.reconnect)(
        _published, source, target, tables, run_id, notes
    )


def _published(
    source: Engine,
    target: PostgresEngine,
    tables: tuple[Contract, ...],
    run_id: str,
    notes: Callable[[], Row],
) -> Published:
    _add_columns(target, tables)
    with target.transaction():
        for statement in TURN:
            target.execute(statement)
        target.on_step("publication_begun")
        _make_tables(target, (*NOTES, *tables))
        target_state = recorded_state(target)
        by_name = {table.qualified_name(): table for table in tables}
        source_state = state_of(source, tables, target_state)
        written = {
            name: _write_table(
                source, target, table, source_state[name], target_state.get(name, {})
            )
            for name, table in by_name.items()
            if source_state[name] != target_state.get(name, {})
        }
        _note_versions(target, by_name, source_state, target_state)
        _require_unmoved(source, tables, source_state)
        published = Published(
            data_version(source_state),
            {name: _rows(slices) for name, slices in source_state.items()},
            written,
        )
        beside, before = notes(), newest_publication(target) or {}
        if written or any(before.get(name) != text for name, text in beside.items()):
            _note(target, published, run_id, beside)
        target.on_step("publication_noted")
    target.on_step("published")
    return published


def _write_table(
    source: Engine, target: PostgresEngine, table: Contract, wanted: Slices, before: Slices
) -> int:
    """Replace the slices of a table that differ; return how many rows were written."""
    names, days = differing(table, wanted, before)
    target.execute(f"DELETE FROM {target.name_of(table)}{target.where(table, days)}")  # noqa: S608 (names come from contracts)
    target.on_step("slices_removed")
    rows = source.readable(table)
    if days is not None:
        rows = rows.filter(days.contain(rows[table.day_column]))
    with batches_of(conform(rows, table), BATCH_ROWS) as batches:
        count = target.take_in(table, batches)
    target.analyze(table)
    target.on_step("table_written")
    if count != _rows({name: wanted[name] for name in names if name in wanted}):
        raise _moved(source)
    _note_slices(target, table, {name: wanted.get(name) for name in names})
    return count


def _add_columns(target: PostgresEngine, tables: Contracts) -> None:
    """Add columns that contracts have gained, before anything else: it takes a moment,
    but keeps readers out.
    """
    for table in (*tables, *NOTES):
        result = changes(target, table)
        if result and all(change.is_automatic for change in result):
            target.ensure(table)


def _make_tables(target: PostgresEngine, tables: Contracts) -> None:
    """Make the tables that are missing,
    and again those that adding columns does not bring to their contract.
    """
    if "mart" not in target.con.list_databases():
        target.execute('CREATE SCHEMA "mart"')
    for table in tables:
        if target.has(table):
            _require_ours(target, table)
            if not changes(target, table):
                continue
            target.drop(table)
        for statement in target.create_statements(table):
            target.execute(statement)
        target.refer_to(table)
        target.execute(f"COMMENT ON TABLE {target.name_of(table)} IS '{MARK}'")
        if table not in NOTES:
            target.execute(
                f"DELETE FROM {target.name_of(PublishedSlices)} "  # noqa: S608 (as above)
                f"WHERE table_name = {text(table.qualified_name())}"
            )
    target.restore_views()
    for table in tables:
        target.make_views(table)


def _require_ours(target: PostgresEngine, table: Contract) -> None:
    table_oid = f"{text(target.name_of(table))}::regclass"
    (row,) = target.query(f"SELECT obj_description({table_oid}, 'pg_class') AS comment")
    if row["comment"] != MARK:
        raise WarehouseError(
            f"{target.address} has a table {table.qualified_name()} that was not published by "
            "ecom_assets, and it was left alone; rename it, or give another database in "
            "ECOM_POSTGRES_URL."
        )


def _require_unmoved(source: Engine, tables: Contracts, source_state: State) -> None:
    """Check that the copied rows are of one state, if others can write meanwhile."""
    if source.has_one_writer:
        return
    if state_of(source, tables, source_state) != source_state:
        raise _moved(source)


def _moved(source: Engine) -> WarehouseError:
    return WarehouseError(
        f"Another run changed tables of {source.address} while they were published, so nothing "
        "was; publish again when it has ended."
    )


def _note_slices(
    target: PostgresEngine, table: Contract, slices: Mapping[str, Fingerprint | None]
) -> None:
    name = table.qualified_name()
    listed = ", ".join(map(text, slices))
    target.execute(
        f"DELETE FROM {target.name_of(PublishedSlices)} "  # noqa: S608 (as above)
        f"WHERE table_name = {text(name)} AND slice IN ({listed})"
    )
    present = without_none(slices)
    target.take_in(PublishedSlices, notes_of({name: present}).to_reader())


def _note_versions(
    target: PostgresEngine,
    by_name: Mapping[str, Contract],
    source_state: State,
    target_state: State,
) -> None:
    """Note the versions of slices that were written again with the same rows,
    so that they are not read again.
    """
    for table_name, table in by_name.items():
        before = target_state.get(table_name, {})
        same = {
            name: result
            for name, result in source_state[table_name].items()
            if result == before.get(name) and result.version != before[name].version
        }
        if same:
            _note_slices(target, table, same)


def _notes(
    source: Engine, built_on: Runs, order_rule: OrderRule, empty_days: EmptyDayMeaning
) -> Row:
    """Return the records beside the tables."""
    known_days, held = source_days(source, empty_days), held_dates(source, order_rule)
    notes = {"source_days": known_days, "held_days": held, "built_on": built_on}
    return {name: json_text(result) for name, result in notes.items()}


def _note(target: PostgresEngine, published: Published, run_id: str, notes: Row) -> None:
    newest = newest_publication(target)
    row = {
        "publication_number": newest["publication_number"] + 1 if newest else 1,
        "published_at": now_utc_without_zone(),
        "run_id": run_id,
        "data_version": published.data_version,
        "row_count": sum(published.row_counts.values()),
        "written_row_count": published.written,
        "table_row_counts": json_text(published.row_counts),
        **notes,
    }
    result = pa.Table.from_pylist([row], schema=arrow_schema_of(Publication))
    target.take_in(Publication, result.to_reader())


def _rows(slices: Slices) -> int:
    return sum(result.row_count for result in slices.values())
