"""The `ecom` app: its commands, and how their errors are printed.

A command's file is imported when the command is called, so only what that command needs is loaded.
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, Final, NoReturn

import typer
from typer import main
from typer.core import TyperGroup

from ecom_assets.cli.error_messages import outside_fault
from ecom_assets.errors import EcomError, WorkError, did_you_mean
from ecom_assets.gc_tuning import loading

Commands = Mapping[str, tuple[str, str]]
"""The function of each command, and the first line of its help, by the command's name."""
COMMANDS: Final[Commands] = {
    "run": ("ecom_assets.cli.run.run", "Materialize the platform through Dagster."),
    "ui": (
        "ecom_assets.cli.ui.ui",
        "Serve Dagster's UI with its daemon, so that schedules and sensors run, and the HTTP API beside them.",
    ),
    "api": ("ecom_assets.cli.api.api", "Serve the HTTP API and the dashboard, until Ctrl-C."),
    "dashboard": ("ecom_assets.cli.api.dashboard", "Serve the dashboard with the HTTP API, until Ctrl-C."),
    "mcp": (
        "ecom_assets.cli.mcp.mcp",
        "Answer an assistant's questions by the Model Context Protocol, over stdio or HTTP.",
    ),
    "contracts": (
        "ecom_assets.cli.data_contracts.contracts",
        "Write the tables as data contracts of the Open Data Contract Standard.",
    ),
    "doctor": (
        "ecom_assets.cli.doctor.doctor",
        "Check settings, versions, disk, warehouse, events, alerts, lineage, publishing, API.",
    ),
    "status": ("ecom_assets.cli.status.status", "Show each table."),
    "report": (
        "ecom_assets.cli.report.report",
        "Show the numbers of a week, what changed against the week before, and why.",
    ),
    "explain": (
        "ecom_assets.cli.explain.explain_command",
        "Show why a number is what it is: definition, runs, SQL, and the received rows that it was counted from.",
    ),
    "release": ("ecom_assets.cli.release.release_command", "Let a held day in although its data broke a gate."),
    "erase": (
        "ecom_assets.cli.erase.erase",
        "Remove a person from every table, landing file, published copy, ledger and tool, and write a receipt.",
    ),
    "retain": (
        "ecom_assets.cli.retain.retain",
        "Remove received events and landing files that are older than ECOM_RETENTION_DAYS.",
    ),
    "copy": (
        "ecom_assets.cli.copy.copy",
        "Copy every table to another warehouse, and compare counts and checksums.",
    ),
    "migrate": (
        "ecom_assets.cli.migrate.migrate_command",
        "Show what stored tables lack of their contracts, and do it with --yes.",
    ),
    "sessions": ("ecom_assets.cli.sessions.sessions", "Cut the events of files into sessions."),
    "funnel": ("ecom_assets.cli.funnel.funnel", "Count who got how far through the steps."),
    "trend": ("ecom_assets.cli.trend.trend", "Count events or visitors over time, or add up what they carry."),
    "correlation": (
        "ecom_assets.cli.correlation.correlation",
        "Find which event types and properties go with the conversion of a funnel.",
    ),
    "experiment": (
        "ecom_assets.cli.experiment.experiment",
        "Compare the variants of an experiment: conversion and mean by variant, and whether they differ.",
    ),
    "segments": (
        "ecom_assets.cli.segments.segments",
        "Sort the customers of orders, or of purchase events, into eleven segments by recency, frequency and money.",
    ),
    "value": (
        "ecom_assets.cli.value.value",
        "Estimate what to expect of the customers of orders, or of purchase events, by BG/NBD and Gamma-Gamma.",
    ),
    "retention": (
        "ecom_assets.cli.retention.retention",
        "Count who of each period's new visitors, or customers, came back, and what they were worth.",
    ),
    "journeys": (
        "ecom_assets.cli.journeys.journeys",
        "Show which steps sessions take one after another, and which paths end in a purchase.",
    ),
    "attribution": (
        "ecom_assets.cli.attribution.attribution_command",
        "Credit the purchases in files, and what they brought, to the channels that led to them.",
    ),
    "export": (
        "ecom_assets.cli.export.export",
        "Deliver events and user properties to other tools, each record once.",
    ),
}
SANDBOX_COMMANDS: Final[Commands] = {
    "data": ("ecom_assets.cli.sandbox.data", "Simulate a shop."),
    "up": (
        "ecom_assets.cli.sandbox.up",
        "Serve stand-ins of the three APIs over the sandbox shop, and of the four tools it delivers to, until Ctrl-C.",
    ),
    "live": ("ecom_assets.cli.sandbox.live", "Let the sandbox shop's events of today arrive as time goes by."),
}
KEY_COMMANDS: Final[Commands] = {
    "create": ("ecom_assets.cli.api.create_key", "Make an API key, and show it this once."),
    "list": ("ecom_assets.cli.api.list_keys", "List the API keys."),
    "revoke": ("ecom_assets.cli.api.revoke_key", "Revoke an API key, with immediate effect."),
}
LEDGER_COMMANDS: Final[Commands] = {
    "restore": (
        "ecom_assets.cli.ledger.restore",
        "Rebuild a lost ledger from the warehouse's copy of it, so that nothing is sent twice.",
    ),
    "backup": ("ecom_assets.cli.ledger.backup", "Copy the ledger into a file, while deliveries may go on."),
    "reset": (
        "ecom_assets.cli.ledger.reset",
        "Forget the warehouse's copy of what was delivered, so that a new ledger may begin.",
    ),
}
PLAIN: Final[dict[str, Any]] = {
    "no_args_is_help": True,
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
}
INTERRUPTED = 130
"""The exit code that shells expect of a program stopped by Ctrl-C, and that Typer uses."""


