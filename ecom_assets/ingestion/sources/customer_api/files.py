"""Customers from files, by the same mappings as from an API:
a column of a CSV file is a key of its records.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final

import duckdb

from ecom_assets.core.errors import MappingError, SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import SliceOutput
from ecom_assets.core.warehouse.local import within_child
from ecom_assets.core.warehouse.sql_text import ident, select, texts
from ecom_assets.ingestion.sources.customer_api.records import (
    MISSING,
    CustomerMapping,
    ReceivedRecord,
    customer_rows,
    mapping_of,
    read_record,
)
from ecom_assets.ingestion.sources.files.cells import CellFiles, table_of
from ecom_assets.ingestion.sources.files.columns import (
    delimiter_in_name,
    require_once,
    separated_by,
)
from ecom_assets.ingestion.sources.files.formats import InputFile, find_files, split_paths
from ecom_assets.ingestion.sources.files.shape import shaped_records
from ecom_assets.ingestion.sources.files.sql import MALFORMED
from ecom_assets.ingestion.sources.files.unpacked import unpacked
from ecom_assets.ingestion.sources.landing import has_landed, is_stream, stream_folder
from ecom_assets.ingestion.sources.mapping_file import bracketed_guess

LONG_AGO = datetime.min.replace(tzinfo=UTC)
BATCH_ROWS: Final = 10_000
HOW_TO_MAP: Final = "let `ecom mapping init --customers` write a mapping for it"


@dataclass(frozen=True)
class FileCustomers:
    """The customers of the configured files, or of a stream:
    those of the day up to which a run goes.
    """

    settings: Settings

    def received(self, days: Days) -> SliceOutput:
        """Return all customers of the files, on the last of the days.

        Raises:
            MappingError: A file lacks a column of the mapping, or the mapping cannot be read.
            SourceError: A file does not exist, or cannot be read.
        """
        day = days.dates[-1]
        records = self.records(day)
        refused = sum(record.customer is None for record in records)
        metadata = {
            "record_count": len(records),
            "quarantined_count": refused,
            "customers_day": str(day),
        }
        return SliceOutput(
            customer_rows(records, day, self.settings.customers),
            Days((day,)),
            metadata,
            supersedes=Days((day,)),
        )

    def records(self, day: date = date.max) -> list[ReceivedRecord]:
        """Return the records of all files, which have no days,
        or the last of each customer that landed up to a day.
        """
        mapping = mapping_of(self.settings)
        if is_stream(self.settings, "customers"):
            if not has_landed(self.settings, "customers"):
                raise SourceError(
                    "No customer of the stream in ECOM_CUSTOMERS has landed yet; run `ecom stream "
                    "--kind customers`."
                )
            landed = enumerate(
                landed_customers(stream_folder(self.settings, "customers"), day, mapping), start=1
            )
            return [read_record(record, 1, position, mapping) for position, record in landed]
        paths = split_paths(self.settings.customers)
        files = unpacked(find_files(paths), keeps_arrays=True, keys=mapping.table_keys)
        with closing(within_child(duckdb.connect())) as con:
            return [
                record
                for page, file in enumerate(files, 1)
                for record in customer_records(con, file, page, mapping)
            ]


def landed_customers(folder: Path, last_day: date, mapping: CustomerMapping) -> list[object]:
    """Return the newest version of each customer up to a day, from the files of a stream.

    It is the one that was changed last, where the mapping says when; of equal times, the one
    received last.

    Raises:
        SourceError: A file cannot be read.
    """
    paths = [
        file.path
        for file in find_files([folder])
        if file.received_date and file.received_date <= last_day
    ]
    if not paths:
        return []
    order = "ORDER BY customer_id, received_at, payload"
    rows = select(
        "customer_id, payload", f"read_parquet({texts(paths)}, hive_partitioning = false)"
    )
    try:
        with duckdb.connect() as con:
            versions = con.execute(f"{rows} {order}").fetchall()
    except duckdb.Error as error:
        raise SourceError(
            f"The landed customers in {folder} cannot be read ({error}); restore the file"
        ) from error
    by_customer = groupby(versions, key=itemgetter(0))
    return [_newest([json.loads(payload) for _, payload in own], mapping) for _, own in by_customer]


def _newest(versions: Sequence[object], mapping: CustomerMapping) -> object:
    """Return the version that was changed last, of equal times the last one."""
    changed = mapping.fields.updated_at
    if changed is None or len(versions) == 1:
        return versions[-1]
    times = (
        (changed.instant_of(changed.value_in(version)) or LONG_AGO, n)
        for n, version in enumerate(versions)
    )
    return versions[max(times)[1]]


def customer_records(
    con: duckdb.DuckDBPyConnection, file: InputFile, page: int, mapping: CustomerMapping
) -> list[ReceivedRecord]:
    """Return the records of a file, each a customer or with the reason why it is none.

    Raises:
        MappingError: No record has a field of the mapping that is not optional.
        SourceError: The file cannot be read.
    """
    file, layout = table_of(con, file, mapping.table_keys)
    records: list[object]
    if file.format == "csv":
        names = [name for name, _ in layout.columns]
        require_once(file, names, mapping.paths)
        if delimiter := delimiter_in_name(file, names):
            raise MappingError(separated_by(file, delimiter, mapping.name, HOW_TO_MAP))
        records = list(_lines(CellFiles(con, ((file, layout),)), names))
    else:
        records = list(shaped_records(file, mapping.shape))
    _check(file, records, mapping)
    return [
        replace(read_record(record, page, position, mapping), file=file.stored_name)
        for position, record in enumerate(records, start=1)
    ]


def _lines(files: CellFiles, names: Sequence[str]) -> Iterator[object]:
    """Yield the lines of a file as objects; one that cannot be split as its text."""
    cells, _ = files.cells_sql(files.layouts)
    rows = files.con.execute(select([*map(ident, names), MALFORMED], f"({cells})"))
    while batch := rows.fetchmany(BATCH_ROWS):
        for *values, malformed in batch:
            # Of a line that cannot be split, nobody knows whose it is.
            yield malformed or {
                name: value or "" for name, value in zip(names, values, strict=True)
            }


def _check(file: InputFile, records: list[object], mapping: CustomerMapping) -> None:
    objects = [record for record in records if isinstance(record, dict)]
    columns = list(dict.fromkeys(name for record in objects[:1000] for name in record))
    for name, field in mapping.fields.mapped():
        if (
            objects
            and not field.optional
            and all(field.value_in(record) is MISSING for record in objects)
        ):
            guess = bracketed_guess(field.paths[0], columns)
            raise MappingError(
                f"{file.name} has no column {field.paths[0]!r}{guess}, which mapping "
                f"{mapping.name!r} expects for {name}; fix the mapping (--customers-mapping) or "
                "the file"
            )
