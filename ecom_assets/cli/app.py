"""The `ecom` app: its commands, and how their errors are printed.

A command's file is imported when the command is called, so only what that command needs is loaded.
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, NoReturn

import typer
from typer import main
from typer.core import CompletionItem, TyperCommand, TyperGroup  # type: ignore[attr-defined]  # it exports no such class elsewhere

from ecom_assets.core.errors import EcomError, UsageError, WorkError, did_you_mean, first_line
from ecom_assets.core.gc_tuning import loading
from ecom_assets.interfaces.all_questions import QUESTIONS

Commands = Mapping[str, str]
"""The file and the function of each command, by the command's name."""
COMMANDS: Final[Commands] = {
    "run": "run.run",
    "init": "init.init",
    "extract": "extract.extract",
    "ui": "ui.ui",
    "api": "api.api",
    "dashboard": "api.dashboard",
    "mcp": "api.mcp",
    "contracts": "data_contracts.contracts",
    "doctor": "doctor.doctor",
    "status": "status.status",
    "report": "report.report",
    "explain": "explain.explain_command",
    "release": "release.release_command",
    "erase": "erase.erase",
    "retain": "retain.retain",
    "collect": "landing.collect",
    "stream": "landing.stream",
    "compact": "landing.compact_command",
    "watch": "watch.watch_command",
    "copy": "warehouse.copy",
    "migrate": "warehouse.migrate_command",
    **{name: f"ask.{name}" for name in QUESTIONS},
    "export": "export.export",
}
SANDBOX_COMMANDS: Final[Commands] = {
    "data": "sandbox.data",
    "up": "sandbox.up",
    "live": "sandbox.live",
}
KEY_COMMANDS: Final[Commands] = {
    "create": "api.create_key",
    "list": "api.list_keys",
    "revoke": "api.revoke_key",
}
MAPPING_COMMANDS: Final[Commands] = {
    "init": "mapping.init",
    "list": "mapping.list_mappings",
    "show": "mapping.show",
    "check": "mapping.check",
}
LEDGER_COMMANDS: Final[Commands] = {
    "restore": "ledger.restore",
    "backup": "ledger.backup",
    "reset": "ledger.reset",
}
BOARD_COMMANDS: Final[Commands] = {
    "pull": "boards.pull",
    "push": "boards.push",
    "check": "boards.check",
}
PLAIN: Final[dict[str, Any]] = {
    "no_args_is_help": True,
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
INTERRUPTED = 130
"""The exit code that shells expect of a program stopped by Ctrl-C, and that Typer uses."""


PATHS: Final = frozenset(
    {
        "events",
        "more",
        "orders",
        "customers",
        "files",
        "mapping",
        "definition",
        "out",
        "folder",
        "to",
    }
)
"""The last words of the names of parameters that take paths; `--to` takes days and addresses too.
"""


class _PathCheckingCommand(TyperCommand):
    """A command that refuses empty paths: read as the working folder,
    one would stand for all of its files.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments twice:
        what values are converted to does not show that a path was empty.
        """
        typed, _, _ = self.make_parser(ctx).parse_args(list(args))
        for parameter in self.params:
            values = typed.get(parameter.name)
            is_path = str(parameter.name).split("_")[-1] in PATHS and not ctx.resilient_parsing
            if is_path and "" in (values if isinstance(values, list | tuple) else [values]):
                raise UsageError(_empty_path(parameter))
        return super().parse_args(ctx, args)


def _empty_path(parameter: Any) -> str:
    if parameter.param_type_name == "option":
        return (
            f"{parameter.opts[0]} is empty, as a variable that is not set leaves it; give it a "
            "value."
        )
    kind = "folder" if parameter.name == "folder" else "file"
    return f"A path is empty, as a variable that is not set leaves it; name a {kind}."


def load_command(import_path: str, name: str) -> Any:
    """Import the function of a command and return the command."""
    module, function = import_path.split(".")
    single = typer.Typer(**PLAIN | {"no_args_is_help": False})
    with loading():
        single.command(name, cls=_PathCheckingCommand)(
            getattr(import_module(f"ecom_assets.cli.{module}"), function)
        )
    return main.get_command(single)


def summary_of(import_path: str) -> str:
    """Return what a command says of itself: the summary of its docstring, from its file,
    which is not imported.
    """
    module, function = import_path.split(".")
    if module == "ask":
        return QUESTIONS[function].summary
    _, text = (
        (Path(__file__).with_name(f"{module}.py"))
        .read_text(encoding="utf-8")
        .split(f"\ndef {function}(")
    )
    summary = text.split('"""')[1].partition("\n\n")[0]
    return " ".join(summary.split())


class _LazyGroup(TyperGroup):
    """A group whose commands are imported when they are called."""

    lazy: ClassVar[Commands] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in self.lazy:
            return load_command(self.lazy[cmd_name], cmd_name)
        return super().get_command(ctx, cmd_name)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete the names of commands without importing them, and options as usual."""
        groups = {
            name: super(_LazyGroup, self).get_command(ctx, name)
            for name in super().list_commands(ctx)
        }
        summaries = {name: summary_of(path) for name, path in self.lazy.items()}
        summaries |= {name: group.get_short_help_str() for name, group in groups.items() if group}
        names = [
            CompletionItem(name, help=text)
            for name, text in summaries.items()
            if name.startswith(incomplete)
        ]
        options = super().shell_complete(ctx, incomplete) if incomplete.startswith("-") else []
        return [*names, *options]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] == "help" and ctx.parent is None:
            args = [*args[1:], "--help"]
            if len(args) == 1:
                typer.echo(ctx.get_help())
                raise typer.Exit
        if args and self.get_command(ctx, args[0]) is None:
            ctx.fail(
                f"No such command {args[0]!r}; {did_you_mean(args[0], self.list_commands(ctx))}"
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        groups = {
            name: super(_LazyGroup, self).get_command(ctx, name)
            for name in super().list_commands(ctx)
        }
        rows = [(name, summary_of(import_path)) for name, import_path in self.lazy.items()]
        rows += [(name, group.get_short_help_str()) for name, group in groups.items() if group]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _nothing() -> None:
    """Do nothing.

    As a callback, this makes a Typer application a group although it has no commands of its own.
    """


def _print_version(is_asked: bool) -> None:  # noqa: FBT001 (Typer calls it so)
    if is_asked:
        typer.echo(f"ecom {version('ecom-assets')}")
        raise typer.Exit


def _root(
    is_asked: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Do nothing but what options do."""


def _group(commands: Commands, text: str, **options: Any) -> typer.Typer:
    kind = type("_Group", (_LazyGroup,), {"lazy": commands})
    group = typer.Typer(cls=kind, help=text, **PLAIN | options)
    group.callback(help=text)(_nothing)
    return group


TITLE: Final = "E-commerce events to sessions, funnels and more: every number traceable."
app = _group(COMMANDS, TITLE, add_completion=True)
app.callback(help=TITLE)(_root)
app.add_typer(_group(SANDBOX_COMMANDS, "The simulated shop."), name="sandbox")
app.add_typer(
    _group(MAPPING_COMMANDS, "Mappings: how files become events, order lines and customers."),
    name="mapping",
)
app.add_typer(_group(KEY_COMMANDS, "The keys of the HTTP API."), name="api-key")
app.add_typer(
    _group(BOARD_COMMANDS, "Saved questions and boards as files of a repository."), name="boards"
)
app.add_typer(_group(LEDGER_COMMANDS, "The ledger of deliveries."), name="ledger")


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


def outside_fault(error: BaseException) -> str | None:
    """Return a message for an error outside of this program,
    or None if it may be a bug of this program.
    """
    library = type(error).__module__.split(".")[0].lstrip("_")
    if library == "duckdb":
        from ecom_assets.core.warehouse.local import damaged_parquet  # noqa: PLC0415 (loads the engine)

        if damaged := damaged_parquet(error):
            return damaged
        return (
            f"DuckDB says: {first_line(error)}; fix that and run again, nothing was half-written."
        )
    if library in {"sqlite3", "sqlalchemy"}:
        from ecom_assets.core.settings.home import damage_in_use  # noqa: PLC0415 (needed in this case only)

        return damage_in_use() or (
            f"Dagster's history in DAGSTER_HOME cannot be kept: {first_line(error)}; see that its "
            "disk has space and may be written, then run again."
        )
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; fix that and run again."
    return outside_fault(error.__cause__) if error.__cause__ is not None else None
