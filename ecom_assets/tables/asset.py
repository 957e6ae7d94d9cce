"""`@table_asset`: a plain function from Ibis tables to an Ibis expression, with what Dagster needs to know of it.

The decorator reads no settings; `definitions.py` turns the result into Dagster's assets.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

import dagster as dg
import ibis.expr.types as ir
from dagster._core.definitions.partitions.context import partition_loading_context

from ecom_assets.tables.contract import Table
from ecom_assets.tables.days import Days
from ecom_assets.tables.received import SliceOutput


def asset_key(contract: type[Table]) -> dg.AssetKey:
    """Return layer and name."""
    return dg.AssetKey([contract.layer, contract.name])


WHOLE_TABLE = "ecom/whole_table"


def column_schema(contract: type[Table]) -> dg.TableSchema:
    """Return the contract as Dagster's column schema."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=name,
                type=column.type,
                description=column.description + (f" [{column.unit}]" if column.unit else ""),
                constraints=dg.TableColumnConstraints(nullable=column.nullable, unique=contract.key == (name,)),
                tags={"pii": ""} if column.pii else {},
            )
            for name, column in contract.columns.items()
        ]
    )


Condition = dg.AutomationCondition[dg.AssetKey | dg.AssetCheckKey]
SALES = dg.AssetKey(["mart", "sales"])
RETENTION = dg.AssetKey(["mart", "customer_retention"])
PUBLICATION = dg.AssetKey(["serving", "postgres_marts"])
SNAPSHOT = dg.AssetKey(["serving", "marts"])
FOLLOWING = frozenset((RETENTION, PUBLICATION, SNAPSHOT))
"""Assets that jobs of single sources leave out."""


def follows_sales() -> Condition:
    """Return the condition to compute the days whose sales were computed by a run that left the asset out."""
    return _settled(dg.AutomationCondition.any_deps_updated().allow(dg.AssetSelection.assets(SALES)))


def follows_marts() -> Condition:
    """Return the condition to compute an asset once all marts that it is made of have settled, so that they agree."""
    on = dg.AutomationCondition
    # `will_be_requested` holds only for what can be in the same run, which an asset without days cannot.
    weekly_mart_is_due = on.any_deps_match(follows_sales()).allow(dg.AssetSelection.assets(RETENTION))
    return _settled(on.any_deps_updated()) & ~weekly_mart_is_due


def _settled(updated: Condition) -> Condition:
    on = dg.AutomationCondition
    return updated.since_last_handled() & ~on.any_deps_in_progress() & ~on.in_progress()


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


class Tables(Protocol):
    """Where tables are read: the warehouse."""

    def table(self, contract: type[Table]) -> ir.Table:
        """Return a whole table, lazily."""


@dataclass(frozen=True)
class Invalidation:
    """A function that returns the days whose rows a run's days change, in a column `day`, and the tables that it reads.

    Those tables are read in the warehouse, as a whole. They are no inputs of the assets that compute the days again:
    none of their rows is in the result.
    """

    function: Callable[..., ir.Table]
    reads: Mapping[str, type[Table]] = field(default_factory=dict)

    def __call__(self, *args: Any, **kwargs: Any) -> ir.Table:  # noqa: ANN401 (as the function itself)
        """Return the days, without Dagster."""
        return self.function(*args, **kwargs)

    def days(self, run: Days, parameters: Mapping[str, Any], warehouse: Tables) -> Days:
        """Return the run's days and those that it invalidates."""
        tables = {name: warehouse.table(contract) for name, contract in self.reads.items()}
        changed = self.function(**_arguments(self.function, {**parameters, **tables, "days": run}))
        return Days.of([*run.dates, *changed.day.to_pyarrow().to_pylist()])


def invalidation(**reads: type[Table]) -> Callable[[Callable[..., ir.Table]], Invalidation]:
    """Declare that the function tells from the tables of `reads` which days of another table must be computed again.

    The function's parameters are the names of `reads`, `days` (the run's own), rules and resources, by name. It returns
    days in a column `day`; give it to `@table_asset(invalidated_by=…)`.
    """
    return lambda function: Invalidation(function, reads)