def load_command(path: str, name: str) -> Any:
    """Import the function of a command and return the command."""
    module, _, function = path.rpartition(".")
    single = typer.Typer(**PLAIN | {"no_args_is_help": False})
    with loading():
        single.command(name)(getattr(import_module(module), function))
    return main.get_command(single)


class _LazyGroup(TyperGroup):
    """A group whose commands are imported when they are called."""

    lazy: ClassVar[Commands] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in self.lazy:
            return load_command(self.lazy[cmd_name][0], cmd_name)
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"No such command {args[0]!r}; {did_you_mean(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        groups = {name: super(_LazyGroup, self).get_command(ctx, name) for name in super().list_commands(ctx)}
        rows = [(name, summary) for name, (_, summary) in self.lazy.items()]
        rows += [(name, group.get_short_help_str()) for name, group in groups.items() if group]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class _Root(_LazyGroup):
    lazy: ClassVar[Commands] = COMMANDS


class _Sandbox(_LazyGroup):
    lazy: ClassVar[Commands] = SANDBOX_COMMANDS


class _Keys(_LazyGroup):
    lazy: ClassVar[Commands] = KEY_COMMANDS


class _Ledger(_LazyGroup):
    lazy: ClassVar[Commands] = LEDGER_COMMANDS


def _nothing() -> None:
    """Do nothing. As a callback, this makes a Typer application a group although it has no commands of its own."""


def _group(cls: type[_LazyGroup], text: str) -> typer.Typer:
    group = typer.Typer(cls=cls, help=text, **PLAIN)
    group.callback(help=text)(_nothing)
    return group


app = _group(_Root, "E-commerce events to sessions, funnels and more: every number traceable.")
app.add_typer(_group(_Sandbox, "The simulated shop."), name="sandbox")
app.add_typer(_group(_Keys, "The keys of the HTTP API."), name="api-key")
app.add_typer(_group(_Ledger, "The ledger of deliveries."), name="ledger")


def run() -> None:
    """Run the command line; an error is printed as one sentence and sets the exit code."""
    try:
        app(prog_name="ecom")
    except EcomError as error:
        _end(str(error), error.exit_code)
    except Exception as error:
        sentence = outside_fault(error)
        if sentence is None:  # a bug in this program: show the traceback
            raise
        _end(sentence, WorkError.exit_code)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _end("stopped; what was committed stays, run again to go on.", INTERRUPTED)
        raise


def _end(sentence: str, exit_code: int) -> NoReturn:
    sys.stderr.write(f"ecom: {sentence}\n")
    raise SystemExit(exit_code) from None
