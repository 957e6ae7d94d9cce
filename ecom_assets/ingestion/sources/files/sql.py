"""SQL that reads the rows of files, with every needed column as text (nested values as JSON text).

Each SELECT returns the needed columns under their own names, and three more. `__other` is the JSON
of the columns that the mapping does not name, if they are kept. `__file` is the path. `__malformed`
is the raw line if it could not be parsed; then all other columns are NULL.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from ecom_assets.commerce.orders.orders import CHARGES, PRICE_PARTS
from ecom_assets.core.tables.received import PROOF
from ecom_assets.core.tables.spellings import KEYS, TRIMMED, spelled_sql, trimmed_sql
from ecom_assets.core.tables.values import LAST_PLAUSIBLE
from ecom_assets.core.warehouse.sql_text import (
    date_literal,
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
from ecom_assets.ingestion.sources.files.alternatives import OF_PLACES, first_filled
from ecom_assets.ingestion.sources.files.columns import FileColumn
from ecom_assets.ingestion.sources.files.footers import Footer
from ecom_assets.ingestion.sources.files.mapping import (
    DISCOUNT,
    LEFT_OUT,
    OF_VERSIONS,
    FileNameField,
    IdField,
    Proof,
    RecordKind,
    RecordMapping,
    SourceField,
    TimeField,
)
from ecom_assets.ingestion.sources.files.plain import (
    NUMBER,
    Numerals,
    in_currency_sql,
    replaced_sql,
)
from ecom_assets.ingestion.sources.files.python_literals import as_json_sql
from ecom_assets.ingestion.sources.files.shape import ADDED, GROUP, KIND, POSITION, RowShape
from ecom_assets.ingestion.sources.files.text_blocks import MAX_LINE_BYTES

# A sequence that no line contains, so that the engine's CSV reader returns whole lines.
_NO_DELIMITER = "\x01\x02\x03\x04"
_BUFFER_BYTES = 1 << 25
MAX_DEPTH = (
    500  # nesting of lists and objects; Python's JSON reader, for example, fails at a thousand
)
_NOTHING = "NULL::VARCHAR"
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
_END_OF_PLAUSIBLE = LAST_PLAUSIBLE + timedelta(days=1)
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
    """The properties that files read by one SELECT share."""

    format: str
    is_gzip: bool
    columns: tuple[tuple[str, FileColumn], ...]
    delimiter: str
    exploded: str | None
    needed: tuple[str, ...]  # by the mapping, whether the files have them or not
    named: frozenset[str]  # columns that the mapping uses or ignores
    other_columns: str  # what to do with the rest: refuse, ignore or properties
    shape: RowShape | None = (
        None  # how the rows follow from the content; None if they are its lines
    )
    has_header: bool = True  # of a CSV file
    has_quotes: bool = (
        True  # around values of a CSV file that need them; without, a quote is a sign like others
    )
    has_typed_cells: bool = (
        False  # whether times are written as ISO, whatever the mapping says of texts
    )
    has_apostrophes: bool = (
        False  # whether values of a CSV file lose an apostrophe at their beginning
    )
    has_backslashes: bool = False  # whether a quote within quotes has one before it, in a CSV file
    has_short_lines: bool = False  # whether lines of a CSV file may lack their last cells
    is_numbered: bool = False  # whether rows have their number, in `ROW`
    has_malformed: bool = False  # whether a Parquet file keeps lines that were none, in `MALFORMED`
    filled: frozenset[str] = (
        frozenset()
    )  # text columns without an empty value, according to the files' footers
    bounded: frozenset[str] = (
        frozenset()
    )  # columns whose times are all of the years 1 to 9999, also by footers
    footers: Mapping[str, Footer] = field(default_factory=dict)  # of one file
    documents: frozenset[str] = frozenset()  # columns that the mapping reads as JSON

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
        values = ["line", "__file", f"{_NOTHING} AS __malformed", *_row_number(layout)]
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
        *(f"{cells.get(name, _NOTHING)} AS {ident(name)}" for name in _top(layout)),
        *(
            f"{_moment(name, kind)} AS {ident(moment_name(name))}"
            for name, kind in layout.moments().items()
        ),
        f"{_packed(other_cells)} AS __other",
        *_row_number(layout),
        "__file",
        MALFORMED if layout.has_malformed else f"{_NOTHING} AS {MALFORMED}",
    ]
    return _exploded(layout, select(columns, source))


def _row_number(layout: Layout) -> list[str]:
    return [_ROW_NUMBER] if layout.is_numbered else []


def _cell(name: str, layout: Layout) -> str:
    value = (
        f"regexp_replace({ident(name)}, {_APOSTROPHE})" if layout.has_apostrophes else ident(name)
    )
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
    values = [f"{_NOTHING} AS {name}" for name in columns if name not in {"__file", "__malformed"}]
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
        f"hive_partitioning=false, filename='__file', compression={_compression(is_gzip=is_gzip)})"
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
    other = _NOTHING
    if layout.other_columns == "properties":
        # A merge removes the members that are null in the patch.
        patch = (
            "{"
            + ",".join(
                f"{json.dumps(name, ensure_ascii=False)}:null" for name in sorted(layout.named)
            )
            + "}"
        )
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
        return _NOTHING
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


@dataclass(frozen=True)
class FileDays:
    """The days of one file: its arrival day,
    or the fallback days for rows without an arrival day.
    """

    path: str
    relative: str
    received_date: date | None
    modified_date: date
    fallback_date: date | None
    earliest_date: date  # earlier dates are implausible
    latest_date: date  # no row can have been received later
    timezone: str = "UTC"  # in which days begin

    def sure_of(self, late_days: int) -> tuple[datetime, datetime, datetime]:
        """Return the bounds between which an event breaks no rule about time,
        and the bound of plausible arrivals, in UTC.

        An event from the first bound on and before the second arrived on its own day, or at most
        `late_days` later, and not in its future, if it came without `received_at`, or with one that
        is at most `late_days` later as well; in another zone than UTC a day less, as clocks change.
        """
        first, until, known_until = self._sure_days(late_days)
        return (
            midnights(first, self.timezone)[1],
            midnights(until, self.timezone)[0],
            midnights(known_until, self.timezone)[0],
        )

    def _sure_days(self, late_days: int) -> tuple[date, date, date]:
        if self.received_date:
            first = max(self.earliest_date, self.received_date - timedelta(days=late_days))
            return first, self.received_date + timedelta(days=1), _END_OF_PLAUSIBLE
        arrival_bound = min(self.latest_date + timedelta(days=1), _END_OF_PLAUSIBLE)
        return self.earliest_date, self.modified_date + timedelta(days=1), arrival_bound


@lru_cache(maxsize=4096)
def midnights(day: date, zone: str) -> tuple[datetime, datetime]:
    """Return two instants in UTC: by the clocks of a zone, all before the first are of earlier days
    than this one, and none from the second on is.
    """
    wall = datetime.combine(day, time())
    if zone == "UTC":
        return wall, wall
    # Clocks that go back at midnight show two days in turn, so the day's start would not do.
    hours = (wall.replace(tzinfo=UTC) + timedelta(hours=hour) for hour in range(-24, 25))
    clock = ZoneInfo(zone)
    offsets = [hour.astimezone(clock).utcoffset() or timedelta(0) for hour in hours]
    return wall - max(offsets), wall - min(offsets)


def records_sql(
    rows: str, mapping: RecordMapping, layout: Layout, *, with_currency: bool = False
) -> str:
    """Return the SELECT of the fields of each row of files of a layout;
    with a currency in `CURRENCY`, if asked.
    """
    columns = [*_record_columns(mapping, layout), "__file", "__malformed"]
    if with_currency:
        currency = f"nullif(upper(trim({field_sql(mapping, 'currency')})), '') AS {CURRENCY}"
        columns.insert(-2, currency)
    columns, rows = _numbers_once(columns, rows, mapping.numerals, layout.needed)
    hashed_columns = mapping.id_field.hash_of
    records = select(columns, _hashed(hashed_columns, rows) if hashed_columns else rows)
    return _with_keys_of_shops(records, mapping.kind) if mapping.kind.whole else records


def _numbers_once(
    columns: Sequence[str], rows: str, numerals: Numerals, needed: Sequence[str]
) -> tuple[list[str], str]:
    """Return columns, and the rows that they are computed from with each number that stands several
    times in them: an amount with signs beside it takes five patterns to read.
    """
    result, numbers = [*columns], []
    for place, name in enumerate(needed if not numerals.are_plain else ()):
        number = numerals.number_sql(ident(name))
        if sum(column.count(number) for column in result) > 1:
            once = f"__number_{place}"
            numbers.append(f"{number} AS {once}")
            result = [column.replace(number, once) for column in result]
    return result, select(["*", *numbers], rows) if numbers else rows


def _record_columns(mapping: RecordMapping, layout: Layout) -> list[str]:
    """Return the columns of a record: its id, fields, version, times, and why it is left out."""
    kind = mapping.kind
    columns = [f"{_id_sql(mapping.id_field, layout.needed)} AS {kind.id}"]
    columns += [
        f"{field_sql(mapping, name, layout.exact())} AS {name}"
        for name in kind.fields
        if name != kind.id
    ]
    if kind.whole:
        columns += _version_columns(mapping, layout)
    columns.append(f"{_instant_of(mapping.time_field, layout)} AS {kind.at}")
    columns += [
        f"{_instant_of(mapping.time_field_of(name), layout)} AS {column}"
        for name, column in kind.other_times.items()
    ]
    if kind.is_filtered:
        columns.append(f"{left_out_sql(mapping, layout.needed)} AS {LEFT_OUT}")
    columns.append(f"{_instant_of(mapping.fields.received_at, layout)} AS received_at")
    return columns


def _version_columns(mapping: RecordMapping, layout: Layout) -> list[str]:
    """Return the columns that say which rows are a version of one record, and the shop."""
    fields = mapping.fields
    record_ids = [field_sql(mapping, "record_id")]
    if mapping.is_of_orders:
        record_ids.append(field_sql(mapping, mapping.kind.whole))
    record_ids.append(_id_sql(mapping.id_field, layout.needed))
    record_id = f"coalesce({', '.join(filter(None, record_ids))})"
    number = f"TRY_CAST({_record_number(mapping, layout)} AS BIGINT)"
    return [
        f"CASE WHEN __malformed IS NULL THEN {record_id} END AS record_id",
        f"{_instant_of(mapping.placed_field, layout)} AS placed_at",
        f"{_instant_of(fields.changed_at, layout)} AS changed_at",
        f"CASE WHEN __malformed IS NULL THEN {number} END AS record_number",
        f"{field_sql(mapping, 'shop')} AS __shop",
    ]


_NAME_OF_FILE = "regexp_extract(__file, '([^/]+?)([.][^/]*)?$', 1)"


def _record_number(mapping: RecordMapping, layout: Layout) -> str:
    """Return the SQL of the place of a row's record in its file;
    NULL where all of a file's rows are one version.
    """
    landed = field_sql(mapping, "record_number")
    if layout.shape:
        return f"coalesce({landed}, {ident(GROUP)})"
    return f"coalesce({landed}, {ROW})" if layout.is_numbered else landed


def _with_keys_of_shops(records: str, kind: RecordKind) -> str:
    """Return the SELECT of records whose ids begin with their shop; without a shop they stay."""
    keys = ", ".join(
        f"CASE WHEN __shop IS NULL THEN {key} ELSE __shop || '/' || {key} END AS {key}"
        for key in (kind.id, kind.whole, "record_id")
    )
    return select(f"* EXCLUDE (__shop) REPLACE ({keys})", f"({records})")


def dated_sql(  # noqa: PLR0913 (what the SELECT is made of)
    records: str,
    kind: RecordKind,
    files: Sequence[FileDays],
    zone: str,
    sure_late_days: int | None = None,
    *,
    with_currency: bool = False,
) -> str:
    """Return the SELECT of the columns of the record kind, in order, from the fields of each row.

    With `sure_late_days`, there is a column `is_sure`: whether the event breaks no rule about time,
    see `sure_of`; `with_currency`, the column `CURRENCY` of `records_sql`.
    """
    file, source = _with_files(records, files, sure_late_days or 0)
    received = file["received_date"]
    if files[0].received_date is None:
        received = (
            f"coalesce({_stated_date(kind, zone, file)}, {file['fallback_date']}, "
            f"{file['modified_date']})"
        )
    names = (*kind.fields, kind.at, *kind.other_times.values())
    columns = [f"e.{name} AS {kind.renamed.get(name, name)}" for name in names]
    columns += [f"{sql} AS {name}" for name, (_, sql) in kind.read.items()]
    columns += [f"e.{LEFT_OUT}"] if kind.is_filtered else []
    columns += [f"e.{name}" for name in OF_VERSIONS] if kind.whole else []
    columns += ["e.received_at", f"{received} AS received_date"]
    columns += [f"{file['relative']} AS source_file", "e.__malformed AS malformed_row"]
    if sure_late_days is not None:
        columns.append(f"coalesce({_is_sure(kind, file, sure_late_days, zone)}, false) AS is_sure")
    columns += [f"e.{CURRENCY}"] if with_currency else []
    return select(columns, source)


def _is_sure(kind: RecordKind, file: Mapping[str, str], late_days: int, zone: str) -> str:
    """Return the SQL that says whether an event breaks no rule about time; see `sure_of`."""
    at = f"e.{kind.at}"
    is_in_bounds = f"{at} >= {file['sure_from']} AND {at} < {file['sure_until']}"
    # A day in UTC may be of two days of another zone, whose clocks may go forward by up to a day.
    sure_days = late_days if zone == "UTC" else late_days - 1
    arrives_in_time = (
        f"e.received_at >= {at} AND e.received_at <= {at} + INTERVAL '{sure_days}' DAY"
    )
    is_known = f"e.received_at < {file['known_until']}"
    return f"{is_in_bounds} AND (e.received_at IS NULL OR ({arrives_in_time} AND {is_known}))"


def arrivals_sql(records: str, kind: RecordKind, files: Sequence[FileDays], zone: str) -> str:
    """Return the SELECT of path, arrival day (or NULL), row count and last event day,
    per file and arrival day.
    """
    file, source = _with_files(records, files)
    columns = [
        f"{file['path']} AS path",
        f"{_stated_date(kind, zone, file)} AS stated_date",
        f"{_own_date(kind, zone, file)} AS usable",
    ]
    rows = select(columns, source)
    return select("path, stated_date, count(*), max(usable)", rows, group_by="path, stated_date")


def _stated_date(kind: RecordKind, zone: str, file: Mapping[str, str]) -> str:
    """Return the SQL of the arrival day in the row: the day it was received,
    else its own day if not in the future.

    Implausible days are ignored, so that a row with a wrong clock still arrives on a day that is
    computed.
    """
    received = day_in_zone("e.received_at", zone)
    plausible = _between_or_null(received, file["earliest_date"], file["latest_date"])
    return f"coalesce({plausible}, {_own_date(kind, zone, file)})"


def _own_date(kind: RecordKind, zone: str, file: Mapping[str, str]) -> str:
    """Return the SQL of the row's own day; NULL if it is implausible, or no day of arrival."""
    if not kind.arrives_at_its_time:
        return "NULL::DATE"
    own = day_in_zone(f"e.{kind.at}", zone)
    return _between_or_null(own, file["earliest_date"], file["modified_date"])


