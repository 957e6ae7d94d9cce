"""`ecom extract`: what a REST API has, into a folder that `ecom run` reads."""

from pathlib import Path
from typing import Annotated

import typer

from ecom_assets.cli.options import Json
from ecom_assets.cli.terminal import print_answer
from ecom_assets.core.settings.settings import load_settings
from ecom_assets.ingestion.sources.extraction.definition import Extract
from ecom_assets.ingestion.sources.extraction.extraction import run_extract
from ecom_assets.ingestion.sources.extraction.landing import Landed


def extract(
    source: Annotated[
        str, typer.Argument(help="Name of a shipped extract, or a YAML file; see docs/extract.md.")
    ],
    to: Annotated[
        Path, typer.Option(help="Folder in which documents land, by their day of arrival.")
    ],
    as_json: Json = False,
) -> None:
    """Land what changed in a REST API since the last time, for `ecom run`."""

    def say(name: str, landed: Landed) -> None:
        removed = f", {landed.removed_count:,} no longer there" if landed.removed_count else ""
        counts = f"{landed.new_count:,} new, {landed.changed_count:,} in a newer version{removed}"
        if not as_json:
            typer.echo(f"{name}: {counts}")

    definition, landed = run_extract(source, to, load_settings(), say)
    command = f"ecom run {options_of(definition, to)}"
    counts = {
        name: {
            "new": each.new_count,
            "changed": each.changed_count,
            "removed": each.removed_count,
        }
        for name, each in landed.items()
    }
    answer = {"folder": str(to), "landed": counts, "next": command}
    print_answer(answer, f"Next: {command}", as_json=as_json)


def options_of(definition: Extract, folder: Path) -> str:
    """Return the options by which `ecom run` reads a folder."""
    if definition.mapping_of == "ad_spend":
        return f"--ad-spend {definition.mapping or 'native'}={folder}"
    option = f"--{definition.mapping_of}"
    mapping = f" {option}-mapping {definition.mapping}" if definition.mapping else ""
    return f"{option} {folder}{mapping}"
