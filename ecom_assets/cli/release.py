"""`ecom release`: release a held day, record who released it, and compute the tables downstream of it."""

import getpass
import json
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

import dagster as dg
import typer
from rich.console import Console

from ecom_assets.cli.options import Json
from ecom_assets.cli.platform_run import PlatformRun, RunOutcome
from ecom_assets.cli.progress import RunProgress
from ecom_assets.clock import now_utc_without_zone
from ecom_assets.definitions import build_definitions, without_source
from ecom_assets.errors import UsageError, did_you_mean
from ecom_assets.orders.contracts import HeldDays, HeldOrderDays
from ecom_assets.orders.held_day_log import release
from ecom_assets.orders.held_days import ORDERS
from ecom_assets.settings.settings import Settings, load_settings, prepare_dagster_home
from ecom_assets.sources.sandbox_guard import with_origin
from ecom_assets.tables.asset import asset_key
from ecom_assets.tables.days import Days
from ecom_assets.warehouse.engine import Engine
from ecom_assets.warehouse.factory import new_engine

TABLES: dict[str, type[HeldDays]] = {ORDERS: HeldOrderDays}
"""Each source's table of held days."""


@dataclass(frozen=True)
class ReleaseRun:
    """The release of a held day of a source."""

    settings: Settings
    source: str
    day: date

    @classmethod
    def of(cls, source: str, day: date) -> "ReleaseRun":
        """Return the release, with settings that name the sources of the data in the warehouse.

        Raises:
            UsageError: The source cannot have held days.
            WarehouseError: The warehouse cannot be opened.
        """
        known_source(source, TABLES)
        settings = load_settings()
        with closing(_opened(settings)) as engine:
            return cls(with_origin(engine, settings), source, day)

    def record(self, who: str) -> dict[str, Any]:
        """Record the release of a held day and its author, and return its row in the held days.

        Raises:
            UsageError: The day is not held.
        """
        with closing(_opened(self.settings)) as engine:
            return release(engine, TABLES[self.source], self.source, self.day, who, now_utc_without_zone())

    def materialize(self) -> RunOutcome:
        """Compute the day in all downstream tables."""
        prepare_dagster_home(self.settings)
        progress = RunProgress(Console(stderr=True), quiet=True)
        definitions = build_definitions(self.settings, progress=progress)
        graph = definitions.resolve_asset_graph()
        held = dg.AssetSelection.assets(asset_key(TABLES[self.source]))
        chosen = sorted(
            held.downstream().resolve(graph) & graph.materializable_asset_keys - without_source(self.settings)
        )
        return PlatformRun(self.settings, progress, definitions, chosen, Days((self.day,))).materialize()


def _opened(settings: Settings) -> Engine:
    return new_engine(settings).open()


def release_command(
    source: Annotated[str, typer.Argument(help="Whose day it is: orders.")],
    day: Annotated[str, typer.Argument(help="The held day, YYYY-MM-DD; `ecom status` lists them.")],
    by: Annotated[str, typer.Option("--by", help="Who lets it in; default the user of this machine.")] = "",
    as_json: Json = False,
) -> None:
    """Let a held day in although its data broke a gate; who and when is recorded, and stays in every later run."""
    who = by or getpass.getuser()
    run = ReleaseRun.of(source, _day(day))
    held = run.record(who)
    outcome = run.materialize()
    released = {"source": source, "day": day, "released_by": who, "reason": held["reason"], "run_id": outcome.run_id}
    _show({**released, "rows": held["held_row_count"], "success": outcome.is_well}, as_json=as_json)
    for sentence in [
        *outcome.failures,
        *(f"{one.table}: the check {one.name} failed" for one in outcome.failed_checks),
    ]:
        typer.echo(f"ecom: {sentence}", err=True)
    if not outcome.is_well:
        raise typer.Exit(1)


def _show(released: dict[str, Any], *, as_json: bool) -> None:
    line = f"{released['day']} is released for {released['source']} by {released['released_by']}"
    came = f"; its {released['rows']:,} rows are in, by Dagster run {released['run_id']}."
    later = "; its rows come in with the next run over that day, as this one failed."
    typer.echo(json.dumps(released) if as_json else line + (came if released["success"] else later))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f'"{text}" is not a date; use YYYY-MM-DD, such as 2026-01-31.') from None


def known_source(source: str, known: dict[str, Any]) -> Any:  # noqa: ANN401 (the values of `known` have any type)
    """Return the value of a source in `known`.

    Raises:
        UsageError: The source is not in it.
    """
    if source not in known:
        raise UsageError(f"{source!r} holds no days; {did_you_mean(source, known)}.")
    return known[source]
