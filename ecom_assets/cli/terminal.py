"""What commands print and ask: an answer on stdout, all that is said beside it on stderr."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import typer

from ecom_assets.core.errors import UsageError
from ecom_assets.core.json_text import json_text

Answered = TypeVar("Answered")


def print_answer(answer: object, *lines: str, as_json: bool) -> None:
    """Print an answer as JSON and nothing else, or its lines."""
    typer.echo(json_text(answer, default=str) if as_json else "\n".join(lines))


def print_faults(faults: Iterable[object]) -> None:
    """Print what went wrong, a line for each."""
    for fault in faults:
        typer.echo(f"ecom: {fault}", err=True)


def warn(*sentences: str) -> None:
    """Print warnings, a line for each."""
    print_faults(f"warning: {sentence}" for sentence in sentences)


def ask_until(
    label: str, accept: Callable[[str], Answered], default: str | None = None
) -> Answered:
    """Ask the person at the terminal until an answer is accepted, and return what it is accepted
    as; `accept` raises a `UsageError`, which is printed, for one that is not.
    """
    while True:
        answer: str = typer.prompt(label, default=default, show_default=bool(default), err=True)
        try:
            return accept(answer)
        except UsageError as error:
            typer.echo(str(error), err=True)
