"""SQL that reads the rows of files, every needed column as text (nested ones as JSON text).

Each SELECT here gives the needed columns under their own names, then `__other` (JSON of the columns that the
mapping does not name, where they are kept), `__file` (the path) and `__malformed` (the raw line where it could
not be split; all other columns are NULL then). Not here: fields, event types, times.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ecom_assets.sources.file_columns import Column
from ecom_assets.sources.sql_text import ident, pattern_of, text, text_columns, texts

# A sequence that no line contains: the engine's CSV reader then hands over whole lines.
_NO_DELIMITER = "\x01\x02\x03\x04"
MAX_LINE_BYTES = 1 << 24
DAMAGE_MARK = "\ue0ff\x02"


@dataclass(frozen=True)
class Layout:
    """What files that are read by one SELECT have in common."""

    format: str
    is_gzip: bool
    columns: tuple[tuple[str, Column], ...]
    delimiter: str
    exploded: str | None
    needed: tuple[str, ...]  # by the mapping, whether the files have them or not
    named: frozenset[str] | None  # all columns but these go to `__other`; None: none go there

    def others(self) -> list[str]:
        """The columns that go to `__other`, of files whose columns are all known beforehand."""
        return [] if self.named is None else [name for name, _ in self.columns if name not in self.named]

    def column(self, name: str) -> Column | None:
        """The column of that name, if the files have it."""
        return dict(self.columns).get(name)


def columns_read(layout: Layout) -> list[str]:
    """The columns of every SELECT here, quoted: the needed ones, then `__other`, `__file`, `__malformed`."""
    return [*(ident(name) for name in layout.needed), "__other", "__file", "__malformed"]


def parquet_rows(layout: Layout, paths: Sequence[str]) -> str:
    """Rows of Parquet files."""
    source = f"read_parquet({_list_of(paths)}, filename='__file', hive_partitioning=false)"
    parts = [f"{_parquet_text(name, layout.column(name))} AS {ident(name)}" for name in _top(layout)]
    other = _packed({name: ident(name) for name in layout.others()})
    rows = (
        f"SELECT {', '.join(parts)}, {other} AS __other, __file, NULL::VARCHAR AS __malformed FROM {source}"  # noqa: S608 quoted by sql_text
    )
    return _exploded(layout, rows)


def csv_rows(layout: Layout, paths: Sequence[str]) -> str:
    """Rows of CSV files that are sound: the engine's own reader, which would raise on a damaged line."""
    source = csv_source(layout, paths)
    parts = [_csv_text(name, ident(name) if layout.column(name) else None) for name in _top(layout)]
    other = _packed({name: f"nullif({ident(name)}, '')" for name in layout.others()})
    rows = (
        f"SELECT {', '.join(parts)}, {other} AS __other, __file, NULL::VARCHAR AS __malformed FROM {source}"  # noqa: S608 quoted by sql_text
    )
    return _exploded(layout, rows)


def csv_source(layout: Layout, paths: Sequence[str]) -> str:
    """The reader call for sound CSV files."""
    return (
        f"read_csv({_list_of(paths)}, auto_detect=false, header=true, delim={text(layout.delimiter)}, quote='\"',"
        f" escape='\"', nullstr='', columns={text_columns(name for name, _ in layout.columns)},"
        f" hive_partitioning=false, filename='__file', compression={_compression(layout)})"
    )


def line_source(layout: Layout, paths: Sequence[str], *, is_strict: bool) -> str:
    """The reader call that gives whole lines; strict raises on invalid UTF-8 only where it is read."""
    return (
        f"read_csv({_list_of(paths)}, auto_detect=false, header=false, delim={text(_NO_DELIMITER)}, quote='',"
        f" escape='', nullstr={text(_NO_DELIMITER[:2])}, columns={{'line': 'VARCHAR'}}, hive_partitioning=false,"
        f" max_line_size={MAX_LINE_BYTES}, strict_mode={str(is_strict).lower()}, filename='__file',"
        f" compression={_compression(layout)})"
    )


