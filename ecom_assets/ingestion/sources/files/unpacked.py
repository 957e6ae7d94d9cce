"""Files as the engine reads them: `unpacked` takes files as they were sent, and yields each as it
is, or a copy that the engine can read.

- zip archives: each file in them (`_members`)
- workbooks: the table of a sheet, its cells between tabs (`_copy_of_sheet`)
- CSV files with titles above their table: what is below (`_copy_below_titles`)
- JSON documents, arrays and objects with types: a line each (`_json_lines`)
- rows of one order in JSON or Parquet: as cells between tabs (`_copy_as_cells`, `_copy_of_parquet`)
- cells with several items: as lists (`_copy_with_lists`)

A copy is in the folder of copies under a hash of the file as it is now and of how it was read, and
written once: a change of what a copy holds needs another name in its `_copy_folder`. What people
should know of how a file was read is in its `note`.
"""

import csv
import gzip
import hashlib
import json
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path, PurePosixPath

import duckdb

from ecom_assets.core.errors import SourceError
from ecom_assets.core.json_text import json_text
from ecom_assets.core.warehouse.local import (
    naming_damaged_parquet,
    note_parquet,
    within_child,
)
from ecom_assets.core.warehouse.sql_text import pattern_of, select, text
from ecom_assets.ingestion.sources.files.columns import columns_of
from ecom_assets.ingestion.sources.files.damage import (
    copies_folder,
    sound_copy,
    with_encoding,
)
from ecom_assets.ingestion.sources.files.file_names import ending_of, shown_name, warn_once
from ecom_assets.ingestion.sources.files.formats import (
    Format,
    InputFile,
    format_of,
    head_of,
    is_ignored,
    require_text,
)
from ecom_assets.ingestion.sources.files.packed_cells import with_items
from ecom_assets.ingestion.sources.files.shape import (
    RowShape,
    json_in,
    objects_on,
    shaped_records,
    text_in_formula,
    without_apostrophe,
)
from ecom_assets.ingestion.sources.files.sql import Layout
from ecom_assets.ingestion.sources.files.table_heads import TableKeys, lines_below, title_of
from ecom_assets.ingestion.sources.files.text_blocks import (
    BYTE_ORDER_MARK,
    DAMAGED,
    UTF_8,
    blocks_of,
    lines_of,
    marked_encoding,
    opened_bytes,
)
from ecom_assets.ingestion.sources.files.typed_json import unwrapped, wrapper_of
from ecom_assets.ingestion.sources.files.workbooks import (
    SheetTable,
    as_json,
    from_json,
    write_table,
)

SHEET_NOTES = "sheet.json"
"""The file beside the copy of a workbook that says what was read of it."""
NO_NOTES = SheetTable((), (), 1, (), (), ())


def unpacked(
    files: Iterable[InputFile], *, keeps_arrays: bool = False, keys: TableKeys | None = None
) -> Iterator[InputFile]:
    """Yield files as the engine reads them; what it cannot read as it is has a copy that it can.

    These are the files in zip archives, the tables of workbooks and those below titles, JSON whose
    values are wrapped into objects that say their type, and, unless they are kept, JSON arrays and
    documents of several lines, an element per line.

    Args:
        files: The files.
        keeps_arrays: Whether JSON documents stay what they are.
        keys: What the mapping says of tables; None to recognize it.

    Raises:
        SourceError: An archive is damaged, encrypted or empty, or holds something that is not read
            here; a workbook has no table.
    """
    keys = keys or TableKeys()
    for file in files:
        for member in _members(file) if file.format == "zip" else [file]:
            if keys.packed:
                yield _copy_with_lists(member, keys)
            elif member.format == "workbook":
                yield _copy_of_sheet(member, keys)
            elif member.format == "ndjson":
                read = _json_lines(
                    replace(member, encoding=keys.encoding), keeps_arrays=keeps_arrays
                )
                has_lines = keys.shape is not None and bool(keys.shape.group_by)
                yield _copy_as_cells(read) if has_lines else read
            elif member.format == "csv":
                yield _copy_below_titles(replace(member, encoding=keys.encoding), keys)
            elif keys.shape:
                yield _copy_of_parquet(member, keys.shape)
            else:
                yield member


