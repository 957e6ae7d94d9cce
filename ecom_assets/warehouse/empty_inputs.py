"""Why a table got no rows: the tables that it is computed from and that nothing has computed yet."""

from collections.abc import Mapping, Set

import dagster as dg

from ecom_assets.tables.contract import Table
from ecom_assets.warehouse.engine import Engine


def never_computed(
    engine: Engine, contracts: Mapping[str, type[Table]], without_source: Set[dg.AssetKey], context: dg.OutputContext
) -> list[str]:
    """Return the upstream tables that are empty, and that neither this run nor an earlier one has computed.

    Those `without_source` are left out: they can only be computed after their source is there.
    """
    layer, instance = context.step_context.job_def.asset_layer, context.step_context.instance
    missing = []
    upstream = layer.asset_graph.get(context.asset_key).parent_keys
    for key in sorted(upstream - set(layer.selected_asset_keys) - without_source):
        contract = contracts.get(key.to_user_string())
        if contract is None or instance.get_latest_materialization_event(key):
            continue
        if not engine.has(contract) or engine.row_count(contract) == 0:
            missing.append(contract.qualified_name())
    return missing


def no_rows_because_of(missing: list[str]) -> str:
    """Return the warning about a table without rows."""
    return (
        f"no rows, since nothing has computed {', '.join(missing)} yet; materialize these and what they are computed "
        "from first."
    )
