"""The log of restatements: each change of a published number,
written in the same transaction as the change.

So a run that is killed leaves either the old numbers without an entry, or the new numbers with
their entries, and no change is logged twice. See docs/adr/0014.

Terms: docs/glossary.md#restatement.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from ecom_assets.behaviour.identity.contracts import ChangedVisitorDays
from ecom_assets.commerce.reconciliation.contracts import (
    SUM_OF_MANY,
    PublishedDays,
    Restatements,
)
from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.rows import Row
from ecom_assets.core.tables.contract import Contract, Ratio, SmallChange
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import arrow_schema_of
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.sql_text import ident, text

MOST_ROWS = 10_000
"""Differing rows of a table in one write of which each number is logged; of more,
the sums of each day.
"""
ROWS_AT_ONCE = 200_000
"""Rows that are compared at once: a year of campaigns by model has millions, of 300 bytes each."""
SAMPLE = 5
"""How many ids of late rows are logged."""
SUM_OF_SMALL = "sum_of_rows_that_changed_by"
"""The key of an entry about the sum of a day's rows that a source changed little."""
SUM_BY_RATE = "sum_of_rows_by_another_rate_of"
"""The key of an entry about the sum of a day's rows of a currency whose rate alone changed."""
RATES_CHANGED, SOURCE_RESTATED = "rates_changed", "source_restated"
COPIED = "copied"
"""In place of a cause: that of the table whose number it is."""
TYPE = "event_type"

Counts = dict[str, dict[str, int]]
"""Row counts of one day, by table and ISO date of arrival."""
States = tuple[pa.Table, pa.Table]
"""Rows of the same days before and after a write."""


@dataclass(frozen=True)
class Movement:
    """Counts of a day's new and removed rows;
    `arrived_on` has the arrival days of the new rows, by table.
    """

    arrived: int = 0
    withdrawn: int = 0
    arrived_on: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def has_rows(self) -> bool:
        """Return whether any row came or went."""
        return bool(self.arrived or self.withdrawn)

    @classmethod
    def between(cls, old: Counts, new: Counts) -> "Movement":
        """Compare the counts at two points in time."""
        gained = _more(new, old)
        arrived_on: dict[str, list[str]] = {}
        for table, arrival in gained:
            arrived_on.setdefault(table, []).append(arrival)
        return cls(sum(gained.values()), sum(_more(old, new).values()), arrived_on)


def _more(counts: Counts, other_counts: Counts) -> dict[tuple[str, str], int]:
    """Return by how much counts are greater than others, by table and arrival day."""
    differences = {
        (table, arrival): count - other_counts.get(table, {}).get(arrival, 0)
        for table, by_arrival in counts.items()
        for arrival, count in by_arrival.items()
    }
    return {key: more for key, more in differences.items() if more > 0}


def as_text(counts: Counts) -> str:
    """Return counts as JSON; equal counts give equal texts."""
    return json.dumps(counts, sort_keys=True, separators=(",", ":"))


def counted(
    engine: Engine, source: Contract, days: Days, types: tuple[str, ...]
) -> dict[date, dict[str, int]]:
    """Return the row counts of each day by arrival day; of events, only those of `types`,
    if there are any.
    """
    if not days.dates:
        return {}
    day, arrival = engine.quoted(str(source.day_column)), engine.quoted("received_date")
    values: dict[date, dict[str, int]] = {}
    slices = f"SELECT * FROM {engine.name_of(source)}{engine.where(source, days)}"  # noqa: S608 (names come from contracts)
    for row in engine.query(
        f"SELECT {day} AS counted_day, {arrival} AS arrival, count(*) AS n FROM ({slices}) AS t "  # noqa: S608 (as above)
        f"WHERE {_of_types(engine, source, types)} GROUP BY 1, 2"
    ):
        values.setdefault(row["counted_day"], {})[str(row["arrival"])] = int(row["n"])
    return values


