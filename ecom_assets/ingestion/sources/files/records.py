"""Records in CSV, NDJSON and Parquet files,
read by one DuckDB SELECT with the columns of the `raw` tables.

This module finds the files, decides which of them to open for which arrival days, and builds the
SELECT.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from ecom_assets.commerce.quality.reasons import sentence_of
from ecom_assets.core.errors import MappingError, UsageError
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import NO_FAULT, FileRows
from ecom_assets.core.tables.received_files import LARGE_SHARE
from ecom_assets.core.tables.values import FIRST_PLAUSIBLE
from ecom_assets.core.warehouse.local import naming_damaged_parquet, note_parquet
from ecom_assets.core.warehouse.sql_text import date_literal, select
from ecom_assets.ingestion.sources.files import sql as row_sql
from ecom_assets.ingestion.sources.files.arrival_sql import FileDays, arrivals_sql, dated_sql
from ecom_assets.ingestion.sources.files.cells import CellFiles, layout_of, malformed_text
from ecom_assets.ingestion.sources.files.columns import FileColumns, columns_of
from ecom_assets.ingestion.sources.files.damage import Findings
from ecom_assets.ingestion.sources.files.empty import empty_columns
from ecom_assets.ingestion.sources.files.fit import (
    check_expressions,
    check_fit,
    columns_used,
    unknown_column,
)
from ecom_assets.ingestion.sources.files.footers import rules_passed
from ecom_assets.ingestion.sources.files.formats import InputFile, find_files
from ecom_assets.ingestion.sources.files.mapping import RecordMapping, valid_zone
from ecom_assets.ingestion.sources.files.record_sql import records_sql
from ecom_assets.ingestion.sources.files.shape import ADDED
from ecom_assets.ingestion.sources.files.sql import (
    Layout,
)
from ecom_assets.ingestion.sources.files.unpacked import sheet_of, unpacked


@dataclass(frozen=True)
class ArrivalDays:
    """The number of a file's rows by arrival day, and the day for rows without one."""

    row_counts: dict[date, int]
    fallback: date
    has_date: bool

    @classmethod
    def from_rows(
        cls, rows: Collection[tuple[date | None, int, date | None]], modified: date
    ) -> "ArrivalDays":
        """Assign rows without an arrival day to the last event day of the file,
        else to the file's own day.

        Args:
            rows: Arrival days (None for rows without one), each with its row count and its last
                event day.
            modified: The day on which the file was modified.
        """
        fallback = max((usable for _, _, usable in rows if usable), default=modified)
        counts: dict[date, int] = {}
        for arrived, number, _ in rows:
            counts[arrived or fallback] = counts.get(arrived or fallback, 0) + number
        return cls(counts, fallback, any(arrived for arrived, _, _ in rows))

    @property
    def first(self) -> date:
        """Return the first day on which a row arrived."""
        return min(self.row_counts)

    @property
    def last(self) -> date:
        """Return the last day on which a row arrived."""
        return max(self.row_counts)


