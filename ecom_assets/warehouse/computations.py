"""How each table was computed last, recorded by the writer: the run, the code, the SQL, and the tables that it reads.

Engines that record which days they write (`written_slices.py`) record this too. It is only used for explanations.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ecom_assets.tables.contract import Table, instant, text
from ecom_assets.warehouse.sql_text import text as literal
from ecom_assets.warehouse.written_slices import CODE_VERSION, now_text

if TYPE_CHECKING:
    from ecom_assets.warehouse.engine import Engine


class Computations(Table):
    """One row per table: how its newest write computed it."""

    layer = "raw"
    group = "reconciliation"
    written_by = "engine"
    key = ("table_name",)

    table_name = text("The table, such as `mart.revenue_daily`")
    run_id = text("The Dagster run that wrote it last")
    code_version = text("The version of ecom_assets that did")
    computed_at = instant("When it did")
    upstream_columns = text("The stored columns that it reads, by table, as JSON")
    sql = text("The statement that computed the rows")


def note_computation(
    engine: "Engine", contract: type[Table], run_id: str, sql: str, upstream: Mapping[str, list[str]]
) -> None:
    """Record how a table was computed, if the engine records its writes.

    Args:
        engine: The open warehouse.
        contract: The table.
        run_id: The Dagster run.
        sql: The statement that computed the rows.
        upstream: The stored columns that the statement reads, by table.
    """
    if not engine.notes_writes:
        return
    engine.ensure(Computations)
    place, name = engine.name_of(Computations), literal(contract.qualified_name())
    values = ", ".join(
        [
            name,
            literal(run_id),
            literal(CODE_VERSION),
            f"TIMESTAMP '{now_text()}'",
            literal(json.dumps(upstream, sort_keys=True)),
            literal(sql),
        ]
    )
    with engine.transaction():
        engine.begin_slice(contract)  # another run that writes the table waits, so that one row stays
        engine.execute(f"DELETE FROM {place} WHERE table_name = {name}")  # noqa: S608 (names come from contracts)
        engine.execute(f"INSERT INTO {place} ({engine.columns_of(Computations)}) VALUES ({values})")  # noqa: S608 (as above)
