"""SQL that reads the rows of files, with every needed column as text (nested values as JSON text).

Each SELECT returns the needed columns under their own names, and three more. `__other` is the JSON
of the columns that the mapping does not name, if they are kept. `__file` is the path. `__malformed`
is the raw line if it could not be parsed; then all other columns are NULL.

`record_sql.py` makes records of these rows by their mapping, and `arrival_sql.py` finds their days.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from ecom_assets.core.warehouse.sql_text import (
    ident,
    pattern_of,
    select,
    text,
    text_columns,
    texts,
)
from ecom_assets.ingestion.sources.files.columns import FileColumn
from ecom_assets.ingestion.sources.files.footers import Footer
from ecom_assets.ingestion.sources.files.python_literals import as_json_sql
from ecom_assets.ingestion.sources.files.shape import RowShape
from ecom_assets.ingestion.sources.files.text_blocks import MAX_LINE_BYTES

_NO_DELIMITER = "\x01\x02\x03\x04"
"""A sequence that no line contains, so that the engine's CSV reader returns whole lines."""
_BUFFER_BYTES = 1 << 25
MAX_DEPTH = 500
"""How deep lists and objects may be nested; Python's JSON reader, say, fails at a thousand."""
NOTHING = "NULL::VARCHAR"
CURRENCY = "__currency"
"""The column of the currency of an event's amount, which the tables do not have."""
MALFORMED = "__malformed"
"""The column with a line that cannot be read, of all that is read and of what uploads land."""
ROW = "__row"
"""The column with the number of a row,
which is greater than those of the rows before it in its file.
"""
_ROW_NUMBER = f"row_number() OVER ()::VARCHAR AS {ROW}"
MOMENT_KINDS = ("zoned", "timestamp")
FIRST_TIME, LAST_TIME = datetime(1, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001 (UTC, as the engine has it)
_APOSTROPHE = text("^'([0-9+=@-])") + ", " + text(r"\1")
HAS_TEXT = "trim(line) <> ''"
_OPENING = "strlen(line) - strlen(translate(line, '[{', ''))"
# A condition with AND would count the brackets of every line.
MANY_BRACKETS = (
    f"(CASE WHEN strlen(line) > {2 * MAX_DEPTH} THEN {_OPENING} > {MAX_DEPTH} ELSE false END)"
)
"""The test whether a `line` may be nested deeper than `MAX_DEPTH`;
it counts brackets in long lines.
"""


@dataclass(frozen=True)
class Layout:
    """What files have in common that one SELECT reads.

    Attributes:
        format: `csv`, `ndjson` or `parquet`.
        is_gzip: Whether they are gzipped.
        columns: Their columns by name, as far as they are known in advance.
        delimiter: What separates the cells of a line of a CSV file.
        exploded: The column whose list has a row per element; None if rows are not of a list.
        needed: The columns that the mapping needs, whether the files have them or not.
        named: The columns that the mapping uses or ignores.
        other_columns: What to do with the rest: `refuse`, `ignore` or `properties`.
        shape: How rows follow from the content; None if they are its lines.
        has_header: Whether a CSV file has names of columns.
        has_quotes: Whether values of a CSV file that need them are in quotes; else a quote is a
            sign like others.
        has_typed_cells: Whether times are written as ISO, whatever the mapping says of texts.
        has_apostrophes: Whether values of a CSV file lose an apostrophe at their beginning.
        has_formulas: Whether values of a CSV file may be texts written as formulas: `="00123"`.
        has_backslashes: Whether a quote within quotes has a backslash before it, in a CSV file.
        has_short_lines: Whether lines of a CSV file may lack their last cells.
        is_numbered: Whether rows have their number, in `ROW`.
        has_malformed: Whether a Parquet file keeps lines that were none, in `MALFORMED`.
        filled: The text columns without an empty value, according to the files' footers.
        bounded: The columns whose times are all of the years 1 to 9999, also by footers.
        footers: The footer of each column, of one file.
        documents: The columns that the mapping reads as JSON.
    """

    format: str
    is_gzip: bool
    columns: tuple[tuple[str, FileColumn], ...]
    delimiter: str
    exploded: str | None
    needed: tuple[str, ...]
    named: frozenset[str]
    other_columns: str
    shape: RowShape | None = None
    has_header: bool = True
    has_quotes: bool = True
    has_typed_cells: bool = False
    has_apostrophes: bool = False
    has_formulas: bool = False
    has_backslashes: bool = False
    has_short_lines: bool = False
    is_numbered: bool = False
    has_malformed: bool = False
    filled: frozenset[str] = frozenset()
    bounded: frozenset[str] = frozenset()
    footers: Mapping[str, Footer] = field(default_factory=dict)
    documents: frozenset[str] = frozenset()

    def with_footers(self, footers: Mapping[str, Footer]) -> "Layout":
        """Return the layout of one file with its footer."""
        filled = frozenset(name for name, footer in footers.items() if footer.is_filled)
        times = {name: footer.times for name, footer in footers.items() if footer.times}
        bounded = frozenset(
            name for name, (low, high) in times.items() if low >= FIRST_TIME and high <= LAST_TIME
        )
        return replace(self, filled=filled, bounded=bounded, footers=footers)

    def own(self) -> dict[str, FileColumn]:
        """Return the columns of the rows themselves, without the members of an exploded list."""
        prefix = f"{self.exploded}." if self.exploded else None
        return {
            name: column
            for name, column in self.columns
            if not (prefix and name.startswith(prefix))
        }

    def exact(self) -> frozenset[str]:
        """Return the columns of a Parquet file with whole numbers, whose text has one spelling."""
        own = self.own().items() if self.format == "parquet" else ()
        return frozenset(name for name, column in own if "INT" in column.type)

    def others(self) -> list[str]:
        """Return the columns that go to `__other`,
        for files whose columns are all known in advance.
        """
        has_properties = self.other_columns == "properties"
        return [name for name in self.own() if name not in self.named] if has_properties else []

    def moments(self) -> dict[str, str]:
        """Return the needed columns of a timestamp type, with their kind;
        `moment_name` names their raw copies.
        """
        own = self.own() if self.format == "parquet" and not self.exploded else {}
        # Nanoseconds are truncated when read as text; a cast would round them.
        fit = {name: column.kind for name, column in own.items() if column.type != "TIMESTAMP_NS"}
        return {name: fit[name] for name in self.needed if fit.get(name) in MOMENT_KINDS}


def moment_name(column: str) -> str:
    """Return the name of a timestamp column's raw copy,
    which avoids the conversion to text and back.
    """
    return f"__moment {column}"


def columns_read(layout: Layout) -> list[str]:
    """Return the quoted columns of every SELECT: needed columns, timestamps, `__other`,
    `__file`, `__malformed`.
    """
    moments = [ident(moment_name(name)) for name in layout.moments()]
    numbered = [ROW] if layout.is_numbered else []
    return [
        *(ident(name) for name in layout.needed),
        *moments,
        *numbered,
        "__other",
        "__file",
        "__malformed",
    ]


def sound_rows(layout: Layout, paths: Sequence[str]) -> str:
    """Return the SELECT of files without malformed lines, with the engine's own readers,
    which fail on such lines.
    """
    if layout.format == "ndjson":
        source = line_source(paths, is_gzip=layout.is_gzip)
        values = ["line", "__file", f"{NOTHING} AS __malformed", *_row_number(layout)]
        return _json_rows(layout, select(values, source, HAS_TEXT))
    if layout.format == "csv":
        cells = {name: _cell(name, layout) for name in layout.own()}
        other_cells = {name: cells[name] for name in layout.others()}
        source = csv_source(layout, paths)
    else:
        cells = {
            name: parquet_text(name, column, layout.filled) for name, column in layout.own().items()
        }
        texts_of_json = {name for name, column in layout.own().items() if column.kind == "text"}
        cells |= {name: _document(cells[name], name, layout) for name in texts_of_json}
        other_cells = {name: ident(name) for name in layout.others()}
        source = parquet_source(paths)
    columns = [
        *(f"{cells.get(name, NOTHING)} AS {ident(name)}" for name in _top(layout)),
        *(
            f"{_moment(name, kind)} AS {ident(moment_name(name))}"
            for name, kind in layout.moments().items()
        ),
        f"{_packed(other_cells)} AS __other",
        *_row_number(layout),
        "__file",
        MALFORMED if layout.has_malformed else f"{NOTHING} AS {MALFORMED}",
    ]
    return _exploded(layout, select(columns, source))


def _row_number(layout: Layout) -> list[str]:
    return [_ROW_NUMBER] if layout.is_numbered else []


def _cell(name: str, layout: Layout) -> str:
    value = ident(name)
    if layout.has_formulas:
        within = f"replace({value}[3:-2], '\"\"', '\"')"
        is_formula = f"starts_with({value}, '=\"') AND ends_with({value}, '\"')"
        value = f"CASE WHEN {is_formula} THEN {within} ELSE {value} END"
    if layout.has_apostrophes:
        value = f"regexp_replace({value}, {_APOSTROPHE})"
    return _document(f"nullif({value}, '')", name, layout)


def _document(value: str, name: str, layout: Layout) -> str:
    return as_json_sql(value) if name in layout.documents else value


def copied_rows(layout: Layout, path: str, sound: str, damaged: str) -> str:
    """Return the SELECT of one file from its copy, so that only the damaged lines are lost.

    `sound` is the path of the copy of the readable lines, `damaged` the path of the other lines, as
    Parquet.
    """
    if layout.shape:  # the copy has the rows, one object per line
        layout = replace(layout, format="ndjson", shape=None)
    if layout.format == "ndjson":
        good = is_object(layout)
        values = [f"CASE WHEN {good} THEN line END AS line", "__file"]
        values += [f"CASE WHEN NOT {good} THEN line END AS __malformed", *_row_number(layout)]
        rows = _json_rows(
            layout, select(values, line_source([sound], is_gzip=layout.is_gzip), HAS_TEXT)
        )
    else:
        rows = sound_rows(layout, [sound])
    columns = columns_read(layout)
    values = [f"{NOTHING} AS {name}" for name in columns if name not in {"__file", "__malformed"}]
    lines = select(
        [*values, "'' AS __file", "line AS __malformed"], f"read_parquet({_list_of([damaged])})"
    )
    all_rows = f"({select(columns, rows)} UNION ALL {lines})"
    return select(f"* REPLACE ({text(path)} AS __file)", all_rows)


def csv_source(layout: Layout, paths: Sequence[str]) -> str:
    """Return the reader call for CSV files without damage."""
    columns = text_columns(name for name, _ in layout.columns)
    return (
        f"read_csv({_list_of(paths)}, auto_detect=false, header=true, "
        f"delim={text(layout.delimiter)}, quote='\"', escape='\"', nullstr='', columns={columns}, "
        f"hive_partitioning=false, max_line_size={MAX_LINE_BYTES}, buffer_size={_BUFFER_BYTES}, "
        f"filename='__file', compression={_compression(is_gzip=layout.is_gzip)})"
    )


def parquet_source(paths: Sequence[str]) -> str:
    """Return the reader call for Parquet files."""
    return f"read_parquet({_list_of(paths)}, filename='__file', hive_partitioning=false)"


def line_source(paths: Sequence[str], *, is_gzip: bool) -> str:
    r"""Return the reader call for whole lines as `line`, with `__file`;
    the lines end in `\n` or `\r\n`.
    """
    return (
        f"read_csv({_list_of(paths)}, auto_detect=false, header=false, "
        f"delim={text(_NO_DELIMITER)}, quote='', escape='', nullstr={text(_NO_DELIMITER[:2])}, "
        f"columns={{'line': 'VARCHAR'}}, strict_mode=false, max_line_size={MAX_LINE_BYTES}, "
        f"buffer_size={_BUFFER_BYTES}, hive_partitioning=false, filename='__file', "
        f"compression={_compression(is_gzip=is_gzip)})"
    )


def is_object(layout: Layout) -> str:
    """Return the SQL that tests if a `line` is a JSON object, with a list in the exploded column;
    it is never NULL.
    """
    kind = "json_type(line) = 'OBJECT'"
    if layout.exploded:
        kind += (
            f" AND coalesce(json_type(line, {text(json_pointer(layout.exploded))}) = 'ARRAY', "
            "false)"
        )
    return f"(CASE WHEN json_valid(line) THEN {kind} ELSE false END)"


def list_length(layout: Layout) -> str:
    """Return the SQL of the number of rows per record: one, or the length of the exploded list."""
    if not layout.exploded:
        return "1"
    if layout.format == "ndjson":
        return f"json_array_length(line, {text(json_pointer(layout.exploded))})"
    column = ident(layout.exploded)
    if layout.own()[layout.exploded].type.endswith("[]"):
        return f"coalesce(len({column}), 1)"
    return f"coalesce(len(TRY_CAST(to_json({column}) AS JSON[])), 1)"


def _json_rows(layout: Layout, lines: str) -> str:
    top = _top(layout)
    values = f"json_extract_string(line, {texts(json_pointer(name) for name in top)}) AS v"
    columns = [
        f"{_document(_member(number), name, layout)} AS {ident(name)}"
        for number, name in enumerate(top, start=1)
    ]
    other = NOTHING
    if layout.other_columns == "properties":
        # A merge removes the members that are null in the patch.
        nulls = (f"{json.dumps(name, ensure_ascii=False)}:null" for name in sorted(layout.named))
        patch = f"{{{','.join(nulls)}}}"
        other = f"nullif(json_merge_patch(line, {text(patch)})::VARCHAR, '{{}}')"
    numbered = [ROW] if layout.is_numbered else []
    extracted = select(["line", "__file", "__malformed", *numbered, values], lines)
    columns += [f"{other} AS __other", *numbered, "__file", "__malformed"]
    return _exploded(layout, select(columns, extracted))


def _member(number: int) -> str:
    return f"nullif(v[{number}], '')"


def _exploded(layout: Layout, rows: str) -> str:
    """Return the SELECT with one row per element of the exploded list,
    whose members are columns `list.member`.
    """
    if layout.exploded is None:
        return rows
    prefix = f"{layout.exploded}."
    inner = [name for name in layout.needed if name.startswith(prefix)]
    values = (
        "json_extract_string(e, "
        f"{texts(json_pointer(name.removeprefix(prefix)) for name in inner)}) AS v"
    )
    members = [
        f"nullif(v[{number}], '') AS {ident(name)}" for number, name in enumerate(inner, start=1)
    ]
    listed = f"TRY_CAST({ident(layout.exploded)} AS JSON[])"
    # A record whose list is missing or unreadable becomes one row without members, so that it is
    # counted and rejected.
    elements = (
        f"CASE WHEN __malformed IS NULL THEN coalesce({listed}, [NULL::JSON]) ELSE [NULL::JSON] END"
    )
    one_each = select(f"*, unnest({elements}) AS e", rows)
    return select(["* EXCLUDE (e, v)", *members], select(f"*, {values}", one_each))


def _top(layout: Layout) -> list[str]:
    """Return the needed columns of the rows themselves, without the members of an exploded list."""
    if layout.exploded is None:
        return list(layout.needed)
    own = [name for name in layout.needed if not name.startswith(f"{layout.exploded}.")]
    return own if layout.exploded in own else [*own, layout.exploded]


def _moment(name: str, kind: str) -> str:
    return f"timezone('UTC', {ident(name)})" if kind == "zoned" else f"{ident(name)}::TIMESTAMP"


def parquet_text(name: str, column: FileColumn, filled: Collection[str] = ()) -> str:
    """Return the SQL of a column of a Parquet file as text;
    empty text is NULL unless the column is in `filled`.
    """
    if column.kind == "nested":
        return f"to_json({ident(name)})::VARCHAR"
    if column.kind == "zoned":  # casting to text would use the session's zone
        return f"timezone('UTC', {ident(name)})::VARCHAR || '+00'"
    # Without the test for empty text, the engine can use the footer's null statistics and skip
    # reading.
    is_filled = column.kind in {"boolean", "date", "number", "timestamp"} or (
        column.kind == "text" and name in filled
    )
    return f"{ident(name)}::VARCHAR" if is_filled else f"nullif({ident(name)}::VARCHAR, '')"


def _packed(values: dict[str, str]) -> str:
    """Return the SQL of a JSON object of the non-empty values, as text; NULL if it is empty."""
    if not values:
        return NOTHING
    members = ", ".join(f"{text(name)}, {value}" for name, value in values.items())
    # A merge removes members that are null.
    return f"nullif(json_merge_patch('{{}}', json_object({members}))::VARCHAR, '{{}}')"


def _list_of(paths: Sequence[str]) -> str:
    return texts(pattern_of(path) for path in paths)


def _compression(*, is_gzip: bool) -> str:
    return "'gzip'" if is_gzip else "'none'"


def json_pointer(name: str) -> str:
    """Return the pointer to a member of a JSON object, as the engine's JSON functions take it."""
    return "/" + name.replace("~", "~0").replace("/", "~1")
