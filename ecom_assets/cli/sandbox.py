"""`ecom sandbox`: generate the data of the simulated shop,
and serve stand-ins for external services.
"""

import os
import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from inspect import Parameter, signature
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from ecom_assets.cli.options import Json, UntilParentEnds
from ecom_assets.cli.terminal import print_answer
from ecom_assets.core.clock import now_utc
from ecom_assets.core.errors import UsageError
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.settings.settings import load_settings
from ecom_assets.core.tables.formats import amount, counted
from ecom_assets.core.tables.values import parse_day
from ecom_sandbox.vendors.running import stand_ins


def data(
    out: Annotated[Path, typer.Option(help="Folder to write; made whole, or not at all.")],
    days: Annotated[int, typer.Option(help="Days to simulate.")] = 30,
    visitors: Annotated[int, typer.Option(help="People who may come.")] = 2000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 7,
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD.")] = "2026-01-01",
    incident: Annotated[
        str | None,
        typer.Option(
            help="A day on which nobody on a phone can pay, to try alerts on; by default none."
        ),
    ] = None,
    incident_days: Annotated[
        int, typer.Option(help="For how many days nobody on a phone can pay.", min=1)
    ] = 1,
    as_json: Json = False,
) -> None:
    """Simulate a shop: landing folders of events, orders, a catalogue, and the truth about them."""
    from rich.console import Console  # noqa: PLC0415 (only this command draws)
    from rich.progress import Progress  # noqa: PLC0415 (only this command draws)

    from ecom_sandbox.shop.shop import generate  # noqa: PLC0415 (loads numpy and pyarrow)

    first_day = parse_day(first, "--from ")
    with Progress(console=Console(stderr=True), disable=as_json, transient=True) as bar:
        task = bar.add_task("days", total=days)
        truth = generate(
            out,
            days=days,
            visitors=visitors,
            seed=seed,
            first_day=first_day,
            incident=None if incident is None else parse_day(incident, "--incident "),
            incident_days=incident_days,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    print_answer(truth, *_shop_lines(truth), as_json=as_json)
    if not as_json:
        typer.echo(
            f"Written to {out}; {out}/truth.json has what a run must find. "
            f"Next: ecom run --events {out}/events",
            err=True,
        )


def exports(
    out: Annotated[Path, typer.Option(help="Folder to write; made whole, or not at all.")],
    days: Annotated[int, typer.Option(help="Days of visits.", min=1)] = 60,
    visitors: Annotated[int, typer.Option(help="People who may come.", min=1)] = 300,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 7,
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD.")] = "2026-01-01",
    sends: Annotated[
        str, typer.Option(help="What GA4 says of an order: `name`, `id` or `nothing`.")
    ] = "name",
    trap: Annotated[
        list[str] | None,
        typer.Option(help="What is wrong with the shop, as in docs/commands.md; repeat for more."),
    ] = None,
) -> None:
    """Write the simulated shop as Shopify, GA4 and Google Ads export it, with the truth about which
    visit sold what.
    """
    from ecom_sandbox.shop.exports import SECOND_SHOP, SENDS, write_exports  # noqa: PLC0415 (loads numpy and pyarrow)

    if sends not in SENDS:
        raise UsageError(f"--sends is {sends!r}; give one of {', '.join(SENDS)}.")
    first_day = parse_day(first, "--from ")
    truth = write_exports(
        out,
        days=days,
        visitors=visitors,
        seed=seed,
        first_day=first_day,
        sends=sends,  # type: ignore[arg-type]  # looked up above
        traps=trap or (),
    )
    typer.echo(f"{counted(truth['orders'], 'order')}, {truth['orders_met']:,} of them with a visit")
    orders = [path for name in ("shopify_orders.csv", SECOND_SHOP) if (path := out / name).exists()]
    following = [
        *("ecom", "run", "--events", f"{out / 'ga4_events.jsonl'}"),
        *("--events-mapping", "ga4_export"),
        *(word for path in orders for word in ("--orders", f"{path}")),
        *("--orders-mapping", "shopify", "--ad-spend", f"google_ads={out / 'google_ads.csv'}"),
    ]
    typer.echo(f"Written to {out}. Next: {shlex.join(following)}", err=True)


def _shop_lines(truth: NamedValues) -> list[str]:
    """Return the size of a simulated shop, from its truth, which has a line for each person."""
    events, orders = truth["events"], truth["orders"]
    refused = sum(events["quarantined"].values())
    people = counted(truth["visitors"]["people"], "person", "people")
    counts = f"{events['clean']:,} count, {events['duplicates']:,} are copies, {refused:,} refused"
    return [
        f"{counted(truth['settings']['days'], 'day')} from {truth['settings']['first_day']}",
        f"  {counted(events['rows'], 'row')} of events: {counts}",
        f"  {counted(truth['sessions']['total'], 'session')} of {people}",
        f"  {counted(orders['orders'], 'order')}, revenue {amount(Decimal(orders['revenue']))}",
    ]


def _with_tool_ports(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with an option `--<tool>-port` for each tool with a stand-in,
    after the options of ports.
    """
    parameters = [
        value
        for value in signature(command).parameters.values()
        if value.kind is not Parameter.VAR_KEYWORD
    ]
    index = next(i for i, parameter in enumerate(parameters) if parameter.name == "faults")
    parameters[index:index] = [
        Parameter(
            f"{kind.tool}_port",
            Parameter.KEYWORD_ONLY,
            default=kind.default_port,
            annotation=Annotated[
                int, typer.Option(help=f"Port of {kind.title}; 0 takes a free one.")
            ],
        )
        for kind in stand_ins()
    ]
    command.__signature__ = signature(command).replace(parameters=parameters)  # type: ignore[attr-defined]  # typer reads it
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


@_with_tool_ports
def up(
    *,
    customer_port: Annotated[
        int, typer.Option(help="Port of the customer API; 0 takes a free one.")
    ] = 8301,
    order_port: Annotated[
        int, typer.Option(help="Port of the order report API; 0 takes a free one.")
    ] = 8302,
    catalogue_port: Annotated[
        int, typer.Option(help="Port of the catalogue API; 0 takes a free one.")
    ] = 8303,
    faults: Annotated[
        bool, typer.Option("--faults", help="Let everything go wrong now and then.")
    ] = False,
    as_json: Json = False,
    **tool_ports: int,
) -> None:
    """Serve stand-ins of the three APIs over the sandbox shop,
    and of the tools it delivers to, until Ctrl-C.
    """
    from ecom_assets.orchestration.sandbox import ensure_sandbox  # noqa: PLC0415 (loads numpy and pyarrow)
    from ecom_sandbox.running import Ports, running_services  # noqa: PLC0415 (loads numpy and pyarrow)
    from ecom_sandbox.services.service import Faults  # noqa: PLC0415 (only this command serves)

    settings, ports = (
        load_settings(),
        {name.removesuffix("_port"): port for name, port in tool_ports.items()},
    )
    ensure_sandbox(settings)
    serving = running_services(
        settings.sandbox_folder,
        ports=Ports(customer_port, order_port, catalogue_port, ports),
        faults=Faults.some_of_all() if faults else None,
    )
    with suppress(KeyboardInterrupt), serving as services:
        environment = services.environment()
        exports = (f"export {name}={value}" for name, value in environment.items())
        print_answer(environment, *exports, as_json=as_json)
        if not as_json:
            tools = services.receivers.all()
            named = ", ".join(f"{tool.title} at {tool.url}" for tool in tools)
            typer.echo(_STEERING.format(**environment, tools=named, tool=tools[0].url), err=True)
        Event().wait()


TICK_S = 2.0
MS_OF_S = 1000


def live(
    to: Annotated[
        str, typer.Option(help="http://HOST:PORT of a collector, or kafka://HOST:PORT/TOPIC.")
    ] = "",
    key: Annotated[str, typer.Option(help="Write key of the collector.")] = "",
    rate: Annotated[
        float, typer.Option(min=0, help="Events per second, of visitors who come just now.")
    ] = 0,
    once_chosen: Annotated[
        bool,
        typer.Option(
            "--once-chosen",
            help="Wait until somebody chooses the sandbox shop; end when own data take its place.",
        ),
    ] = False,
    until_parent_ends: UntilParentEnds = False,
) -> None:
    """Let the sandbox shop's events of today arrive as time goes by, until Ctrl-C;
    `ecom ui` does so by itself.
    """
    from ecom_assets.ingestion.sources.sandbox_shop import grows, is_made  # noqa: PLC0415 (loads Ibis)
    from ecom_assets.orchestration.sandbox import Today  # noqa: PLC0415 (loads numpy and pyarrow)
    from ecom_sandbox.event_sinks import counts_per_second, played, sink_to  # noqa: PLC0415 (loads requests)

    settings = load_settings()
    if rate and not to:
        raise UsageError(
            "--rate needs an address; give --to http://HOST:PORT of a collector, or --to kafka://…."
        )
    sink = sink_to(to, key) if to else None
    if rate and sink:
        alone = settings.model_copy(update={"events": "", "orders": ""})
        rows = Today(alone).day(now_utc()).rows()
        events = played(rows, lambda: now_utc().isoformat(), first_round=int(time.time() * MS_OF_S))
        counts = counts_per_second(rate)
        typer.echo(f"{rate:g} events a second go to {to}; stop it with Ctrl-C.", err=True)
        _until_over(lambda: sink(list(islice(events, next(counts)))), 1, until_parent_ends)
        return
    if not grows(settings):
        raise UsageError(
            "This shop has no day in progress: own data are set, or the sandbox shop ends on a "
            "fixed day."
        )
    today, had_own_data = Today(settings, sink), settings.has_own_data

    def step() -> bool:
        now = load_settings()
        if now.has_own_data and not had_own_data:  # the shop's own has taken its place
            return False
        if not once_chosen or is_made(now):
            today.arrive(now_utc())
        return True

    _until_over(step, TICK_S, until_parent_ends)


def _until_over(step: Callable[[], object], every_s: float, until_parent_ends: bool) -> None:  # noqa: FBT001 (an option)
    """Repeat a step, at a steady pace, until it returns False, until Ctrl-C, or until the parent
    has ended.
    """
    parent, due = os.getppid(), time.monotonic()
    with suppress(KeyboardInterrupt):
        while not until_parent_ends or os.getppid() == parent:
            if step() is False:
                return
            due = max(due + every_s, time.monotonic() - every_s)
            time.sleep(max(due - time.monotonic(), 0))


_STEERING = (
    "Customers at {ECOM_CUSTOMER_API_URL}, order reports at {ECOM_ORDER_API_URL}, products with "
    "their stock at {ECOM_CATALOGUE_API_URL}; {tools}; Ctrl-C stops all.\n"
    "Faults at each, shown by GET and set by PUT: {ECOM_ORDER_API_URL}/control/faults; what a "
    "tool has got: {tool}/control/held"
)
