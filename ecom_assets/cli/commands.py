"""The list of commands, in the order of `ecom --help`: what each says of itself there,
and where its function is.

The file of a command is imported when it is called, so that nothing is loaded but what it needs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from ecom_assets.interfaces.all_questions import QUESTIONS, question_named


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        address: The module of its function, a colon and the name of the function.
        summary: The first sentence of its help, as the docstring of the function has it.
    """

    address: str
    summary: str

    def function(self) -> Callable[..., None]:
        """Import the function and return it."""
        module, name = self.address.split(":")
        function: Callable[..., None] = getattr(import_module(module), name)
        return function


@dataclass(frozen=True)
class QuestionCommand:
    """The command of an ad-hoc question."""

    name: str

    @property
    def summary(self) -> str:
        """The first sentence of its help."""
        return QUESTIONS[self.name].summary

    def function(self) -> Callable[..., None]:
        """Return a function whose options are the fields of the question."""
        from ecom_assets.cli.ask import FileCommand  # noqa: PLC0415 (loads the engine)

        return FileCommand(question_named(self.name)).function()


Commands = Mapping[str, Command | QuestionCommand]
"""The commands of a group, by name."""
COMMANDS: Final[Commands] = {
    "run": Command(
        "ecom_assets.cli.run:run",
        "Materialize the platform through Dagster; with nothing given, over the sandbox shop.",
    ),
    "init": Command(
        "ecom_assets.cli.init:init",
        "Bring in the files of this folder: look at each, ask what they do not say, and load them.",
    ),
    "extract": Command(
        "ecom_assets.cli.extract:extract",
        "Land what changed in a REST API since the last time, for `ecom run`.",
    ),
    "ui": Command(
        "ecom_assets.cli.ui:ui",
        (
            "Serve the dashboard and the HTTP API, and Dagster's UI with its daemon, so that "
            "schedules and sensors run."
        ),
    ),
    "api": Command(
        "ecom_assets.cli.api:api", "Serve the HTTP API and the dashboard, until Ctrl-C."
    ),
    "dashboard": Command(
        "ecom_assets.cli.api:dashboard", "Serve the dashboard with the HTTP API, until Ctrl-C."
    ),
    "mcp": Command(
        "ecom_assets.cli.api:mcp",
        (
            "Answer an assistant's questions by the Model Context Protocol, over stdio or HTTP; "
            "nothing is written."
        ),
    ),
    "contracts": Command(
        "ecom_assets.cli.data_contracts:contracts",
        "Write the tables as data contracts of the Open Data Contract Standard.",
    ),
    "doctor": Command(
        "ecom_assets.cli.doctor:doctor",
        (
            "Check settings, versions, disk, warehouse, events, alerts, lineage, publishing, "
            "API; each problem has its fix."
        ),
    ),
    "status": Command(
        "ecom_assets.cli.status:status",
        "Show each table: rows, newest data, last run, failing checks.",
    ),
    "report": Command(
        "ecom_assets.cli.report:report",
        "Show the numbers of a week, what changed against the week before, and why.",
    ),
    "explain": Command(
        "ecom_assets.cli.explain:explain_command",
        (
            "Show why a number is what it is: definition, runs, SQL, and the received rows that "
            "it was counted from."
        ),
    ),
    "release": Command(
        "ecom_assets.cli.release:release_command",
        (
            "Release a held day although its data failed a gate; who and when is recorded, and "
            "it holds for later runs."
        ),
    ),
    "erase": Command(
        "ecom_assets.cli.erase:erase",
        (
            "Remove a person from every table, landing file, published copy, ledger and tool, "
            "and write a receipt."
        ),
    ),
    "retain": Command(
        "ecom_assets.cli.retain:retain",
        (
            "Remove received events and landing files that are older than ECOM_RETENTION_DAYS; "
            "numbers stay."
        ),
    ),
    "collect": Command(
        "ecom_assets.cli.landing:collect",
        (
            "Take events over HTTP into the landing folder, until Ctrl-C; several processes may "
            "share a port."
        ),
    ),
    "stream": Command(
        "ecom_assets.cli.landing:stream",
        (
            "Take events from Kafka topics into the landing folder, until Ctrl-C; several "
            "processes share the partitions."
        ),
    ),
    "compact": Command(
        "ecom_assets.cli.landing:compact_command",
        (
            "Merge small landing files of the stream and the collector; no reader misses or "
            "doubles an event."
        ),
    ),
    "watch": Command(
        "ecom_assets.cli.watch:watch_command",
        "Look at the numbers that people watch, and send a message for each new incident.",
    ),
    "copy": Command(
        "ecom_assets.cli.warehouse:copy",
        "Copy every table to another warehouse, and compare counts and checksums.",
    ),
    "migrate": Command(
        "ecom_assets.cli.warehouse:migrate_command",
        "Show what stored tables lack of their contracts, and do it with --yes.",
    ),
    **{name: QuestionCommand(name) for name in QUESTIONS},
    "export": Command(
        "ecom_assets.cli.export:export",
        (
            "Deliver events and user properties to other tools, each record once; or write all "
            "customers to a JSON file."
        ),
    ),
}
TASKS: Final[Mapping[str, tuple[str, ...]]] = {
    "Ask": (*QUESTIONS, "report", "explain"),
    "Run": ("run", "ui", "dashboard", "api", "mcp", "status"),
    "Data in": ("init", "mapping", "extract", "collect", "stream", "compact", "sandbox"),
    "People and boards": ("api-key", "boards", "watch", "erase", "retain"),
    "Operate": ("doctor", "release", "migrate", "copy", "export", "ledger", "contracts"),
}
"""What each command and group of commands is for, as `ecom --help` shows them."""
SANDBOX_COMMANDS: Final[Commands] = {
    "data": Command(
        "ecom_assets.cli.sandbox:data",
        (
            "Simulate a shop: landing folders of events, orders, a catalogue, and the truth "
            "about them."
        ),
    ),
    "exports": Command(
        "ecom_assets.cli.sandbox:exports",
        (
            "Write the simulated shop as Shopify, GA4 and Google Ads export it, with the truth "
            "about which visit sold what."
        ),
    ),
    "up": Command(
        "ecom_assets.cli.sandbox:up",
        (
            "Serve stand-ins of the three APIs over the sandbox shop, and of the tools it "
            "delivers to, until Ctrl-C."
        ),
    ),
    "live": Command(
        "ecom_assets.cli.sandbox:live",
        (
            "Let the sandbox shop's events of today arrive as time goes by, until Ctrl-C; `ecom "
            "ui` does so by itself."
        ),
    ),
}
KEY_COMMANDS: Final[Commands] = {
    "create": Command("ecom_assets.cli.api:create_key", "Make an API key, and show it this once."),
    "list": Command(
        "ecom_assets.cli.api:list_keys", "List the API keys; the keys themselves are kept nowhere."
    ),
    "revoke": Command(
        "ecom_assets.cli.api:revoke_key", "Revoke an API key, with immediate effect."
    ),
}
MAPPING_COMMANDS: Final[Commands] = {
    "init": Command(
        "ecom_assets.cli.mapping:init",
        (
            "Write a mapping for files: a shipped one that reads them, or one by the names and "
            "values of their columns."
        ),
    ),
    "list": Command("ecom_assets.cli.mapping:list_mappings", "List the shipped mappings."),
    "show": Command(
        "ecom_assets.cli.mapping:show", "Print a shipped mapping, as a file to begin your own with."
    ),
    "check": Command(
        "ecom_assets.cli.mapping:check",
        "Read files by a mapping: how many rows are clean, and why others are not.",
    ),
}
LEDGER_COMMANDS: Final[Commands] = {
    "restore": Command(
        "ecom_assets.cli.ledger:restore",
        "Rebuild a lost ledger from the warehouse's copy of it, so that nothing is sent twice.",
    ),
    "backup": Command(
        "ecom_assets.cli.ledger:backup", "Copy the ledger into a file, while deliveries may go on."
    ),
    "reset": Command(
        "ecom_assets.cli.ledger:reset",
        (
            "Forget the warehouse's copy of what was delivered, so that a new ledger may begin: "
            "everything is sent again."
        ),
    ),
}
BOARD_COMMANDS: Final[Commands] = {
    "pull": Command(
        "ecom_assets.cli.boards:pull",
        "Write saved questions, boards and annotations into a folder of YAML files.",
    ),
    "push": Command(
        "ecom_assets.cli.boards:push",
        (
            "Save what differs in a folder of YAML files; refused if somebody saved a newer "
            "version than a file has."
        ),
    ),
    "check": Command(
        "ecom_assets.cli.boards:check",
        (
            "Check a folder of YAML files, without the store: each can be saved, and names only "
            "what is there."
        ),
    ),
}
