"""Options that several commands share, and how their values are parsed."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from ecom_assets.cli.file_rows import rows_line
from ecom_assets.errors import UsageError

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")]
Events = Annotated[
    list[str] | None,
    typer.Option("--events", help="File, folder or glob of CSV, NDJSON or Parquet (gzip too)."),
]
MorePaths = Annotated[list[str] | None, typer.Argument(help="Further paths of events, as a shell's * gives them.")]
Orders = Annotated[
    list[str] | None,
    typer.Option("--orders", help="File, folder or glob of order lines: CSV, NDJSON or Parquet (gzip too)."),
]
DURATIONS = "a number and a unit, of s (seconds), m (minutes), h (hours), d (days), w (weeks), such as 45s, 30m or 7d"
SESSION_RULES = (
    "How events are cut into sessions: ga4, universal_analytics, mixpanel, amplitude, snowplow, or source for the "
    "file's own session ids."
)
SessionRuleName = Annotated[str, typer.Option("--session-rule", help=SESSION_RULES)]
Mapping = Annotated[str | None, typer.Option(help="Name of a shipped mapping, or a YAML file.")]


def print_answer(answer: dict[str, Any], lines: Callable[[], list[str]], *, as_json: bool) -> None:
    """Print an answer as JSON or in lines; for people its warnings stand on stderr, JSON holds them itself.

    The last line tells how many rows of the files the answer is about.
    """
    if as_json:
        typer.echo(json.dumps(answer))
        return
    for sentence in answer.get("warnings", ()):
        typer.echo(f"ecom: warning: {sentence}", err=True)
    typer.echo("\n".join([*lines(), rows_line(answer["rows"])]))


def all_paths(events: list[str] | None, more: list[str] | None) -> list[str]:
    """Return every path that was given.

    Raises:
        UsageError: Paths without an option in front of them.
    """
    if more and not events:
        raise UsageError(f"{more[0]!r} is given without an option; write --events {more[0]}.")
    return [*(events or []), *(more or [])]


def read_definition(path: Path, what: str, first_key: str) -> dict[str, Any]:
    """Return the definition of a question from a file.

    Args:
        path: The file, YAML or JSON.
        what: What it defines, for the error.
        first_key: A key that each such definition has.

    Raises:
        UsageError: The file cannot be read, or holds no YAML or JSON.
    """
    try:
        read = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read as YAML or JSON: {str(error).splitlines()[0]}.") from error
    if not isinstance(read, dict):
        raise UsageError(f"{path} holds no {what} definition; begin it with `{first_key}:`.")
    return read


@dataclass(frozen=True)
class OwnData:
    """A shop's own data as a person gave them; what is empty was not given."""

    events: list[str]
    events_mapping: str | None
    orders: list[str]
    orders_mapping: str | None

    @classmethod
    def read(
        cls,
        events: list[str] | None,
        orders: list[str] | None,
        more: list[str] | None,
        mappings: tuple[str | None, str | None],
    ) -> "OwnData":
        """Give further paths to the one option that they can belong to; `mappings` are those of events and orders.

        Raises:
            UsageError: Paths without an option in front of them, or with two that they may belong to.
        """
        if more and events and orders:
            raise UsageError(
                f"{more[0]!r} may be events or orders; write --events or --orders in front of it, or quote the glob."
            )
        found = cls([*(events or [])], mappings[0], [*(orders or [])], mappings[1])
        if orders:
            found.orders.extend(more or [])
        else:
            found.events[:] = all_paths(events, more)
        return found


@dataclass(frozen=True)
class Permissions:
    """What a run is told that it may do, which it otherwise would not."""

    withdrawal: bool = False
    """Rows that their source no longer has may be removed."""
    rebuild: bool = False
    """Published data may lose days, because the warehouse is being rebuilt."""

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags by which a run knows; a run that Dagster starts is given the same ones."""
        given = {"ecom/allow_withdrawal": self.withdrawal, "ecom/rebuild": self.rebuild}
        return {tag: "true" for tag, is_given in given.items() if is_given}


NO_PERMISSIONS = Permissions()


@dataclass(frozen=True)
class AskedDays:
    """The days that a person asked for; None where the data decide."""

    first: date | None
    last: date | None

    @classmethod
    def read(cls, first: str | None, last: str | None) -> "AskedDays":
        """Read `--from` and `--to`.

        Raises:
            UsageError: One is not a date, or they are the wrong way round.
        """
        asked = cls(day_of(first, "--from"), day_of(last, "--to"))
        if asked.first and asked.last and asked.last < asked.first:
            raise UsageError(f"--from {asked.first} is after --to {asked.last}; swap them.")
        return asked


def day_of(value: str | None, option: str) -> date | None:
    """Read a day.

    Raises:
        UsageError: It is none.
    """
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise UsageError(f"{option} {value!r} is not a date; use YYYY-MM-DD, such as 2026-01-31.") from error