@dataclass(frozen=True)
class TableAsset:
    """A function that computes a table, and what it reads.

    It returns an Ibis table, or another thing that the IO manager takes.
    """

    function: Callable[..., Any]
    contract: type[Table]
    reads: Mapping[str, Reads] = field(default_factory=dict)
    """The tables whose rows are in the result, by parameter name: Dagster's inputs."""
    invalidated_by: Invalidation | None = None
    deps: tuple[dg.AssetKey, ...] = ()
    """Assets that must be up to date before, and are not read: what its checks compare it with, above all, or anyone
    who asks for the table and all before it would see them fail; and what tells its days, where no input comes after
    it."""
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
        self,
        daily: dg.PartitionsDefinition,
        given: Mapping[str, Any],
        pool: str | None = None,
        kinds: Set[str] = frozenset(("ibis", "table")),
    ) -> dg.AssetsDefinition:
        """Make Dagster's asset.

        Args:
            daily: The partitions of tables that are cut by day.
            given: What functions may ask for by parameter name, beside tables and `days`.
            pool: Runs whose steps are in one pool take turns.
            kinds: What Dagster's graph shows the asset as, at most three.
        """
        partitions = daily if self.contract.day_column else None
        return dg.asset(
            key=self.key,
            description=self.contract.description(),
            ins={name: reads.asset_in(partitioned=bool(partitions)) for name, reads in self.reads.items()},
            deps=self.deps,
            automation_condition=self.automation,
            partitions_def=partitions,
            backfill_policy=dg.BackfillPolicy.single_run() if partitions else None,
            group_name=self.contract.group,
            owners=[self.contract.owner],
            kinds=set(kinds),
            metadata={
                "dagster/column_schema": column_schema(self.contract),
                "dagster/table_name": self.contract.qualified_name(),
            },
            io_manager_key="io_manager",
            required_resource_keys=self._resources(given),
            pool=pool,
            dagster_type=dg.Any,
        )(self._compute(given))

    def output(self, run: Days, parameters: Mapping[str, Any], warehouse: Tables) -> Any:  # noqa: ANN401 (as the function)
        """Compute the table on a run's days, and on those that the run invalidates.

        Args:
            run: The run's days; none where the table is not cut by day.
            parameters: The tables of `reads`, rules and resources, by name.
            warehouse: Where the tables are that tell which days are invalid.
        """
        if self.invalidated_by is None:
            return self.function(**_arguments(self.function, {**parameters, "days": run}))
        days = self.invalidated_by.days(run, parameters, warehouse)
        return SliceOutput(self.function(**_arguments(self.function, {**parameters, "days": days})), days)

    def _compute(self, given: Mapping[str, Any]) -> Callable[..., Any]:
        def compute(context: dg.AssetExecutionContext, **tables: ir.Table) -> Any:  # noqa: ANN401 (Dagster reads it)
            days = days_of(context) if self.contract.day_column else Days(())
            resources = {name: getattr(context.resources, name) for name in self._resources(given)}
            return self.output(days, {**given, **resources, **tables}, context.resources.warehouse)

        parameters = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("context", *self.reads)
        ]
        compute.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        compute.__name__ = self.contract.name
        compute.__annotations__ = {"context": dg.AssetExecutionContext}
        return compute

    def _resources(self, given: Mapping[str, Any]) -> set[str]:
        asked = set(inspect.signature(self.function).parameters)
        if self.invalidated_by:
            asked |= set(inspect.signature(self.invalidated_by.function).parameters) - set(self.invalidated_by.reads)
        return (asked - set(given) - set(self.reads) - {"days"}) | {"warehouse"}


def table_asset(
    contract: type[Table],
    *,
    invalidated_by: Invalidation | None = None,
    automation: dg.AutomationCondition[dg.AssetKey | dg.AssetCheckKey] | None = None,
    deps: tuple[dg.AssetKey, ...] = (),
    **reads: Reads | type[Table],
) -> Callable[[Callable[..., Any]], TableAsset]:
    """Declare that the function computes the table of `contract` from the tables of `reads`, and from no other.

    The function's parameters are the names of `reads`, `days` (the days to compute), and what `definitions.py` gives to
    all: its `rules` and its resources, by name.

    Args:
        contract: What the function returns.
        invalidated_by: For a table whose other days also change with a day's input: what returns those days. They are
            computed and replaced together with the run's own.
        automation: When Dagster computes it by itself.
        deps: Assets that must be up to date before and are not read.
        reads: Upstream tables by parameter name.
    """
    ins = {name: one if isinstance(one, Reads) else Reads(one) for name, one in reads.items()}
    return lambda function: TableAsset(function, contract, ins, invalidated_by, deps, automation)


def _arguments(function: Callable[..., ir.Table], parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: parameters[name] for name in inspect.signature(function).parameters}


def days_of(context: dg.AssetExecutionContext) -> Days:
    """Return the days that a step is about; none where it is about a whole table."""
    if not context.has_partition_key and not context.has_partition_key_range:
        return Days(())
    window = context.partition_time_window
    return Days.between(window.start.date(), window.end.date())


class ListedDays(dg.DailyPartitionsDefinition):
    """Dagster's daily partitions, whose keys are listed once and not for every step.

    Dagster lists all keys whenever a step reads a partitioned table as a whole, as every check does, and walks a cron
    schedule to do it: some 30 ms for fifteen years, twice what most checks take.
    """

    def get_partition_keys(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: Any = None,  # noqa: ANN401 (Dagster's own, which days have no use for)
    ) -> Sequence[str]:
        """Return every day's key, from the first to the newest."""
        with partition_loading_context(current_time, dynamic_partitions_store):
            first, last = self.get_first_partition_key(), self.get_last_partition_key()
        return list(_keys(first, last)) if first and last else []


@lru_cache(maxsize=16)
def _keys(first: str, last: str) -> tuple[str, ...]:
    start = date.fromisoformat(first)
    count = (date.fromisoformat(last) - start).days + 1
    return tuple((start + timedelta(days=number)).isoformat() for number in range(count))
