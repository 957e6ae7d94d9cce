"""`ecom export`: its options. Not here: the delivery (`export_run.py`)."""

import re
from typing import Annotated

import typer

from ecom_assets.cli.options import AskedDays, Json
from ecom_assets.errors import UsageError

LIKE_A_DAY = re.compile(r"\d{4}-\d")


def export(
    to: Annotated[
        list[str],
        typer.Option(
            "--to",
            help="amplitude, heap, mixpanel, ga4 or customers-json; a day is the last day, YYYY-MM-DD, included.",
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write payloads to files, and send nothing.")] = False,
    retry_dead_letters: Annotated[
        bool, typer.Option("--retry-dead-letters", help="Send again what the tool has refused.")
    ] = False,
    first: Annotated[str | None, typer.Option("--from", help="First day, YYYY-MM-DD; default all there are.")] = None,
    as_json: Json = False,
) -> None:
    """Deliver events and user properties to other tools, each record once; or write all customers to a JSON file."""
    from ecom_assets.cli.export_run import ExportRequest, show_export  # noqa: PLC0415 (loads Dagster)

    places, last = split_days(to)
    asked = AskedDays.read(first, last)
    request = ExportRequest(places, asked, is_dry=dry_run, retries_dead_letters=retry_dead_letters)
    if not show_export(request, as_json=as_json):
        raise typer.Exit(1)


def split_days(to: list[str]) -> tuple[tuple[str, ...], str | None]:
    """Tell places from the last day: both are given as `--to`.

    Raises:
        UsageError: There is more than one day, or no place.
    """
    days = [one for one in to if LIKE_A_DAY.match(one)]
    places = tuple(dict.fromkeys(one for one in to if one not in days))
    if len(days) > 1:
        raise UsageError(f"--to {days[1]} is a second last day, after {days[0]}; give one.")
    if not places:
        raise UsageError(f"--to {to[0]} says until when, and not where; add --to amplitude, or another tool.")
    return places, days[0] if days else None