def _between_or_null(day: str, first: str, last: str) -> str:
    return f"CASE WHEN {day} BETWEEN {first} AND {last} THEN {day} END"


def _with_files(
    records: str, files: Sequence[FileDays], late_days: int = 0
) -> tuple[dict[str, str], str]:
    """Return the properties of a row's file, as SQL by name, and the rows `e` to select from."""
    properties = [_properties(file, late_days) for file in files]
    names = properties[0]
    # A join would read the path of each row, and keep the engine from answering by footers.
    if len(files) == 1:
        return properties[0], f"({records}) AS e"
    file_rows = ", ".join(f"({', '.join(row.values())})" for row in properties)
    source = (
        f"({records}) AS e JOIN (VALUES {file_rows}) AS f({', '.join(names)}) ON e.__file = f.path"
    )
    return {name: f"f.{name}" for name in names}, source


def _properties(file: FileDays, late_days: int) -> dict[str, str]:
    """Return the paths, days and bounds of a file as SQL literals, by name."""
    sure_from, sure_until, known_until = (
        f"TIMESTAMP '{bound.isoformat(sep=' ')}'" for bound in file.sure_of(late_days)
    )
    return {
        "path": text(file.path),
        "relative": text(file.relative),
        "received_date": date_literal(file.received_date),
        "modified_date": date_literal(file.modified_date),
        "fallback_date": date_literal(file.fallback_date),
        "earliest_date": date_literal(file.earliest_date),
        "latest_date": date_literal(file.latest_date),
        "sure_from": sure_from,
        "sure_until": sure_until,
        "known_until": known_until,
    }


