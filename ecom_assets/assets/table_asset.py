"""`@table_asset`: a plain function from Ibis tables to an Ibis expression, with what Dagster needs to know of it.

The decorator reads no settings; `definitions.py` turns what it leaves into Dagster's assets. Not here: any asset.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import ibis.expr.types as ir

from ecom_assets.asset_keys import asset_key
from ecom_assets.contracts.table import Table
from ecom_assets.transforms.days import Days
from ecom_assets.warehouse.io_manager import WHOLE_TABLE, Restated, column_schema


@dataclass(frozen=True)
class Reads:
    """How much of an upstream table an asset sees: its own days and some around them, or all of it."""

    contract: type[Table]
    days_before: int = 0
    days_after: int = 0
    whole: bool = False

    def asset_in(self, *, partitioned: bool) -> dg.AssetIn:
        """Return Dagster's form: its dependency key and partition mapping."""
        mapping = dg.TimeWindowPartitionMapping(
            start_offset=-self.days_before,
            end_offset=self.days_after,
            allow_nonexistent_upstream_partitions=True,
        )
        return dg.AssetIn(
            key=asset_key(self.contract),
            partition_mapping=mapping if partitioned else None,
            metadata={WHOLE_TABLE: self.whole},
        )


@dataclass(frozen=True)
class TableAsset:
    """A function that computes a table, and what it reads.

    It returns an Ibis table, or another thing that the IO manager takes.
    """

    function: Callable[..., Any]
    contract: type[Table]
    reads: Mapping[str, Reads] = field(default_factory=dict)
    restates: Callable[..., ir.Table] | None = None
    follows: tuple[dg.AssetKey, ...] = ()
    """Assets that must be up to date before, beside those it is handed: what its checks compare it with, above all, or
    whoever asks for the table and all before it would see them fail."""
    automation: dg.AutomationCondition[dg.AssetKey | dg.AssetCheckKey] | None = None
    """When Dagster computes it by itself, beside the jobs that it is part of."""

    @property
    def key(self) -> dg.AssetKey:
        """Return layer and name."""
        return asset_key(self.contract)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (as the function itself)
        """Compute the table, without Dagster."""
        return self.function(*args, **kwargs)

    def build(
        self, daily: dg.PartitionsDefinition, given: Mapping[str, Any], pool: str | None = None
    ) -> dg.AssetsDefinition:
        """Make Dagster's asset.

        Args:
            daily: The partitions of tables that are cut by day.
            given: What functions may ask for by parameter name, beside tables and `days`.
            pool: Runs whose steps are in one pool take turns.
        """
        partitions = daily if self.contract.day_column else None
        return dg.asset(
            key=self.key,
            description=self.contract.description(),
            ins={name: reads.asset_in(partitioned=bool(partitions)) for name, reads in self.reads.items()},
            deps=self.follows,
            automation_condition=self.automation,
            partitions_def=partitions,
            backfill_policy=dg.BackfillPolicy.single_run() if partitions else None,
            group_name=self.contract.group,
            owners=[self.contract.owner],
            kinds={"ibis", "table"},
            metadata={
                "dagster/column_schema": column_schema(self.contract),
                "dagster/table_name": self.contract.qualified_name(),
            },
            io_manager_key="io_manager",
            required_resource_keys=self._resources(given),
            pool=pool,
            dagster_type=dg.Any,
        )(self._compute(given))

    def _compute(self, given: Mapping[str, Any]) -> Callable[..., Any]:
        def compute(context: dg.AssetExecutionContext, **tables: ir.Table) -> Any:  # noqa: ANN401 (Dagster reads it)
            days = days_of(context) if self.contract.day_column else Days(())
            resources = {name: getattr(context.resources, name) for name in self._resources(given)}
            offered = {**given, **resources, **tables, "days": days}
            if self.restates is None:
                return self.function(**_arguments(self.function, offered))
            found = self.restates(**_arguments(self.restates, offered))
            restated = Days.of([*days.dates, *found.day.to_pyarrow().to_pylist()])
            return Restated(self.function(**_arguments(self.function, {**offered, "days": restated})), restated)

        parameters = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("context", *self.reads)
        ]
        compute.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        compute.__name__ = self.contract.name
        compute.__annotations__ = {"context": dg.AssetExecutionContext}
        return compute

    def _resources(self, given: Mapping[str, Any]) -> set[str]:
        return set(inspect.signature(self.function).parameters) - set(given) - set(self.reads) - {"days"}


def table_asset(
    contract: type[Table],
    *,
    restates: Callable[..., ir.Table] | None = None,
    automation: dg.AutomationCondition[dg.AssetKey | dg.AssetCheckKey] | None = None,
    follows: tuple[dg.AssetKey, ...] = (),
    **reads: Reads | type[Table],
) -> Callable[[Callable[..., Any]], TableAsset]:
    """Declare that the function computes the table of `contract` from the tables of `reads`.

    The function's parameters are the names of `reads`, `days` (the days to compute), and what `definitions.py` gives to
    all: its `rules` and its resources, by name.

    Args:
        contract: What the function returns.
        restates: For a table whose other days also change with a day's input: a function of the same parameters that
            returns the days concerned, in a column `day`. They are computed and replaced together with the run's own.
        automation: When Dagster computes it by itself.
        follows: Assets that must be up to date before, beside those of `reads`.
        reads: Upstream tables by parameter name.
    """
    ins = {name: one if isinstance(one, Reads) else Reads(one) for name, one in reads.items()}
    return lambda function: TableAsset(function, contract, ins, restates, follows, automation)


def _arguments(function: Callable[..., ir.Table], offered: Mapping[str, Any]) -> dict[str, Any]:
    return {name: offered[name] for name in inspect.signature(function).parameters}


def days_of(context: dg.AssetExecutionContext) -> Days:
    """Return the days that a step is about; none where it is about a whole table."""
    if not context.has_partition_key and not context.has_partition_key_range:
        return Days(())
    window = context.partition_time_window
    return Days.between(window.start.date(), window.end.date())