def _copy_of_sheet(file: InputFile, keys: TableKeys) -> InputFile:
    """Return the table of a workbook as a copy with its cells separated by tabs."""
    copy = _copy_folder(file, f"sheet {keys.sheet!r} {keys.decimal}") / "sheet.tsv"
    if not copy.exists():
        with _writing(copy) as part:
            table = write_table(file, part, keys)
            copy.with_name(SHEET_NOTES).write_text(as_json(table), encoding=UTF_8)
    read = replace(_read_from(file, copy), format="csv", encoding=UTF_8, is_sheet=True)
    table = from_json(copy.with_name(SHEET_NOTES).read_text(encoding=UTF_8))
    return _with_note(read, f"{file.name} is read from {table.sentence}")


def _copy_with_lists(file: InputFile, keys: TableKeys) -> InputFile:
    """Return a file whose cells have several items as a copy with them as lists, in JSON lines."""
    plain = replace(keys, packed={}, shape=None)
    copy = _copy_folder(file, f"items {keys}") / "rows.ndjson"
    (read,) = unpacked([file], keeps_arrays=True, keys=plain)
    if not copy.exists():
        with _writing(copy) as part, part.open("w", encoding=UTF_8) as written:
            records = _csv_rows_of(read, plain) if read.format == "csv" else _records_of(read, keys)
            for record in records:
                row = with_items(record, keys.packed) if isinstance(record, dict) else record
                written.write((row if isinstance(row, str) else json_text(row)) + "\n")
        notes = sheet_of(read) or NO_NOTES
        copy.with_name(SHEET_NOTES).write_text(as_json(notes), encoding=UTF_8)
    note = read.note
    return replace(_read_from(read, copy), format="ndjson", encoding=UTF_8, note=note)


def _records_of(file: InputFile, keys: TableKeys) -> Iterator[object]:
    """Yield the records of a JSON file, or the rows of a Parquet file."""
    records = keys.shape.records if keys.shape else ()
    read = file if file.format == "ndjson" else _copy_of_parquet(file, RowShape())
    yield from shaped_records(read, RowShape(records))


def _csv_rows_of(file: InputFile, keys: TableKeys) -> Iterator[object]:
    """Yield the rows of a CSV file by the names of their columns, and damaged lines as texts, which
    come last, as the first line must be one that can be read.
    """
    with closing(within_child(duckdb.connect())) as con:
        found = columns_of(con, file, keys)
    layout = Layout(
        format="csv",
        is_gzip=file.is_gzip,
        columns=tuple(found.columns.items()),
        delimiter=found.delimiter,
        exploded=None,
        needed=tuple(found.columns),
        named=frozenset(found.columns),
        other_columns="ignore",
        has_header=not keys.header,
        has_quotes=keys.has_quotes or file.is_sheet,
        has_apostrophes=keys.has_apostrophes,
        has_formulas=found.has_formulas,
    )
    sound = sound_copy(with_encoding(replace(file, encoding=found.encoding)), layout)
    opened = gzip.open if file.is_gzip else open
    with opened(sound.sound, "rt", encoding=UTF_8, newline="") as lines:
        try:
            for cells in islice(csv.reader(lines, delimiter=layout.delimiter), 1, None):
                texts = map(text_in_formula, cells) if layout.has_formulas else cells
                texts = map(without_apostrophe, texts) if layout.has_apostrophes else texts
                yield dict(zip(found.columns, texts, strict=False))
        except csv.Error as error:
            raise SourceError(
                f"{file.name} has a cell of more than {csv.field_size_limit():,} characters; "
                "shorten it, and deliver the file again"
            ) from error
    from pyarrow.parquet import read_table  # noqa: PLC0415 (only damaged files need it)

    yield from read_table(sound.damaged).column("line").to_pylist()