def damaged_csv_rows(layout: Layout, path: str, readable: str, compression: str) -> str:
    """Rows of one damaged CSV file, line by line: damage costs the lines that it is in and no others.

    A line that is a whole record is a row. Neighbouring lines that are none are tried together as one record,
    for values with line breaks in quotes; if that is none either, each of them is malformed.
    """
    source = _lines_of(readable, compression)
    matched = f"regexp_full_match(line, {text(_record_pattern(layout))}) AND NOT contains(line, {text(DAMAGE_MARK)})"
    run = "count(*) FILTER (is_record) OVER (ORDER BY number ROWS UNBOUNDED PRECEDING)"
    numbered = f"SELECT rtrim(line, chr(13)) AS line, row_number() OVER () AS number FROM {source}"  # noqa: S608 quoted by sql_text
    judged = f"SELECT *, {matched} AS is_record FROM ({numbered}) WHERE number > 1 AND trim(line) <> ''"  # noqa: S608 as above
    runs = f"SELECT *, CASE WHEN is_record THEN number ELSE -1 - {run} END AS run FROM ({judged})"  # noqa: S608 as above
    lines = "list(line ORDER BY number)"
    joined = (
        f"SELECT run, {lines} AS lines, array_to_string({lines}, chr(10)) AS whole FROM ({runs}) GROUP BY run"  # noqa: S608 as above
    )
    record = _record_pattern(layout)
    several, each = f"{record}(?:\\n{record})*", f"\\n({record})"
    fits = f"(run > 0 OR (regexp_full_match(whole, {text(several)}) AND NOT contains(whole, {text(DAMAGE_MARK)})))"
    found = f"CASE WHEN run < 0 AND {fits} THEN regexp_extract_all(chr(10) || whole, {text(each)}, 1) ELSE lines END"
    records = f"SELECT unnest({found}) AS record, {fits} AS is_record FROM ({joined})"  # noqa: S608 as above
    return _exploded(layout, _split_records(layout, path, records))


def json_rows(layout: Layout, paths: Sequence[str]) -> str:
    """Rows of NDJSON files in which every line is an object (found before)."""
    source = line_source(layout, paths, is_strict=False)
    return _json_rows(
        layout, f"SELECT line, __file, NULL::VARCHAR AS __malformed FROM {source} WHERE trim(line) <> ''"
    )  # noqa: S608 quoted by sql_text


def damaged_json_rows(layout: Layout, path: str, readable: str, compression: str) -> str:
    """Rows of one NDJSON file with lines that are no objects: these are malformed."""
    source = _lines_of(readable, compression)
    good = is_object(layout)
    lines = (
        f"SELECT CASE WHEN {good} THEN line END AS line, {text(path)} AS __file,"  # noqa: S608 quoted by sql_text
        f" CASE WHEN NOT ({good}) THEN replace(line, {text(DAMAGE_MARK)}, '') END AS __malformed"
        f" FROM {source} WHERE trim(line) <> ''"
    )
    return _json_rows(layout, lines)


def is_object(layout: Layout) -> str:
    """Whether a `line` is a JSON object, with a list in the column that is to be exploded. Never NULL."""
    inner = "json_type(line) = 'OBJECT'"
    if layout.exploded:
        inner += f" AND coalesce(json_type(line, {text(_pointer(layout.exploded))}) = 'ARRAY', false)"
    return f"(CASE WHEN json_valid(line) AND NOT contains(line, {text(DAMAGE_MARK)}) THEN {inner} ELSE false END)"


def _json_rows(layout: Layout, lines: str) -> str:
    top = _top(layout)
    values = f"json_extract_string(line, {texts(_pointer(name) for name in top)})"
    parts = [f"nullif(v[{number}], '') AS {ident(name)}" for number, name in enumerate(top, start=1)]
    known = "{" + ",".join(f"{_json_text(name)}:null" for name in sorted(layout.named or ())) + "}"
    other = (
        f"nullif(json_merge_patch(line, {text(known)})::VARCHAR, '{{}}')"
        if layout.named is not None
        else "NULL::VARCHAR"
    )
    rows = (
        f"SELECT {', '.join(parts)}, {other} AS __other, __file, __malformed"  # noqa: S608 quoted by sql_text
        f" FROM (SELECT line, __file, __malformed, {values} AS v FROM ({lines}))"
    )
    return _exploded(layout, rows)


def _split_records(layout: Layout, path: str, records: str) -> str:
    delimiter = layout.delimiter
    value = f' *"(?:[^"]|"")*" *|[^{_in_class(delimiter)}]*'
    split = f"regexp_extract_all({text(delimiter)} || record, {text(f'{_literal(delimiter)}({value})')}, 1)"
    names = [name for name, _ in layout.columns]
    cells = {name: _unquoted(f"v[{number}]") for number, name in enumerate(names, start=1)}
    parts = [_csv_text(name, cells.get(name)) for name in _top(layout)]
    other = _packed({name: f"nullif({cells[name]}, '')" for name in layout.others()})
    return (
        f"SELECT {', '.join(parts)}, {other} AS __other, {text(path)} AS __file,"  # noqa: S608 quoted by sql_text
        f" CASE WHEN NOT is_record THEN replace(record, {text(DAMAGE_MARK)}, '') END AS __malformed"
        f" FROM (SELECT record, is_record, CASE WHEN is_record THEN {split} END AS v FROM ({records}))"
    )


