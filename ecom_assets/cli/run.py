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
from ecom_assets.core.gc_tuning import without_collection


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
    with without_collection():
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
    settings = platform.settings
    # What a shop's own files cannot say, and nobody has said either.
    is_unknown = settings.model_fields_set.isdisjoint({"currency", "timezone"})
    if settings.has_own_data and is_unknown and not as_json:
        stated = settings.known_currency
        of_amounts = f"are in {stated}, as the files state" if stated else "have no currency"
        typer.echo(
            f"Amounts {of_amounts}, and days begin at midnight UTC; `ecom init` asks for both, "
            "once."
        )
    if not outcome.is_well:
        raise typer.Exit(1)
