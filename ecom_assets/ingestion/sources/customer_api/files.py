"""Customers from files, by the same mappings as from an API:
a column of a CSV file is a key of its records.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import duckdb

from ecom_assets.core.errors import MappingError, SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import SliceOutput
from ecom_assets.core.warehouse.sql_text import select, texts
from ecom_assets.ingestion.sources.customer_api.records import (
    MISSING,
    CustomerMapping,
    ReceivedRecord,
    customer_rows,
    mapping_of,
    read_record,
)
from ecom_assets.ingestion.sources.files.damage import with_encoding
from ecom_assets.ingestion.sources.files.formats import (
    InputFile,
    find_files,
    head_of,
    require_text,
    split_paths,
)
from ecom_assets.ingestion.sources.files.shape import RowShape, shaped_records, without_apostrophe
from ecom_assets.ingestion.sources.files.text_blocks import (
    UTF_8,
    blocks_of,
    lines_of,
    marked_encoding,
)
from ecom_assets.ingestion.sources.files.unpacked import unpacked
from ecom_assets.ingestion.sources.landing import has_landed, is_stream, stream_folder
from ecom_assets.ingestion.sources.mapping_file import bracketed_guess

LONG_AGO = datetime.min.replace(tzinfo=UTC)


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
        return [
            record
            for page, file in enumerate(files, 1)
            for record in customer_records(file, page, mapping)
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


def customer_records(file: InputFile, page: int, mapping: CustomerMapping) -> list[ReceivedRecord]:
    """Return the records of a file, each a customer or with the reason why it is none.

    Raises:
        MappingError: No record has a field of the mapping that is not optional.
        SourceError: The file cannot be read.
    """
    if file.format == "parquet":
        raise SourceError(f"{file.name} is Parquet; give customers as CSV or JSON")
    file = replace(file, encoding=file.encoding or marked_encoding(head_of(file)))
    require_text(file, next(blocks_of(file), b""))
    shape = RowShape(records=(mapping.records,))
    records: list[object] = list(
        _lines(file, mapping) if file.format == "csv" else shaped_records(file, shape)
    )
    _check(file, records, mapping)
    return [
        replace(read_record(record, page, position, mapping), file=file.stored_name)
        for position, record in enumerate(records, start=1)
    ]


def _lines(file: InputFile, mapping: CustomerMapping) -> Iterator[object]:
    text = (line.decode(UTF_8, "backslashreplace") for line in lines_of(with_encoding(file)))
    rows = csv.reader(text, delimiter="\t" if file.is_sheet else mapping.delimiter)
    try:
        names = next((row for row in rows if any(row)), [])
        for row in filter(None, rows):
            cells = [without_apostrophe(cell) for cell in row]
            # A line that cannot be split is kept as it is, and is no customer.
            yield dict(zip(names, cells, strict=True)) if len(row) == len(names) else row
    except csv.Error as error:
        raise SourceError(
            f"{file.name} cannot be read as CSV ({error}); deliver it again"
        ) from error


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