def _record_pattern(layout: Layout) -> str:
    delimiter = _literal(layout.delimiter)
    value = (
        f'(?: *"(?:[^"]|"")*" *|[^"\\n{_in_class(layout.delimiter)}][^\\n{_in_class(layout.delimiter)}]*|)'
    )
    # The engine's reader takes empty values beyond the last column for nothing, so they are nothing here too.
    return f"{value}(?:{delimiter}{value}){{{len(layout.columns) - 1}}}{delimiter}*"


def _exploded(layout: Layout, rows: str) -> str:
    """One row per element of the exploded list, its members as `list.member`."""
    if layout.exploded is None:
        return rows
    prefix = f"{layout.exploded}."
    inner = [name for name in layout.needed if name.startswith(prefix)]
    values = f"json_extract_string(e, {texts(_pointer(name.removeprefix(prefix)) for name in inner)})"
    parts = [f"nullif(v[{number}], '') AS {ident(name)}" for number, name in enumerate(inner, start=1)]
    elements = f"CASE WHEN __malformed IS NULL THEN TRY_CAST({ident(layout.exploded)} AS JSON[]) ELSE [NULL::JSON] END"
    return (
        f"SELECT * EXCLUDE (e, v), {', '.join(parts)} FROM (SELECT *, {values} AS v"  # noqa: S608 quoted by sql_text
        f" FROM (SELECT *, unnest({elements}) AS e FROM ({rows})))"
    )


def _top(layout: Layout) -> list[str]:
    """The needed columns that the rows themselves have (not the elements of an exploded list)."""
    if layout.exploded is None:
        return list(layout.needed)
    own = [name for name in layout.needed if not name.startswith(f"{layout.exploded}.")]
    return [*own, *([] if layout.exploded in own else [layout.exploded])]


def _parquet_text(name: str, column: Column | None) -> str:
    if column is None:
        return "NULL::VARCHAR"
    if column.kind == "nested":
        return f"to_json({ident(name)})::VARCHAR"
    if column.kind == "zoned":  # casting to text would use the session's zone
        return f"timezone('UTC', {ident(name)})::VARCHAR || '+00'"
    if column.kind == "binary":
        return "NULL::VARCHAR"
    return f"nullif({ident(name)}::VARCHAR, '')"


def _csv_text(name: str, value: str | None) -> str:
    return f"nullif({value}, '') AS {ident(name)}" if value else f"NULL::VARCHAR AS {ident(name)}"


def _unquoted(cell: str) -> str:
    bare = f"trim({cell}, ' ')"
    return f"CASE WHEN starts_with({bare}, '\"') THEN replace({bare}[2:-2], '\"\"', '\"') ELSE {cell} END"


def _packed(values: dict[str, str]) -> str:
    """A JSON object of named values without the empty ones, as text; NULL if nothing is left."""
    if not values:
        return "NULL::VARCHAR"
    members = ", ".join(f"{text(name)}, {value}" for name, value in values.items())
    # A merge drops members that are null.
    return f"nullif(json_merge_patch('{{}}', json_object({members}))::VARCHAR, '{{}}')"


def _lines_of(path: str, compression: str) -> str:
    return (
        f"read_csv({text(pattern_of(path))}, auto_detect=false, header=false, delim={text(_NO_DELIMITER)}, quote='',"
        f" escape='', nullstr={text(_NO_DELIMITER[:2])}, columns={{'line': 'VARCHAR'}}, hive_partitioning=false,"
        f" max_line_size={MAX_LINE_BYTES}, strict_mode=false, compression={text(compression)})"
    )


def _list_of(paths: Sequence[str]) -> str:
    return texts(pattern_of(path) for path in paths)


def _compression(layout: Layout) -> str:
    return "'gzip'" if layout.is_gzip else "'none'"


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _json_text(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _literal(delimiter: str) -> str:
    return "\\|" if delimiter == "|" else delimiter


def _in_class(delimiter: str) -> str:
    return delimiter
