"""Checks as Dagster's steps: those of a table that can be evaluated at the same moment are one step.

A step costs Dagster about 15 ms, several times what most checks take.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

import dagster as dg

from ecom_assets.tables.asset import TableAsset, asset_key
from ecom_assets.tables.check import TableCheck, days_of_run
from ecom_assets.tables.contract import Table

Tables = frozenset[type[Table]]


def check_steps(
    checks: Iterable[TableCheck], assets: Sequence[TableAsset] = (), pool: str | None = None
) -> list[dg.AssetChecksDefinition]:
    """Return the Dagster checks, with those of a table in as few steps as the order of the tables allows.

    Args:
        checks: The checks.
        assets: The assets in the order in which they are computed. A check that compares its table with one that is
            computed from it waits for that one, and the checks that block it must not.
        pool: The concurrency pool; runs whose steps share a pool take turns.
    """
    below = _below(assets)
    steps: dict[tuple[type[Table], Tables], list[TableCheck]] = {}
    for one in checks:
        later = one.other_tables & below.get(one.contract, frozenset())
        steps.setdefault((one.contract, later), []).append(one)
    numbered: dict[type[Table], int] = {}
    built = []
    for (contract, _later), together in steps.items():
        numbered[contract] = numbered.get(contract, 0) + 1
        built.append(_step(together, numbered[contract], pool))
    return built


def _step(checks: Sequence[TableCheck], number: int, pool: str | None) -> dg.AssetChecksDefinition:
    contract = checks[0].contract
    by_name = {one.name: one for one in checks}

    @dg.multi_asset_check(
        name=f"{contract.layer}__{contract.name}_checks{'' if number == 1 else f'_{number}'}",
        specs=[one.spec for one in checks],
        required_resource_keys={"warehouse", *(one.source for one in checks if one.source)},
        can_subset=True,
        pool=pool,
    )
    def evaluate(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        selected = {key.name for key in context.selected_asset_check_keys}
        yield from _results([one for name, one in by_name.items() if name in selected], context)

    return evaluate


def _results(checks: Sequence[TableCheck], context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """Evaluate all checks, and raise afterwards if one could not look: the others say what they found first."""
    days = days_of_run(context.run.tags)
    errors: list[Exception] = []
    for one in checks:
        try:
            yield one.result(days, context.resources)
        except Exception as error:  # noqa: BLE001 (raised below, whatever it is)
            errors.append(error)
    if errors:
        raise errors[0]


def _below(assets: Sequence[TableAsset]) -> Mapping[type[Table], Set[type[Table]]]:
    """Return the tables that are computed from each table, directly or not."""
    below: dict[type[Table], set[type[Table]]] = {asset.contract: set() for asset in assets}
    by_key = {asset_key(contract): contract for contract in below}
    for asset in reversed(assets):
        upstream = {reads.contract for reads in asset.reads.values()} | {
            by_key[dep] for dep in asset.deps if dep in by_key
        }
        for table in upstream:
            below.setdefault(table, set()).update({asset.contract}, below[asset.contract])
    return below
