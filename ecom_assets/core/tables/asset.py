"""The `@table_asset` decorator: a plain function on Ibis tables becomes a Dagster asset.

The decorator reads no settings. `definitions.py` builds the Dagster assets from its result.

Terms: docs/glossary.md#days-of-the-run, #invalidated_by and #follows.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Literal, Protocol, TypedDict

import dagster as dg
import ibis
import ibis.expr.types as ir

from ecom_assets.core.clock import now_utc
from ecom_assets.core.errors import UnavailableError, UsageError
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.code_version import code_version
from ecom_assets.core.tables.computations import (
    ComparedInputs,
    ComputedOutput,
    RequestedComputation,
)
from ecom_assets.core.tables.computed import computed
from ecom_assets.core.tables.contract import Contract, group_of, owner_of
from ecom_assets.core.tables.days import Days, OtherDays, listed_days
from ecom_assets.core.tables.portable import rows_of, union_all, unordered_rows_of
from ecom_assets.core.tables.received import SliceOutput, VisitorRows
from ecom_assets.core.tables.rule_of_data import resolved_rule


def asset_key(contract: Contract) -> dg.AssetKey:
    """Return the asset key of a table: its layer and its name."""
    return dg.AssetKey([contract.layer, contract.name])


WHOLE_TABLE = "ecom/whole_table"
DAYS_AROUND = "ecom/days_around"
"""The metadata of an input: how many days before and after those of the run it reads, too."""
PARTITION = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
"""Dagster's tags of a run over one day, or over several."""
MAX_RETRIES = "dagster/max_retries"
"""Dagster's tag with how often a failed run is repeated.

It is "0" in runs of `ecom run`, for which somebody waits.
"""
STEP_RETRIES = 3
STEP_RETRY_WAIT_S = 300
"""How often, and after how many seconds, a step is repeated whose source does not answer."""


def column_schema(contract: Contract) -> dg.TableSchema:
    """Return the contract as Dagster's column schema: all that it says about its columns."""
    key = f"key: {', '.join(contract.key)}" if contract.key else "no key: rows can repeat"
    return dg.TableSchema(
        constraints=dg.TableConstraints(other=[key]),
        columns=[
            dg.TableColumn(
                name=name,
                type=column.type,
                description=column.description + (f" [{column.unit}]" if column.unit else ""),
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable,
                    unique=contract.key == (name,),
                    other=list(column.limits),
                ),
                tags={"pii": ""} if column.pii else {},
            )
            for name, column in contract.columns.items()
        ],
    )


Condition = dg.AutomationCondition[dg.AssetKey | dg.AssetCheckKey]
SALES = dg.AssetKey(["mart", "sales"])
RETENTION = dg.AssetKey(["mart", "customer_retention"])
PUBLICATION = dg.AssetKey(["serving", "postgres_marts"])
SNAPSHOT = dg.AssetKey(["serving", "marts"])
AUTOMATED = frozenset((RETENTION, PUBLICATION, SNAPSHOT))
"""Assets with an automation condition; the jobs of single sources leave them out."""


def follows_sales() -> Condition:
    """Return the condition that requests days of sales that a run without this asset computed."""
    return _settled(
        dg.AutomationCondition.any_deps_updated().allow(dg.AssetSelection.assets(SALES))
    )


def follows_marts() -> Condition:
    """Return the condition that requests an asset once all its upstream marts are up to date.

    So the marts agree.
    """
    on = dg.AutomationCondition
    # `will_be_requested` holds only for assets that can be in the same run. An asset without
    # partitions cannot.
    weekly_mart_is_due = on.any_deps_match(follows_sales()).allow(
        dg.AssetSelection.assets(RETENTION)
    )
    return _settled(on.any_deps_updated()) & ~weekly_mart_is_due


AGAIN: Final = "15 */6 * * *"
"""When an automated asset whose last run failed is requested again, in UTC."""


def _settled(updated: Condition) -> Condition:
    on = dg.AutomationCondition
    # A run that dies would leave its days as they are until others come.
    is_time: Condition = on.cron_tick_passed(AGAIN)
    due = updated.since_last_handled() | (is_time & on.execution_failed())
    return due & ~on.any_deps_in_progress() & ~on.in_progress()


