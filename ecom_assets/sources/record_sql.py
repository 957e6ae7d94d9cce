"""SQL that turns rows of a file (as `row_sql` reads them) into the columns of a kind of record, as `raw` keeps them.

Here: fields, translated values, ids and instants; and the rule for `received_date`. Not here: reading.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from ecom_assets.sources.record_mapping import IdField, RecordKind, RecordMapping, SourceField, TimeField
from ecom_assets.sources.row_sql import moment_name
from ecom_assets.sources.sql_text import day, day_in_zone, from_wall, ident, instant, select, text


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
