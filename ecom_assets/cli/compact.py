"""`ecom compact`: merge small landing files of the stream and the collector."""

import json
from typing import Annotated

import typer

from ecom_assets.cli.options import Events, Json, OwnData
from ecom_assets.cli.platform_run import settings_of
from ecom_assets.sources.compaction import compact
from ecom_assets.sources.events import event_paths
from ecom_assets.sources.files.formats import find_files


def compact_command(
    events: Events = None,
    list_files: Annotated[
        bool, typer.Option("--list", help="List the files that count now, for other readers of the folder, and stop.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Merge small landing files of the stream and the collector; no reader misses or doubles an event."""
    settings = settings_of(OwnData.read(events, None, None, (None, None)))
    if list_files:
        paths = [file.path for file in find_files(event_paths(settings))]
        typer.echo(json.dumps(paths) if as_json else "\n".join(paths))
        return
    result = compact(settings)
    if as_json:
        typer.echo(json.dumps(result.as_json()))
        return
    typer.echo(
        f"{result.merged_count:,} files with {result.row_count:,} rows were merged into {result.made_count:,}, in "
        f"{result.folder_count:,} folders; {result.removed_count:,} replaced files were removed."
    )
