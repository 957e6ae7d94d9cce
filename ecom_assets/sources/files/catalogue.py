"""Reading the catalogue of `ECOM_CATALOGUE`, a Parquet or CSV file."""

import gzip
import hashlib
from pathlib import Path

from ecom_assets.sources.files.encodings import UTF_8, as_utf_8, encoding_of_lines, marked_encoding
from ecom_assets.warehouse.sql_text import text


def catalogue_rows(place: str) -> str:
    """Return the reader call for a catalogue.

    Raises:
        SourceError: It is a text file of an unknown encoding.
    """
    if place.endswith((".parquet", ".pq")):
        return f"read_parquet({text(place)})"
    return f"read_csv({text(_in_utf_8(place))}, all_varchar=true)"


def _in_utf_8(place: str) -> str:
    """Return the path of a text file if it is UTF-8, else that of a copy."""
    path = Path(place)
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, OSError):  # the engine fails on it too
        return place
    encoding = marked_encoding(content) or encoding_of_lines(content.splitlines(), path.name)
    if encoding in {None, UTF_8}:
        return place
    from ecom_assets.sources.files.sound_copy import copies_folder  # noqa: PLC0415 (loads pyarrow)

    copy = copies_folder() / f"{hashlib.sha256(content).hexdigest()}.csv"
    copy.write_bytes(b"".join(as_utf_8([content], encoding, path.name)))
    return str(copy)