def field_sql(mapping: RecordMapping, name: str, exact: Collection[str | None] = ()) -> str:
    """Return the SQL of a field as text, from the columns of a row;
    `exact` are columns of whole numbers.
    """
    value = _translated_sql(mapping, name, exact)
    if mapping.below_zero != "refuse" and (meaning := _BELOW_ZERO.get(name)):
        return meaning(mapping, value)
    return value


def _translated_sql(mapping: RecordMapping, name: str, exact: Collection[str | None] = ()) -> str:
    field: SourceField | None = getattr(mapping.fields, name)
    is_number, is_place = name in mapping.kind.numbers, name in OF_PLACES
    value = _value_sql(
        field,
        mapping.numerals,
        is_number=is_number,
        is_place=is_place,
        currency=_currency_sql(mapping),
    )
    if (
        field
        and (key := field.key or KEYS.get(name))
        and not (field.column in exact or field.constant is not None)
    ):
        value = spelled_sql(value, key)
    elif field and name in TRIMMED:
        value = trimmed_sql(value)
    if translations := mapping.translations().get(name):
        return replaced_sql(value, translations)
    if name == "properties" and mapping.other_columns == "properties":
        return _with_others(value) if field else "__other"
    return value


def _number_of(mapping: RecordMapping, name: str) -> str:
    """Return the SQL of an amount or a quantity as a number,
    with the sign that it has in the file.
    """
    return f"TRY_CAST({_translated_sql(mapping, name)} AS {NUMBER})"


