"""The shipped mappings that read files, and which of them fits best."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from ecom_assets.errors import EcomError
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.customer_api.reading import CustomerFileReading, file_mappings
from ecom_assets.sources.files.columns import columns_of
from ecom_assets.sources.files.fit import columns_used, has_needed_columns
from ecom_assets.sources.files.formats import find_files
from ecom_assets.sources.files.mapping import EventMapping, OrderMapping, RecordMapping, load, shipped
from ecom_assets.sources.files.reading import FileReading
from ecom_assets.sources.files.records import DUPLICATE
from ecom_assets.sources.files.shape import ADDED
from ecom_assets.sources.files.unpacked import unpacked
from ecom_assets.sources.proposal.fields import MappingKind
from ecom_assets.sources.proposal.values import delimiter_of

KINDS: Final[dict[MappingKind, type[RecordMapping]]] = {
    MappingKind.EVENTS: EventMapping, MappingKind.ORDERS: OrderMapping
}  # fmt: skip


@dataclass(frozen=True)
class ShippedFit:
    """A shipped mapping that reads the files, with the lines in which they differ from its layout."""

    name: str
    kind: MappingKind
    columns: tuple[str, ...]
    known_count: int
    filled_count: int
    clean_count: int
    row_count: int
    lines: tuple[str, ...] = ()

    @property
    def why(self) -> str:
        """Return why it fits, in a sentence."""
        columns = ", ".join(self.columns[:6])
        return f"{self.name} fits best: it knows {columns}; of {self.row_count:,} rows {self.clean_count:,} are clean."


def shipped_fits(paths: Sequence[str], settings: Settings, kind: MappingKind | None = None) -> list[ShippedFit]:
    """Return the shipped mappings of a kind that read files, the best first.

    The best is the one by which the most rows are clean, then the most fields filled; then the simplest. Mappings of
    customers need little more than an address, so they count only where nothing else reads the files.
    """
    kinds = [of_rows for of_rows in KINDS if kind in {None, of_rows}]
    with duckdb.connect() as con:
        tried = [_tried(con, paths, of_rows, name, settings) for of_rows in kinds for name in shipped(KINDS[of_rows])]
    fits = [fit for fit in tried if fit is not None]
    if not fits and kind in {None, MappingKind.CUSTOMERS}:
        fits = [fit for name in file_mappings() if (fit := _tried_customers(paths, name, settings)) is not None]
    return sorted(fits, key=lambda fit: (fit.clean_count, fit.filled_count, -fit.known_count), reverse=True)


def _tried(
    con: duckdb.DuckDBPyConnection, paths: Sequence[str], kind: MappingKind, name: str, settings: Settings
) -> ShippedFit | None:
    """Return the fit of a mapping, also if a spreadsheet has saved the files with its own delimiter."""
    try:
        mapping = load(KINDS[kind], name)
        file = next(unpacked(find_files(paths)))
        lines: tuple[str, ...] = ()
        if mapping.delimiter == "," and (own := delimiter_of(file)) != ",":
            mapping, lines = mapping.model_copy(update={"delimiter": own}), (f"delimiter: {json.dumps(own)}",)
        columns = columns_of(con, file, mapping).columns.keys()
        mapped_columns = {column for used in columns_used(mapping).values() for column in used} - {*ADDED}
        is_document = file.format == "ndjson" and mapping.shape is not None
        if not has_needed_columns(mapping, columns, is_document=is_document):
            return None
        with tempfile.TemporaryDirectory() as folder:
            extended = Path(folder) / f"{name}.yaml"
            extended.write_text("\n".join([f"extends: {name}", *lines, ""]), encoding="utf-8")
            reading = FileReading.open(
                paths, str(extended) if lines else name, is_events=kind is MappingKind.EVENTS, settings=settings
            )
            rows, filled_count = reading.rows, reading.filled_count
    except EcomError:
        return None
    clean_count = rows.counted + rows.rejected.get(DUPLICATE, 0)  # a copy of a row that is counted is clean, too
    if clean_count * 2 < rows.read:
        return None
    return ShippedFit(
        name,
        kind,
        tuple(sorted(mapped_columns & columns)),
        len(mapped_columns),
        filled_count,
        clean_count,
        rows.read,
        lines,
    )


def _tried_customers(paths: Sequence[str], name: str, settings: Settings) -> ShippedFit | None:
    try:
        reading = CustomerFileReading.open(paths, name, settings)
    except EcomError:
        return None
    columns, mapped_columns = reading.known_columns
    # An address alone is in every file of orders, too.
    if len(columns) < 4 or reading.clean_count * 2 < reading.row_count:  # noqa: PLR2004 (id, and who it is)
        return None
    return ShippedFit(
        name,
        MappingKind.CUSTOMERS,
        columns,
        len(mapped_columns),
        reading.filled_count,
        reading.clean_count,
        reading.row_count,
    )