@dataclass(frozen=True)
class Reads:
    """How much of an upstream table an asset reads: days around its own, or the whole table.

    `of_all_visitors`: the rows of all visitors, also where only those of some are computed: the
    table says whose other rows are.
    """

    contract: Contract
    days_before: int = 0
    days_after: int = 0
    whole: bool = False
    of_all_visitors: bool = False

    def select(self, table: ir.Table, days: Days) -> ir.Table:
        """Return what an asset that computes `days` reads of the whole table."""
        if self.whole or self.contract.day_column is None or not days.dates:
            return table
        near = days.widened(before=self.days_before, after=self.days_after)
        return table.filter(near.contain(table[self.contract.day_column]))

    def asset_in(self, *, whole: bool) -> dg.AssetIn:
        """Return the Dagster input: the upstream key and the days that are read, or all rows.

        The days around its own are no partition mapping: a backfill would run them, too, each
        distance in a run of its own.
        """
        mapping = dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)
        return dg.AssetIn(
            key=asset_key(self.contract),
            partition_mapping=mapping,
            metadata={
                WHOLE_TABLE: self.whole or whole,
                DAYS_AROUND: [self.days_before, self.days_after],
            },
        )


class Tables(Protocol):
    """What whole tables are read from: the warehouse."""

    def table(self, contract: Contract) -> ir.Table:
        """Return a whole table, lazily, in the engine."""

    def readable(self, contract: Contract) -> ir.Table:
        """Return a whole table, lazily."""

    def loaded_days(self, raw: Contract, days: Days | None) -> Days:
        """Return those of some days, or of all, that a run has loaded into a raw table."""

    def late_days(self, raw: Contract, days: Days) -> Days:
        """Return the other days that late rows of a raw table count for.

        These are rows that arrived on `days`, and that a run left out.
        """

    def compared_inputs(self, computation: RequestedComputation) -> ComparedInputs | None:
        """Return whether something has to be computed again; None if that cannot be known."""

    @property
    def replaces_visitors(self) -> bool:
        """Return whether a slice can replace rows of some visitors on other days, too."""


@dataclass(frozen=True)
class Invalidation:
    """A function that returns the days whose rows a run changes, with the tables that it reads.

    The function returns the days in a column `day`. It reads the whole tables from the warehouse.
    The tables are not inputs of the assets that recompute the days, because none of their rows is
    in the result.
    """

    function: Callable[..., ir.Table]
    reads: Mapping[str, Contract] = field(default_factory=dict)
    only_with_rows_of: Sequence[tuple[str, str]] = ()
    """The tables and their columns of days without which no other day can be found.

    Where none has a row on a day that the run does not compute, as in the first run over all days,
    nothing is asked: to write such a statement takes longer than to run it.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> ir.Table:  # noqa: ANN401 (as the function itself)
        """Return the days, without Dagster."""
        return self.function(*args, **kwargs)

    def rows(self, run: Days, parameters: NamedValues, warehouse: Tables) -> ir.Table:
        """Return what the function does for the run's days."""
        return computed(self.function, self._arguments_of(run, parameters, warehouse))

    def expression(self, run: Days, parameters: NamedValues, warehouse: Tables) -> ir.Table:
        """Return the same, built now, as a part of other expressions."""
        rows: ir.Table = self.function(**self._arguments_of(run, parameters, warehouse))
        return rows

    def _arguments_of(
        self, run: Days, parameters: NamedValues, warehouse: Tables
    ) -> dict[str, Any]:
        tables = {name: warehouse.readable(contract) for name, contract in self.reads.items()}
        return _arguments(self.function, {**parameters, **tables, "days": run})

    def days(self, run: Days, parameters: NamedValues, warehouse: Tables) -> Days:
        """Return the run's days and the days that the run invalidates."""
        if self.only_with_rows_of and not self._has_other_days(run, warehouse):
            return run
        changed = self.rows(run, parameters, warehouse)
        return Days.from_dates([*run.dates, *(row["day"] for row in unordered_rows_of(changed))])

    def _has_other_days(self, run: Days, warehouse: Tables) -> bool:
        others = OtherDays(run)
        parts = []
        for name, column in self.only_with_rows_of:
            rows = warehouse.readable(self.reads[name])
            parts.append(rows.filter(others.contain(rows[column])).limit(1).select(day=column))
        return has_rows(union_all(*parts))


