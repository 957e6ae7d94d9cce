"""The `ecom` app: its groups of commands, and how their errors are printed.

The commands are listed in `commands.py`.
"""

import sys
from importlib.metadata import version
from typing import Annotated, Any, ClassVar, Final, NoReturn

import typer
from typer import main
from typer.core import CompletionItem, TyperCommand, TyperGroup  # type: ignore[attr-defined]  # it exports no such class elsewhere

from ecom_assets.cli.commands import (
    BOARD_COMMANDS,
    COMMANDS,
    KEY_COMMANDS,
    LEDGER_COMMANDS,
    MAPPING_COMMANDS,
    SANDBOX_COMMANDS,
    TASKS,
    Command,
    Commands,
    QuestionCommand,
)
from ecom_assets.core.errors import EcomError, UsageError, WorkError, did_you_mean, first_line
from ecom_assets.core.gc_tuning import without_collection

PLAIN: Final[dict[str, Any]] = {
    "no_args_is_help": True,
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
LONGEST_SUMMARY: Final = 100
"""Characters of what a group of commands says of itself in a list."""
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
            value = typed.get(parameter.name)
            values = value if isinstance(value, list | tuple) else [value]
            is_path = str(parameter.name).split("_")[-1] in PATHS
            if is_path and "" in values and not ctx.resilient_parsing:
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


def load_command(command: Command | QuestionCommand, name: str) -> Any:
    """Import the function of a command and return the command."""
    single = typer.Typer(**PLAIN | {"no_args_is_help": False})
    with without_collection():
        single.command(name, cls=_PathCheckingCommand)(command.function())
    return main.get_command(single)


class _LazyGroup(TyperGroup):
    """A group whose commands are imported when they are called."""

    lazy: ClassVar[Commands] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in self.lazy and cmd_name not in self.commands:
            self.commands[cmd_name] = load_command(self.lazy[cmd_name], cmd_name)
        return super().get_command(ctx, cmd_name)

    def summaries(self) -> dict[str, str]:
        """Return what each command says of itself, then each group, without importing any."""
        summaries = {name: command.summary for name, command in self.lazy.items()}
        for name, group in self.commands.items():
            summaries[name] = group.get_short_help_str(LONGEST_SUMMARY)
        return summaries

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete the names of commands without importing them, and options as usual."""
        names = [
            CompletionItem(name, help=summary)
            for name, summary in self.summaries().items()
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
        summaries = self.summaries()
        tasks = TASKS if ctx.parent is None else {"Commands": tuple(summaries)}
        for task, names in tasks.items():
            with formatter.section(task):
                formatter.write_dl([(name, summaries[name]) for name in names])


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
    class _CommandGroup(_LazyGroup):
        lazy = commands

    group = typer.Typer(cls=_CommandGroup, help=text, **PLAIN | options)
    # A callback makes a Typer application a group although it has no commands of its own.
    group.callback(help=text)(lambda: None)
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