def _copy_as_cells(file: InputFile) -> InputFile:
    """Return the objects of a JSON file as a copy with their members as cells, separated by tabs:
    several lines of one order are read together from those only.
    """
    require_text(file, head_of(file))
    copy = _copy_folder(file, "order lines") / "rows.tsv"
    if not copy.exists():
        records = list(shaped_records(file, RowShape()))
        objects = [record for record in records if isinstance(record, dict)]
        names = list(dict.fromkeys(name for record in objects for name in record))
        with _writing(copy) as part, part.open("w", encoding=UTF_8, newline="") as written:
            rows = csv.writer(written, delimiter="\t", lineterminator="\n")
            rows.writerow(names)
            for record in records:
                # What is no object is a line that cannot be split.
                cells = map(record.get, names) if isinstance(record, dict) else [record]
                rows.writerow(map(_cell_text, cells))
            copy.with_name(SHEET_NOTES).write_text(as_json(NO_NOTES), encoding=UTF_8)
    return replace(_read_from(file, copy), format="csv", encoding=UTF_8, is_sheet=True)


def _cell_text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json_text(value)


def _copy_of_parquet(file: InputFile, shape: RowShape) -> InputFile:
    """Return the rows of a Parquet file as a copy: lines of one order as cells separated by tabs,
    other records as JSON.
    """
    name, written_as = (
        ("rows.tsv", "FORMAT csv, DELIMITER '\t', HEADER")
        if shape.group_by
        else ("rows.ndjson", "FORMAT json")
    )
    copy = _copy_folder(file, name) / name
    if not copy.exists():
        # The rows keep their order: those of one order follow each other.
        with closing(within_child(duckdb.connect())) as con, _writing(copy) as part:
            con.execute("SET TimeZone = 'UTC'")
            rounded = tuple(columns_of(con, file, TableKeys()).rounded)
            rows = select(
                "*", f"read_parquet({text(pattern_of(file.path))}, hive_partitioning=false)"
            )
            note_parquet([file.path])
            with naming_damaged_parquet():
                con.execute(f"COPY ({rows}) TO {text(str(part))} ({written_as})")
            notes = replace(NO_NOTES, rounded_columns=rounded)
            copy.with_name(SHEET_NOTES).write_text(as_json(notes), encoding=UTF_8)
    read_as: Format = "csv" if shape.group_by else "ndjson"
    return replace(_read_from(file, copy), format=read_as, encoding=UTF_8, is_sheet=True)


def _copy_below_titles(file: InputFile, keys: TableKeys) -> InputFile:
    """Return a file that begins with its header: itself,
    or a copy of what is below the titles of a report.
    """
    head = title_of(file, keys)
    if head is None:
        return file
    split = f"{keys.delimiter!r} {keys.encoding} {keys.has_quotes}"
    copy = (
        _copy_folder(file, f"table {split}") / f"table{'.tsv' if '.tsv' in file.path else '.csv'}"
    )
    if not copy.exists():
        with _writing(copy) as part, part.open("wb") as written:
            written.writelines(lines_below(file, head, keys))
    encoding = file.encoding or marked_encoding(head_of(file))
    titles = ", ".join(map(repr, head.titles))
    where = (
        f"{file.name} has its header in row {head.row_count}{f', below {titles}' if titles else ''}"
    )
    return _with_note(replace(_read_from(file, copy), encoding=UTF_8 if encoding else None), where)


def _with_note(file: InputFile, note: str) -> InputFile:
    """Return a file with what people should know of how it is read, which is logged once."""
    warn_once(f"{note}.")
    return replace(file, note=note)


def sheet_of(file: InputFile) -> SheetTable | None:
    """Return what was read of the workbook that a file is a copy of; None for other files."""
    return (
        from_json(Path(file.path).with_name(SHEET_NOTES).read_text(encoding=UTF_8))
        if file.is_sheet
        else None
    )


