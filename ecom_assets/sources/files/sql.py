"""SQL that reads the rows of files, every needed column as text (nested ones as JSON text).

Each SELECT here gives the needed columns under their own names, then `__other` (JSON of the columns that the
mapping does not name, where they are kept), `__file` (the path) and `__malformed` (the raw line where it
could not be split; all other columns are NULL then).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from ecom_assets.sources.files.columns import Column
from ecom_assets.sources.files.mapping import IdField, RecordKind, RecordMapping, SourceField, TimeField
from ecom_assets.sources.files.text_blocks import MAX_LINE_BYTES
from ecom_assets.warehouse.sql_text import (
    day,
    day_in_zone,
    from_wall,
    ident,
    instant,
    pattern_of,
    select,
    text,
    text_columns,
    texts,
)

# A sequence that no line contains: the engine's CSV reader then hands over whole lines.
_NO_DELIMITER = "\x01\x02\x03\x04"
_BUFFER_BYTES = 1 << 25
MAX_DEPTH = 500  # lists and objects in one another; Python's reader, among others, ends at a thousand
_NOTHING = "NULL::VARCHAR"
MOMENT_KINDS = ("zoned", "timestamp")
HAS_TEXT = "trim(line) <> ''"


@dataclass(frozen=True)
class Layout:
    """What files that are read by one SELECT have in common."""

    format: str
    is_gzip: bool
    columns: tuple[tuple[str, Column], ...]
    delimiter: str
    exploded: str | None
    needed: tuple[str, ...]  # by the mapping, whether the files have them or not
    named: frozenset[str]  # what the mapping gives a place, or ignores
    other_columns: str  # what becomes of the rest: refuse, ignore or properties
    filled: frozenset[str] = frozenset()  # columns of text without an empty value, as all the files say

    def own(self) -> dict[str, Column]:
        """The columns of the rows themselves, without the members of an exploded list."""
        prefix = f"{self.exploded}." if self.exploded else None
        return {name: column for name, column in self.columns if not (prefix and name.startswith(prefix))}

    def others(self) -> list[str]:
        """The columns that go to `__other`, of files whose columns are all known beforehand."""
        kept = self.other_columns == "properties"
        return [name for name in self.own() if name not in self.named] if kept else []

    def moments(self) -> dict[str, str]:
        """The needed columns that are timestamps already, with their kind; also read as they are, see `moment_name`."""
        own = self.own() if self.format == "parquet" and not self.exploded else {}
        # Nanoseconds are cut by way of text, and would be rounded by a cast.
        fit = {name: column.kind for name, column in own.items() if column.type != "TIMESTAMP_NS"}
        return {name: fit[name] for name in self.needed if fit.get(name) in MOMENT_KINDS}


def moment_name(column: str) -> str:
    """The name under which a timestamp column is read as it is, so that no time goes through text and back."""
    return f"__moment {column}"


def columns_read(layout: Layout) -> list[str]:
    """The columns of every SELECT here, quoted: the needed ones, moments, then `__other`, `__file`, `__malformed`."""
    moments = [ident(moment_name(name)) for name in layout.moments()]
    return [*(ident(name) for name in layout.needed), *moments, "__other", "__file", "__malformed"]


def sound_rows(layout: Layout, paths: Sequence[str]) -> str:
    """Rows of files without a malformed line, by the engine's own readers, which would raise on one."""
    if layout.format == "ndjson":
        source = line_source(paths, is_gzip=layout.is_gzip)
        return _json_rows(layout, select(f"line, __file, {_NOTHING} AS __malformed", source, HAS_TEXT))
    if layout.format == "csv":
        cells = {name: f"nullif({ident(name)}, '')" for name in layout.own()}
        others = {name: cells[name] for name in layout.others()}
        source = csv_source(layout, paths)
    else:
        cells = {name: _parquet_text(name, column, layout.filled) for name, column in layout.own().items()}
        others = {name: ident(name) for name in layout.others()}
        source = parquet_source(paths)
    columns = [
        *_cells(layout, cells),
        *(f"{_moment(name, kind)} AS {ident(moment_name(name))}" for name, kind in layout.moments().items()),
        f"{_packed(others)} AS __other",
        "__file",
        f"{_NOTHING} AS __malformed",
    ]
    return _exploded(layout, select(columns, source))


