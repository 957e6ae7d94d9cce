"""SQL of records: from the columns of a row to the fields of its kind, by a mapping.

Goes in: the SELECT of `sql.py`, with all columns that the mapping needs as text. Comes out
(`records_sql`): the id, each field as text, the version, the times as instants in UTC, and the name
of what leaves the row out. `field_sql.py` has the value of a field, `proof_sql.py` what leaves rows
out, and `arrival_sql.py` reads numbers and days from the result.
"""

from collections.abc import Sequence

from ecom_assets.core.warehouse.sql_text import (
    ident,
    select,
)
from ecom_assets.ingestion.sources.files.field_sql import field_sql, instant_sql, value_sql
from ecom_assets.ingestion.sources.files.mapping import (
    LEFT_OUT,
    IdField,
    RecordKind,
    RecordMapping,
)
from ecom_assets.ingestion.sources.files.mapping_content import with_parts
from ecom_assets.ingestion.sources.files.plain import (
    Numerals,
)
from ecom_assets.ingestion.sources.files.proof_sql import left_out_sql
from ecom_assets.ingestion.sources.files.shape import GROUP
from ecom_assets.ingestion.sources.files.sql import CURRENCY, ROW, Layout


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
    columns, rows = _parts_once(columns, rows, mapping)
    columns, rows = _numbers_once(columns, rows, mapping.numerals, layout.needed)
    hashed_columns = mapping.id_field.hash_of
    records = select(columns, _hashed(hashed_columns, rows) if hashed_columns else rows)
    return _with_keys_of_shops(records, mapping.kind) if mapping.kind.whole else records


def _parts_once(columns: Sequence[str], rows: str, mapping: RecordMapping) -> tuple[list[str], str]:
    """Return columns, and the rows that they are computed from with each part that is computed
    once: packed JSON of some kilobytes takes tens of its size in memory each time it is read.
    """
    result, parts = [*columns], []
    for place, name in enumerate(mapping.once):
        part = with_parts(f"{{{name}}}", mapping.parts)
        once = f"__part_{place}"
        result = [column.replace(part, once) for column in result]
        parts.append(f"CASE WHEN __malformed IS NULL THEN TRY({part}) END AS {once}")
    return result, select(["*", *parts], rows) if parts else rows


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
    columns.append(f"{instant_sql(mapping.time_field, layout)} AS {kind.at}")
    columns += [
        f"{instant_sql(mapping.time_field_of(name), layout)} AS {column}"
        for name, column in kind.other_times.items()
    ]
    if kind.is_filtered:
        columns.append(f"{left_out_sql(mapping, layout.needed)} AS {LEFT_OUT}")
    columns.append(f"{instant_sql(mapping.fields.received_at, layout)} AS received_at")
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
        f"{instant_sql(mapping.placed_field, layout)} AS placed_at",
        f"{instant_sql(fields.changed_at, layout)} AS changed_at",
        f"CASE WHEN __malformed IS NULL THEN {number} END AS record_number",
        f"{field_sql(mapping, 'shop')} AS __shop",
    ]


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


def _id_sql(field: IdField, columns: Sequence[str]) -> str:
    if not field.hash_of:
        return value_sql(field, Numerals(), is_number=False)
    hashed = _hash_sql(field, field.hash_of, columns)
    own = value_sql(field.unless, Numerals(), is_number=False) if field.unless else None
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
