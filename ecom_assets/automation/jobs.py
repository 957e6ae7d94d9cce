"""Jobs. Not here: when they run."""

from collections.abc import Collection
from typing import Any

import dagster as dg

EVERYTHING = "everything"
CUSTOMERS = "customers"


def everything_job(skipped: Collection[dg.AssetKey] = ()) -> Any:  # noqa: ANN401 (Dagster does not export the class of this)
    """Return the job that materializes every table but the `skipped` ones, with its checks, for the days of the run."""
    return dg.define_asset_job(
        EVERYTHING,
        selection=dg.AssetSelection.all() - dg.AssetSelection.assets(*skipped),
        description="Every table, with its checks, for the days of the run.",
    )


def customers_job() -> Any:  # noqa: ANN401 (as above)
    """Return the job that fetches customers and what is built on them, for the day of the run."""
    return dg.define_asset_job(
        CUSTOMERS,
        selection=dg.AssetSelection.assets(dg.AssetKey(["raw", "customers"])).downstream(),
        description="Customers from their API and what is built on them, with its checks, for the day of the run.",
    )
