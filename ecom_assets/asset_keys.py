"""The one way from a table to the name that Dagster has for it. Not here: assets that are no tables."""

import dagster as dg

from ecom_assets.contracts.table import Table


def asset_key(contract: type[Table]) -> dg.AssetKey:
    """Return layer and name."""
    return dg.AssetKey([contract.layer, contract.name])