def _is_refund(mapping: RecordMapping) -> str:
    """Return the SQL that says whether a line is a refund, as its quantity or amount is below zero.

    Where amounts below zero are discounts, a line of one piece or more is none if its order has
    goods.
    """
    is_below = (
        f"(coalesce({_number_of(mapping, 'payment_amount')} < 0, false) OR {_is_returned(mapping)})"
    )
    return (
        f"({is_below} AND NOT {_is_discount(mapping)})"
        if mapping.below_zero == "discount"
        else is_below
    )


def _is_returned(mapping: RecordMapping) -> str:
    return f"coalesce({_number_of(mapping, 'quantity')} < 0, false)"


def _has_goods(mapping: RecordMapping) -> str:
    """Return the SQL that says whether any line of the order is above zero."""
    return f"coalesce(max({_sold_amount(mapping)}) OVER (PARTITION BY {_OF_ORDER}) > 0, false)"


def _sold_amount(mapping: RecordMapping) -> str:
    """Return the SQL of the amount of a line that did not go back."""
    return f"CASE WHEN NOT {_is_returned(mapping)} THEN {_number_of(mapping, 'payment_amount')} END"


def _is_discount(mapping: RecordMapping) -> str:
    return f"(coalesce({_sold_amount(mapping)} < 0, false) AND {_has_goods(mapping)})"