def some_ids(
    engine: Engine,
    source: Contract,
    received_dates: Mapping[date, Iterable[str]],
    types: tuple[str, ...],
) -> dict[date, list[str]]:
    """Return, for each day, the first few ids of rows that arrived on its `received_dates`;
    `types` as in `counted`.
    """
    day, record = engine.quoted(str(source.day_column)), engine.quoted(source.key[-1])
    arrival = engine.quoted("received_date")
    dates = {
        late_day: ", ".join(f"DATE '{each}'" for each in on)
        for late_day, on in received_dates.items()
    }
    conditions = [
        f"({day} = DATE '{late_day}' AND {arrival} IN ({on}))" for late_day, on in dates.items()
    ]
    if not conditions:
        return {}
    numbered = (
        f"SELECT {day} AS sampled_day, {record} AS id, "  # noqa: S608 (as above)
        f"row_number() OVER (PARTITION BY {day} ORDER BY {record}) AS place "
        f"FROM {engine.name_of(source)} WHERE ({' OR '.join(conditions)}) "
        f"AND {_of_types(engine, source, types)}"
    )
    values: dict[date, list[str]] = {}
    for row in engine.query(
        f"SELECT sampled_day, id FROM ({numbered}) AS t WHERE place <= {SAMPLE} ORDER BY 1, 2"  # noqa: S608 (as above)
    ):
        values.setdefault(row["sampled_day"], []).append(str(row["id"]))
    return values


def _of_types(engine: Engine, source: Contract, types: tuple[str, ...]) -> str:
    if not types or TYPE not in source.columns:
        return "1 = 1"
    names = ", ".join(map(text, types))
    return f"{engine.quoted(TYPE)} IN ({names})"


@dataclass(frozen=True)
class ChangedNumber:
    """A changed number in one row of a day; a value is None if there is no row or it is null."""

    day: date
    row_key: str
    column: str
    before: float | None
    after: float | None
    difference: float | None
    cause: str = ""
    """Why it changed; empty for the cause of its day."""


@dataclass
class StateComparison:
    """Compares two states of a table, some whole days at a time.

    A missing row counts as zero, so a new row with only zeros changes no count or amount. If more
    than `most_rows` rows differ, as after a change of a definition, the sums of these rows by day
    are compared instead; their `row_key` names the run, because they are sums of other rows in each
    run.
    """

    contract: Contract
    run_id: str = ""
    most_rows: int = MOST_ROWS
    _entries: list[ChangedNumber] = field(default_factory=list)
    _differing: list[States] = field(default_factory=list)
    """Rows that differ, until they are so many that their sums are compared."""
    _row_counts: tuple[int, int] = (0, 0)
    """How many rows differ, before and after."""

    def add(self, before: pa.Table, after: pa.Table) -> None:
        """Compare rows of some days with those of the same days afterwards."""
        if before.equals(after):  # as of most days, in the same order
            return
        small_change = self.contract.restated_by_source
        columns = [
            *self.contract.key,
            *self.contract.numbers(),
            *([small_change.currency] if small_change else []),
        ]
        with duckdb.connect() as con:  # far faster than Python where few of many rows differ
            con.register("before", before)
            con.register("after", after)
            states = (
                _differing(con, columns, "before", "after"),
                _differing(con, columns, "after", "before"),
            )
        if small_change:
            by_rate, small, states = _split_by_cause(self.contract, small_change, *states)
            for currency, of_currency in by_rate.items():
                changes = _compared_sums(self.contract, {SUM_BY_RATE: currency}, *of_currency)
                self._entries += (replace(change, cause=RATES_CHANGED) for change in changes)
            same_key = {SUM_OF_SMALL: str(small_change)}
            self._entries += _compared_sums(self.contract, same_key, *small)
        self._row_counts = (
            self._row_counts[0] + states[0].num_rows,
            self._row_counts[1] + states[1].num_rows,
        )
        self._differing.append(states)
        if max(self._row_counts) > self.most_rows:
            for of_days in self._differing:
                self._entries += _compared_sums(self.contract, {SUM_OF_MANY: self.run_id}, *of_days)
            self._differing.clear()

    def changes(self) -> list[ChangedNumber]:
        """Return the changes, sorted by key and column."""
        if not self._differing:
            return self._entries
        states = (pa.concat_tables(rows) for rows in zip(*self._differing, strict=True))
        return [
            *self._entries,
            *_compared(self.contract, self.contract.numbers(), {}, *states),
        ]


