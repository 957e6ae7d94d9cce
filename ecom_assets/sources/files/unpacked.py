"""Files as the engine reads them: the files in a zip archive, and the elements of a JSON array as lines.

Catalogues and rates are small files that the engine reads by itself, after a copy in UTF-8 where they are not.
"""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path, PurePosixPath

from ecom_assets.errors import SourceError
from ecom_assets.json_text import json_text
from ecom_assets.sources.files.damage import copies_folder
from ecom_assets.sources.files.formats import InputFile, format_of, head_of, is_ignored
from ecom_assets.sources.files.shape import json_in
from ecom_assets.sources.files.text_blocks import (
    BYTE_ORDER_MARK,
    DAMAGED,
    UTF_8,
    blocks_of,
    encoding_of_lines,
    lines_of,
    marked_encoding,
    opened_bytes,
)
from ecom_assets.warehouse.sql_text import text


def unpacked(files: Iterable[InputFile], *, keeps_arrays: bool = False) -> Iterator[InputFile]:
    """Yield files, with copies of those in zip archives, and unless they are kept of JSON arrays, an element per line.

    Raises:
        SourceError: An archive is damaged, encrypted or empty, or holds something that is not read here.
    """
    for file in files:
        for readable in _members(file) if file.format == "zip" else [file]:
            is_array = readable.format == "ndjson" and not keeps_arrays and _is_array(readable)
            yield _lines(readable) if is_array else readable


def _members(file: InputFile) -> Iterator[InputFile]:
    try:
        with zipfile.ZipFile(file.path) as archive:
            entries = (entry for entry in archive.infolist() if not entry.is_dir())
            inside = [entry for entry in entries if not any(map(is_ignored, PurePosixPath(entry.filename).parts))]
            if not inside:
                raise SourceError(f"{file.name} holds no files; deliver it again or remove it")
            for entry in inside:
                yield _member(file, archive, entry)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise SourceError(
            f"{file.name} is a zip archive that is damaged, cut off or encrypted ({error}); deliver it again"
        ) from error


def _member(file: InputFile, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> InputFile:
    name = PurePosixPath(entry.filename).name
    copy = _copy_of(file, entry.filename) / name
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        part = copy.with_name(f"{name}.part")
        with archive.open(entry) as packed, part.open("wb") as written:
            shutil.copyfileobj(packed, written)
        part.replace(copy)
    kind, is_gzip = format_of(copy)
    if kind is None or kind == "zip":
        raise SourceError(f"{file.name} holds {entry.filename}, which is not read here; unpack it and take that away")
    return replace(
        file,
        path=str(copy),
        name=f"{file.name}/{entry.filename}",
        format=kind,
        is_gzip=is_gzip,
        size=copy.stat().st_size,
        packed_in=file.path,
    )


def _is_array(file: InputFile) -> bool:
    """Return whether a file is one JSON array; a list on a line among others is a damaged line."""
    try:
        with opened_bytes(file) as opened:
            start: bytes = opened.read(64)
    except DAMAGED:
        return False  # refused with its name when its columns are read
    if not start.removeprefix(BYTE_ORDER_MARK).lstrip().startswith(b"["):
        return False
    lines = [line for line in head_of(file).removeprefix(BYTE_ORDER_MARK).splitlines() if line.strip()]
    return len(lines) == 1 or json_in(lines[0]) is None


def _lines(file: InputFile) -> InputFile:
    """Return a copy of a JSON array with an element per line."""
    copy = _copy_of(file, "lines") / "lines.ndjson"
    if not copy.exists():
        text = b"".join(blocks_of(file))
        copy.parent.mkdir(parents=True, exist_ok=True)
        part = copy.with_suffix(".part")
        with part.open("w", encoding=UTF_8) as written:
            written.writelines(f"{json_text(element)}\n" for element in _elements(text, file.name))
        part.replace(copy)
    size = copy.stat().st_size
    if not size:
        raise SourceError(f"{file.name} is a JSON array without elements; deliver it again or remove it")
    packed_in = file.packed_in or file.path
    return replace(file, path=str(copy), is_gzip=False, size=size, encoding=None, packed_in=packed_in)


def _elements(text: bytes, name: str) -> Iterator[object]:
    """Yield the elements of a JSON array one by one, so that only one at a time is parsed."""
    decoder = json.JSONDecoder()
    try:
        rest = text.decode(UTF_8)
        at = _after_blanks(rest, rest.index("[") + 1)
        while rest[at] != "]":
            element, at = decoder.raw_decode(rest, at)
            yield element
            at = _after_blanks(rest, at)
            if rest[at] == ",":
                at = _after_blanks(rest, at + 1)
    except (ValueError, IndexError, RecursionError) as error:
        raise SourceError(f"{name} is not JSON to its end (cut off or damaged); deliver it again") from error


def _after_blanks(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at


def _copy_of(file: InputFile, part: str) -> Path:
    """Return the folder for the copy of a part of a file, as the file is now."""
    named = f"{file.path}|{file.size}|{file.modified_at}|{part}"
    return copies_folder() / hashlib.sha256(named.encode(errors="replace")).hexdigest()


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