def _json_lines(file: InputFile, *, keeps_arrays: bool) -> InputFile:
    """Return a JSON file that the engine reads: itself, or a copy of its documents, a line each."""
    is_text = file.encoding in {None, UTF_8}
    if file.size and is_text and (kind := wrapper_of(head_of(file))):
        return _copy_of_documents(file, kind, keeps_arrays=keeps_arrays)
    if not keeps_arrays and _is_array(file):
        return _copy_of_elements(file)
    return (
        file
        if keeps_arrays or not _is_spread(file)
        else _copy_of_documents(file, "", keeps_arrays=False)
    )


def _is_spread(file: InputFile) -> bool:
    """Return whether documents of a file begin in one line and end in a later one."""
    if not file.size:
        return False
    head = head_of(file).removeprefix(BYTE_ORDER_MARK).lstrip()
    lines = [line for line in head.splitlines()[:3] if line.strip()]
    if not lines[1:] or not lines[0].startswith(b"{"):
        return False
    # A document may be longer than the first bytes, which are looked at.
    is_opened_alone = lines[0].strip() == b"{" and lines[1].lstrip().startswith(b'"')
    return is_opened_alone or _first_end(head) > len(lines[0])


def _first_end(text: bytes) -> int:
    """Return where the document ends with which a text begins; 0 if it is none, or cut off."""
    try:
        start = text.decode(UTF_8, "ignore")
        _, end = json.JSONDecoder().raw_decode(start)
    except (ValueError, RecursionError):
        return 0
    return len(start[:end].encode())


def _copy_of_documents(file: InputFile, kind: str, *, keeps_arrays: bool) -> InputFile:
    """Return a copy of the documents of a file,
    with their values taken out of objects of a kind.
    """
    copy = _copy_folder(file, f"documents {kind} {keeps_arrays}") / "documents.ndjson"
    if not copy.exists():
        with _writing(copy) as part, part.open("wb") as written:
            for document in _documents_in(file):
                # A line that is damaged stays as it is, so that it is counted.
                value = (
                    document
                    if isinstance(document, bytes)
                    else unwrapped(document, kind)
                    if kind
                    else document
                )
                values = value if isinstance(value, list) and not keeps_arrays else [value]
                written.writelines(
                    (each if isinstance(each, bytes) else json_text(each).encode()) + b"\n"
                    for each in values
                )
    return replace(_read_from(file, copy), encoding=None)


def _documents_in(file: InputFile) -> Iterator[object]:
    """Yield the documents of a file, whether they are its lines, follow each other on them,
    or have several.
    """
    lines = filter(bytes.strip, lines_of(file))
    first = next(lines, b"")
    if any(json_in(part) is not None for part in objects_on(first.strip())):
        for line in chain([first], lines):
            for part in objects_on(line.strip()):
                document = json_in(part)
                yield part if document is None else document
        return
    text, decoder = b"".join([first, *lines]).decode(UTF_8, "backslashreplace"), json.JSONDecoder()
    end = 0
    while (start := _after(_BLANKS_AND_COMMAS, text, end)) < len(text):
        try:
            document, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            yield from (line.strip().encode() for line in text[start:].split("\n") if line.strip())
            return
        yield document


