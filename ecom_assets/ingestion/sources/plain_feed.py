"""A kind of record whose mappings, source and tables follow from its contracts."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, cast

from pydantic import create_model

from ecom_assets.core.settings.upload_kind import UploadKind
from ecom_assets.core.tables.plain_records import RECEIVED, PlainRecords, ReceivedRow
from ecom_assets.ingestion.sources.files.mapping import (
    RecordKind,
    RecordMapping,
    attribute,
    fields_of,
)
from ecom_assets.ingestion.sources.mapped_records import MappedRecords
from ecom_assets.ingestion.sources.record_feed import RecordFeed

ROW: Final = "row_id"
"""The field of a mapping with the id of a row, which says nothing of its record."""
SQL_TYPES: Final = {"int64": "BIGINT", "float64": "DOUBLE"}


def plain_feed(
    upload: UploadKind,
    tables: PlainRecords,
    *,
    time: str,
    amounts: tuple[str, ...] = (),
    names: Mapping[str, Sequence[str]] | None = None,
) -> RecordFeed:
    """Return a kind of record that follows from its contracts.

    Its shipped mappings are the YAML files of its package; that of the platform's own layout is
    `upload.mapping`.

    Args:
        upload: What settings and pages know of it.
        tables: Its tables. A column of clean rows that received ones have as `received_…`, too, is
            read from text: a day, or a number.
        time: The column of the day by whose rates amounts are converted.
        amounts: The columns of money, the first of which a row is about.
        names: What files usually call its columns, by these.
    """
    kind = _record_kind(upload, tables, time)
    mapping = _mapping_of(kind)
    return RecordFeed(
        upload=upload,
        raw=tables.raw,
        folder=kind.folder,
        id=kind.id,
        draft="list_drafts:ListDraft",
        key=f"concat_ws('|', {', '.join(tables.clean.key)})",
        mapping=mapping,
        amount_column=amounts[0] if amounts else "",
        names={name: (name, *(names or {}).get(name, ())) for name in kind.fields},
        source=_source_of(upload, tables, mapping, amounts),
        tables=tables,
    )


def _record_kind(upload: UploadKind, tables: PlainRecords, time: str) -> RecordKind:
    received, clean = tables.raw.columns, tables.clean.columns
    own = [name for name in clean if name in received and name not in ReceivedRow.columns]
    read = [name for name in own if f"{RECEIVED}{name}" in received]
    days = {name: f"{name.removesuffix('_date')}_at" for name in read if clean[name].type == "date"}
    numbers = [name for name in read if name not in days]
    needed = tuple(name for name in own if not clean[name].nullable)
    return RecordKind(
        folder=f"feeds/{upload.name}",
        fields=(ROW, *own),
        id=ROW,
        time=time,
        at=days.pop(time),
        optional=frozenset({*own, "received_at"} - {*needed}),
        required=(ROW, *needed),
        never_empty=frozenset(needed),
        numbers=frozenset(numbers),
        renamed={name: f"{RECEIVED}{name}" for name in read},
        read={
            name: (sql_type, attribute(f"e.{name}", sql_type))
            for name in numbers
            if (sql_type := SQL_TYPES.get(clean[name].type, clean[name].type.upper()))
        },
        is_filtered=True,
        # A file says what holds, whatever days stand in it.
        arrives_at_its_time=False,
        how_to_map=f"let `ecom mapping init {upload.option}` write a mapping for it",
        other_times=days,
    )


def _mapping_of(kind: RecordKind) -> type[RecordMapping]:
    fields: dict[str, Any] = {
        "fields": (fields_of(kind), ...),
        "other_columns": (Literal["refuse", "ignore"], "refuse"),
    }
    made = create_model("PlainMapping", __base__=RecordMapping, **fields)
    made.kind = kind
    return made


def _source_of(
    upload: UploadKind,
    tables: PlainRecords,
    mapping: type[RecordMapping],
    amounts: tuple[str, ...],
) -> type[MappedRecords]:
    content = {"name": upload.name, "raw": tables.raw, "mapping": mapping, "amounts": amounts}
    return cast("type[MappedRecords]", type("PlainSource", (MappedRecords,), content))