@dataclass(frozen=True)
class RecordFiles(CellFiles):
    """The files of one source, with the mapping that they match; those of others that stand beside
    them have their own.
    """

    mapping: RecordMapping
    timezone: str
    first_day: date = FIRST_PLAUSIBLE
    currency: str = ""
    """The currency that amounts of events state; empty where it is not looked for,
    or none is stated.
    """
    convert: Callable[[str], str] | None = field(default=None, repr=False, compare=False)
    """What makes the SELECT of rows with their currency one with amounts in
    one currency, without it.
    """
    mappings: Mapping[str, RecordMapping] = field(default_factory=dict, repr=False, compare=False)
    """The mappings of files that have another one, by their paths."""
    _arrivals: dict[str, ArrivalDays] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(
        cls,
        con: duckdb.DuckDBPyConnection,
        paths: Sequence[str | Path],
        mapping: RecordMapping,
        timezone: str = "UTC",
        first_day: date = FIRST_PLAUSIBLE,
    ) -> "RecordFiles":
        """Find the files, and check the header and types of each against the mapping,
        before anything runs.

        Some dates are ignored as implausible: those before `first_day`, and those of landing
        folders that are later than the file itself. Such rows get their arrival day from the
        remaining dates.
        """
        try:
            valid_zone(timezone)
        except ValueError as error:
            raise UsageError(str(error)) from error
        # A failing query must not abort the caller's transaction, so the checks use their own
        # cursor.
        probe = con.cursor()
        mapping = mapping.in_zone(timezone)
        used = columns_used(mapping)
        check_expressions(probe, mapping, used)
        read = {*chain.from_iterable(used.values()), *mapping.group_by, *mapping.carry_down}
        layouts = []
        keeps_arrays = mapping.shape is not None
        for file in unpacked(find_files(paths), keeps_arrays=keeps_arrays, keys=mapping.table_keys):
            result = columns_of(probe, file, mapping.table_keys, read)
            if sheet := sheet_of(file):
                result = replace(result, rounded=frozenset(sheet.rounded_columns))
            result, has_malformed = _without_malformed(file, result)
            check_fit(file, result, mapping, used)
            believed = replace(_believed(file, first_day, timezone), encoding=result.encoding)
            layout = _layout(file, result, mapping, used)
            layouts.append((believed, replace(layout, has_malformed=has_malformed)))
        note_parquet(file.path for file, _ in layouts if file.format == "parquet")
        return cls(con, tuple(layouts), mapping, timezone, first_day)

    def beside(self, others: "RecordFiles") -> "RecordFiles":
        """Return these files and others of the same kind of records, each read by its mapping."""
        of_others = {file.path: others.mapping_of(file) for file in others.files()}
        return replace(
            self,
            layouts=(*self.layouts, *others.layouts),
            mappings={**of_others, **self.mappings},
        )

    def mapping_of(self, file: InputFile) -> RecordMapping:
        """Return the mapping that a file is read by."""
        return self.mappings.get(file.path, self.mapping)

    def all_mappings(self) -> list[RecordMapping]:
        """Return every mapping that any of the files is read by."""
        return [self.mapping, *self.mappings.values()]

    def groups(
        self, layouts: Iterable[tuple[InputFile, Layout]]
    ) -> list[list[tuple[InputFile, Layout]]]:
        """Return groups of files that one SELECT can read: of one layout and mapping."""
        groups: dict[int, list[tuple[InputFile, Layout]]] = {}
        for file, layout in layouts:
            groups.setdefault(id(self.mapping_of(file)), []).append((file, layout))
        return [
            group
            for of_mapping in groups.values()
            for group in super(RecordFiles, self).groups(of_mapping)
        ]

    def empty_columns(self) -> frozenset[str]:
        """Return the columns that are null in every row; see `empty`."""
        present = {name for _, layout in self.layouts for name, _ in layout.columns}
        present.update(name for mapping in self.all_mappings() for name in mapping.first_line)
        con = self.con.cursor()
        return frozenset.intersection(
            *(empty_columns(con, mapping, present) for mapping in self.all_mappings())
        )

    def received_sql(self, first: date | None = None, end: date | None = None) -> str:
        """Return the SELECT of the records with arrival days in [first, end),
        with the columns of the mapping's kind.

        It does not open landing folders of other days, or files without rows of these days.
        """
        low, high = first or date.min, end or date.max
        landed = [
            (f, y) for f, y in self.layouts if f.received_date and low <= f.received_date < high
        ]
        arrivals = self._arrivals_by_path()
        loose = [
            (f, y)
            for f, y in self._loose
            if f.path in arrivals and low <= arrivals[f.path].last and arrivals[f.path].first < high
        ]
        selects = [self._select(group) for group in self.groups(landed)]
        selects += [_rows_between(self._select(group), first, end) for group in self.groups(loose)]
        return " UNION ALL ".join(selects) if selects else self.no_rows_sql()

    def rows_sql(self, wanted: InputFile) -> str:
        """Return the SELECT of the records of one file."""
        return self._select(
            [(file, layout) for file, layout in self.layouts if file.path == wanted.path]
        )

    def sure_sql(self, late_days: int, *, is_dated: bool) -> str:
        """Return the SELECT of all records, with the column `is_sure` of `dated_sql`.

        Only if `is_dated` does it return the days on which rows without a day of their own arrived,
        which takes a pass over files outside landing folders.
        """
        landed = [(f, y) for f, y in self.layouts if f.received_date]
        if is_dated:
            self._arrivals_by_path()
        return " UNION ALL ".join(
            self._select(group, late_days)
            for group in (*self.groups(landed), *self.groups(self._loose))
        )

    def rules_passed(self, late_days: int, most: Decimal) -> set[str]:
        """Return the rules about events that no row breaks according to the footers;
        see `footers.rules_passed`.
        """
        self.row_count()
        if any(file.format != "parquet" or self.copies[file.path] for file in self.files()):
            return set()
        files = [(layout, self._days_of(file)) for file, layout in self.with_footers(self.layouts)]
        if self.mappings:  # the rules are those of one mapping
            return set()
        return rules_passed(self.mapping, files, late_days, most)

    def received_days(self) -> tuple[date, date] | None:
        """Return the first and the last arrival day of the files; None if they have no rows."""
        days = [file.received_date for file in self.files() if file.received_date]
        days += [
            end
            for arrival in self._arrivals_by_path().values()
            for end in (arrival.first, arrival.last)
        ]
        return (min(days), max(days)) if days else None

    def arrival_dates(self) -> set[date]:
        """Return the days on which rows of the files arrived;
        landing folders count without being opened.
        """
        loose = self._arrivals_by_path().values()
        landed = {file.received_date for file in self.files() if file.received_date}
        return landed.union(*(arrivals.row_counts for arrivals in loose))

    def has_believed_days(self) -> bool:
        """Return whether any file or row has a plausible arrival day."""
        is_landed = len(self._loose) < len(self.layouts)
        return is_landed or any(arrivals.has_date for arrivals in self._arrivals_by_path().values())

    def file_rows(self, days: Days | None = None) -> list[FileRows]:
        """Return the row counts of the files;
        landing folders of other days are left out and not opened.
        """
        wanted = set(days.dates) if days else None
        landed = [
            (f, y)
            for f, y in self.layouts
            if f.received_date and (wanted is None or f.received_date in wanted)
        ]
        for group in self.groups(landed):
            self.look_for_damage(group)
        arrivals = self._arrivals_by_path()
        by_day: dict[str, dict[date, int]] = {
            **{
                f.path: {f.received_date: self.row_counts[f.path]}
                for f, _ in landed
                if f.received_date
            },
            **{f.path: arrivals[f.path].row_counts for f, _ in self._loose if f.path in arrivals},
        }
        files = [file for file, _ in (*landed, *self._loose)]
        return [
            FileRows(f.stored_name, self.row_counts[f.path], by_day.get(f.path, {})) for f in files
        ]

    def no_rows_sql(self) -> str:
        """Return a SELECT with the columns of the mapping's kind, and no rows."""
        columns = [f"NULL::{kind} AS {name}" for name, kind in self.mapping.kind.columns.items()]
        return select(columns, "(VALUES (0))", "false")

    @property
    def _loose(self) -> list[tuple[InputFile, Layout]]:
        return [(file, layout) for file, layout in self.layouts if file.received_date is None]

    def _select(
        self, group: Sequence[tuple[InputFile, Layout]], sure_late_days: int | None = None
    ) -> str:
        files = [self._days_of(file) for file, _ in group]
        rows = dated_sql(
            self._records(group),
            self.mapping.kind,
            files,
            self.timezone,
            sure_late_days,
            with_currency=self.convert is not None,
        )
        return self.convert(rows) if self.convert else rows

    def _records(self, group: Sequence[tuple[InputFile, Layout]]) -> str:
        mapping = self.mapping_of(group[0][0])
        cells, layout = self.cells_sql(group)
        return records_sql(cells, mapping, layout, with_currency=self.convert is not None)

    def look_for_damage(self, group: Sequence[tuple[InputFile, Layout]]) -> Findings:
        """Find the lines of files that cannot be read, and count their rows.

        Raises:
            MappingError: A file has a key that its mapping refuses.
        """
        result = super().look_for_damage(group)
        if result.unknown:
            [file] = [file for file, _ in group if file.path == result.unknown[0]]
            raise MappingError(unknown_column(file, result.unknown[1], self.mapping_of(file)))
        return result

    def _days_of(self, file: InputFile) -> FileDays:
        arrival = self._arrivals.get(file.path)
        modified = _day_of(file.modified_at, self.timezone)
        fallback = arrival.fallback if arrival else None
        latest = _day_of(file.placed_at, self.timezone)
        return FileDays(
            file.path,
            file.stored_name,
            file.received_date,
            modified,
            fallback,
            self.first_day,
            latest,
            self.timezone,
        )

    def _arrivals_by_path(self) -> dict[str, ArrivalDays]:
        """Return the arrival days of files outside landing folders,
        from one pass over each file.
        """
        new = [(file, layout) for file, layout in self._loose if file.path not in self._arrivals]
        for group in self.groups(new):
            files = [self._days_of(file) for file, _ in group]
            sql = arrivals_sql(self._records(group), self.mapping.kind, files, self.timezone)
            rows: dict[str, list[tuple[date | None, int, date | None]]] = {}
            with naming_damaged_parquet():
                result = self.con.execute(sql).fetchall()
            for path, stated, row_count, usable in result:
                rows.setdefault(path, []).append((stated, row_count, usable))
            for file in files:
                if file.path in rows:
                    self._arrivals[file.path] = ArrivalDays.from_rows(
                        rows[file.path], file.modified_date
                    )
        return self._arrivals


