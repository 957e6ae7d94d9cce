"""`ecom ledger`: back up the ledger of deliveries, restore a lost one, or start a new one."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from ecom_assets.cli.options import Json
from ecom_assets.cli.terminal import print_answer
from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import load_settings


def restore(as_json: Json = False) -> None:
    """Rebuild a lost ledger from the warehouse's copy of it, so that nothing is sent twice."""
    from ecom_assets.core.state.ledger_store import open_store  # noqa: PLC0415 (loads the destinations)
    from ecom_assets.core.warehouse.factory import new_engine  # noqa: PLC0415 (loads Ibis)
    from ecom_assets.outputs.delivery.ledger.copy import restore as bring_back  # noqa: PLC0415 (loads Ibis)

    settings = load_settings()
    engine = new_engine(settings)
    if not engine.exists():
        raise UsageError(
            f"There is no warehouse at {engine.address}, so no copy of the ledger; put your "
            "backup back."
        )
    with closing(engine.open()), closing(open_store(settings)) as store:
        done = bring_back(store, engine)
        result = {**vars(done), "ledger": store.address, "warehouse": engine.address}
    line = (
        f"{done.record_count:,} records in {done.batch_count:,} batches were brought back from "
        f"{engine.address} into {store.address}; `ecom export` or the next run goes on from there."
    )
    if done.without_hash_count:
        line += (
            f" Of {done.without_hash_count:,} it is not known what was sent, so that a change of "
            "them since then is not seen."
        )
    if not done.record_count:
        line = (
            f"The ledger {store.address} knows all that export.deliveries does; nothing was "
            "changed."
        )
    print_answer(result, line, as_json=as_json)


def backup(
    to: Annotated[Path, typer.Option("--to", help="File to write; it must not be there yet.")],
) -> None:
    """Copy the ledger into a file, while deliveries may go on."""
    from ecom_assets.core.state.ledger_store import ledger_address  # noqa: PLC0415 (loads the destinations)

    address = ledger_address(load_settings())
    if not isinstance(address, Path):
        raise UsageError(
            "The ledger lies in Postgres, in the schema delivery_ledger; back it up with pg_dump."
        )
    if not address.exists():
        raise UsageError(f"There is no ledger at {address} yet; the first delivery begins it.")
    if to.exists():
        raise UsageError(f"{to} is there already; give --to another name.")
    with (
        closing(sqlite3.connect(f"file:{address}?mode=ro", uri=True)) as origin,
        closing(sqlite3.connect(to)) as copy,
    ):
        origin.backup(copy)
    typer.echo(f"The ledger {address} is copied to {to}.")


def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Forget what was delivered.")] = False,
) -> None:
    """Forget the warehouse's copy of what was delivered, so that a new ledger may begin:
    everything is sent again.
    """
    from ecom_assets.core.warehouse.factory import new_engine  # noqa: PLC0415 (loads Ibis)
    from ecom_assets.outputs.delivery.contracts import DeadLetters, Deliveries, ReconciliationDaily  # noqa: PLC0415 (only here)

    if not yes:
        raise UsageError(
            "After this everything counts as never delivered, and is sent again; confirm with "
            "--yes."
        )
    engine = new_engine(load_settings())
    with closing(engine.open()):
        engine.clear([Deliveries, DeadLetters, ReconciliationDaily])
    typer.echo(
        f"{engine.address} knows of no delivery any more; a ledger that is still there does."
    )
