"""Files as tables of cells, whatever their form: what the records of every kind are read from, and
the lists of the shop.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import duckdb

from ecom_assets.core.warehouse.sql_text import select
from ecom_assets.ingestion.sources.files import sql as row_sql
from ecom_assets.ingestion.sources.files.columns import FileColumns, columns_of
from ecom_assets.ingestion.sources.files.damage import Findings, SoundCopy, copied_files
from ecom_assets.ingestion.sources.files.file_names import warn_once
from ecom_assets.ingestion.sources.files.footers import Footer, footers_of
from ecom_assets.ingestion.sources.files.formats import InputFile, find_files
from ecom_assets.ingestion.sources.files.sql import Layout
from ecom_assets.ingestion.sources.files.table_heads import TableKeys
from ecom_assets.ingestion.sources.files.unpacked import unpacked


@dataclass(frozen=True)
class CellFiles:
    """Files whose columns are known, and what was found out of each when it was read."""

    con: duckdb.DuckDBPyConnection
    layouts: tuple[tuple[InputFile, Layout], ...]
    copies: dict[str, SoundCopy | None] = field(
        default_factory=dict, repr=False, compare=False, kw_only=True
    )
    """The copies of files that cannot be read as they are, by their paths."""
    footers: dict[str, dict[str, Footer]] = field(
        default_factory=dict, repr=False, compare=False, kw_only=True
    )
    row_counts: dict[str, int] = field(
        default_factory=dict, repr=False, compare=False, kw_only=True
    )

    @classmethod
    def of_tables(
        cls, con: duckdb.DuckDBPyConnection, paths: Sequence[str | Path], keys: TableKeys
    ) -> "CellFiles":
        """Find files, of which all columns are read.

        Raises:
            SourceError: One cannot be read.
        """
        files = unpacked(find_files(paths), keeps_arrays=keys.shape is not None, keys=keys)
        return cls(con, tuple(table_of(con, file, keys) for file in files))

    def files(self) -> list[InputFile]:
        """Return every file with its path, landing date (or None), size and modification time."""
        return [file for file, _ in self.layouts]

    @property
    def is_parquet(self) -> bool:
        """Return whether all files are Parquet."""
        return all(file.format == "parquet" for file in self.files())

    @property
    def malformed_bytes(self) -> dict[str, int]:
        """Return how many bytes the malformed lines of each file that has such lines come to."""
        copies = ((file.name, self.copies.get(file.path)) for file in self.files())
        return {name: copy.damaged_bytes for name, copy in copies if copy and copy.damaged_bytes}

    def log_malformed(self) -> None:
        """Log what is malformed in these files, once for each file."""
        for name, size in self.malformed_bytes.items():
            warn_once(f"{malformed_text({'malformed_bytes': {name: size}})}.")

    def row_count(self) -> int:
        """Return how many rows the files hold."""
        for group in self.groups(self.layouts):
            self.look_for_damage(group)
        return sum(self.row_counts[file.path] for file in self.files())

    def groups(
        self, layouts: Iterable[tuple[InputFile, Layout]]
    ) -> list[list[tuple[InputFile, Layout]]]:
        """Return groups of files that one SELECT can read."""
        groups: dict[object, list[tuple[InputFile, Layout]]] = {}
        for file, layout in layouts:
            # The columns of NDJSON are only those of its first lines: they are not in the SQL.
            columns = layout.format != "ndjson" and layout.columns
            kept = layout.has_typed_cells, layout.has_malformed
            key = (layout.format, kept, layout.is_gzip, layout.delimiter, columns)
            groups.setdefault(key, []).append((file, layout))
        return list(groups.values())

    def cells_sql(self, group: Sequence[tuple[InputFile, Layout]]) -> tuple[str, Layout]:
        """Return the SELECT of the rows of a group, with the columns of `row_sql.columns_read`, and
        the layout that they have in common.
        """
        layouts = [layout for _, layout in self.with_footers(group)]
        filled = frozenset.intersection(*(layout.filled for layout in layouts))
        bounded = frozenset.intersection(*(layout.bounded for layout in layouts))
        layout = replace(group[0][1], filled=filled, bounded=bounded)
        self.look_for_damage(group)
        sound = [file.path for file, _ in group if not self.copies[file.path]]
        rows = [row_sql.sound_rows(layout, sound)] if sound else []
        for file, _ in group:
            if copy := self.copies[file.path]:
                rows.append(row_sql.copied_rows(layout, file.path, copy.sound, copy.damaged))
        columns = row_sql.columns_read(layout)
        return " UNION ALL ".join(select(columns, source) for source in rows), layout

    def with_footers(
        self, files: Sequence[tuple[InputFile, Layout]]
    ) -> list[tuple[InputFile, Layout]]:
        """Return files with their footers, which are read at once,
        and only for files whose rows are read.
        """
        new = [
            file.path
            for file, layout in files
            if layout.format == "parquet" and file.path not in self.footers
        ]
        if new:
            self.footers.update(footers_of(self.con.cursor(), new))
        return [
            (file, layout.with_footers(self.footers.get(file.path, {}))) for file, layout in files
        ]

    def has_backslashes(self, file: InputFile, layout: Layout) -> bool:
        """Return whether a quote within quotes of a CSV file has a backslash before it."""
        self.look_for_damage([(file, layout)])
        copy = self.copies[file.path]
        return copy is not None and copy.has_backslashes

    def look_for_damage(self, group: Sequence[tuple[InputFile, Layout]]) -> Findings:
        """Find the lines of files that cannot be read, and count their rows."""
        new = [file for file, _ in group if file.path not in self.copies]
        copies, result = copied_files(self.con.cursor(), group[0][1], new)
        for file in new:
            if (copy := copies[file.path]) and copy.has_backslashes:
                warn_once(
                    f"{file.name} has a backslash before quotes within quotes, and is read so."
                )
        self.copies.update(copies)
        self.row_counts.update(result.row_counts)
        return result


def table_of(
    con: duckdb.DuckDBPyConnection, file: InputFile, keys: TableKeys
) -> tuple[InputFile, Layout]:
    """Return a file with its encoding, and the layout by which all of its columns are read."""
    found = columns_of(con.cursor(), file, keys)
    layout = layout_of(file, found, keys)
    shape = None if file.format == "csv" else keys.shape  # lists of records are in documents only
    return replace(file, encoding=found.encoding), replace(layout, shape=shape)


def layout_of(file: InputFile, found: FileColumns, keys: TableKeys) -> Layout:
    """Return the layout of a file by which all of its columns are read."""
    return Layout(
        format=file.format,
        is_gzip=file.is_gzip,
        columns=tuple(found.columns.items()),
        delimiter=found.delimiter,
        shape=keys.shape,
        has_header=not keys.header,
        has_quotes=keys.has_quotes or file.is_sheet,
        has_typed_cells=file.is_sheet,
        has_apostrophes=keys.has_apostrophes,
        has_formulas=found.has_formulas,
        has_short_lines=keys.has_short_lines,
        exploded=keys.explode,
        needed=tuple(found.columns),
        named=frozenset(found.columns),
        other_columns="ignore",
    )


FILES_NAMED: Final = 3
"""Files that a sentence about malformed lines names, those with the most bytes."""


def malformed_text(rows: Mapping[str, Any]) -> str:
    """Return how many bytes are malformed, and in which files; empty if none are."""
    by_file = rows.get("malformed_bytes", {})
    if not by_file:
        return ""
    named = ", ".join(
        f"{count:,} bytes of {name}" for name, count in [*by_file.items()][:FILES_NAMED]
    )
    more = f" and {len(by_file) - FILES_NAMED:,} more files" if len(by_file) > FILES_NAMED else ""
    return f"malformed: {named}{more}; a line that cannot be read may hold many rows"