def copied_rows(layout: Layout, path: str, sound: str, damaged: str) -> str:
    """Rows of one file from its copy: damage costs the lines it is in and no others.

    `sound` is the path of the copy of what can be read, `damaged` that of the lines that cannot, as Parquet.
    """
    if layout.format == "ndjson":
        good = is_object(layout)
        values = [f"CASE WHEN {good} THEN line END AS line", "__file"]
        values.append(f"CASE WHEN NOT {good} THEN line END AS __malformed")
        rows = _json_rows(layout, select(values, line_source([sound], is_gzip=layout.is_gzip), HAS_TEXT))
    else:
        rows = sound_rows(layout, [sound])
    columns = columns_read(layout)
    values = [f"{_NOTHING} AS {name}" for name in columns if name not in {"__file", "__malformed"}]
    lines = select([*values, "'' AS __file", "line AS __malformed"], f"read_parquet({_list_of([damaged])})")
    both = f"({select(columns, rows)} UNION ALL {lines})"
    return select(f"* REPLACE ({text(path)} AS __file)", both)


def csv_source(layout: Layout, paths: Sequence[str]) -> str:
    """The reader call for sound CSV files."""
    columns = text_columns(name for name, _ in layout.columns)
    return (
        f"read_csv({_list_of(paths)}, auto_detect=false, header=true, delim={text(layout.delimiter)},"
        f" quote='\"', escape='\"', nullstr='', columns={columns}, hive_partitioning=false,"
        f" max_line_size={MAX_LINE_BYTES}, buffer_size={_BUFFER_BYTES},"
        f" filename='__file', compression={_compression(is_gzip=layout.is_gzip)})"
    )


def parquet_source(paths: Sequence[str]) -> str:
    """The reader call for Parquet files."""
    return f"read_parquet({_list_of(paths)}, filename='__file', hive_partitioning=false)"


def line_source(paths: Sequence[str], *, is_gzip: bool) -> str:
    r"""The reader call that gives whole lines as `line`, and `__file`; the lines end in `\n` or `\r\n`."""
    return (
        f"read_csv({_list_of(paths)}, auto_detect=false, header=false, delim={text(_NO_DELIMITER)}, quote='',"
        f" escape='', nullstr={text(_NO_DELIMITER[:2])}, columns={{'line': 'VARCHAR'}}, strict_mode=false,"
        f" max_line_size={MAX_LINE_BYTES}, hive_partitioning=false, filename='__file',"
        f" compression={_compression(is_gzip=is_gzip)})"
    )


def is_object(layout: Layout) -> str:
    """Return whether a `line` is a JSON object, with a list in the column that is to be exploded. Never NULL."""
    kind = "json_type(line) = 'OBJECT'"
    if layout.exploded:
        kind += f" AND coalesce(json_type(line, {text(_pointer(layout.exploded))}) = 'ARRAY', false)"
    return f"(CASE WHEN json_valid(line) THEN {kind} ELSE false END)"


def list_length(layout: Layout) -> str:
    """How many rows a record becomes: one, or as many as the list has that is to be exploded."""
    if not layout.exploded:
        return "1"
    if layout.format == "ndjson":
        return f"json_array_length(line, {text(_pointer(layout.exploded))})"
    column = ident(layout.exploded)
    if layout.own()[layout.exploded].type.endswith("[]"):
        return f"coalesce(len({column}), 1)"
    return f"coalesce(len(TRY_CAST(to_json({column}) AS JSON[])), 1)"


def many_brackets(line: str) -> str:
    """Return whether a line may be nested deeper than `MAX_DEPTH`; few lines are long enough to be counted at all."""
    opening = f"strlen({line}) - strlen(translate({line}, '[{{', ''))"
    # A condition with AND would count the brackets of every line.
    return f"(CASE WHEN strlen({line}) > {2 * MAX_DEPTH} THEN {opening} > {MAX_DEPTH} ELSE false END)"


def _json_rows(layout: Layout, lines: str) -> str:
    top = _top(layout)
    values = f"json_extract_string(line, {texts(_pointer(name) for name in top)}) AS v"
    columns = [f"nullif(v[{number}], '') AS {ident(name)}" for number, name in enumerate(top, start=1)]
    other = _NOTHING
    if layout.other_columns == "properties":
        # A merge drops the members that the patch has as null.
        patch = "{" + ",".join(f"{_json_text(name)}:null" for name in sorted(layout.named)) + "}"
        other = f"nullif(json_merge_patch(line, {text(patch)})::VARCHAR, '{{}}')"
    extracted = select(f"line, __file, __malformed, {values}", lines)
    return _exploded(layout, select([*columns, f"{other} AS __other", "__file", "__malformed"], extracted))