@contextmanager
def _writing(copy: Path) -> Iterator[Path]:
    """Return the path to write a copy to, which has its own name when it is whole."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    part = copy.with_suffix(".part")
    yield part
    part.replace(copy)


def _read_from(file: InputFile, copy: Path) -> InputFile:
    size = copy.stat().st_size
    return replace(
        file, path=str(copy), is_gzip=False, size=size, packed_in=file.packed_in or file.path
    )


def _members(file: InputFile) -> Iterator[InputFile]:
    try:
        with zipfile.ZipFile(file.path) as archive:
            entries = (entry for entry in archive.infolist() if not entry.is_dir())
            inside = [
                entry
                for entry in entries
                if not any(map(is_ignored, PurePosixPath(entry.filename).parts))
            ]
            if not inside:
                raise SourceError(f"{file.name} holds no files; deliver it again or remove it")
            for entry in inside:
                yield _member(file, archive, entry)
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
    ) as error:
        raise SourceError(
            f"{file.name} is a zip archive that is damaged, cut off or encrypted ({error}); "
            "deliver it again"
        ) from error


def _member(file: InputFile, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> InputFile:
    copy = _copy_folder(file, entry.filename) / f"member{ending_of(entry.filename)}"
    name = _shown_path(entry.filename)
    if not copy.exists():
        with _writing(copy) as part, archive.open(entry) as packed, part.open("wb") as written:
            shutil.copyfileobj(packed, written)
    kind, is_gzip = format_of(copy)
    if kind is None or kind == "zip":
        raise SourceError(
            f"{file.name} holds {name}, which is not read here; unpack it and take that away"
        )
    return replace(
        file,
        path=str(copy),
        name=f"{file.name}/{name}",
        format=kind,
        is_gzip=is_gzip,
        size=copy.stat().st_size,
        packed_in=file.path,
    )


def _shown_path(path: str) -> str:
    """Return the path of a file in an archive, each part as it is shown."""
    return "/".join(filter(None, map(shown_name, PurePosixPath(path).parts)))


def _is_array(file: InputFile) -> bool:
    """Return whether a file is one JSON array; a list on a line among others is a damaged line."""
    try:
        with opened_bytes(file) as opened:
            start: bytes = opened.read(64)
    except DAMAGED:
        return False  # refused with its name when its columns are read
    if not start.removeprefix(BYTE_ORDER_MARK).lstrip().startswith(b"["):
        return False
    lines = [
        line for line in head_of(file).removeprefix(BYTE_ORDER_MARK).splitlines() if line.strip()
    ]
    return len(lines) == 1 or json_in(lines[0]) is None


def _copy_of_elements(file: InputFile) -> InputFile:
    """Return a copy of a JSON array with an element per line."""
    copy = _copy_folder(file, "lines") / "lines.ndjson"
    if not copy.exists():
        text = b"".join(blocks_of(file))
        with _writing(copy) as part, part.open("w", encoding=UTF_8) as written:
            written.writelines(f"{json_text(element)}\n" for element in _elements(text, file.name))
    if not copy.stat().st_size:
        raise SourceError(
            f"{file.name} is a JSON array without elements; deliver it again or remove it"
        )
    return replace(_read_from(file, copy), encoding=None)


def _elements(text: bytes, name: str) -> Iterator[object]:
    """Yield the elements of a JSON array one by one, so that only one at a time is parsed."""
    decoder = json.JSONDecoder()
    try:
        rest = text.decode(UTF_8)
        at = _after(_BLANKS, rest, rest.index("[") + 1)
        while rest[at] != "]":
            element, at = decoder.raw_decode(rest, at)
            yield element
            at = _after(_BLANKS, rest, at)
            if rest[at] == ",":
                at = _after(_BLANKS, rest, at + 1)
    except (ValueError, IndexError, RecursionError) as error:
        raise SourceError(
            f"{name} is not JSON to its end (cut off or damaged); deliver it again"
        ) from error


_BLANKS = re.compile(r"[ \t\r\n]*")
_BLANKS_AND_COMMAS = re.compile(r"[, \t\r\n]*")


def _after(letters: re.Pattern[str], text: str, at: int) -> int:
    """Return where letters end that stand at a place of a text, without a copy of the rest."""
    found = letters.match(text, at)
    return found.end() if found else at


def _copy_folder(file: InputFile, part: str) -> Path:
    """Return the folder for the copy of a part of a file, as the file is now."""
    named = f"{file.path}|{file.size}|{file.modified_at}|{part}"
    return copies_folder() / hashlib.sha256(named.encode(errors="replace")).hexdigest()
