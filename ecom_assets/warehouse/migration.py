"""Bringing stored tables to contracts that have changed: what it takes, and doing it.

Columns that may be null are added by the next run by itself (`engine.py`); everything else is done here, on command.
Not here: the command (`cli/migrate_command.py`).
"""

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from ecom_assets.contracts.table import Table
from ecom_assets.warehouse.engine import Engine
from ecom_assets.warehouse.schema import kind_of, schema_of


@dataclass(frozen=True)
class Change:
    """What becomes of one column; `empties` says that the table's rows cannot be kept."""

    table: str
    column: str
    becomes: str
    is_automatic: bool = False
    empties: bool = False


def changes(engine: Engine, contract: type[Table]) -> list[Change]:
    """Return what differs between a stored table and its contract; nothing where there is no table yet."""
    if not engine.has(contract):
        return []
    stored, wanted = engine.stored_schema(contract), schema_of(contract)
    table = contract.qualified_name()
    found = [Change(table, name, "dropped, with its values") for name in stored if name not in wanted]
    for name, kind in wanted.items():
        if name not in stored and kind.nullable:
            found.append(Change(table, name, "added, null in the rows that are there", is_automatic=True))
        elif name not in stored:
            found.append(Change(table, name, "added, never null, so the table is emptied", empties=True))
        elif kind_of(stored[name]) != kind_of(kind):
            found.append(Change(table, name, f"{kind_of(kind)} instead of {kind_of(stored[name])}, values cast"))
    return found


def migrate(engine: Engine, contract: type[Table]) -> int:
    """Bring a stored table to its contract, all or nothing; return the rows that it then has.

    Raises:
        WarehouseError: A value cannot be cast; the table stays as it was.
    """
    planned = changes(engine, contract)
    fresh = _beside(contract)
    engine.drop(fresh)
    if any(change.empties for change in planned):
        engine.ensure(fresh)
    elif planned:
        engine.replace(fresh, _cast(engine.stored_table(contract), contract), None)
    if planned:
        engine.put_in_place(fresh, contract)
    return engine.row_count(contract)


def _beside(contract: type[Table]) -> type[Table]:
    """Return the same contract under another name, for the table that is filled before it takes the old one's place."""
    return type(contract.__name__, (contract,), {"__doc__": contract.__doc__, "name": f"{contract.name}__migrated"})


def _cast(stored: ir.Table, contract: type[Table]) -> ir.Table:
    return stored.select(
        **{
            name: stored[name].cast(kind_of(kind)) if name in stored.columns else ibis.null(kind_of(kind))
            for name, kind in schema_of(contract).items()
        }
    )
