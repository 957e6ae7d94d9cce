"""`ecom release`: release a held day, record who released it,
and compute the tables downstream of it.
"""

import getpass
from contextlib import closing
from datetime import date
from typing import Annotated

import dagster as dg
import typer

from ecom_assets.cli.options import Json
from ecom_assets.cli.platform_run import PlatformRun, RunOutcome, ready_definitions
from ecom_assets.cli.progress import RunProgress
from ecom_assets.cli.terminal import print_answer, print_faults
from ecom_assets.commerce.orders.contracts import HeldOrderDays
from ecom_assets.commerce.orders.held_days import ORDERS, release
from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.errors import UsageError, did_you_mean
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.core.tables.asset import asset_key
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.values import parse_day
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.definitions import without_source
from ecom_assets.ingestion.sources.presence import with_origin


def release_command(
    source: Annotated[str, typer.Argument(help="Whose day it is: orders.")],
    day: Annotated[str, typer.Argument(help="The held day, YYYY-MM-DD; `ecom status` lists them.")],
    by: Annotated[
        str, typer.Option("--by", help="Who lets it in; default the user of this machine.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Release a held day although its data failed a gate; who and when is recorded,
    and it holds for later runs.
    """
    released_by, held_day = by or getpass.getuser(), parse_day(day, "The day ")
    if source != ORDERS:
        raise UsageError(f"{source!r} holds no days; {did_you_mean(source, [ORDERS])}.")
    settings = load_settings()
    with closing(new_engine(settings).open()) as engine:
        settings = with_origin(engine, settings)
        held = release(engine, held_day, released_by, now_utc_without_zone())
    outcome = _compute_downstream(settings, held_day)
    released = {
        "source": source,
        "day": day,
        "released_by": released_by,
        "reason": held["reason"],
        "run_id": outcome.run_id,
        "rows": held["held_row_count"],
        "success": outcome.is_well,
    }
    came = f"; its {held['held_row_count']:,} rows are in, by Dagster run {outcome.run_id}."
    later = "; its rows come in with the next run over that day, as this one failed."
    line = f"{day} is released for {source} by {released_by}{came if outcome.is_well else later}"
    print_answer(released, line, as_json=as_json)
    print_faults(outcome.complaints)
    if not outcome.is_well:
        raise typer.Exit(1)


def _compute_downstream(settings: Settings, day: date) -> RunOutcome:
    """Compute the day in all tables downstream of the held days."""
    progress = RunProgress(quiet=True)
    definitions = ready_definitions(settings, progress)
    graph = definitions.resolve_asset_graph()
    downstream = dg.AssetSelection.assets(asset_key(HeldOrderDays)).downstream().resolve(graph)
    chosen = sorted(downstream & graph.materializable_asset_keys - without_source(settings))
    return PlatformRun(settings, progress, definitions, chosen, Days((day,))).materialize()
