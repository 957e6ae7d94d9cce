"""`ecom copy` and `ecom migrate`: copy every table to another warehouse,
and change tables as their contracts did.
"""

from contextlib import closing
from dataclasses import asdict
from typing import Annotated

import typer

from ecom_assets.cli.options import Json
from ecom_assets.cli.progress import RunProgress
from ecom_assets.cli.terminal import print_answer
from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import load_settings
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.core.warehouse.migration import (
    ColumnChange,
    changes,
    copy_table,
    drop_left_over,
    migrate,
)
from ecom_assets.orchestration.registry import ALL, NOTES
from ecom_assets.outputs.delivery.ids_until_now import note_delivered_ids


def copy(
    origin: Annotated[
        str, typer.Option("--from", help="Address of the warehouse to read, as in ECOM_WAREHOUSE.")
    ],
    to: Annotated[str, typer.Option(help="Address of the warehouse to fill.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace rows that the target has.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Copy every table to another warehouse, and compare counts and checksums."""
    if origin == to:
        raise UsageError("--from and --to are the same warehouse; name two.")
    source = new_engine(load_settings(warehouse=origin))
    if not source.exists():
        raise UsageError(f"There is no warehouse at {source.address}; correct --from.")
    with (
        closing(source.open()),
        closing(new_engine(load_settings(warehouse=to)).open()) as target,
    ):
        tables = [contract for contract in (*ALL, *NOTES) if source.has(contract)]
        if not tables:
            raise UsageError(
                f"{source.address} has none of the platform's tables; run `ecom run` on it first."
            )
        filled_tables = [
            table.qualified_name()
            for table in tables
            if target.has(table) and target.row_count(table)
        ]
        if filled_tables and not overwrite:
            raise UsageError(
                f"{target.address} has rows in {', '.join(filled_tables)} already; give "
                "--overwrite to replace them."
            )
        progress = RunProgress(quiet=as_json)
        progress.expect(len(tables))
        copied = []
        with progress:
            for contract in tables:
                progress.began(contract.qualified_name())
                content = copy_table(source, target, contract)
                progress.say(
                    f"  {contract.qualified_name():28} {content.row_count:>12,} rows, equal"
                )
                copied.append({"table": contract.qualified_name(), **asdict(content)})
        done = f"{len(copied)} tables copied to {target.address}, counts and checksums equal."
        print_answer(copied, done, as_json=as_json)


def migrate_command(
    yes: Annotated[bool, typer.Option("--yes", help="Do what the plan says.")] = False,
    as_json: Json = False,
) -> None:
    """Show what stored tables lack of their contracts, and do it with --yes."""
    settings = load_settings()
    engine = new_engine(settings)
    if not engine.exists():
        none_yet = f"There is no warehouse yet at {engine.address}; the first run makes it."
        print_answer([], none_yet, as_json=as_json)
        return
    with closing(engine.open()):
        if yes:  # first, since a table that is emptied has no ids any more
            note_delivered_ids(settings, engine)
        plan = {contract: changes(engine, contract) for contract in (*ALL, *NOTES)}
        planned = [change for result in plan.values() for change in result]
        if not as_json:  # before, so that who is killed has read which tables are emptied
            typer.echo("\n".join(_plan_lines(planned, engine.address, done=yes)))
        for contract, planned_changes in plan.items() if yes else ():
            drop_left_over(engine, contract)
            if planned_changes:
                migrate(engine, contract)
    if as_json or (planned and yes):
        answer = {"changes": [asdict(change) for change in planned], "done": yes}
        print_answer(answer, "Done.", as_json=as_json)


def _plan_lines(planned: list[ColumnChange], address: str, *, done: bool) -> list[str]:
    if not planned:
        return [f"Every table in {address} is as its contract says."]
    lines = [f"  {change.table}.{change.column}: {change.becomes}" for change in planned]
    emptied = sorted({change.table.replace(".", "/") for change in planned if change.empties})
    backfill = [f"Then materialize again: ecom run --select '{name}+'" for name in emptied]
    end = (
        "Nothing was changed yet; `ecom migrate --yes` does it, table by table, each whole or not "
        "at all."
    )
    return [f"In {address}:", *lines, *([] if done else [end]), *backfill]