def invalidation(
    only_with_rows_of: Sequence[tuple[str, str]] = (), **reads: Contract
) -> Callable[[Callable[..., ir.Table]], Invalidation]:
    """Declare a function that returns which days of a table must be computed again.

    The function takes the names of `reads`, `days` (the days of the run), rules and resources as
    parameters. It returns the days in a column `day`. Pass the result to
    `@table_asset(invalidated_by=…)`. See `Invalidation` for `only_with_rows_of`.
    """
    return lambda function: Invalidation(function, reads, only_with_rows_of)


@dataclass(frozen=True)
class Presence:
    """A function that returns whether a table can have any row, with the tables that it reads."""

    function: Callable[..., bool]
    reads: Mapping[str, Contract] = field(default_factory=dict)

    def holds(self, parameters: NamedValues, warehouse: Tables) -> bool:
        """Return what the function does."""
        tables = {name: warehouse.readable(contract) for name, contract in self.reads.items()}
        return self.function(**_arguments(self.function, {**parameters, **tables}))


def presence(**reads: Contract) -> Callable[[Callable[..., bool]], Presence]:
    """Declare a function that returns whether a table can have any row.

    The function takes the names of `reads`, rules and resources as parameters. Pass the result to
    `@table_asset(empty_unless=…)`.
    """
    return lambda function: Presence(function, reads)


def has_rows(table: ir.Table) -> bool:
    """Return whether a table has any row."""
    return bool(unordered_rows_of(table.limit(1).select(is_there=ibis.literal(value=True))))


Following = Literal["days", "visitors", "groups"]
"""What a table computes again where events of other days have another visitor since.

`days`: these days. `visitors`: the rows of the visitors concerned, as a row has data of one visitor
only, whose id it has. `groups`: the days on which visitors have more than another id, as a row
counts events, visits or visitors of one day, whatever the visitors are called.
"""


