"""Replacing rows of raw tables: fetched day by day, without those of erased people,
and never losing a day by mistake.

A day that had rows and now has none, or far fewer, keeps its old rows, unless the run allows the
withdrawal. A day of which a part would go ends the run, unless its rows moved to other days. The
decision is made within the transaction that replaces the slice, from the row counts before and
after. Rows that came from another kind of source are never withdrawn, also where withdrawals are
allowed. `tables/received.py` defines what far fewer means. Rows of erased people that a source
still has are left out.

Terms: docs/glossary.md#slice and #withdrawn.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Protocol

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.errors import SourceError, WarehouseError
from ecom_assets.core.retrying import reconnecting
from ecom_assets.core.rows import Row
from ecom_assets.core.tables.contract import Contract, Table, count, day, text
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import conform, rows_of, schema_of
from ecom_assets.core.tables.received import NO_DAYS, SourceGate
from ecom_assets.core.tables.received_files import OF_UPLOADS
from ecom_assets.core.warehouse.day_notes import (
    ErasedRows,
    Withdrawals,
    noted_days,
    notes_of,
    renew_notes,
)
from ecom_assets.core.warehouse.engine import Engine, SliceHooks, Written
from ecom_assets.core.warehouse.factory import event_table_kind
from ecom_assets.core.warehouse.raw_losses import (
    LostRows,
    StoredRows,
    fewer,
    listed,
    note_stored,
    noted_counts,
)


class FetchedDays(Table):
    """One row per day of arrival that was fetched,
    with the version that its rows had at the source.
    """

    layer = "raw"
    written_by = "fetch"
    key = ("received_date",)
    day_column = "received_date"

    received_date = day("The day on which the events arrived")
    source = text("Where they were fetched from")
    source_version = text(
        "What their rows came to at the source; it changes whenever a row does", nullable=True
    )
    fetched_row_count = count("Rows that were fetched", unit="rows")


class RemoteDays(Protocol):
    """Rows of another database by day."""

    @property
    def name(self) -> str:
        """Return the name that identifies this source."""

    @property
    def failure(self) -> WarehouseError | None:
        """Return the error that ended the last stream of rows early, if any."""

    def rows(self, days: Days) -> ir.Table:
        """Return the rows that arrived on some days, as an expression."""

    def versions(self, days: Days) -> Mapping[date, str]:
        """Return, for each day that has rows, a version that changes whenever the rows change."""

    def reconnect(self) -> None:
        """Open a lost connection again."""


@dataclass(frozen=True)
class DayByDay:
    """The output of an asset whose rows are fetched day by day."""

    source: RemoteDays
    days: Days


Replace = Callable[[Contract, ir.Table, Days], tuple[Written, Days]]
"""A function that replaces a slice,
and returns what was written and the days that were actually replaced.
"""


def replace_day_by_day(
    engine: Engine, contract: Contract, remote: DayByDay, replace: Replace | None = None
) -> tuple[Written, Days]:
    """Replace the slice of each day in its own transaction;
    skip days that are unchanged since they were fetched.

    By default, `replace` is the engine's own. Returns what was written, and all days but those it
    did not replace.

    Raises:
        ConnectionLostError: A connection was lost, and every retry failed; finished days are kept.
        WarehouseError: The source or the warehouse returned an error.
    """
    source = remote.source
    replace = replace or (lambda contract, rows, days: (engine.replace(contract, rows, days), days))
    retry = reconnecting(source.reconnect)
    versions = retry(source.versions, remote.days)
    unchanged_days = _unchanged(engine, contract, remote, versions)
    count, sql, left = 0, str(source.rows(remote.days).compile()), set[date]()
    for missing in (missing for missing in remote.days.dates if missing not in unchanged_days):
        day_alone = Days((missing,))
        written, done = retry(_fetch, contract, source, day_alone, replace)
        if not done.dates:
            left.add(missing)
            continue
        note = _note(source.name, missing, versions.get(missing, ""), written.row_count)
        engine.replace(FetchedDays, note, day_alone)
        count += written.row_count
    return Written(count, sql), Days.from_dates(set(remote.days.dates) - left)


def _unchanged(
    engine: Engine, contract: Contract, remote: DayByDay, versions: Mapping[date, str]
) -> set[date]:
    """Return the days whose current version was fetched from this source and is
    still complete in the table.
    """
    engine.ensure(FetchedDays)
    engine.ensure(contract)
    noted = engine.slice_rows(FetchedDays, remote.days).to_pylist()
    present = engine.day_counts(contract, remote.days)
    return {
        row["received_date"]
        for row in noted
        if row["source"] == remote.source.name
        and row["source_version"] == versions.get(row["received_date"], "")
        and int(row["fetched_row_count"]) == present.get(row["received_date"], 0)
    }


def _fetch(
    contract: Contract, source: RemoteDays, days: Days, replace: Replace
) -> tuple[Written, Days]:
    try:
        return replace(contract, source.rows(days), days)
    except WarehouseError as error:
        if source.failure is None:
            raise
        raise source.failure from error


def _note(source: str, received: date, version: str, row_count: int) -> ir.Table:
    values = {"source": source, "source_version": version, "fetched_row_count": row_count}
    kinds = schema_of(FetchedDays)
    row = ibis.literal(received, "date").name("received_date").as_table()
    return row.mutate(**{name: ibis.literal(value, kinds[name]) for name, value in values.items()})


SOURCE = "source"
OTHER_ROWS = "rows_of_other_sources"


def kind_of(origin: str) -> str:
    """Return the kind of a source, by its path or address."""
    if "://" not in origin:
        return "files"
    if origin.startswith(("http://", "https://")):
        return "api"
    return "table" if event_table_kind(origin) else "files"


def rows_of_others(engine: Engine, contract: Contract, days: Days, origin: str) -> pa.Table | None:
    """Return the rows of some days that came from sources of other kinds;
    None if there are none.
    """
    import pyarrow.compute as pc  # noqa: PLC0415 (a tenth of the time of `ecom status`)

    if not origin or SOURCE not in contract.columns or not days.dates:
        return None
    stored = f"{engine.name_of(contract)}{engine.where(contract, days)}"
    origins = engine.query(f"SELECT DISTINCT {engine.quoted(SOURCE)} AS origin FROM {stored}")  # noqa: S608 (names come from contracts)
    other_origins = sorted(
        row["origin"] for row in origins if kind_of(row["origin"]) != kind_of(origin)
    )
    if not other_origins:
        return None
    rows = engine.slice_rows(contract, days)
    return rows.filter(pc.is_in(rows[SOURCE], pa.array(other_origins)))


def rows_of_no_upload(
    engine: Engine, contract: Contract, days: Days, read_files: Collection[str] = ()
) -> pa.Table | None:
    """Return the rows of some days that are neither of uploads nor of files that are read again;
    None if there are none.
    """
    import pyarrow.compute as pc  # noqa: PLC0415 (a tenth of the time of `ecom status`)

    if not days.dates:
        return None
    rows = engine.slice_rows(contract, days)
    files = pc.fill_null(rows[SOURCE_FILE].cast(pa.string()), "")
    is_uploaded = pc.starts_with(files, OF_UPLOADS)
    is_read = pc.is_in(files, pa.array(read_files, pa.string()))
    rows = rows.filter(pc.invert(pc.or_(is_uploaded, is_read)))
    return rows if len(rows) else None


def with_rows(rows: ir.Table, contract: Contract, other_rows: pa.Table) -> ir.Table:
    """Return the rows of a source, which DuckDB reads, and the rows of others."""
    reader = rows.get_backend()
    reader.con.register(OTHER_ROWS, other_rows)
    return conform(rows, contract).union(conform(reader.table(OTHER_ROWS), contract))


ALLOW_WITHDRAWAL = "ecom/allow_withdrawal"
"""The run tag that allows deleting rows that their source no longer has."""
NO_WHOLE_DAYS: frozenset[date] = frozenset()
WholeDays = Callable[[Contract], Collection[date]]


TakenBack = Callable[[], Collection[str]]


def nothing_taken_back() -> Collection[str]:
    """Return nothing: rows of no file may go."""
    return ()


HooksOf = Callable[[Engine, Contract, Days], SliceHooks | None]
"""Returns what is called around the replacement of some days of a table; None for nothing."""


def _no_hooks(_engine: Engine, _contract: Contract, _days: Days) -> SliceHooks | None:
    return None


class _LostDaysError(Exception):
    """Raised to roll back the transaction in which a day lost its rows."""

    def __init__(self, days: Days) -> None:
        super().__init__(str(days))
        self.days = days


class _FewerRowsError(Exception):
    """Raised to roll back the transaction in which a day lost a part of its rows."""

    def __init__(self, lost: list[LostRows]) -> None:
        super().__init__(str(lost))
        self.lost = lost


@dataclass
class WithdrawalGuard:
    """Replace slices of raw tables for one run."""

    engine: Engine
    gate: SourceGate
    """The limits that define what far fewer rows are."""
    whole_days: WholeDays
    """Returns the days of a table that its source reports as complete."""
    run_id: str
    is_allowed: bool
    """Whether the run allows withdrawals."""
    origin: str = ""
    """What the rows have in their column `source`;
    rows of the days from other kinds of sources stay beside them.

    A table with a key needs one that no two sources share.
    """
    supersedes: Days = NO_DAYS
    """Days of which the rows are a newer version of all that the table has:
    fewer of them are no loss.
    """
    erased: Mapping[date, int] = field(default_factory=dict)
    """How many more rows of a day are left out, as those of erased people, than at the last write.
    """
    taken_back: TakenBack = nothing_taken_back
    """Returns what the names of files begin with whose rows may go, as people took them back."""
    also: HooksOf = _no_hooks
    """Returns further hooks around the replacement of some days of a table."""
    only_uploads: Days = NO_DAYS
    """Days of which rows of uploads are replaced, and no others."""
    only_files: frozenset[str] = frozenset()
    """The files whose rows are replaced, beside those of uploads; empty for those of all files."""
    gone: Mapping[date, int] = field(default_factory=dict)
    """How many rows of a day that is replaced are of such files."""

    def replace(self, contract: Contract, rows: ir.Table, days: Days) -> tuple[Written, Days]:
        """Replace the days that have not lost their rows; return what was written,
        and the replaced days.

        Raises:
            SourceError: The source has a part of the rows of a day, so that the others would be
                lost.
        """
        self.engine.ensure(contract)
        self.engine.ensure(StoredRows)
        self.gone = self._rows_taken_back(contract, days)
        other_rows = rows_of_others(self.engine, contract, days, self.origin)
        if self.only_uploads.dates:
            other_rows = rows_of_no_upload(self.engine, contract, self.only_uploads)
        elif self.only_files and not self.is_allowed:
            other_rows = rows_of_no_upload(self.engine, contract, days, self.only_files)
        if other_rows is not None:
            rows = with_rows(rows, contract, other_rows)
        other_days = [] if other_rows is None else other_rows[str(contract.day_column)].to_pylist()
        also = self.also(self.engine, contract, days)
        hooks = _WithdrawalHooks(self, contract, days, Counter(other_days), also=also)
        replaced_days = days
        try:
            written = self._replace(contract, rows, days, hooks)
        except _LostDaysError as lost:
            replaced_days = Days.from_dates(set(days.dates) - set(lost.days.dates))
            rows = rows.filter(replaced_days.contain(rows[contract.day_column]))
            counting = _CountingHooks(
                self, contract, replaced_days, also=self.also(self.engine, contract, replaced_days)
            )
            written = (
                self._replace(contract, rows, replaced_days, counting)
                if replaced_days.dates
                else Written(0, "")
            )
        self._note(contract, hooks, days, replaced_days)
        self.engine.loaded.note(contract, replaced_days, hooks.delivered)
        return written, replaced_days

    def _rows_taken_back(self, contract: Contract, days: Days) -> Counter[date]:
        """Return how many rows of each day are of files that people took back."""
        prefixes = tuple(self.taken_back())
        counts = Counter[date]()
        if not prefixes or SOURCE_FILE not in contract.columns or not days.dates:
            return counts
        table = self.engine.table(contract)
        day_column = str(contract.day_column)
        rows = table.filter(days.contain(table[day_column]))
        by_file = rows.group_by(day_column, SOURCE_FILE).agg(row_count=rows.count())
        for row in self.engine.rows_of(by_file):
            if str(row[SOURCE_FILE] or "").startswith(prefixes):
                counts[row[day_column]] += int(row["row_count"])
        return counts

    def _replace(
        self, contract: Contract, rows: ir.Table, days: Days, hooks: "_CountingHooks"
    ) -> Written:
        try:
            return self.engine.replace(contract, rows, days, hooks)
        except _FewerRowsError as error:
            there_were = sum(hooks.counted_before.get(day, 0) for day in days.dates)
            if self._have_moved(contract, rows, days, there_were):
                return self.engine.replace(contract, rows, days, replace(hooks, may_be_fewer=True))
            lost, name = error.lost, contract.qualified_name()
            only = f"--from {lost[0].day} --to {lost[-1].day}"
            raise SourceError(
                f"{name} would lose {listed(lost)}, since its source no longer has them, so "
                f"nothing of it was replaced; put them back, or let them go with `ecom run {only} "
                "--allow-withdrawal`."
            ) from None

    def _have_moved(self, contract: Contract, rows: ir.Table, days: Days, there_were: int) -> bool:
        """Return whether each file still has as many rows, on other days, such as those of another
        time zone; of rows without a file, and of those that are gone, nobody knows it.
        """
        if SOURCE_FILE not in contract.columns or len(days.dates) == 1:
            return False
        table = self.engine.table(contract)
        before = _by_file(
            self.engine.rows_of(
                _file_counts(table.filter(days.contain(table[contract.day_column])))
            )
        )
        now = _by_file(rows_of(_file_counts(rows)))
        is_known = None not in before and sum(before.values()) >= there_were
        return is_known and all(now.get(file, 0) >= number for file, number in before.items())

    def _note(
        self, contract: Contract, hooks: "_WithdrawalHooks", days: Days, replaced_days: Days
    ) -> None:
        """Record which days are held and which are withdrawn;
        remove the records of days that have rows again.
        """
        name, now = contract.qualified_name(), now_utc_without_zone()
        gone = [
            day
            for day in replaced_days.dates
            if hooks.stored.get(day) and not hooks.delivered.get(day)
        ]
        held = sorted(set(days.dates) - set(replaced_days.dates))
        since = [*((day, None) for day in held), *((day, now) for day in gone)]
        fresh = [
            {
                "received_date": day,
                "stored_count": hooks.stored.get(day, 0),
                "offered_count": hooks.delivered.get(day, 0),
                "noticed_at": now,
                "withdrawn_at": gone_at,
                "run_id": self.run_id,
            }
            for day, gone_at in since
        ]
        settled = {*held, *gone, *(day for day in replaced_days.dates if hooks.delivered.get(day))}
        noted = noted_days(self.engine, Withdrawals, name) & settled
        if fresh or noted:
            renew_notes(
                self.engine, Withdrawals, name, Days.from_dates({*noted, *held, *gone}), fresh
            )


SOURCE_FILE = "source_file"


def _file_counts(rows: ir.Table) -> ir.Table:
    return rows.group_by(SOURCE_FILE).agg(row_count=rows.count())


def _by_file(rows: Iterable[Row]) -> dict[str | None, int]:
    return {row[SOURCE_FILE]: int(row["row_count"]) for row in rows}


@dataclass
class _CountingHooks:
    """Note how many rows a write leaves of each day,
    and refuse one that leaves fewer than there must be.
    """

    guard: WithdrawalGuard
    contract: Contract
    days: Days
    may_be_fewer: bool = field(default=False, kw_only=True)
    also: SliceHooks | None = field(default=None, kw_only=True)
    """Further hooks."""
    counted_before: dict[date, int] = field(default_factory=dict, init=False)

    def before(self) -> None:
        """Count the rows that there must be: those that are there,
        or were noted if some are gone since.
        """
        if self.also:
            self.also.before()
        noted = noted_counts(self.guard.engine, self.contract)
        present = self.guard.engine.day_counts(self.contract, self.days if noted else None)
        days = {*self.days.dates, *present}
        self.counted_before = {
            day: number for day in days if (number := max(present.get(day, 0), noted.get(day, 0)))
        }

    def after(self) -> None:
        """Compare and note the new counts;
        other days are noted with them where none of the table were.
        """
        if self.also:
            self.also.after()
        counts = self.guard.engine.day_counts(self.contract, self.days)
        legitimate = {*self.guard.supersedes.dates, *self.guard.whole_days(self.contract)}
        here = {
            day: number
            for day, number in self.counted_before.items()
            if day in set(self.days.dates)
        }
        lost = [
            row
            for row in fewer(here, counts)
            if row.day not in legitimate
            and row.before - row.now
            > self.guard.erased.get(row.day, 0) + self.guard.gone.get(row.day, 0)
        ]
        if lost and not (self.guard.is_allowed or self.may_be_fewer):
            raise _FewerRowsError(lost)
        others = {day: number for day, number in self.counted_before.items() if day not in here}
        noted = Days.from_dates({*self.days.dates, *others})
        note_stored(self.guard.engine, self.contract, {**others, **counts}, noted)


@dataclass
class _WithdrawalHooks(_CountingHooks):
    other_counts: Counter[date] = field(default_factory=Counter)
    """How many rows of each day came from other sources; they stay, and are not counted."""
    stored: dict[date, int] = field(default_factory=dict)
    delivered: dict[date, int] = field(default_factory=dict)

    def before(self) -> None:
        super().before()
        self.stored = self._own_counts()

    def after(self) -> None:
        if self.days.dates:
            self.delivered = self._own_counts()
            whole = self.guard.whole_days(self.contract)
            stored = {
                day: number - self.guard.gone.get(day, 0) for day, number in self.stored.items()
            }
            lost = self.guard.gate.lost_days(stored, self.delivered, whole)
            if lost.dates and not self.guard.is_allowed:
                raise _LostDaysError(lost)
        super().after()

    def _own_counts(self) -> dict[date, int]:
        counts = self.guard.engine.day_counts(self.contract, self.days)
        return {
            day: own for day, number in counts.items() if (own := number - self.other_counts[day])
        }


def note_withdrawn(
    engine: Engine, contract: Contract, before: dict[date, int], run_id: str
) -> None:
    """Record that the days of `before`, with their row counts, were emptied on purpose,
    so that checks accept it.

    They stay days that were loaded: what is computed from them may be computed again.
    """
    if not before:
        return
    emptied = Days.from_dates(before)
    engine.loaded.note(contract, emptied, engine.day_counts(contract, emptied))
    name, now = contract.qualified_name(), now_utc_without_zone()
    values = {"offered_count": 0, "noticed_at": now, "withdrawn_at": now, "run_id": run_id}
    fresh = [
        {"received_date": day, "stored_count": stored, **values}
        for day, stored in sorted(before.items())
    ]
    renew_notes(engine, Withdrawals, name, emptied, fresh)


def is_guarded(contract: Contract) -> bool:
    """Return whether the days of a table are held when its source has lost them:
    true for raw tables of assets.
    """
    return contract.layer == "raw" and contract.written_by == "asset"


def raw_days(engine: Engine, raw_tables: Iterable[Contract]) -> dict[str, dict[date, int]]:
    """Return the row count of each raw table by day of arrival."""
    return {
        raw.qualified_name(): engine.day_counts(raw, None) for raw in raw_tables if engine.has(raw)
    }


def held_withdrawals(engine: Engine) -> list[Row]:
    """Return the withdrawals of days that are held."""
    return [row for row in notes_of(engine, Withdrawals) if row["withdrawn_at"] is None]


FileDay = tuple[str, date]


class ErasedPeopleFilter(Protocol):
    """The erased people, whose rows must not be loaded again."""

    def left_out(self, contract: Contract, rows: ir.Table) -> tuple[ir.Table, dict[FileDay, int]]:
        """Return the rows of a raw table without those of erased people,
        and the number of rows left out.
        """


def leaving_out(engine: Engine, people: ErasedPeopleFilter, guard: WithdrawalGuard) -> Replace:
    """Return a `replace` function that leaves out the rows of erased people
    and records their number.
    """

    def replaced(contract: Contract, rows: ir.Table, days: Days) -> tuple[Written, Days]:
        rows, counts = people.left_out(contract, rows)
        erased = Counter[date]()  # since the last write: these rows are gone on purpose
        for (_, arrived), number in counts.items():
            erased[arrived] += number
        for row in notes_of(engine, ErasedRows, contract.qualified_name()):
            erased[row["received_date"]] -= int(row["erased_count"])
        written, replaced_days = replace(guard, erased=erased).replace(contract, rows, days)
        note_counts(engine, contract, counts, replaced_days)
        return written, replaced_days

    return replaced


def note_counts(engine: Engine, contract: Contract, counts: dict[FileDay, int], days: Days) -> None:
    """Replace the recorded counts of some days of a raw table."""
    name = contract.qualified_name()
    noted = noted_days(engine, ErasedRows, name)
    changed = Days.from_dates(noted.intersection(days.dates) | {arrived for _, arrived in counts})
    if changed.dates:
        rows = [
            {"received_date": arrived, "source_file": file, "erased_count": number}
            for (file, arrived), number in sorted(counts.items())
        ]
        renew_notes(engine, ErasedRows, name, changed, rows)