def _status_below_zero(mapping: RecordMapping, status: str) -> str:
    is_refund = _is_refund(mapping)
    if "statuses" in mapping.model_fields_set:  # what nobody has said of a state, no sign says
        is_refund += f" AND coalesce({status}, 'shipped') IN ('shipped', 'refunded')"
    return f"CASE WHEN {is_refund} THEN 'refunded' ELSE {status} END"


def _without_sign(_mapping: RecordMapping, number: str) -> str:
    return (
        f"CASE WHEN TRY_CAST({number} AS {NUMBER}) < 0 THEN abs({number}::{NUMBER})::VARCHAR ELSE "
        f"{number} END"
    )


def _amount_below_zero(mapping: RecordMapping, amount: str) -> str:
    """Return the SQL of an amount without its sign,
    or of what the discounts of its order leave of it.
    """
    if mapping.below_zero == "refund":
        return _without_sign(mapping, amount)
    own = f"({_sold_amount(mapping)})"
    goods = f"greatest(coalesce({own}, 0), 0)"
    total = f"sum({own}) OVER (PARTITION BY {_OF_ORDER})"
    all_ = f"sum({goods}) OVER (PARTITION BY {_OF_ORDER})"
    until = f"sum({goods}) OVER (PARTITION BY {_OF_ORDER} ORDER BY {ident(POSITION)}::BIGINT)"
    has_discount = f"min({own}) OVER (PARTITION BY {_OF_ORDER}) < 0"
    parts = _parts_sql(total, until, goods, all_, _currency_sql(mapping))
    return (
        f"CASE WHEN {_is_returned(mapping)} OR NOT {_has_goods(mapping)} THEN "
        f"{_without_sign(mapping, amount)} WHEN {has_discount} THEN ({parts})::VARCHAR ELSE "
        f"{amount} END"
    )


