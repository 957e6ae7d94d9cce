"""`ecom run`: run the platform and print the summary."""

from typing import Annotated

import typer

from ecom_assets.cli.options import (
    AdSpend,
    AssetSelection,
    Costs,
    Customers,
    Events,
    Json,
    LoadedOrders,
    Mapping,
    MorePaths,
    OwnData,
    Permissions,
    read_days,
)
from ecom_assets.core.errors import EcomError
from ecom_assets.core.gc_tuning import loading
from ecom_assets.core.settings.settings import Settings


def run(
    more: MorePaths = None,
    events: Events = None,
    events_mapping: Mapping = None,
    orders: LoadedOrders = None,
    orders_mapping: Mapping = None,
    customers: Customers = None,
    customers_mapping: Mapping = None,
    costs: Costs = None,
    costs_mapping: Mapping = None,
    ad_spend: AdSpend = None,
    first: Annotated[str | None, typer.Option("--from", help="First day, YYYY-MM-DD.")] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="Last day, YYYY-MM-DD, included.")
    ] = None,
    select: AssetSelection = None,
    allow_withdrawal: Annotated[
        bool,
        typer.Option("--allow-withdrawal", help="Let rows go that their source no longer has."),
    ] = False,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild", help="Publish and export also if days of the last publication are missing."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Materialize the platform through Dagster; with nothing given, over the sandbox shop."""
    with loading():
        from ecom_assets.cli.platform_run import PlatformRun, report_refusal  # noqa: PLC0415 (loads Dagster)
        from ecom_assets.cli.summary.run import show_summary  # noqa: PLC0415 (loads Ibis)

    own = OwnData.read(events, orders, more, (events_mapping, orders_mapping))
    own = own.with_customers(customers, customers_mapping).with_costs(costs, costs_mapping)
    own = own.with_ad_spend(ad_spend)
    requested_days = read_days(first, last)
    may = Permissions(withdrawal=allow_withdrawal, rebuild=rebuild)
    try:
        platform = PlatformRun.prepare(own, requested_days, select, may, quiet=as_json)
    except EcomError as error:
        report_refusal(error, own)
        raise
    outcome = platform.materialize()
    try:
        show_summary(platform.settings, outcome, as_json=as_json)
    finally:
        platform.report_failures(outcome)
    _end(platform.settings, is_well=outcome.is_well, is_quiet=as_json)


def _end(settings: Settings, *, is_well: bool, is_quiet: bool) -> None:
    """Say which of the things that a shop's own files cannot say nobody has said either,
    and end with the exit code.
    """
    stated = settings.known_currency
    of_amounts = (
        f"Amounts are in {stated}, as the files state" if stated else "Amounts have no currency"
    )
    unknown = {"currency": of_amounts, "timezone": "days begin at midnight UTC"}
    sentences = [
        sentence for name, sentence in unknown.items() if name not in settings.model_fields_set
    ]
    if settings.has_own_data and len(sentences) == len(unknown) and not is_quiet:
        typer.echo(f"{', and '.join(sentences)}; `ecom init` asks for both, once.")
    if not is_well:
        raise typer.Exit(1)
