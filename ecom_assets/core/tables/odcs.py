"""Contracts as documents of the Open Data Contract Standard (ODCS), version 3.2.

All that a contract says is in them: grain, key, types, units, limits, known values, personal data,
the column of days, references, and the checks that are evaluated. `bitol.io` publishes the
standard.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from ecom_assets.core.rows import NamedValues, without_none
from ecom_assets.core.tables.contract import Column, Contract

API_VERSION: Final = "v3.2.0"
LOGICAL_TYPES: Final = {
    "string": "string",
    "int64": "integer",
    "float64": "number",
    "decimal": "number",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
}
NUMBERS: Final = ("integer", "number")
PERSONAL: Final = "personal"
"""The classification, and the tag, of a column of personal data."""
Document = dict[str, Any]
Checks = Mapping[str, Sequence[tuple[str, str, bool]]]
"""By qualified table name: the name of each check, what must hold, and whether it only warns."""


def one_document(
    tables: Sequence[Contract],
    version: str,
    checks: Checks,
    server: NamedValues | None = None,
) -> Document:
    """Return one document with all tables and their checks, in the version of the package.

    `server` says where the tables are, as the standard has it; it is left out where that is not
    known.
    """
    result = _opening("ecom_assets", "ecom_assets", version, server)
    result["description"] = {
        "purpose": "Every table of the platform, from received rows to published numbers."
    }
    result["schema"] = [_schema(table, checks, tables, within=True) for table in tables]
    return result


def document_per_table(
    tables: Sequence[Contract],
    version: str,
    checks: Checks,
    server: NamedValues | None = None,
) -> dict[str, Document]:
    """Return a document for each table, by its file's name.

    References name the file of the other table.
    """
    result = {}
    for table in tables:
        name = table.qualified_name()
        document = _opening(f"ecom_assets.{name}", name, version, server) | {"domain": table.group}
        document["description"] = {"purpose": table.description()}
        document["team"] = {"name": table.owner.removeprefix("team:")}
        document["schema"] = [_schema(table, checks, tables, within=False)]
        result[file_name(table)] = document
    return result


def file_name(table: Contract) -> str:
    """Return the name of a table's file, such as `mart.sales.odcs.yaml`."""
    return f"{table.qualified_name()}.odcs.yaml"


def _opening(identity: str, name: str, version: str, server: NamedValues | None) -> Document:
    return {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": identity,
        "name": name,
        "version": version,
        "status": "active",
        **({"servers": [dict(server)]} if server else {}),
    }


def _schema(
    table: Contract, checks: Checks, known_tables: Iterable[Contract], *, within: bool
) -> Document:
    references = {
        column: _reference(target, within=within)
        for column, target in table.references
        if target in set(known_tables)
    }
    return {
        "id": _identity(table),
        "name": table.name,
        "physicalName": table.qualified_name(),
        "logicalType": "object",
        "physicalType": "table",
        "description": table.description(),
        "dataGranularityDescription": table.description()
        .partition(". ")[0]
        .partition(": ")[0]
        .rstrip("."),
        "tags": [table.layer, table.group],
        "properties": [
            _property(table, column, references.get(name)) for name, column in table.columns.items()
        ],
        "quality": [
            *_of_key(table),
            *(_of_check(*check) for check in checks.get(table.qualified_name(), ())),
        ],
    }


def _identity(table: Contract) -> str:
    return f"{table.layer}_{table.name}"


def _reference(target: Contract, *, within: bool) -> str:
    """Return what a column refers to: the key of a table, in this document or in its own."""
    file = "" if within else f"{file_name(target)}#"
    return f"{file}/schema/{_identity(target)}/properties/{target.key[0]}"


def _property(table: Contract, column: Column, reference: str | None) -> Document:
    logical = LOGICAL_TYPES[column.type.partition("(")[0]]
    result: Document = {
        "id": column.name,
        "name": column.name,
        "logicalType": logical,
        "physicalType": column.type,
        "description": column.description,
        "required": not column.nullable,
    }
    if column.name in table.key:
        result |= {"primaryKey": True, "primaryKeyPosition": table.key.index(column.name) + 1}
        result["unique"] = len(table.key) == 1
    if column.name == table.day_column:
        result |= {"partitioned": True, "partitionKeyPosition": 1}
    if column.pii:
        result |= {"classification": PERSONAL, "tags": [PERSONAL]}
    limits = {"minimum": column.at_least, "maximum": column.at_most} if logical in NUMBERS else {}
    if limits_set := without_none(limits):
        numbers = {
            name: float(limit) if isinstance(limit, Decimal) else limit
            for name, limit in limits_set.items()
        }
        result["logicalTypeOptions"] = numbers
    if column.one_of:
        result["enum"] = [{"value": value} for value in column.one_of]
    if column.unit:
        result["customProperties"] = [{"property": "unit", "value": column.unit}]
    if reference:
        result["relationships"] = [{"type": "foreignKey", "to": reference}]
    return result


def _of_key(table: Contract) -> list[Document]:
    if not table.key:
        return []
    return [
        {
            "id": "key_is_unique",
            "name": "key_is_unique",
            "description": f"{', '.join(table.key)}: no two rows have the same.",
            "type": "library",
            "metric": "duplicateValues",
            "arguments": {"properties": list(table.key)},
            "mustBe": 0,
            "dimension": "uniqueness",
            "severity": "error",
        }
    ]


def _of_check(name: str, description: str, warns: bool) -> Document:  # noqa: FBT001 (a check is these three)
    severity = "warning" if warns else "error"
    return {
        "id": name,
        "name": name,
        "description": description,
        "type": "text",
        "severity": severity,
    }