_OF_ORDER = f"__file, {ident(GROUP)}, {ident(KIND)}"
"""The rows of one order within a file."""
_BELOW_ZERO = {
    **dict.fromkeys(("quantity", *CHARGES, *PRICE_PARTS), _without_sign),
    "payment_amount": _amount_below_zero,
    "status": _status_below_zero,
}
"""What becomes of fields of a line below zero, where the mapping says what such lines are."""


def left_out_sql(mapping: RecordMapping, columns: Sequence[str] = ()) -> str:
    """Return the SQL of the name of the first condition that leaves a row out, or of the first
    proof that it breaks; NULL for rows that stay.

    `columns` are those of a row that the mapping needs.
    """
    conditions = {name: condition.sql for name, condition in mapping.leave_out.items()}
    if mapping.below_zero == "discount":  # its money is in the other lines of its order
        conditions[DISCOUNT] = _is_discount(mapping)
    conditions |= {
        f"{PROOF}{name}": breaks_sql(mapping, proof, columns)
        for name, proof in mapping.holds.items()
    }
    cases = " ".join(
        f"WHEN {condition} THEN {text(name)}" for name, condition in conditions.items()
    )
    own = f"CASE WHEN __malformed IS NOT NULL THEN NULL {cases} END" if cases else _NOTHING
    return f"coalesce({ident(mapping.left_out_column)}, {own})" if mapping.left_out_column else own


def breaks_sql(mapping: RecordMapping, proof: Proof, columns: Sequence[str]) -> str:
    """Return the SQL that says whether a row breaks a proof; NULL counts as no.

    `columns` are those of a row that the mapping needs.
    """
    numerals, id_field = mapping.numerals, mapping.id_field
    rows = ["__file", *([ident(KIND)] if KIND in columns else [])]
    if proof.unique:
        keys = [*map(ident, proof.unique)]
        is_known = " AND ".join(f"{key} IS NOT NULL" for key in keys)
        cells = ", ".join(f"coalesce({ident(name)}, '')" for name in columns if name not in ADDED)
        of_key = f"OVER (PARTITION BY {', '.join([*rows, *keys])})"
        if id_field.hash_of and id_field.equal_rows == "keep":  # each of equal rows counts
            return f"({is_known}) AND count(*) {of_key} > 1"
        row = f"md5(concat_ws(chr(1), {cells}))"
        return f"({is_known}) AND min({row}) {of_key} <> max({row}) {of_key}"
    if proof.column:
        return _is_another_value(proof, ident(proof.column), rows)
    assert proof.amount  # noqa: S101 (the model has one of the forms)
    assert proof.equals  # noqa: S101 (as above)
    numbers = [
        f"TRY_CAST({numerals.number_sql(ident(name))} AS {NUMBER})"
        for name in (proof.amount, *proof.equals.less, *proof.equals.plus)
    ]
    amount, *parts = numbers
    if proof.sum_per:
        is_off = _is_off_per_order(proof, numerals, amount, rows)
        # Rows of refunds may be those of some lines only.
        first = next(iter(mapping.rows), "")
        return f"{ident(KIND)} = {text(first)} AND {is_off}" if ident(KIND) in rows else is_off
    equal = f"TRY_CAST({_value_sql(proof.equals, numerals, is_number=True)} AS {NUMBER})"
    is_off = f"(abs({amount} - {equal}) >= {_NEAR})"

    def is_often_off(rows: str) -> str:
        share = f"avg(CASE WHEN {rows} THEN {is_off}::INTEGER END) OVER (PARTITION BY __file)"
        return f"{rows} AND {share} > {_FEW_OFF}"

    often = [is_often_off("true"), *(is_often_off(f"{part} <> 0") for part in parts)]
    return f"{is_off} AND ({' OR '.join(f'({one})' for one in often)})"


