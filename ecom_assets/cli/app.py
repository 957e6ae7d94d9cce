"""Which commands there are, and how their errors reach a person. Not here: what a command does."""

import sys
from typing import NoReturn

import typer

from ecom_assets.cli import (
    adhoc_commands,
    api_commands,
    attribution_command,
    export_command,
    funnel_command,
    journey_commands,
    ledger_commands,
    platform_commands,
    release_command,
    retention_command,
    sandbox_commands,
    value_commands,
)
from ecom_assets.cli.faults import outside_fault
from ecom_assets.errors import EcomError, WorkError

app = typer.Typer(
    name="ecom",
    help="E-commerce events to sessions, funnels and more: every number traceable.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
sandbox = typer.Typer(help="The simulated shop.", no_args_is_help=True)
app.add_typer(sandbox, name="sandbox")
api_key = typer.Typer(help="The keys of the HTTP API.", no_args_is_help=True)
app.add_typer(api_key, name="api-key")

ledger = typer.Typer(help="The ledger of deliveries.", no_args_is_help=True)
app.add_typer(ledger, name="ledger")

app.command("run")(platform_commands.run)
app.command("ui")(platform_commands.ui)
app.command("api")(api_commands.api)
app.command("doctor")(platform_commands.doctor)
app.command("status")(platform_commands.status)
app.command("release")(release_command.release)
app.command("copy")(platform_commands.copy)
app.command("migrate")(platform_commands.migrate)
app.command("sessions")(adhoc_commands.sessions)
app.command("funnel")(funnel_command.funnel)
app.command("segments")(value_commands.segments)
app.command("value")(value_commands.value)
app.command("retention")(retention_command.retention)
app.command("journeys")(journey_commands.journeys)
app.command("attribution")(attribution_command.attribution)
app.command("export")(export_command.export)
sandbox.command("data")(sandbox_commands.data)
sandbox.command("up")(sandbox_commands.up)
ledger.command("restore")(ledger_commands.restore)
ledger.command("backup")(ledger_commands.backup)
ledger.command("reset")(ledger_commands.reset)
api_key.command("create")(api_commands.create_key)
api_key.command("list")(api_commands.list_keys)
api_key.command("revoke")(api_commands.revoke_key)

INTERRUPTED = 130
"""What shells expect of a program that was stopped from the keyboard, and what Typer makes of it."""


def run() -> None:
    """Run the command line, with one sentence and an exit code for each error."""
    try:
        app()
    except EcomError as error:
        _end(str(error), error.exit_code)
    except Exception as error:
        sentence = outside_fault(error)
        if sentence is None:  # a fault of ours: the trace helps whoever mends it
            raise
        _end(sentence, WorkError.exit_code)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _end("stopped; what was committed stays, run again to go on.", INTERRUPTED)
        raise


def _end(sentence: str, exit_code: int) -> NoReturn:
    sys.stderr.write(f"ecom: {sentence}\n")
    raise SystemExit(exit_code) from None
