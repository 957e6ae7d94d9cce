"""Customers that a stream brought: a person's records are taken out of their landing files."""

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecom_assets.atomic_files import replacing
from ecom_assets.privacy.landing_files import FileRecords
from ecom_assets.privacy.person import Person
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.files.formats import find_files
from ecom_assets.sources.landing import is_stream, stream_folder


def find_customers(settings: Settings, person: Person) -> list[FileRecords]:
    """Return the landed files that have records of the person, and how many these are."""
    return [FileRecords(str(path), pc.sum(is_theirs).as_py()) for path, _, is_theirs in _naming(settings, person)]


def remove_customers(settings: Settings, person: Person) -> Iterator[FileRecords]:
    """Take the person's records out of landed files, each in one step that keeps its time; yield the changed files.

    A file stays even if nothing is left in it: from its footer a stream reads how far it came.
    """
    for path, table, is_theirs in _naming(settings, person):
        before = path.stat()
        with replacing(path) as fresh:
            pq.write_table(table.filter(pc.invert(is_theirs)), fresh, compression="zstd")
            os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
        yield FileRecords(str(path), pc.sum(is_theirs).as_py())


def _naming(settings: Settings, person: Person) -> Iterator[tuple[Path, pa.Table, pa.ChunkedArray]]:
    """Yield each file that names the person, its rows, and which of them are the person's."""
    folder = stream_folder(settings, "customers")
    if not is_stream(settings, "customers") or not list(folder.glob("*/*.parquet")):
        return
    users = pa.array(sorted({user.strip() for user in person.users}), pa.string())
    for file in find_files([folder]):
        table = pq.read_table(file.path, partitioning=None)
        is_theirs = pc.is_in(pc.utf8_trim_whitespace(table["customer_id"]), value_set=users)
        if pc.any(is_theirs).as_py():
            yield Path(file.path), table, is_theirs