def _is_another_value(proof: Proof, value: str, rows: Sequence[str]) -> str:
    """Return the SQL that says whether a column has what it had not in the file of the draft."""
    if proof.not_like:
        return f"regexp_matches({value}, {text(proof.not_like)})"
    if not proof.one_per:
        return f"NOT list_contains({texts(proof.is_one_of)}, coalesce(trim({value}), ''))"
    unit = ident(proof.one_per)
    of_unit = f"OVER (PARTITION BY {', '.join([*rows, unit])})"
    return f"{unit} IS NOT NULL AND min({value}) {of_unit} <> max({value}) {of_unit}"


def _is_off_per_order(proof: Proof, numerals: Numerals, amount: str, rows: Sequence[str]) -> str:
    """Return the SQL that says whether an amount of an order is not what its rows come to."""
    assert proof.equals  # noqa: S101 (the model has it beside the amount)
    assert proof.sum_per  # noqa: S101 (as asked)
    of_row = proof.equals.model_copy(update={"less": (), "plus": ()})
    line = f"TRY_CAST({_value_sql(of_row, numerals, is_number=True)} AS {NUMBER})"
    order = ident(proof.sum_per)
    of_order = f"OVER (PARTITION BY {', '.join([*rows, order])})"
    parts = [
        f" {sign} coalesce(max(TRY_CAST({numerals.number_sql(ident(name))} AS {NUMBER})) {of_order}"
        ", 0)"
        for sign, names in (("-", proof.equals.less), ("+", proof.equals.plus))
        for name in names
    ]
    equal = f"sum({line}) {of_order}{''.join(parts)}"
    return f"{order} IS NOT NULL AND abs(max({amount}) {of_order} - ({equal})) >= {_NEAR}"


_NEAR, _FEW_OFF = "0.0051", "0.02"
"""What sums may be off by, as amounts are rounded; and the share of rows that may be off by more,
as the draft finds them.
"""


def _currency_sql(mapping: RecordMapping) -> str:
    """Return the SQL of the currency that a row says; NULL if the mapping has none."""
    return _value_sql(getattr(mapping.fields, "currency", None), Numerals(), is_number=False)


def _value_sql(
    field: SourceField | None,
    numerals: Numerals,
    *,
    is_number: bool,
    is_place: bool = False,
    currency: str = _NOTHING,
) -> str:
    """Return the SQL of a field's value, as text, after what its mapping does with it;
    shares are in the currency.
    """
    if field is None:
        return _NOTHING
    if field.by_row:
        values = {
            kind: _value_sql(
                origin, numerals, is_number=is_number, is_place=is_place, currency=currency
            )
            for kind, origin in field.by_row.items()
        }
        cases = " ".join(f"WHEN {text(kind)} THEN {value}" for kind, value in values.items())
        value = f"CASE {ident(KIND)} {cases} END"
    else:
        value = _origin_sql(field, is_place=is_place)
    result = field.applied(
        value, numerals, is_number=is_number and not field.expression and not field.by_row
    )
    if field.less_shared:
        off = _value_sql(field.less_shared, numerals, is_number=True)
        numbers = [f"TRY_CAST({number} AS {NUMBER})" for number in (result, off)]
        part = f"TRY_CAST({_share_sql(numbers[1], numbers[0], currency)} AS {NUMBER})"
        result = f"({numbers[0]} - coalesce({part}, 0))::VARCHAR"
    if field.at_most:
        most = _value_sql(field.at_most, numerals, is_number=True)
        numbers = [f"TRY_CAST({number} AS {NUMBER})" for number in (result, most)]
        result = f"CASE WHEN {numbers[0]} > {numbers[1]} THEN {most} ELSE {result} END"
    if field.shared_by:
        return _share_sql(result, _value_sql(field.shared_by, numerals, is_number=True), currency)
    return result


def _share_sql(whole: str, weight: str, currency: str) -> str:
    """Return the SQL of a line's part of an order's number, in the digits of its currency:
    they add up to the whole.
    """
    order = _OF_ORDER
    total = f"max(TRY_CAST({whole} AS {NUMBER})) OVER (PARTITION BY {order})"
    own = f"coalesce(TRY_CAST({weight} AS {NUMBER}), 0)"
    until = f"sum({own}) OVER (PARTITION BY {order} ORDER BY {ident(POSITION)}::BIGINT)"
    all_ = f"sum({own}) OVER (PARTITION BY {order})"
    first = f"CASE WHEN {ident(POSITION)} = '1' THEN {total} ELSE 0 END"
    parts = _parts_sql(total, until, own, all_, currency)
    return f"TRY_CAST(CASE WHEN {all_} = 0 THEN {first} ELSE {parts} END AS {NUMBER})::VARCHAR"


