"""Metadata of assets in Dagster's UI beyond the contract: tags for the search,
and freshness policies.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final

import dagster as dg

from ecom_assets.core.tables.contract import Contract

DEADLINE: Final = "0 4 * * *"
"""When the nightly runs must be over: the last of them starts at two."""
WITHIN: Final = timedelta(hours=23)
"""How long before the deadline an asset may have been materialized;
a day of a clock change has no more hours.
"""


def expected_assets(
    assets: Iterable[dg.AssetsDefinition],
    contracts: Mapping[str, Contract],
    timezone: str,
    without_source: Iterable[dg.AssetKey],
) -> list[dg.AssetsDefinition]:
    """Return the assets with tags,
    and with a freshness policy unless they are among those `without_source`.

    `contracts` has the contracts of tables by asset key (`layer/name`); `timezone` is that of the
    deadline.
    """
    policy = dg.FreshnessPolicy.cron(
        deadline_cron=DEADLINE, lower_bound_delta=WITHIN, timezone=timezone
    )
    idle = set(without_source)

    def described(spec: dg.AssetSpec) -> dg.AssetSpec:
        tagged = spec.merge_attributes(
            tags=tags_of(spec.key, contracts.get(spec.key.to_user_string()))
        )
        return tagged if spec.key in idle else tagged.replace_attributes(freshness_policy=policy)

    return [asset.map_asset_specs(described) for asset in assets]


def tags_of(key: dg.AssetKey, contract: Contract | None) -> dict[str, str]:
    """Return the tags of an asset: its layer, and of a table,
    whether it is cut by days and names people.
    """
    if contract is None:
        return {"layer": key.path[0]}
    has_people = any(column.pii for column in contract.columns.values())
    return {
        "layer": contract.layer,
        "partitions": "daily" if contract.day_column else "none",
        "personal_data": "yes" if has_people else "no",
    }
