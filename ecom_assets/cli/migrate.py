"""`ecom migrate`: show how stored tables differ from their contracts, and change them."""

import json
from contextlib import closing
from dataclasses import asdict
from typing import Annotated

import typer

from ecom_assets.cli.options import Json
from ecom_assets.registry import ALL, NOTES
from ecom_assets.settings.settings import load_settings
from ecom_assets.warehouse.factory import new_engine
from ecom_assets.warehouse.migration import ColumnChange, changes, migrate


def migrate_command(
    yes: Annotated[bool, typer.Option("--yes", help="Do what the plan says.")] = False,
    as_json: Json = False,
) -> None:
    """Show what stored tables lack of their contracts, and do it with --yes."""
    engine = new_engine(load_settings())
    if not engine.exists():
        typer.echo("[]" if as_json else f"There is no warehouse yet at {engine.address}; the first run makes it.")
        return
    with closing(engine.open()):
        plan = {contract: changes(engine, contract) for contract in (*ALL, *NOTES)}
        for contract, planned_changes in plan.items():
            if planned_changes and yes:
                migrate(engine, contract)
    planned = [change for result in plan.values() for change in result]
    if as_json:
        typer.echo(json.dumps({"changes": [asdict(change) for change in planned], "done": yes}))
    else:
        typer.echo("\n".join(_lines(planned, engine.address, done=yes)))


def _lines(planned: list[ColumnChange], address: str, *, done: bool) -> list[str]:
    if not planned:
        return [f"Every table in {address} is as its contract says."]
    lines = [f"  {change.table}.{change.column}: {change.becomes}" for change in planned]
    emptied = sorted({change.table.replace(".", "/") for change in planned if change.empties})
    backfill = [f"Then materialize again: ecom run --select '{name}+'" for name in emptied]
    end = (
        "Done."
        if done
        else "Nothing was changed yet; `ecom migrate --yes` does it, table by table, each whole or not at all."
    )
    return [f"In {address}:", *lines, end, *backfill]
