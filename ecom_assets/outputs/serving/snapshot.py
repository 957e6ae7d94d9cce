"""A snapshot of tables in a file of its own, for readers who never open the warehouse:
the serving store.

A new snapshot is written beside the old one, and becomes the current one by a pointer file that is
replaced in one atomic step. Anyone who has the old file open reads on in it; it is removed once it
is not even the last but one. It is read in `api/store/store.py`.

Terms: docs/glossary.md#snapshot.
"""

import contextlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from pydantic import TypeAdapter

from ecom_assets.commerce.orders.held_days import DEFAULT_RULE, held_dates
from ecom_assets.commerce.orders.orders import OrderRule
from ecom_assets.commerce.sales.source_days import EmptyDayMeaning
from ecom_assets.core.atomic_files import replace_bytes, sync_file
from ecom_assets.core.errors import WarehouseError
from ecom_assets.core.file_lock import file_lock
from ecom_assets.core.json_text import json_text
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import arrow_schema_of, batches_of, conform
from ecom_assets.core.warehouse.day_notes import Computations, WrittenSlices
from ecom_assets.core.warehouse.engine import BATCH_ROWS, Engine
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.migration import changes
from ecom_assets.core.warehouse.sql_text import text
from ecom_assets.outputs.serving.contracts import PublishedSlices
from ecom_assets.outputs.serving.fingerprints import (
    WHOLE,
    State,
    data_version,
    differing,
    notes_of,
    recorded_state,
    state_of,
)
from ecom_assets.outputs.serving.reading import SourceDays, source_days

if TYPE_CHECKING:  # readers of a snapshot load no Dagster
    from ecom_assets.outputs.serving.run_history import RunHistory

POINTER = "current.json"
NEW, STORED = ".new", "marts-*.duckdb"


class OlderPublicationError(WarehouseError):
    """What is published was written by an older version of the platform;
    the message names no path.
    """

    def __init__(self, what: str) -> None:
        """Say what is older, and what to run."""
        super().__init__(
            f"{what} published by an older version of ecom_assets; publish again with "
            "`ecom run --select serving/marts`."
        )


@dataclass(frozen=True)
class Origin:
    """The run that last wrote a table, as recorded by Dagster."""

    run_id: str | None = None
    asset_version: str | None = None
    materialized_at: str | None = None


@dataclass(frozen=True)
class ServedTable:
    """A table of a snapshot: its rows, what they come to (equal versions are equal rows),
    and where it is from.
    """

    row_count: int
    data_version: str
    origin: Origin = field(default_factory=Origin)


