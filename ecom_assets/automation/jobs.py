"""Jobs. Not here: when they run."""

from typing import Any

import dagster as dg

EVERYTHING = "everything"


def everything_job() -> Any:  # noqa: ANN401 (Dagster does not export the class of this)
    """Return the job that materializes every table, with its checks, for the days of the run."""
    return dg.define_asset_job(
        EVERYTHING,
        selection=dg.AssetSelection.all(),
        description="Every table, with its checks, for the days of the run.",
    )