def _exploded(layout: Layout, rows: str) -> str:
    """One row per element of the exploded list, its members as `list.member`."""
    if layout.exploded is None:
        return rows
    prefix = f"{layout.exploded}."
    inner = [name for name in layout.needed if name.startswith(prefix)]
    values = f"json_extract_string(e, {texts(_pointer(name.removeprefix(prefix)) for name in inner)}) AS v"
    members = [f"nullif(v[{number}], '') AS {ident(name)}" for number, name in enumerate(inner, start=1)]
    listed = f"TRY_CAST({ident(layout.exploded)} AS JSON[])"
    # A record whose list is missing or cannot be read is one row without members, so that it is counted and refused.
    elements = f"CASE WHEN __malformed IS NULL THEN coalesce({listed}, [NULL::JSON]) ELSE [NULL::JSON] END"
    one_each = select(f"*, unnest({elements}) AS e", rows)
    return select(["* EXCLUDE (e, v)", *members], select(f"*, {values}", one_each))


def _top(layout: Layout) -> list[str]:
    """The needed columns that the rows themselves have (not the elements of an exploded list)."""
    if layout.exploded is None:
        return list(layout.needed)
    own = [name for name in layout.needed if not name.startswith(f"{layout.exploded}.")]
    return own if layout.exploded in own else [*own, layout.exploded]


def _cells(layout: Layout, cells: dict[str, str]) -> list[str]:
    return [f"{cells.get(name, _NOTHING)} AS {ident(name)}" for name in _top(layout)]


def _moment(name: str, kind: str) -> str:
    return f"timezone('UTC', {ident(name)})" if kind == "zoned" else f"{ident(name)}::TIMESTAMP"


def _parquet_text(name: str, column: Column, filled: Collection[str]) -> str:
    if column.kind == "nested":
        return f"to_json({ident(name)})::VARCHAR"
    if column.kind == "zoned":  # casting to text would use the session's zone
        return f"timezone('UTC', {ident(name)})::VARCHAR || '+00'"
    # Without the test for empty texts the engine knows from the footer where nulls can be, and skips reading for them.
    is_filled = column.kind in {"boolean", "date", "number", "timestamp"} or (column.kind == "text" and name in filled)
    return f"{ident(name)}::VARCHAR" if is_filled else f"nullif({ident(name)}::VARCHAR, '')"


def _packed(values: dict[str, str]) -> str:
    """A JSON object of named values without the empty ones, as text; NULL if nothing is left."""
    if not values:
        return _NOTHING
    members = ", ".join(f"{text(name)}, {value}" for name, value in values.items())
    # A merge drops members that are null.
    return f"nullif(json_merge_patch('{{}}', json_object({members}))::VARCHAR, '{{}}')"


def _list_of(paths: Sequence[str]) -> str:
    return texts(pattern_of(path) for path in paths)


def _compression(*, is_gzip: bool) -> str:
    return "'gzip'" if is_gzip else "'none'"


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _json_text(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True)
class FileDays:
    """What is known of one file: when it arrived, or the days to fall back on where its rows do not say."""

    path: str
    relative: str
    received_date: date | None
    modified_date: date
    fallback_date: date | None
    earliest_date: date  # before which nothing can have happened
    latest_date: date  # after which none of its rows can have been received


def records_sql(rows: str, mapping: RecordMapping, columns: Sequence[str], moments: Mapping[str, str]) -> str:
    """The fields of each row, with `__file`; `columns` are the names that `rows` gives, `moments` its timestamps."""
    own_id, kind = mapping.id_field, mapping.kind
    fields = [f"{_id_sql(own_id, columns)} AS {kind.id}"]
    fields += [f"{field_sql(mapping, name)} AS {name}" for name in kind.fields if name != kind.id]
    fields.append(f"{_instant_of(mapping.time_field, moments)} AS {kind.at}")
    fields.append(f"{_instant_of(mapping.fields.received_at, moments)} AS received_at")
    source = _hashed(own_id.hash_of, rows) if own_id.hash_of else rows
    return select([*fields, "__file", "__malformed"], source)


def dated_sql(records: str, kind: RecordKind, files: Sequence[FileDays], zone: str) -> str:
    """The columns of the kind of record, in their order, from the fields of each row."""
    received = "f.received_date"
    if files[0].received_date is None:
        received = f"coalesce({_said_date(kind, zone)}, f.fallback_date, f.modified_date)"
    columns = [f"e.{name} AS {kind.renamed.get(name, name)}" for name in (*kind.fields, kind.at)]
    columns += [f"{sql} AS {name}" for name, (_, sql) in kind.read.items()]
    columns += ["e.received_at", f"{received} AS received_date"]
    columns += ["f.relative AS source_file", "e.__malformed AS malformed_row"]
    return select(columns, _with_files(records, files))