def _parts(days: Iterable[date], row_counts: Mapping[date, int]) -> Iterator[Days]:
    """Return days in parts of at most `ROWS_AT_ONCE` rows, or one day."""
    part: list[date] = []
    row_count = 0
    for day in sorted(days):
        row_count += row_counts.get(day, 0)
        if part and row_count > ROWS_AT_ONCE:
            yield Days.from_dates(part)
            part, row_count = [], row_counts.get(day, 0)
        part.append(day)
    if part:
        yield Days.from_dates(part)


def _packed(rows: pa.Table) -> pa.Buffer:
    """Return rows as compressed bytes, which take a small part of their memory."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, rows.schema, options=options) as stream:
        stream.write_table(rows)
    return sink.getvalue()


def _unpacked(buffer: pa.Buffer) -> pa.Table:
    with pa.ipc.open_stream(buffer) as stream:
        return stream.read_all()


def _split_by_cause(
    contract: Contract, small_change: SmallChange, before: pa.Table, after: pa.Table
) -> tuple[dict[str, States], States, States]:
    """Return both states of the rows of which only the rate changed, by their currency; of those
    that their source changed little; and of the others.
    """
    converted = small_change.in_shop_currency
    own = [name for name in contract.numbers() if name not in converted]
    amounts = (small_change.column, converted[0])

    def currency(row: Row) -> Any:  # noqa: ANN401 (any value of a row)
        return row[small_change.currency]

    def rows_of(rows: pa.Table) -> dict[tuple[Any, ...], Row]:
        keys = zip(*(rows[name].to_pylist() for name in contract.key), strict=True)
        numbers = rows.select([small_change.currency, *contract.numbers()]).to_pylist()
        return dict(zip(keys, numbers, strict=True))

    old, new = rows_of(before), rows_of(after)
    day = contract.key.index(str(contract.day_column))
    same = [key for key in old.keys() & new.keys() if currency(old[key]) == currency(new[key])]
    unchanged = {key for key in same if all(old[key][name] == new[key][name] for name in own)}
    # Nothing was spent in some rows, so that only others of the day and currency show the rate.
    rated = {
        (key[day], currency(new[key]))
        for key in unchanged
        if old[key][converted[0]] != new[key][converted[0]]
    }
    parts: dict[tuple[Any, ...], str] = {}
    for key in same:
        was, now = old[key], new[key]
        if key in unchanged and (key[day], currency(now)) in rated:
            parts[key] = f"{RATES_CHANGED} {currency(now)}"
        elif all(small_change.holds(was[name], now[name]) for name in amounts):
            parts[key] = SUM_OF_SMALL

    def split(rows: pa.Table) -> dict[str, pa.Table]:
        keys = zip(*(rows[name].to_pylist() for name in contract.key), strict=True)
        part = pa.array([parts.get(key, "") for key in keys], pa.string())
        rows = rows.drop_columns([small_change.currency])
        return {
            name: rows.filter(pc.equal(part, name)) for name in ("", *sorted({*parts.values()}))
        }

    was, now = split(before), split(after)
    nothing = was[""].slice(0, 0), now[""].slice(0, 0)
    states = {name: (was[name], now[name]) for name in was}
    others, small = states.pop(""), states.pop(SUM_OF_SMALL, nothing)
    return {name.partition(" ")[2]: both for name, both in states.items()}, small, others


def _compared_sums(
    contract: Contract, same_key: Row, before: pa.Table, after: pa.Table
) -> Iterator[ChangedNumber]:
    """Compare the sums of rows by day; `same_key` is the key of each."""
    added = tuple(name for name in contract.numbers() if contract.columns[name].type != "float64")
    by = [str(contract.day_column), *([contract.copied.once[0]] if contract.copied else [])]
    sums = (_sums(rows, by, added) for rows in (before, after))
    yield from _compared(contract, added, same_key, *sums)


def _differing(
    con: duckdb.DuckDBPyConnection, columns: Iterable[str], table: str, other_table: str
) -> pa.Table:
    column_list = ", ".join(map(ident, columns))
    return con.sql(
        f"SELECT {column_list} FROM {table} EXCEPT SELECT {column_list} FROM {other_table}"  # noqa: S608 (names come from contracts)
    ).to_arrow_table()


def _sums(rows: pa.Table, by: list[str], numbers: tuple[str, ...]) -> pa.Table:
    summed = rows.group_by(by).aggregate([(name, "sum") for name in numbers])
    return summed.select([*by, *(f"{name}_sum" for name in numbers)]).rename_columns(
        [*by, *numbers]
    )


def _compared(
    contract: Contract,
    numbers: tuple[str, ...],
    same_key: Row,
    before: pa.Table,
    after: pa.Table,
) -> Iterator[ChangedNumber]:
    """Compare two tables with numbers and some of the key's columns;
    `same_key` is added to each row's key.
    """
    key = [name for name in before.column_names if name not in numbers]
    old, new = _by_key(before, key, numbers), _by_key(after, key, numbers)
    for values in sorted(
        old.keys() | new.keys(), key=lambda values: [(value is not None, value) for value in values]
    ):
        key_values = dict(zip(key, values, strict=True))
        day = key_values.pop(str(contract.day_column))
        row_key = json.dumps(key_values | same_key, ensure_ascii=False, default=str)
        row = (old.get(values, {}), new.get(values, {}))
        changes = _of_row(contract, numbers, (day, row_key), *row)
        yield from _without_copies(contract, key_values, list(changes))


def _without_copies(
    contract: Contract, key_values: Row, changes: list[ChangedNumber]
) -> Iterator[ChangedNumber]:
    """Yield the changes of a row; of numbers that are those of another table, only in the row in
    which they are logged, and with its cause. A ratio changes as its parts do.
    """
    copied = contract.copied
    if copied is None:
        yield from changes
        return
    once, value = copied.once
    own = {change.column for change in changes} - copied.columns
    for change in changes:
        column = contract.columns[change.column]
        ratio = column.counted_as if isinstance(column.counted_as, Ratio) else None
        if change.column in copied.columns or copied.has(column):
            if key_values.get(once) == value:
                yield replace(change, cause=COPIED)
        elif ratio and not own & {ratio.part, ratio.whole}:
            yield replace(change, cause=COPIED)
        else:
            yield change


def _by_key(rows: pa.Table, key: list[str], numbers: tuple[str, ...]) -> dict[tuple[Any, ...], Row]:
    keys = zip(*(rows[name].to_pylist() for name in key), strict=True)
    return dict(zip(keys, rows.select(numbers).to_pylist(), strict=True))


def _of_row(
    contract: Contract, numbers: tuple[str, ...], key: tuple[date, str], old: Row, new: Row
) -> Iterator[ChangedNumber]:
    for column in numbers:
        is_share = contract.columns[column].type == "float64"
        before, after = old.get(column), new.get(column)
        if before == after or (not is_share and not before and not after):
            continue
        difference = None if is_share and None in {before, after} else (after or 0) - (before or 0)
        yield ChangedNumber(*key, column, _float(before), _float(after), _float(difference))


def _float(value: Any) -> float | None:  # noqa: ANN401 (a whole number, a decimal or a float)
    return None if value is None else float(value)


class RestatementLog:
    """The log of one run, which watches writes to published tables."""

    def __init__(self, engine: Engine, run_id: str) -> None:
        """Store the open engine and the id of the run."""
        self.engine = engine
        self.run_id = run_id
        self.causes: Counter[str] = Counter()
        """Numbers that the run changed, by cause."""
        self._written: dict[str, set[date]] = {}

    def hooks_for(self, contract: Contract, days: Days, own: Days) -> "RestatementHooks | None":
        """Return what to call before and after a slice is replaced;
        None for tables that are not published.

        `days` are replaced; `own` are the days of the run.
        """
        self._written.setdefault(contract.qualified_name(), set()).update(days.dates)
        if not contract.counted_from:
            return None
        needed: list[Contract] = [
            PublishedDays,
            Restatements,
            ChangedVisitorDays,
            *contract.counted_from,
        ]
        for table in needed:
            self.engine.ensure(table)
        return RestatementHooks(self, contract, days, own)

    def metadata(self, contract: Contract) -> dict[str, int]:
        """Return how many numbers the run changed, by cause;
        empty for tables other than `Restatements`.
        """
        return (
            {f"changed_by_{cause}": n for cause, n in self.causes.items()}
            if contract is Restatements
            else {}
        )

    def rewritten(self, source: Contract) -> set[date]:
        """Return the days of a table that this run has replaced."""
        return self._written.get(source.qualified_name(), set())


@dataclass
class RestatementHooks:
    """Compares one slice of a published table before and after it is replaced."""

    log: RestatementLog
    contract: Contract
    days: Days
    own: Days
    notes: dict[date, Row] = field(default_factory=dict)
    old: list[tuple[Days, pa.Buffer]] = field(default_factory=list)
    """Rows before they are replaced, packed, some days at a time."""
    row_counts: dict[date, int] = field(default_factory=dict)
    """How many rows each day has afterwards."""

    def before(self) -> None:
        """Read the published days before they are deleted."""
        engine, name = self.log.engine, self.contract.qualified_name()
        notes = {
            row["published_date"]: row
            for row in engine.slice_rows(PublishedDays, self.days).to_pylist()
            if row["table_name"] == name
        }
        self.notes, self.old = {}, []
        for days in _parts(notes, {day: row["row_count"] for day, row in notes.items()}):
            rows = engine.slice_rows(self.contract, days)
            counts = self._day_counts(rows)
            # Days that were emptied by something other than a run, such as a migration, count as
            # not yet published.
            published = {
                day: notes[day]
                for day in days.dates
                if notes[day]["row_count"] == 0 or day in counts
            }
            self.notes |= published
            if published:
                self.old.append((Days.from_dates(published), _packed(rows)))

    def after(self) -> None:
        """Compare with the new rows, log the changes, and record what is published."""
        engine = self.log.engine
        comparison = StateComparison(self.contract, self.log.run_id)
        fresh = Days.from_dates(set(self.days.dates) - self.notes.keys())
        self.row_counts = engine.day_counts(self.contract, fresh) if fresh.dates else {}
        for days, packed in self.old:
            rows = engine.slice_rows(self.contract, days)
            comparison.add(_unpacked(packed), rows)
            self.row_counts |= self._day_counts(rows)
        changes = comparison.changes()
        sources = self._sources()
        self._note(sources, {change.day for change in changes})
        if changes:
            self._log(changes, sources)

    def _day_counts(self, rows: pa.Table) -> dict[date, int]:
        counts = rows[str(self.contract.day_column)].value_counts().to_pylist()
        return {count["values"]: count["counts"] for count in counts}

    def _sources(self) -> dict[date, Counts]:
        """Return the current source row counts of each day;
        days that cannot have changed keep the recorded counts.
        """
        values: dict[date, Counts] = {
            day: json.loads(self.notes[day]["source_row_counts"]) if day in self.notes else {}
            for day in self.days.dates
        }
        for source in self.contract.counted_from:
            name = source.qualified_name()
            moved = {*self.own.dates, *self.log.rewritten(source)}
            noted_days = Days.from_dates(
                day for day in self.days.dates if day in moved or day not in self.notes
            )
            counts = counted(self.log.engine, source, noted_days, self.contract.counted_types)
            for day in noted_days.dates:
                values[day] = {**values[day], name: counts.get(day, {})}
        return values

    def _note(self, sources: dict[date, Counts], changed: set[date]) -> None:
        counts = self.row_counts
        published = [
            day
            for day in self.days.dates
            if day in self.own.dates or day in self.notes or counts.get(day)
        ]
        fresh = [
            self._published_row(
                day,
                {"row_count": counts.get(day, 0), "source_row_counts": as_text(sources[day])},
                changed,
            )
            for day in published
        ]
        differing = [row for row in fresh if row != self.notes.get(row["published_date"])]
        if differing:
            days = Days.from_dates(row["published_date"] for row in differing)
            # Nobody else writes notes about a table that this transaction has locked.
            about = {"table_name": self.contract.qualified_name()}
            rows = _table(PublishedDays, differing)
            self.log.engine.rewrite_about(PublishedDays, days, about, rows)

    def _published_row(self, day: date, noted: Row, changed: set[date]) -> Row:
        old = self.notes.get(day)
        if old is not None and day not in changed:
            return {**old, **noted}
        run_fields = {"run_id": self.log.run_id, "published_at": now_utc_without_zone()}
        return {
            "published_date": day,
            "table_name": self.contract.qualified_name(),
            **noted,
            **run_fields,
        }

    def _log(self, changes: list[ChangedNumber], sources: dict[date, Counts]) -> None:
        days = {change.day for change in changes}
        moved = self._moved(sources, self._own_sources())
        # An identity rule that another setting changed moves visitors without any row: that is a
        # definition.
        has_moved_rows = any(movement.has_rows for movement in moved.values())
        of_identity = self._days_of_changed_visitors() if has_moved_rows else set()
        of_copied = self._moved(sources, self._copied_sources())
        has_moved_rows |= any(movement.has_rows for movement in of_copied.values())
        copied_causes = self._causes_of_copied(days) if self.contract.copied else {}
        ids = self._ids({day: moved[day] for day in days})
        run_fields = {"run_id": self.log.run_id, "restated_at": now_utc_without_zone()}
        rows = []
        for change in changes:
            day = change.day
            cause = change.cause
            is_copy = cause == COPIED
            if is_copy:
                cause = _cause_of_copy(copied_causes.get(day, {}), change.row_key)
                cause = cause or (SOURCE_RESTATED if of_copied[day].has_rows else "")
            cause = cause or self._cause(
                moved[day],
                of_copied[day],
                is_of_identity=day in of_identity,
                has_moved_rows=has_moved_rows,
            )
            rows_of_day = of_copied[day] if is_copy else moved[day]
            shown_ids = [] if is_copy else ids.get(day)
            reasons = {
                "cause": cause,
                "late_row_count": rows_of_day.arrived,
                "withdrawn_row_count": rows_of_day.withdrawn,
                "late_row_ids": json.dumps(shown_ids, ensure_ascii=False) if shown_ids else None,
            }
            entry = {
                "restated_date": change.day,
                "table_name": self.contract.qualified_name(),
                "row_key": change.row_key,
                "column_name": change.column,
                "before_value": change.before,
                "after_value": change.after,
                "difference": change.difference,
                "published_run_id": self.notes[change.day]["run_id"],
            }
            rows.append(entry | reasons | run_fields)
        self.log.causes.update(row["cause"] for row in rows)
        self.log.engine.rewrite(Restatements, Days.from_dates(days), partial(_with_entries, rows))

    def _copied_sources(self) -> frozenset[str]:
        """Return the tables that numbers of another table are counted from, and no others are."""
        copied = self.contract.copied
        return frozenset(
            source.qualified_name() for source in (copied.table.counted_from if copied else ())
        )

    def _own_sources(self) -> frozenset[str]:
        names = {source.qualified_name() for source in self.contract.counted_from}
        return frozenset(names - self._copied_sources())

    def _moved(self, sources: dict[date, Counts], names: frozenset[str]) -> dict[date, Movement]:
        """Return which rows of some tables came and went, by day."""

        def of_tables(counts: Counts) -> Counts:
            return {name: by_arrival for name, by_arrival in counts.items() if name in names}

        return {
            day: Movement.between(
                of_tables(
                    json.loads(self.notes[day]["source_row_counts"]) if day in self.notes else {}
                ),
                of_tables(counts),
            )
            for day, counts in sources.items()
        }

    def _causes_of_copied(self, days: set[date]) -> dict[date, dict[str, str]]:
        """Return why numbers of the copied table changed since those here were published, by day
        and row.
        """
        copied = self.contract.copied
        assert copied is not None  # noqa: S101 (only asked of such a table)
        logged = self.log.engine.table(Restatements)
        rows = logged.filter(
            logged.table_name == copied.table.qualified_name(),
            Days.from_dates(days).contain(logged.restated_date),
        )
        rows = rows.order_by("restated_at", "restatement_number")
        causes: dict[date, dict[str, str]] = {}
        names = ("restated_date", "row_key", "cause", "restated_at")
        for row in self.log.engine.rows_of(rows.select(*names, "restatement_number")):
            day = row["restated_date"]
            if row["restated_at"] >= self.notes[day]["published_at"]:
                causes.setdefault(day, {})[row["row_key"]] = row["cause"]
        return causes

    def _days_of_changed_visitors(self) -> set[date]:
        """Return the days on which an event has another visitor since the run's days came,
        changed or went.
        """
        noted = self.log.engine.table(ChangedVisitorDays)
        rows = noted.filter(self.own.contain(noted.event_date)).select("changed_date").distinct()
        return {row["changed_date"] for row in self.log.engine.rows_of(rows)}

    def _cause(
        self, moved: Movement, of_copied: Movement, *, is_of_identity: bool, has_moved_rows: bool
    ) -> str:
        """Return why numbers of a day changed."""
        if self.contract.restated_by_source:
            return SOURCE_RESTATED
        if moved.has_rows:
            return "late_rows" if moved.arrived else "withdrawn_rows"
        if is_of_identity:
            return "identity"
        if of_copied.has_rows:
            return SOURCE_RESTATED
        return "rows_of_other_days" if has_moved_rows else "definition_changed"

    def _ids(self, moved: dict[date, Movement]) -> dict[date, list[str]]:
        values: dict[date, list[str]] = {}
        for source in self.contract.counted_from:
            name = source.qualified_name()
            received_dates = {
                day: movement.arrived_on[name]
                for day, movement in sorted(moved.items())
                if name in movement.arrived_on
            }
            types = self.contract.counted_types
            for day, ids in some_ids(self.log.engine, source, received_dates, types).items():
                values.setdefault(day, []).extend(ids)
        return {day: ids[:5] for day, ids in values.items()}


def _cause_of_copy(causes: Mapping[str, str], row_key: str) -> str:
    """Return why a number of another table changed, of which `causes` has the rows of the day;
    empty if it did not.
    """
    key = json.loads(row_key)
    of_row = [cause for row, cause in causes.items() if json.loads(row).items() <= key.items()]
    if of_row or not causes:
        return of_row[-1] if of_row else ""
    # Sums name no row.
    of_sums = {
        cause
        for row, cause in causes.items()
        if json.loads(row).keys() & {SUM_OF_SMALL, SUM_BY_RATE}
    }
    return RATES_CHANGED if of_sums == {RATES_CHANGED} else SOURCE_RESTATED


def _with_entries(fresh: list[Row], old: pa.Table) -> pa.Table:
    """Append entries, numbered after the existing ones of the same day and table."""
    stored = old.to_pylist()
    last: dict[tuple[date, str], int] = {}
    for row in stored:
        key = row["restated_date"], row["table_name"]
        last[key] = max(last.get(key, 0), row["restatement_number"])
    numbered = [
        {**row, "restatement_number": last.get((row["restated_date"], row["table_name"]), 0) + 1}
        for row in fresh
    ]
    return _table(Restatements, [*stored, *numbered])


def _table(contract: Contract, rows: Iterable[Row]) -> pa.Table:
    kinds = arrow_schema_of(contract)
    return pa.Table.from_pylist(
        [{name: row[name] for name in kinds.names} for row in rows], schema=kinds
    )
