"""A contract's columns as an Ibis schema, and rows brought into it. Not here: how an engine stores a type."""

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from ecom_assets.contracts.table import Table
from ecom_assets.errors import ContractError


def schema_of(contract: type[Table]) -> ibis.Schema:
    """Return the contract's columns as an Ibis schema."""
    return ibis.schema(
        {name: dt.dtype(column.type).copy(nullable=column.nullable) for name, column in contract.columns.items()}
    )


def conform(rows: ir.Table, contract: type[Table]) -> ir.Table:
    """Bring `rows` into the contract's column order and types.

    Raises:
        ContractError: A column is missing or unknown.
    """
    missing = [name for name in contract.columns if name not in rows.columns]
    unknown = [name for name in rows.columns if name not in contract.columns]
    if missing or unknown:
        raise ContractError(
            f"{contract.qualified_name()} was computed without {missing} and with {unknown}; make the columns "
            "equal to those of its contract."
        )
    kinds = {name: kind_of(dt.dtype(column.type)) for name, column in contract.columns.items()}
    columns = {
        name: rows[name] if kind_of(rows[name].type()) == kind else rows[name].cast(kind)
        for name, kind in kinds.items()
    }
    return rows.select(**columns)


def kind_of(dtype: dt.DataType) -> dt.DataType:
    """Return a type without whether it may be null."""
    return dtype.copy(nullable=True)
