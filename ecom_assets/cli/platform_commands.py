"""Commands about the platform as a whole: run, status, doctor. Not here: questions to single files."""

import os
import signal
import socket
import sys
from typing import Annotated

import typer

from ecom_assets.cli.options import AskedDays, Events, Json, Mapping, MorePaths, Orders, OwnData, Permissions
from ecom_assets.errors import EcomError, UsageError


def run(
    more: MorePaths = None,
    events: Events = None,
    events_mapping: Mapping = None,
    orders: Orders = None,
    orders_mapping: Mapping = None,
    first: Annotated[str | None, typer.Option("--from", help="First day, YYYY-MM-DD.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day, YYYY-MM-DD, included.")] = None,
    select: Annotated[
        str | None, typer.Option(help="Dagster asset selection, such as 'key:\"mart/sessions\"+'.")
    ] = None,
    allow_withdrawal: Annotated[
        bool, typer.Option("--allow-withdrawal", help="Let rows go that their source no longer has.")
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Publish and export also if days of the last publication are missing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Materialize the platform through Dagster; with nothing given, over the sandbox shop."""
    from ecom_assets.cli.platform_run import PlatformRun, tell_of_refusal  # noqa: PLC0415 (loads Dagster)
    from ecom_assets.cli.run_summary import show_summary  # noqa: PLC0415 (loads Ibis)

    own = OwnData.read(events, orders, more, (events_mapping, orders_mapping))
    asked = AskedDays.read(first, last)
    may = Permissions(withdrawal=allow_withdrawal, rebuild=rebuild)
    try:
        platform = PlatformRun.prepare(own, asked, select, may, quiet=as_json)
    except EcomError as error:
        tell_of_refusal(error, own)
        raise
    outcome = platform.materialize()
    try:
        show_summary(platform.settings, outcome, as_json=as_json)
    finally:
        platform.tell_of_failures(outcome)
    if not outcome.is_well:
        raise typer.Exit(1)


def status(as_json: Json = False) -> None:
    """Show each table: rows, newest data, last run, failing checks."""
    from ecom_assets.cli.table_status import show_status  # noqa: PLC0415 (loads Dagster)

    show_status(as_json=as_json)


def ui(
    port: Annotated[int, typer.Option(help="Port of Dagster's UI.")] = 3000,
    host: Annotated[str, typer.Option(help="Address that Dagster's UI listens on.")] = "127.0.0.1",
) -> None:
    """Serve Dagster's UI with its daemon, so that schedules and sensors run, and the HTTP API beside them."""
    from ecom_assets.cli.api_beside import start_api  # noqa: PLC0415 (starts a process)
    from ecom_assets.settings import load_settings, prepare_dagster_home  # noqa: PLC0415 (loads pydantic)
    from ecom_assets.ui.address import remember_address  # noqa: PLC0415 (loads pydantic)
    from ecom_assets.ui.door import door_of  # noqa: PLC0415 (loads Starlette)

    settings = load_settings()
    door_of(host, settings)  # refuses to let everybody in from everywhere
    prepare_dagster_home(settings)
    refuse_taken("UI", host, port)
    # A shell starts background jobs deaf to Ctrl-C, and Dagster then heeds no other request to stop either.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    remember_address(settings, host, port)
    typer.echo(start_api(settings))
    typer.echo(f"Dagster's UI comes up at http://{host}:{port}; stop it with Ctrl-C.")
    # `dagster dev` advises `dg dev`, which is not part of a small install.
    program = [
        sys.executable,
        "-W",
        "ignore:Function `dev_command`",
        "-m",
        "ecom_assets.ui.development",
        "-m",
        "ecom_assets.definitions",
    ]
    os.execv(program[0], [*program, "--port", str(port), "--host", host])  # noqa: S606 (our own interpreter)


def doctor(as_json: Json = False) -> None:
    """Check settings, versions, disk, warehouse, events, alerts, publishing, API; each finding says what mends it."""
    from ecom_assets.cli.diagnosis import show_diagnosis  # noqa: PLC0415 (loads Ibis)

    if not show_diagnosis(as_json=as_json):
        raise typer.Exit(1)


def copy(
    origin: Annotated[str, typer.Option("--from", help="Address of the warehouse to read, as in ECOM_WAREHOUSE.")],
    to: Annotated[str, typer.Option(help="Address of the warehouse to fill.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace rows that the target has.")] = False,
    as_json: Json = False,
) -> None:
    """Copy every table to another warehouse, and compare counts and checksums."""
    from ecom_assets.cli.copy_command import copy_tables  # noqa: PLC0415 (loads Ibis)

    copy_tables(origin, to, overwrite=overwrite, as_json=as_json)


def migrate_command(
    yes: Annotated[bool, typer.Option("--yes", help="Do what the plan says.")] = False,
    as_json: Json = False,
) -> None:
    """Show what stored tables lack of their contracts, and do it with --yes."""
    from ecom_assets.cli.migrate_command import migrate_tables  # noqa: PLC0415 (loads Ibis)

    migrate_tables(do_it=yes, as_json=as_json)


def refuse_taken(what: str, host: str, port: int) -> None:
    """See that a server can listen there.

    Raises:
        UsageError: Another program does, or the address is not this machine's.
    """
    try:
        with socket.create_server((host, port)):
            return
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"The {what} cannot listen at {host}:{port} ({reason}); give --host or --port another value."
        ) from error