@dataclass(frozen=True)
class TableAsset:
    """A function that computes a table, and the tables that it reads.

    The function returns an Ibis table, or another type that the IO manager accepts.
    """

    function: Callable[..., Any]
    contract: Contract
    reads: Mapping[str, Reads] = field(default_factory=dict)
    """The tables whose rows are in the result, by parameter name.

    They are the inputs in Dagster.
    """
    invalidated_by: Invalidation | None = None
    deps: tuple[dg.AssetKey, ...] = ()
    """Assets that must be up to date first, although the function does not read them.

    Most are tables that the checks compare the result with: without this order, the checks of a run
    over the table and everything upstream would fail. Others decide which days are invalid, where
    no input is downstream of them.
    """
    automation: Condition | None = None
    """When Dagster requests the asset automatically, in addition to the jobs that it is part of."""
    loaded_from: Contract | None = None
    """The raw table from which a day's rows come.

    Days that no run has loaded into it are not computed: those of their rows that arrived on other
    days are only a part.
    """
    late: Contract | None = None
    """The raw table whose late rows change other days than those on which they arrived.

    These count as days of the run.
    """
    widened_by: Invalidation | None = None
    """Returns the other days that the run changes in what this table is computed from.

    They count as days of the run, so that `invalidated_by` is called with them too.
    """
    follows: Following = "days"
    """What is computed again where the run changed visitors of other days."""
    only_visitors: Invalidation | None = None
    """Returns, in `visitor_id`, whose rows change on the days of `widened_by`; None for whole days.
    """
    outdated_by: Invalidation | None = None
    """Returns which of these days have no rows by the current definition.

    They are computed as a whole: with the rows of some visitors, their counts would be too small.
    """

    empty_unless: Presence | None = None
    """Whether the table can have a row. If not, it is emptied, and nothing is computed."""

    does_without_answer: bool = False
    """Whether what follows goes on with the rows that are there where the source does not answer.

    A check says so, and the run fails by it.
    """
    also_reads: tuple[Contract, ...] | None = None
    """The tables that the function reads through the `warehouse` that it takes.

    None if it may read anything: it is called each time.
    """

    @property
    def key(self) -> dg.AssetKey:
        """Return the asset key: the layer and the name of the table."""
        return asset_key(self.contract)

    @property
    def is_widened(self) -> bool:
        """Return whether it may compute more days than those of the run, by stored rows."""
        return bool(self.late or self.widened_by) and self.contract.day_column is not None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (as the function itself)
        """Compute the table, without Dagster."""
        return self.function(*args, **kwargs)

    def build(
        self,
        daily: dg.PartitionsDefinition,
        dependencies: NamedValues,
        pool: str | None = None,
        kinds: Set[str] = frozenset(("ibis", "table")),
    ) -> dg.AssetsDefinition:
        """Return the Dagster asset.

        Functions can take the `dependencies` by parameter name, in addition to tables and `days`.
        Runs whose steps share a `pool` take turns. Dagster's graph shows at most three `kinds`.
        """
        # The version of the definition, with the rules that the functions take.
        names = self._taken()
        rules = {name: value for name, value in dependencies.items() if name in names}
        return dg.asset(
            key=self.key,
            description=self.contract.description(),
            ins={
                name: reads.asset_in(whole=self.is_widened or not self.contract.day_column)
                for name, reads in self.reads.items()
            },
            deps=self.deps,
            automation_condition=self.automation,
            partitions_def=daily,
            backfill_policy=dg.BackfillPolicy.single_run(),
            code_version=code_version(self._functions(), rules),
            group_name=self.contract.group,
            owners=[self.contract.owner],
            kinds=set(kinds),
            metadata={
                "dagster/column_schema": column_schema(self.contract),
                "dagster/table_name": self.contract.qualified_name(),
                **code_of(self.function),
            },
            io_manager_key="io_manager",
            required_resource_keys=self._resources(dependencies),
            pool=pool,
            dagster_type=dg.Any,
        )(self._compute(dependencies))

    def output(self, run: Days, parameters: NamedValues, warehouse: Tables) -> Any:  # noqa: ANN401 (as the function)
        """Return the table on the days of a run and on the days that the run invalidates.

        A table that is not partitioned by day has no days. `parameters` are the tables of `reads`,
        rules and resources. A function that takes `run_days` gets the days of the run, beside
        `days`.
        """
        taken = self._taken()
        parameters = {
            # Only what a function takes: a rule of data reads all rows of a table.
            name: resolved_rule(rule, warehouse.readable, rows_of) if name in taken else rule
            for name, rule in parameters.items()
        }
        if self.empty_unless and not self.empty_unless.holds(parameters, warehouse):
            # No rows for the days of a run, and for all others that have some.
            table, day = warehouse.table(self.contract), self.contract.day_column
            if day is None:
                return table.limit(0)
            stored = unordered_rows_of(table.select(day=day).distinct())
            return SliceOutput(
                table.limit(0), Days.from_dates([*run.dates, *(row["day"] for row in stored)])
            )
        run = self._with_late_days(run, warehouse)
        parameters = {**parameters, "run_days": run, "only_visitors": None}
        wider = self._with_days_changed_upstream(run, parameters, warehouse)
        if wider != run and self.only_visitors is not None and warehouse.replaces_visitors:
            return self._with_visitors(run, wider, parameters, warehouse)
        return self._of_days(wider, parameters, warehouse)

    def _with_late_days(self, run: Days, warehouse: Tables) -> Days:
        """Return the days of a run, and those that its late rows count for."""
        if self.late is None or self.contract.day_column is None:
            return run
        return Days.from_dates([*run.dates, *warehouse.late_days(self.late, run).dates])

    def _with_days_changed_upstream(
        self, run: Days, parameters: NamedValues, warehouse: Tables
    ) -> Days:
        """Return the days of a run, and those on which it changes tables that this one is from."""
        if self.widened_by is None or self.contract.day_column is None:
            return run
        return self.widened_by.days(run, parameters, warehouse)

    def _with_visitors(
        self, run: Days, wider: Days, parameters: NamedValues, warehouse: Tables
    ) -> SliceOutput:
        """Return the table on the days of a run,
        and the rows of the visitors concerned on the others.
        """
        # The days of this table on which anything changes, as far as they are loaded.
        days = (
            self.invalidated_by.days(wider, parameters, warehouse) if self.invalidated_by else wider
        )
        changed = warehouse.loaded_days(self.loaded_from, days) if self.loaded_from else days
        whole = self._days_as_a_whole(run, changed, parameters, warehouse)
        computed = self._of_days(whole, parameters, warehouse)
        output = computed if isinstance(computed, SliceOutput) else SliceOutput(computed, whole)
        in_part = Days.from_dates(set(changed.dates) - set(output.days.dates))
        if not in_part.dates:
            return output
        # A range of days, of which those between come out as they were: one statement serves any
        # set of days.
        span = Days.between(in_part.first, in_part.end)
        span = Days.from_dates(set(span.dates) - set(output.days.dates))
        # In `visitor_id`, whose rows a run changes on days that it does not compute.
        assert self.only_visitors is not None  # noqa: S101 (the caller looks)
        visitors = self.only_visitors.expression(whole, parameters, warehouse)
        # The table's rows of some visitors on some days.
        tables = {
            name: reads.select(
                parameters[name]
                if reads.of_all_visitors
                else _of_visitors(parameters[name], visitors),
                span,
            )
            for name, reads in self.reads.items()
        }
        inputs = {**parameters, **tables, "days": span, "only_visitors": visitors}
        rows = _of_visitors(self.function(**_arguments(self.function, inputs)), visitors)
        return replace(output, also=VisitorRows(rows, visitors, span, in_part))

    def _days_as_a_whole(
        self, run: Days, changed: Days, parameters: NamedValues, warehouse: Tables
    ) -> Days:
        """Return the days that are computed with all visitors:
        those of the run, and those that have no rows by the definition of now.
        """
        if self.outdated_by is None or not changed.dates:
            return run
        outdated = unordered_rows_of(self.outdated_by.rows(changed, parameters, warehouse))
        return Days.from_dates([*run.dates, *(row["day"] for row in outdated)])

    def _of_days(self, run: Days, parameters: NamedValues, warehouse: Tables) -> Any:  # noqa: ANN401 (as `output`)
        if self.is_widened:
            of_run = {
                name: reads.select(parameters[name], run) for name, reads in self.reads.items()
            }
            parameters = {**parameters, **of_run}
        days = self.invalidated_by.days(run, parameters, warehouse) if self.invalidated_by else run
        whole = (
            warehouse.loaded_days(self.loaded_from, days)
            if self.loaded_from and self.contract.day_column
            else days
        )
        if days.dates and not whole.dates:
            return SliceOutput(
                warehouse.table(self.contract).limit(0),
                whole,
                warning=_not_loaded(self.loaded_from, days),
            )
        arguments = _arguments(self.function, {**parameters, "days": whole})
        rows = computed(self.function, arguments, self.contract)
        if isinstance(rows, SliceOutput):  # it says itself which days it has
            return rows
        if whole != days:
            rows = rows.filter(whole.contain(rows[self.contract.day_column]))
            missing = Days.from_dates(set(days.dates) - set(whole.dates))
            return SliceOutput(rows, whole, warning=_not_loaded(self.loaded_from, missing))
        return SliceOutput(rows, days) if self.invalidated_by or self.is_widened else rows

    def _compute(self, dependencies: NamedValues) -> Callable[..., Any]:
        def compute(context: dg.AssetExecutionContext, **tables: ir.Table) -> Any:  # noqa: ANN401 (Dagster reads it)
            days = days_of(context) if self.contract.day_column else Days(())
            resources = {
                name: getattr(context.resources, name) for name in self._resources(dependencies)
            }
            warehouse = context.resources.warehouse
            parameters = {**dependencies, **resources, **tables}
            with tried_again_later(context):
                try:
                    compared = self.compared_inputs(days, parameters, warehouse)
                    if (
                        compared is not None
                        and compared.are_unchanged
                        and (
                            context.instance.get_latest_materialization_event(self.key) is not None
                        )
                    ):
                        return ComputedOutput(None, compared)
                    output = self.output(days, parameters, warehouse)
                    return output if compared is None else ComputedOutput(output, compared)
                except UnavailableError as error:
                    if not self.does_without_answer or _is_tried_again(context):
                        raise
                    return _unanswered(warehouse.table(self.contract), days, error)

        parameters = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            for name in ("context", *self.reads)
        ]
        compute.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        compute.__name__ = self.contract.name
        compute.__annotations__ = {"context": dg.AssetExecutionContext}
        return compute

    def compared_inputs(
        self, run: Days, parameters: NamedValues, warehouse: Tables
    ) -> ComparedInputs | None:
        """Return whether the table has to be computed again; None if that cannot be known."""
        parts = [part for part in self._asking() if part]
        read = {name: reads.contract for name, reads in self.reads.items()}
        taken = self._taken()
        if not self.reads or ("warehouse" in taken and self.also_reads is None):
            return None
        run = self._with_late_days(run, warehouse)
        rules = {
            name: resolved_rule(rule, warehouse.readable, rows_of)
            for name, rule in parameters.items()
            if name in taken
        } | {"days": run, "run_days": run, "only_visitors": None, "warehouse": None}
        calls = []
        for function, tables in (
            (self.function, read),
            *((part.function, part.reads) for part in parts),
        ):
            whole = {name: warehouse.table(contract) for name, contract in tables.items()}
            calls.append((function, _arguments(function, {**rules, **whole})))
        tables_read = {*read.values(), *(self.also_reads or ())}
        tables_read |= {contract for part in parts for contract in part.reads.values()}
        return warehouse.compared_inputs(
            RequestedComputation(
                self.contract, calls, frozenset(tables_read), run, self.loaded_from
            )
        )

    def _asking(self) -> tuple[Invalidation | Presence | None, ...]:
        """Return what says which days, visitors and rows are computed."""
        of_days = (self.invalidated_by, self.widened_by, self.only_visitors, self.outdated_by)
        return (*of_days, self.empty_unless)

    def _functions(self) -> list[Callable[..., Any]]:
        """Return the functions that compute the table, its days and its visitors."""
        return [self.function, *(part.function for part in self._asking() if part)]

    def _taken(self) -> set[str]:
        """Return the names of the parameters of these functions."""
        return {
            name
            for function in self._functions()
            for name in inspect.signature(function).parameters
        }

    def _resources(self, dependencies: NamedValues) -> set[str]:
        names = set(inspect.signature(self.function).parameters)
        asked: tuple[Invalidation | Presence | None, ...] = (self.invalidated_by, self.empty_unless)
        for part in asked:
            if part:
                names |= set(inspect.signature(part.function).parameters) - set(part.reads)
        return (
            names - set(dependencies) - set(self.reads) - {"days", "run_days", "only_visitors"}
        ) | {"warehouse"}