@dataclass(frozen=True)
class Snapshot:
    """The content of the pointer file: the current snapshot.

    Attributes:
        file: The DuckDB file's name, in the pointer's folder.
        data_version: What all tables come to: equal versions are equal tables.
        published_at: When, in UTC.
        run_id: The Dagster run that published it.
        tables: By qualified name.
        written_row_count: Rows that were written into the file: those of days that differed, or
            all if it was begun as a copy of the warehouse's.
        source_days: The first, the last and the missing days of each source.
        held_days: The days whose rows are held back, by source, and how much of each is known.
        built_on: The days of arrival that the warehouse had, as runs by raw table (see
            `history.py`).
    """

    file: str
    data_version: str
    published_at: str
    run_id: str
    tables: Mapping[str, ServedTable]
    written_row_count: int = 0
    source_days: Mapping[str, SourceDays] = field(default_factory=dict)
    held_days: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    built_on: Mapping[str, list[tuple[str, str]]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "Snapshot | None":
        """Read the pointer of a folder; None where nothing is published yet.

        Raises:
            OlderPublicationError: An older version has written it.
            WarehouseError: It is damaged.
        """
        path = folder / POINTER
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return _POINTER.validate_json(content)
        except ValueError as error:
            if _is_pointer(content):
                raise OlderPublicationError(f"{POINTER} and its data were") from error
            raise WarehouseError(
                f"{path} is damaged; remove it, and run `ecom run --select serving/marts`."
            ) from error


_POINTER = TypeAdapter(Snapshot)


def _is_pointer(content: bytes) -> bool:
    """Return whether a pointer file is whole,
    so that what cannot be read in it was written by another version.
    """
    try:
        members = json.loads(content)
    except ValueError:
        return False
    return isinstance(members, dict) and {"file", "data_version"} <= members.keys()


def publish_snapshot(  # noqa: PLR0913, PLR0917 (what a publication is made of)
    source: Engine,
    folder: Path,
    contracts: Iterable[Contract],
    origins: Mapping[str, Origin],
    run_id: str,
    built_on: Mapping[str, list[tuple[str, str]]] | None = None,
    order_rule: OrderRule = DEFAULT_RULE,
    *,
    empty_days: EmptyDayMeaning = "auto",
    history: "RunHistory | None" = None,
    is_rewritten: bool = False,
    memory_limit: str = "",
) -> Snapshot:
    """Make the snapshot in `folder` equal to `source`;
    days that have not changed are not read again.

    Args:
        source: The open warehouse.
        folder: Where the pointer and the files lie.
        contracts: The tables.
        origins: By qualified name.
        run_id: The run that publishes.
        built_on: The days of arrival that the warehouse has, to be kept with it.
        order_rule: Which held order lines are clean.
        empty_days: What days without a row between others mean, see `missing_days`.
        history: Which runs wrote the tables, where `source` does not keep it itself.
        is_rewritten: Whether to write a new file and remove all others: copies keep the bytes of
            deleted rows.
        memory_limit: Memory limit of the engine that writes the file, such as 1500MB; without one,
            that of DuckDB.

    Raises:
        WarehouseError: The folder cannot be written.
    """
    with _publishing(folder):
        before = None if is_rewritten else _usable(folder)
        writer = SnapshotWriter(
            source, folder, tuple(contracts), run_id, history, memory_limit, is_rewritten
        )
        days, held = source_days(source, empty_days), held_dates(source, order_rule)
        result = replace(
            writer.published(before, origins),
            source_days=days,
            held_days=held,
            built_on=built_on or {},
        )
        replace_bytes(folder / POINTER, json_text(asdict(result), indent=1).encode())
        # Remove files that nobody is sent to any more; who still reads one has it open.
        kept = {result.file, before.file if before else result.file}
        for path in [*folder.glob(STORED), *folder.glob(f"{STORED}{NEW}*")]:
            if path.name not in kept:
                path.unlink(missing_ok=True)
        return result


@contextlib.contextmanager
def _publishing(folder: Path) -> Iterator[None]:
    """Let publishers take turns; a folder that cannot be written is an error of the warehouse."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with file_lock(folder / "lock"):
            yield
    except OSError as error:
        raise WarehouseError(
            f"{folder} cannot be written ({error.strerror}); fix that, or set ECOM_HOME, and "
            "publish again."
        ) from error


Slice = tuple[Contract, Days | None]
"""A table, and the days of it that differ; None for all."""
MANY_ROWS: Final = 1_000_000
"""From so many rows of changed days on, the warehouse's blocks are copied, which is faster."""


@dataclass(frozen=True)
class SnapshotWriter:
    """Writes the tables of the open warehouse into a file of the folder."""

    source: Engine
    folder: Path
    tables: tuple[Contract, ...]
    run_id: str
    history: "RunHistory | None"
    memory_limit: str
    is_rewritten: bool = False

    def published(self, before: Snapshot | None, origins: Mapping[str, Origin]) -> Snapshot:
        """Write the snapshot's file, and return the content of its pointer."""
        earlier_state = _noted_state(self.folder / before.file) if before else {}
        state = state_of(self.source, self.tables, earlier_state)
        version = data_version(state)
        name, written = f"marts-{version}-{self.run_id[:8]}.duckdb", 0
        if before and before.data_version == version and set(before.tables) == set(state):
            name = before.file
        else:
            fresh = self.folder / f"{name}{NEW}"
            fresh.unlink(missing_ok=True)
            if not before or _changed_rows(state, earlier_state) >= MANY_ROWS:
                written = self._copied_file(fresh, state)
            if before and not written:
                shutil.copyfile(self.folder / before.file, fresh)
            written += self._write_differences(fresh, state)
            sync_file(fresh)
            fresh.replace(self.folder / name)
        served = {
            table: ServedTable(
                sum(day.row_count for day in slices.values()),
                data_version({table: slices}),
                origins.get(table, Origin()),
            )
            for table, slices in state.items()
        }
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return Snapshot(name, version, now, self.run_id, served, written)

    def _copied_file(self, fresh: Path, state: State) -> int:
        """Start from a copy of the warehouse's file, if it has one; return how many rows came.

        Tables with names of people are left out of it, and written by their rows. If the snapshot
        is rewritten, all are: a copy would keep the bytes of deleted rows.
        """
        copied = [table for table in self.tables if not _names_of_people(table)]
        if self.is_rewritten or not self.source.copied_file(fresh, copied):
            fresh.unlink(missing_ok=True)
            return 0
        copied_state = {table.qualified_name(): state[table.qualified_name()] for table in copied}
        with self._opened(fresh) as target:
            _note_state(target, copied_state)
        return sum(rows.row_count for slices in copied_state.values() for rows in slices.values())

    def _write_differences(self, path: Path, state: State) -> int:
        """Write into the file at `path` the days in which it differs from `state`;
        return how many rows.
        """
        with self._opened(path) as target:
            target_state = recorded_state(target)
            slices = list(self._differing(target, state, target_state))
        attached = self.source.attached(path)
        written = self._copied(attached, slices) if attached else self._fetched(path, slices)
        with self._opened(path) as target:
            _note_state(target, state)
            if self.history is None or self.source.has(WrittenSlices):
                self._copy_notes(target)
            else:
                self._note_history(target, state, target_state, self.history)
        return written

    def _opened(self, path: Path) -> AbstractContextManager[DuckDBEngine]:
        return closing(DuckDBEngine(path, memory_limit=self.memory_limit).open())

    def _differing(
        self, target: DuckDBEngine, state: State, target_state: State
    ) -> Iterator[Slice]:
        """Make the tables in `target`; yield those that differ from `state`,
        with the days that do.
        """
        for table in self.tables:
            stored = target_state.get(table.qualified_name(), {})
            if not target.is_ready(table) and changes(target, table):
                target.drop(table)
                stored = {}
            target.ensure(table)
            names, days = differing(table, state[table.qualified_name()], stored)
            if names:
                yield table, days

    def _rows(self, table: Contract, days: Days | None) -> ir.Table:
        # Leave out columns with names of people that no response needs.
        rows = self.source.readable(table).mutate(
            **{name: ibis.null("string") for name in _names_of_people(table)}
        )
        if days is not None:
            return rows.filter(days.contain(rows[table.day_column]))
        # Sorted, so that a reader of few days reads few blocks.
        return rows.order_by(table.day_column) if table.day_column else rows

    def _fetched(self, path: Path, slices: Iterable[Slice]) -> int:
        """Write slices of another engine, a batch at a time."""
        with self._opened(path) as target:
            return sum(
                target.replace(table, self._rows(table, days), days).row_count
                for table, days in slices
            )

    def _copied(self, attached: AbstractContextManager[str], slices: Iterable[Slice]) -> int:
        """Copy slices within the engine: in batches through Python,
        all rows of a table would be in memory at once.
        """
        source, written = self.source, 0
        with attached as file:
            for table, days in slices:
                name, columns = f"{file}.{source.name_of(table)}", source.columns_of(table)
                sql = source.compile(conform(self._rows(table, days), table))
                source.execute(f"DELETE FROM {name}{source.where(table, days)}")  # noqa: S608 (names come from contracts)
                written += source.insert(f"INSERT INTO {name} ({columns})\n{sql}")
        return written

    def _copy_notes(self, target: DuckDBEngine) -> None:
        """Copy the records of writers: which runs wrote which days, and with which SQL."""
        for contract in (WrittenSlices, Computations):
            if self.source.has(contract):
                target.clear([contract])
                target.ensure(contract)
                rows = self.source.table(contract).select(*contract.columns)
                with batches_of(rows, BATCH_ROWS) as batches:
                    target.take_in(contract, batches)

    def _note_history(
        self, target: DuckDBEngine, state: State, target_state: State, history: "RunHistory"
    ) -> None:
        """Note the runs that wrote the slices that differ from those before,
        or that have no note yet.
        """
        target.ensure(WrittenSlices)
        target.ensure(Computations)
        for table in self.tables:
            name = table.qualified_name()
            where = f"WHERE table_name = {text(name)}"
            stored = target.query(f"SELECT first_date FROM {target.name_of(WrittenSlices)} {where}")  # noqa: S608 (names come from contracts)
            dates = {row["first_date"].isoformat() if table.day_column else WHOLE for row in stored}
            before = target_state.get(name, {})
            missing = sorted(
                day
                for day, rows in state[name].items()
                if before.get(day) != rows or day not in dates
            )
            days = [date.fromisoformat(day) for day in missing] if table.day_column else []
            if not missing:
                continue
            writes = history.writes(table, days)
            firsts = ", ".join(f"DATE '{row['first_date']}'" for row in writes) or "NULL"
            target.execute(
                f"DELETE FROM {target.name_of(WrittenSlices)} {where} AND first_date IN ({firsts})"  # noqa: S608 (as above)
            )
            target.execute(f"DELETE FROM {target.name_of(Computations)} {where}")  # noqa: S608 (as above)
            for contract, rows in (
                (WrittenSlices, writes),
                (Computations, history.computations(table)),
            ):
                target.take_in(
                    contract,
                    pa.Table.from_pylist(rows, arrow_schema_of(contract)).to_reader(),
                )


def _note_state(target: DuckDBEngine, state: State) -> None:
    """Write into a snapshot's file what its tables are equal to."""
    target.clear([PublishedSlices])
    target.ensure(PublishedSlices)
    target.take_in(PublishedSlices, notes_of(state).to_reader())


def _changed_rows(state: State, earlier: State) -> int:
    """Return how many rows the slices have that are not as they were."""
    return sum(
        rows.row_count
        for table, slices in state.items()
        for name, rows in slices.items()
        if earlier.get(table, {}).get(name) != rows
    )


def _names_of_people(contract: Contract) -> list[str]:
    return [
        name
        for name, column in contract.columns.items()
        if column.pii and column.nullable and name in NAMES
    ]


NAMES = ("first_name", "last_name")


def _noted_state(path: Path) -> State:
    """Return the notes of a snapshot that others may be reading; none if it is damaged."""
    with (
        contextlib.suppress(WarehouseError),
        closing(DuckDBEngine(path, read_only=True).open()) as before,
    ):
        return recorded_state(before)
    return {}


def _usable(folder: Path) -> Snapshot | None:
    """Return the current snapshot, if its file is there; one that cannot be read is regenerated."""
    with contextlib.suppress(WarehouseError):
        result = Snapshot.read(folder)
        return result if result and (folder / result.file).exists() else None
    return None
