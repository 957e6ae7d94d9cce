"""`ecom retain`: remove received events and landing files that are older
than ECOM_RETENTION_DAYS.
"""

from contextlib import closing
from typing import Annotated

import typer

from ecom_assets.cli.options import Json
from ecom_assets.cli.terminal import print_answer
from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import load_settings
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.ingestion.sources.compaction import remove_replaced
from ecom_assets.ingestion.sources.landing import changing_landing_files
from ecom_assets.ingestion.sources.presence import with_origin
from ecom_assets.orchestration.privacy.retention_limits import expired, remove


def retain(
    yes: Annotated[bool, typer.Option("--yes", help="Remove it.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what is older, and stop.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove received events and landing files that are older than
    ECOM_RETENTION_DAYS; numbers stay.
    """
    settings = load_settings()
    with closing(new_engine(settings).open()) as engine:
        own = with_origin(engine, settings)
        if dry_run:
            result = expired(own, engine)
        else:
            if not yes:
                raise UsageError(
                    "Removing cannot be undone; check it with --dry-run, then confirm with --yes."
                )
            with changing_landing_files(settings.home):
                remove_replaced(own)
                result = expired(own, engine)
                remove(engine, result)
    rows = {**result.as_json(), "is_removed": not dry_run}
    verb = "are older than the limit" if dry_run else "were removed"
    print_answer(
        rows,
        *(f"{count:,} rows of {table} {verb}." for table, count in rows["rows"].items()),
        f"{len(rows['files']):,} landing files {verb}.",
        f"Kept from {rows['first_kept_date']} on.",
        as_json=as_json,
    )