def landing_days(
    paths: Sequence[str | Path], timezone: str, first_day: date
) -> tuple[date, date] | None:
    """Return the first and the last day of files that are all in landing folders,
    without opening any; else None.
    """
    days = [_believed(file, first_day, timezone).received_date for file in find_files(paths)]
    received_days = [day for day in days if day]
    return (
        (min(received_days), max(received_days))
        if received_days and len(received_days) == len(days)
        else None
    )


def _believed(file: InputFile, first_day: date, zone: str) -> InputFile:
    """Return the file, without the day of its landing folder if that day is implausible."""
    landed = file.received_date
    if landed is None or first_day <= landed <= _day_of(file.placed_at, zone):
        return file
    return replace(file, received_date=None)


def _without_malformed(file: InputFile, found: FileColumns) -> tuple[FileColumns, bool]:
    """Return the columns without that of the lines of an upload that cannot be read,
    and whether there is one.
    """
    if file.format != "parquet" or row_sql.MALFORMED not in found.columns:
        return found, False
    columns = {name: of for name, of in found.columns.items() if name != row_sql.MALFORMED}
    return replace(found, columns=columns), True


def _layout(
    file: InputFile, result: FileColumns, mapping: RecordMapping, used: dict[str, tuple[str, ...]]
) -> Layout:
    added = ADDED if mapping.knows_rows else ()
    needed = tuple(sorted({*(column for columns in used.values() for column in columns), *added}))
    # A column that is only hashed for the id is stored nowhere else, so it goes to the properties
    # too.
    only_hashed = mapping.id_field.hash_of and mapping.other_columns == "properties"
    mapped = {
        column
        for name in used
        if not (only_hashed and name == mapping.kind.id)
        for column in used[name]
    }
    mapped |= {*mapping.ignore_columns, *([mapping.explode] if mapping.explode else [])}
    return replace(
        layout_of(file, result, mapping.table_keys),
        is_numbered=_is_numbered(mapping),
        needed=needed,
        named=frozenset(mapped),
        other_columns=mapping.other_columns,
        documents=_documents(mapping, used),
    )


