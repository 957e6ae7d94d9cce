"""Commands about the simulated shop. Not here: the simulation (`sandbox/`)."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ecom_assets.cli.options import Json, day_of


def data(
    out: Annotated[Path, typer.Option(help="Folder to write; made whole, or not at all.")],
    days: Annotated[int, typer.Option(help="Days to simulate.")] = 30,
    visitors: Annotated[int, typer.Option(help="People who may come.")] = 2000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 7,
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD.")] = "2026-01-01",
    as_json: Json = False,
) -> None:
    """Simulate a shop: landing folders of events, orders, a catalogue, and the truth about them."""
    from rich.console import Console  # noqa: PLC0415 (only this command draws)
    from rich.progress import Progress  # noqa: PLC0415 (only this command draws)

    from ecom_assets.sandbox.shop import generate  # noqa: PLC0415 (loads numpy and pyarrow)

    first_day = day_of(first, "--from")
    assert first_day is not None  # noqa: S101 (a default is given)
    with Progress(console=Console(stderr=True), disable=as_json, transient=True) as bar:
        task = bar.add_task("days", total=days)
        truth = generate(
            out,
            days=days,
            visitors=visitors,
            seed=seed,
            first_day=first_day,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    typer.echo(json.dumps(truth, indent=None if as_json else 2))
    if not as_json:
        typer.echo(f"Written to {out}. Next: ecom run --events {out}/events", err=True)
