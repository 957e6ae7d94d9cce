"""Jobs. Not here: when they run."""

from collections.abc import Collection
from typing import Any

import dagster as dg

EVERYTHING = "everything"
EVENTS, ORDERS, CUSTOMERS = "events", "orders", "customers"


def everything_job(skipped: Collection[dg.AssetKey] = ()) -> Any:  # noqa: ANN401 (Dagster does not export the class of this)
    """Return the job that materializes every table but the `skipped` ones, with its checks, for the days of the run."""
    return dg.define_asset_job(
        EVERYTHING,
        selection=dg.AssetSelection.all() - dg.AssetSelection.assets(*skipped),
        description="Every table, with its checks, for the days of the run.",
    )


def source_job(name: str, source: dg.AssetKey, left_out: Collection[dg.AssetKey]) -> Any:  # noqa: ANN401 (as above)
    """Return the job that takes in `source` and computes what is built on it, but for the assets `left_out`."""
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(source).downstream() - dg.AssetSelection.assets(*left_out),
        description=f"{source.to_user_string()} and what is built on it, with its checks, for the days of the run.",
    )