def arrivals_sql(records: str, kind: RecordKind, files: Sequence[FileDays], zone: str) -> str:
    """Per file and arrival day that its rows say (or none): path, day, rows, and the last day that they happened on."""
    usable = f"{_own_date(kind, zone)} AS usable"
    said = select(f"f.path, {_said_date(kind, zone)} AS said, {usable}", _with_files(records, files))
    return select("path, said, count(*), max(usable)", said, group_by="path, said")


def _said_date(kind: RecordKind, zone: str) -> str:
    """The arrival day that the row says: when it was received, else its own day if that is not to come.

    Days that cannot be are not believed, so that a row of a broken clock arrives on a day that is looked at.
    """
    received = day_in_zone("e.received_at", zone)
    believed = f"CASE WHEN {received} BETWEEN f.earliest_date AND f.latest_date THEN {received} END"
    return f"coalesce({believed}, {_own_date(kind, zone)})"


def _own_date(kind: RecordKind, zone: str) -> str:
    own = day_in_zone(f"e.{kind.at}", zone)
    return f"CASE WHEN {own} BETWEEN f.earliest_date AND f.modified_date THEN {own} END"


def _with_files(records: str, files: Sequence[FileDays]) -> str:
    values = ", ".join(
        f"({text(f.path)}, {text(f.relative)}, {day(f.received_date)}, {day(f.modified_date)}, {day(f.fallback_date)},"
        f" {day(f.earliest_date)}, {day(f.latest_date)})"
        for f in files
    )
    names = "path, relative, received_date, modified_date, fallback_date, earliest_date, latest_date"
    return f"({records}) AS e JOIN (VALUES {values}) AS f({names}) ON e.__file = f.path"


def field_sql(mapping: RecordMapping, name: str) -> str:
    """The text of a field, from the columns of a row."""
    field: SourceField | None = getattr(mapping.fields, name)
    value = _origin_sql(field)
    if ours_by_theirs := mapping.translations().get(name):
        pairs = " ".join(f"WHEN {text(theirs)} THEN {text(ours)}" for theirs, ours in ours_by_theirs.items())
        return f"CASE {value} {pairs} ELSE {value} END"
    if name == "properties" and mapping.other_columns == "properties":
        return _with_others(value) if field else "__other"
    return value


def _origin_sql(field: SourceField | None) -> str:
    if field is None:
        return "NULL::VARCHAR"
    if field.column:
        return ident(field.column)
    # A malformed row has no values, so a constant of the mapping must not appear in it.
    return f"CASE WHEN __malformed IS NULL THEN nullif(TRY(({field.expression})::VARCHAR), '') END"


def _with_others(value: str) -> str:
    merged = f"json_merge_patch({value}, __other)::VARCHAR"
    is_object = f"CASE WHEN json_valid({value}) THEN json_type({value}) = 'OBJECT' ELSE false END"
    stays = f"WHEN __other IS NULL OR NOT ({is_object}) THEN {value}"
    return f"CASE WHEN {value} IS NULL THEN __other {stays} ELSE {merged} END"


def _instant_of(field: TimeField | None, moments: Mapping[str, str]) -> str:
    if field is None:
        return "NULL::TIMESTAMP"
    if field.column and field.column in moments:
        zone = "UTC" if moments[field.column] == "zoned" else field.timezone
        return from_wall(ident(moment_name(field.column)), zone)
    return instant(_origin_sql(field), field.formats, field.timezone)


def _id_sql(field: IdField, columns: Sequence[str]) -> str:
    if not field.hash_of:
        return _origin_sql(field)
    if field.equal_rows == "merge":
        return "__hash"
    # Rows that are equal in the hashed columns only are numbered by their other columns, so that their ids do
    # not depend on the order of reading.
    others = [ident(name) for name in columns if name not in field.hash_of]
    number = f"row_number() OVER (PARTITION BY __file, __hash ORDER BY {', '.join([*others, '__other'])})"
    return f"CASE WHEN {number} = 1 THEN __hash ELSE md5(__hash || ':' || {number}) END"


def _hashed(columns: Sequence[str], rows: str) -> str:
    # Each value with its length, so that ('ab', 'c') and ('a', 'bc') differ, and NULL differs from any text.
    values = " || ".join(f"coalesce(length({ident(c)}) || ':' || {ident(c)}, '-')" for c in columns)
    return select(f"*, CASE WHEN __malformed IS NULL THEN md5({values}) END AS __hash", rows)