def _parts_sql(total: str, until: str, own: str, all_: str, currency: str) -> str:
    """Return the SQL of a line's part of a total, by the sum of numbers up to its own,
    in its currency's digits.
    """

    def up_to(number: str) -> str:
        # At the end it is the whole, also where that has more digits than the currency.
        part = in_currency_sql(f"{total} * (({number}) / {all_})", currency)
        return f"CASE WHEN ({number}) = {all_} THEN {total} ELSE {part} END"

    return f"{up_to(until)} - {up_to(f'{until} - {own}')}"


def _origin_sql(field: SourceField, *, is_place: bool) -> str:
    if field.column:
        return ident(field.column)
    if field.first_of:
        columns = [*map(ident, field.first_of)]
        if field.skip_zeros:
            filled = (
                f"CASE WHEN {name} SIMILAR TO '.*[1-9].*' THEN {name} END" for name in columns[:-1]
            )
            columns = [*filled, columns[-1]]
        return first_filled(columns, is_place=is_place)
    if field.join:
        return f"nullif(concat_ws(' ', {', '.join(map(ident, field.join))}), '')"
    if isinstance(field, FileNameField) and field.file_name:
        return _NAME_OF_FILE
    # A malformed row has no values, so it must not get a constant of the mapping either.
    if field.constant is not None:
        return f"CASE WHEN __malformed IS NULL THEN {text(field.constant)} END"
    return f"CASE WHEN __malformed IS NULL THEN nullif(TRY(({field.expression})::VARCHAR), '') END"


def _with_others(value: str) -> str:
    merged = f"json_merge_patch({value}, __other)::VARCHAR"
    is_object = f"CASE WHEN json_valid({value}) THEN json_type({value}) = 'OBJECT' ELSE false END"
    stays = f"WHEN __other IS NULL OR NOT ({is_object}) THEN {value}"
    return f"CASE WHEN {value} IS NULL THEN __other {stays} ELSE {merged} END"


def _instant_of(field: TimeField | None, layout: Layout) -> str:
    if field is None:
        return "NULL::TIMESTAMP"
    if field.column and (kind := layout.moments().get(field.column)):
        zone = "UTC" if kind == "zoned" else field.timezone
        column = ident(moment_name(field.column))
        # A bare column lets the engine answer by footers.
        return (
            column if zone == "UTC" and field.column in layout.bounded else from_wall(column, zone)
        )
    value = _value_sql(field, Numerals(), is_number=False)
    formats = (
        (*field.formats, "iso")
        if layout.has_typed_cells and "iso" not in field.formats
        else field.formats
    )
    return instant(value, formats, field.timezone)


def _id_sql(field: IdField, columns: Sequence[str]) -> str:
    if not field.hash_of:
        return _value_sql(field, Numerals(), is_number=False)
    hashed = _hash_sql(field, field.hash_of, columns)
    own = _value_sql(field.unless, Numerals(), is_number=False) if field.unless else None
    return f"coalesce({own}, {hashed})" if own else hashed


def _hash_sql(field: IdField, hash_of: Sequence[str], columns: Sequence[str]) -> str:
    if field.equal_rows == "merge":
        return "__hash"
    # Rows that are equal in the hashed columns only are numbered by their other columns, so that
    # their ids do not depend on the reading order.
    other_columns = [ident(name) for name in columns if name not in hash_of]
    number = (
        "row_number() OVER (PARTITION BY __file, __hash ORDER BY "
        f"{', '.join([*other_columns, '__other'])})"
    )
    return f"CASE WHEN {number} = 1 THEN __hash ELSE md5(__hash || ':' || {number}) END"


def _hashed(columns: Sequence[str], rows: str) -> str:
    # Each value is prefixed with its length, so that ('ab', 'c') and ('a', 'bc') differ, and NULL
    # differs from text.
    values = " || ".join(f"coalesce(length({ident(c)}) || ':' || {ident(c)}, '-')" for c in columns)
    return select(f"*, CASE WHEN __malformed IS NULL THEN md5({values}) END AS __hash", rows)
