"""Catalogues and rates: small files that the engine reads by itself, after a copy in UTF-8 where they are not."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from ecom_assets.sources.files.damage import copies_folder
from ecom_assets.sources.files.formats import InputFile
from ecom_assets.sources.files.text_blocks import UTF_8, blocks_of, encoding_of_lines, lines_of, marked_encoding
from ecom_assets.warehouse.sql_text import text


def catalogue_rows(path: str) -> str:
    """Return the reader call for a catalogue.

    Raises:
        SourceError: It cannot be read to its end, or is a text file of an unknown encoding.
    """
    if path.endswith((".parquet", ".pq")):
        return f"read_parquet({text(path)})"
    return f"read_csv({text(_in_utf_8(path))}, all_varchar=true)"


def _in_utf_8(path: str) -> str:
    """Return the path of a text file if it is UTF-8, else that of a copy."""
    file_path = Path(path)
    if not file_path.is_file():  # the engine's reader says so
        return path
    stat = file_path.stat()
    written_at = datetime.fromtimestamp(stat.st_mtime, UTC)
    is_gzip = file_path.suffix == ".gz"
    file = InputFile(path, file_path.name, "csv", is_gzip, None, stat.st_size, written_at, written_at, encoding=UTF_8)
    head = b"".join(islice(blocks_of(file), 1))
    encoding = marked_encoding(head) or encoding_of_lines(lines_of(file), file_path.name)
    if encoding in {None, UTF_8}:
        return path
    copy = copies_folder() / f"{hashlib.sha256(f'{file_path.absolute()}|{written_at}'.encode()).hexdigest()}.csv"
    with copy.open("wb") as opened:
        opened.writelines(blocks_of(replace(file, encoding=encoding)))
    return str(copy)