def _documents(mapping: RecordMapping, used: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Return the columns that a mapping reads as JSON: those of expressions and properties, and the
    list that it explodes.
    """
    names = {name for name, field in mapping.mapped() if field.expression} | {"properties"}
    columns = {column for name in names & used.keys() for column in used[name]}
    return frozenset(columns | ({mapping.explode} if mapping.explode else set()))


def _is_numbered(mapping: RecordMapping) -> bool:
    """Return whether the rows of a file need their number:
    the later one of a record is a newer version of it.
    """
    is_plain = bool(mapping.kind.whole) and mapping.shape is None
    return is_plain and (bool(mapping.explode) or not mapping.is_of_orders)


def _rows_between(rows: str, first: date | None, end: date | None) -> str:
    bounds = [f"received_date >= {date_literal(first)}"] if first else []
    bounds += [f"received_date < {date_literal(end)}"] if end else []
    return select("*", rows, " AND ".join(bounds)) if bounds else rows


def _day_of(moment: datetime, zone: str) -> date:
    return moment.astimezone(ZoneInfo(zone)).date()


@dataclass(frozen=True)
class FileRowCounts:
    """The number of rows that were read, and of those that are not counted, by reason.

    `unread` is the number of counted rows with a value that cannot be read, so that it is not
    known, by its name. `malformed_bytes` are those of the lines that cannot be split into rows, by
    the name of the file: one such line may have held many rows. `notes` is what people should know
    of the rows beside that, in sentences without their end.
    """

    read: int
    rejected: Mapping[str, int] = field(default_factory=dict)
    unread: Mapping[str, int] = field(default_factory=dict)
    malformed_bytes: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def counted(self) -> int:
        """Return the number of counted rows."""
        return self.read - sum(self.rejected.values())

    def as_json(self) -> dict[str, Any]:
        """Return the numbers as JSON, the most frequent reason first."""
        by_count = sorted(self.rejected.items(), key=lambda entry: (-entry[1], entry[0]))
        unread = {name: count for name, count in sorted(self.unread.items()) if count}
        rows = {
            "read": self.read,
            "counted": self.counted,
            "rejected": {name: n for name, n in by_count if n},
        }
        malformed = dict(
            sorted(self.malformed_bytes.items(), key=lambda entry: (-entry[1], entry[0]))
        )
        return (
            rows
            | ({"unread": unread} if unread else {})
            | ({"malformed_bytes": malformed} if malformed else {})
            | ({"notes": [*self.notes]} if self.notes else {})
        )


DUPLICATE = "duplicate"
"""The reason for a duplicate: the row is clean, but another copy of it is counted."""


def rows_line(rows: Mapping[str, Any], empty: Sequence[str] = ()) -> str:
    """Return the numbers as a line of text, with an explanation of the most frequent reject reason,
    and the fields of the mapping that are empty, or cannot be read, in every row.
    """
    reasons = ", ".join(f"{name} {count:,}" for name, count in rows["rejected"].items())
    read = f"Rows: {rows['read']:,} read"
    unread = "".join(
        f"; {name} of {count:,} is not known, as it cannot be read"
        for name, count in rows.get("unread", {}).items()
    )
    if empty and rows["read"]:
        unread += f"; in no row there is a value of {', '.join(empty)} that can be read"
    if not reasons:
        all_ = f"{rows['counted']:,}" if empty else "all"
        return f"{read}, {all_} counted{unread}" if rows["read"] else read
    line = f"{read}, {rows['counted']:,} counted; not counted: {reasons}{unread}"
    malformed = malformed_text(rows)
    line = f"{line}\n  {malformed}" if malformed else line
    most = next(iter(rows["rejected"]))
    meaning = sentence_of(most) if rows["rejected"][most] > rows["counted"] else ""
    return f"{line}\n  {most}: {meaning}" if meaning else line


def unread_warning(rows: Mapping[str, Any]) -> str:
    """Return a sentence about values of counted rows that cannot be read;
    empty if there are none.
    """
    unread = ", ".join(f"{name} of {count:,}" for name, count in rows.get("unread", {}).items())
    return (
        f"These values cannot be read, so that they are not known and in no sum: {unread}"
        if unread
        else ""
    )


def refused_warning(rows: Mapping[str, Any]) -> str:
    """Return a sentence if many rows were refused, with the most frequent reason;
    empty if few were.
    """
    refused = {
        reason: count
        for reason, count in rows["rejected"].items()
        if reason not in NO_FAULT | {DUPLICATE}
    }
    count = sum(refused.values())
    if count <= rows["read"] * LARGE_SHARE:
        return ""
    most = max(refused, key=lambda reason: refused[reason])
    share = f"{count:,} of {rows['read']:,} rows ({count / rows['read']:.0%}) are not counted"
    meaning = sentence_of(most)
    reason = f"{most}: {meaning}" if meaning else f"{most}."
    return f"{share}, most of them ({refused[most]:,}) for {reason}"