def _unanswered(rows: ir.Table, days: Days, error: UnavailableError) -> SliceOutput:
    """Return that a table keeps its rows, as its source did not answer."""
    warning = f"{error} The table keeps its rows, and what follows is computed from these."
    nothing = SliceOutput.nothing(rows.limit(0), str(error))
    return replace(nothing, warning=warning, unanswered=Days((days.dates[-1],)))


def _is_tried_again(context: dg.AssetExecutionContext) -> bool:
    """Return whether Dagster repeats the step if its source does not answer."""
    is_waited_for = context.run.tags.get(MAX_RETRIES) == "0"
    return not is_waited_for and context.retry_number < STEP_RETRIES


@contextmanager
def tried_again_later(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> Iterator[None]:
    """Let Dagster repeat a step whose source does not answer, if nobody waits for the run.

    Only this is repeated: a wrong key, a wrong address or an answer of another form stays wrong.
    Requests themselves were repeated before, for seconds.
    """
    try:
        yield
    except UnavailableError as error:
        if context.run.tags.get(MAX_RETRIES) == "0":
            raise
        raise dg.RetryRequested(
            max_retries=STEP_RETRIES, seconds_to_wait=STEP_RETRY_WAIT_S
        ) from error


def code_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the metadata by which Dagster shows where an asset is computed.

    Dagster's own `with_source_code_references` would point to this file, and parses each file that
    it points to.
    """
    code = function.__code__
    reference = dg.LocalFileCodeReference(
        file_path=code.co_filename, line_number=code.co_firstlineno
    )
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}


class AssetSubject(TypedDict):
    """Arguments of `dg.asset`: the group and the owner of its subject, and where its code is."""

    group_name: str
    owners: list[str]
    metadata: dict[str, Any]
    code_version: str


def subject_of(function: Callable[..., Any]) -> AssetSubject:
    """Return the subject of an asset that is no table, by the function that declares it."""
    group = group_of(function.__module__)
    return {
        "group_name": group,
        "owners": [owner_of(group)],
        "metadata": code_of(function),
        "code_version": code_version([function], {}),
    }


def _not_loaded(raw: Contract | None, days: Days) -> str:
    assert raw is not None  # noqa: S101 (only days of such assets can be missing)
    return (
        f"{listed_days(days)} left as before, since {raw.qualified_name()} was never loaded of "
        f"it; materialize {asset_key(raw).to_user_string()} of these days first, then what is "
        "computed from it."
    )


def table_asset(  # noqa: PLR0913 (each is declared by name)
    contract: Contract,
    *,
    invalidated_by: Invalidation | None = None,
    automation: Condition | None = None,
    deps: tuple[dg.AssetKey, ...] = (),
    follows: Following = "days",
    outdated_by: Invalidation | None = None,
    empty_unless: Presence | None = None,
    does_without_answer: bool = False,
    also_reads: tuple[Contract, ...] | None = None,
    **reads: Reads | Contract,
) -> Callable[[Callable[..., Any]], TableAsset]:
    """Declare that the function computes the table of `contract` from the tables of `reads` only.

    The function takes as parameters the names of `reads`, `days` (the days to compute), and any
    rule or resource that `definitions.py` passes to all functions, by name. Where new input for one
    day changes other days of the table too, `invalidated_by` returns those days: they are computed
    and replaced together with the days of the run. See `TableAsset` for the others.
    """
    ins = {name: read if isinstance(read, Reads) else Reads(read) for name, read in reads.items()}
    return lambda function: TableAsset(
        function,
        contract,
        ins,
        invalidated_by,
        deps,
        automation,
        follows=follows,
        outdated_by=outdated_by,
        empty_unless=empty_unless,
        does_without_answer=does_without_answer,
        also_reads=also_reads,
    )


def _of_visitors(rows: ir.Table, visitors: ir.Table) -> ir.Table:
    """Return the rows of some visitors; all rows of a table without visitors."""
    return rows.semi_join(visitors, "visitor_id") if "visitor_id" in rows.columns else rows


def _arguments(function: Callable[..., ir.Table], parameters: NamedValues) -> dict[str, Any]:
    return {name: parameters[name] for name in inspect.signature(function).parameters}


def days_of(context: dg.AssetExecutionContext) -> Days:
    """Return the days that a step computes, of an asset with partitions.

    Raises:
        UsageError: The run has no days.
    """
    is_over_days = context.has_partition_key or context.has_partition_key_range
    window = context.partition_time_window if is_over_days else None
    days = Days.between(window.start.date(), window.end.date()) if window else Days(())
    return require_days(days)


def require_days(days: Days) -> Days:
    """Return the days of a run over tables that are cut by day.

    Raises:
        UsageError: There are none, so that what is written would replace whole tables.
    """
    if not days.dates:
        raise UsageError(f"Nothing was written: {name_the_days(now_utc().date())}")
    return days


def name_the_days(today: date) -> str:
    """Return the sentence that says how a run is started over days; `today` dates its examples."""
    day, week = today - timedelta(days=1), today - timedelta(days=7)
    return (
        f"these tables are cut by day, so name the days: --partition {day}, or several with "
        f"--partition-range {week}...{day}, or where a command has neither --tags "
        f'\'{{"{PARTITION}": "{day}"}}\'; `ecom run --select` takes the days of the data by itself.'
    )


class ListedDays(dg.DailyPartitionsDefinition):
    """Dagster's daily partitions, with keys that are listed once instead of in every step.

    Dagster lists all keys whenever a step reads a whole partitioned table, as every check does. It
    iterates over a cron schedule to list them: about 30 ms for fifteen years, twice as long as most
    checks take.
    """

    def get_partition_keys(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: Any = None,  # noqa: ANN401 (Dagster's own, which days have no use for)
    ) -> Sequence[str]:
        """Return every day's key, from the first to the newest."""
        with dg.partition_loading_context(current_time, dynamic_partitions_store):
            first, last = self.get_first_partition_key(), self.get_last_partition_key()
        return list(_keys(first, last)) if first and last else []


@lru_cache(maxsize=16)
def _keys(first: str, last: str) -> tuple[str, ...]:
    start = date.fromisoformat(first)
    count = (date.fromisoformat(last) - start).days + 1
    return tuple((start + timedelta(days=number)).isoformat() for number in range(count))
