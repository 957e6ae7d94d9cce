"""The `@check` decorator: a named check of a table on the days of a run, with failing rows.

A check that cannot read its tables raises. It never reports an outage as bad data, and never passes
unread data. The checks of a table that can be evaluated at the same moment are one step of
Dagster's and mostly one statement: a step costs about 15 ms, several times what most checks take,
and a statement of a warehouse elsewhere more.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import partial, reduce
from operator import itemgetter, or_
from typing import Any

import dagster as dg
import ibis.expr.types as ir

from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.tables.asset import PARTITION, RANGE_END, RANGE_START, TableAsset, asset_key
from ecom_assets.core.tables.computations import ComparedInputs, RequestedComputation
from ecom_assets.core.tables.computed import computed
from ecom_assets.core.tables.contract import HIDDEN, Contract
from ecom_assets.core.tables.days import Days, days_of_spans, span_text
from ecom_assets.core.tables.portable import has_kernels, numbered, rows_of, unordered_rows_of
from ecom_assets.core.tables.received import NO_DAYS

PARTS = "ecom/parts"
"""The tag that lists the days of all runs that a run is split into.

A run is split where weeks have no rows. Its value is like
`2026-01-03/2026-01-05,2026-03-01/2026-03-01`.
"""
EXAMPLES = 5
HELD_DAYS = "held_days"
"""The metadata key under which a check lists all held days, including those of other runs."""


@dataclass(frozen=True)
class CheckResult:
    """The result of a check: how many rows fail, out of how many it looked at, and a few examples.

    A check of a single number sets `observed` and `limit`. By default these are the number of
    failing rows and zero. If `metadata` has a `sentence`, it is shown in place of the check's
    description: what was seen, and what to do.
    """

    broken_count: int
    looked_at_count: int
    examples: list[Row] = field(default_factory=list)
    observed: int | None = None
    limit: int = 0
    metadata: NamedValues = field(default_factory=dict)
    """More metadata to report with the result, by name."""


@dataclass(frozen=True)
class BrokenRows:
    """A check of rows that is not evaluated yet: the rows that fail, and those that it looks at."""

    broken: ir.Table
    looked_at: ir.Table

    def counts(self) -> ir.Table:
        """Return how many rows these are, in one row."""
        # One query for both: `broken` is usually a subset of `looked_at`, so Ibis compiles the
        # common part once.
        broken = self.broken.agg(broken=self.broken.count())
        return broken.cross_join(self.looked_at.agg(looked_at=self.looked_at.count()))

    def broken_rows(self) -> ir.Table:
        """Return the rows that fail."""
        return self.broken


@dataclass(frozen=True)
class CheckCounts:
    """How many rows fail and how many a check looks at, not counted yet, with what lists them."""

    rows: ir.Table
    broken_rows: Callable[[], ir.Table]

    def counts(self) -> ir.Table:
        """Return how many rows these are, in one row."""
        return self.rows


def counted(checks: Sequence[BrokenRows | CheckCounts]) -> list[CheckResult]:
    """Return the results of several checks, counted by one statement, with failing examples."""
    rows = unordered_rows_of(numbered([check.counts() for check in checks]))
    return [
        CheckResult(
            row["broken"],
            row["looked_at"],
            rows_of(check.broken_rows().limit(EXAMPLES)) if row["broken"] else [],
        )
        for check, row in zip(checks, sorted(rows, key=itemgetter("number")), strict=True)
    ]


Evaluate = Callable[..., CheckResult | BrokenRows]
"""The function of a check, of the run's days (None for all), whole tables and the source."""


@dataclass(frozen=True)
class TableCheck:
    """A check of a contract's table.

    `function` takes the run's days, the `tables`, and the resource `source` if there is one. A
    check that `warns` does not fail the run. With `loaded_from`, it looks only at days that a run
    has loaded into that table: the others were not computed, see `TableAsset.loaded_from`. If it
    `sees_parts`, the function also takes `parts`: the days of all parts of a run that is split,
    else None.
    """

    contract: Contract
    name: str
    description: str
    function: Evaluate
    tables: tuple[Contract, ...]
    blocking: bool = False
    warns: bool = False
    source: str = ""
    loaded_from: Contract | None = None
    sees_parts: bool = False

    @property
    def other_tables(self) -> frozenset[Contract]:
        """Return the tables that it compares its own table with, as far as assets write them."""
        return frozenset(
            table
            for table in self.tables
            if table.written_by == "asset" and table is not self.contract
        )

    @property
    def spec(self) -> dg.AssetCheckSpec:
        """Return the Dagster check."""
        return dg.AssetCheckSpec(
            self.name,
            asset=asset_key(self.contract),
            description=self.description,
            blocking=self.blocking,
            # Without these, a run could read a table before the same run has updated it.
            additional_deps=sorted(asset_key(table) for table in self.other_tables),
        )

    def evaluate(self, days: Days | None, *parameters: Any) -> CheckResult:  # noqa: ANN401 (tables, and the source)
        """Return the result for some days (None for all) of the whole tables and the source."""
        outcome = self._outcome(days, *parameters)
        return counted([outcome])[0] if isinstance(outcome, CheckCounts) else outcome

    def _outcome(self, days: Days | None, *tables: Any, **more: Any) -> CheckResult | CheckCounts:  # noqa: ANN401 (as `evaluate`)
        """Return the result, or the rows whose number is the result."""
        outcome: Any = computed(*self._call(days, *tables, **more))
        if isinstance(outcome, CheckResult):
            return outcome
        built: Callable[..., Any] = self.function
        return CheckCounts(outcome, lambda: built(days, *tables, **more).broken)

    def _call(
        self,
        days: Days | None,
        *tables: Any,  # noqa: ANN401 (as `evaluate`)
        **more: Any,  # noqa: ANN401 (as `evaluate`)
    ) -> tuple[Callable[..., Any], dict[str, Any]]:
        """Return the function that is called, with its arguments by name."""
        arguments = {f"table_{number}": table for number, table in enumerate(tables)}
        return partial(_counts_or_result, self.function), {"days": days, **arguments, **more}

    def begin(
        self,
        tags: Mapping[str, str],
        resources: Any,  # noqa: ANN401 (Dagster makes the type)
        *,
        may_be_left: bool = False,
    ) -> tuple[CheckResult | CheckCounts, ComparedInputs | None]:
        """Return the result for a Dagster step, or the rows whose number is the result.

        Where it `may_be_left`, a check that passed over the same rows passes again. Else its
        inputs are returned with what has to be counted, to be noted if the check passes.
        """
        days, warehouse = days_of_run(tags), resources.warehouse
        tables = [warehouse.readable(table) for table in self.tables]
        sources = [getattr(resources, self.source)] if self.source else []
        if self.loaded_from:
            days = warehouse.loaded_days(self.loaded_from, days)
        parts = {"parts": days_of_spans(tags[PARTS])} if self.sees_parts and PARTS in tags else {}
        if days == NO_DAYS:
            return CheckResult(0, 0), None
        compared = None
        if may_be_left and not sources:
            call = self._call(days, *map(warehouse.table, self.tables), **parts)
            of_days = NO_DAYS if days is None else days
            compared = warehouse.compared_inputs(
                RequestedComputation(
                    self.contract,
                    [call],
                    frozenset(self.tables),
                    of_days,
                    self.loaded_from,
                    self.name,
                )
            )
        if compared is not None and compared.are_unchanged:
            return CheckResult(0, compared.looked_at_count), None
        return self._outcome(days, *tables, *sources, **parts), compared

    def reported(self, result: CheckResult, days: Days | None = None) -> dg.AssetCheckResult:
        """Return a result as Dagster stores it, with the days that it is about (None for all)."""
        return dg.AssetCheckResult(
            asset_key=asset_key(self.contract),
            check_name=self.name,
            passed=result.broken_count == 0,
            severity=dg.AssetCheckSeverity.WARN if self.warns else dg.AssetCheckSeverity.ERROR,
            description=self.description,
            metadata={
                "observed": result.broken_count if result.observed is None else result.observed,
                "limit": result.limit,
                "looked_at": result.looked_at_count,
                "examples": dg.MetadataValue.json(
                    [self._without_personal_data(example) for example in result.examples]
                ),
                **({"days": span_text(days.first, days.dates[-1])} if days and days.dates else {}),
                **result.metadata,
            },
        )

    def _without_personal_data(self, example: Row) -> dict[str, Any]:
        """Return an example without personal data, which Dagster would keep for longer, and without
        costs, which not all who see results of checks may see.
        """
        hidden = {
            name
            for table in self.tables
            for name, column in table.columns.items()
            if column.pii or column.is_cost
        }
        json_values = {
            name: value if isinstance(value, int | float | bool | None) else str(value)
            for name, value in example.items()
        }
        return {name: HIDDEN if name in hidden else value for name, value in json_values.items()}


def _counts_or_result(
    check: Evaluate,
    days: Days | None,
    **parameters: Any,  # noqa: ANN401 (tables, and the source)
) -> Any:  # noqa: ANN401 (a table, or a result)
    """Return the counts of a check's rows, or its result."""
    parts = {name: parameters.pop(name) for name in ("parts",) if name in parameters}
    outcome = check(days, *parameters.values(), **parts)
    return outcome.counts() if isinstance(outcome, BrokenRows) else outcome


def check(
    contract: Contract,
    *,
    reads: tuple[Contract, ...],
    blocking: bool = False,
    warns: bool = False,
) -> Callable[[Evaluate], TableCheck]:
    """Declare that a function evaluates a check of the contract's table.

    The check takes its name from the function and its description from the docstring. The function
    takes the run's days, then the whole tables that it `reads`. If a `blocking` check fails, what
    is downstream in the run stops; one that `warns` is only a warning.
    """
    return lambda evaluate: TableCheck(
        contract,
        evaluate.__name__,
        re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.getdoc(evaluate) or ""),
        evaluate,
        reads,
        blocking,
        warns,
    )


def rows_on_days(rows: ir.Table, column: str | None, days: Days | None) -> ir.Table:
    """Return the rows of some days; all rows if `days` is None or the table has no days."""
    return rows if days is None or column is None else rows.filter(days.contain(rows[column]))


def count_on_days(table: ir.Table, column: str | None, days: Days | None) -> int:
    """Return the number of rows of some days; of all rows as `rows_on_days`."""
    asked = {"table": table, "column": column, "days": days}
    (counted_rows,) = unordered_rows_of(computed(_counted_on_days, asked))
    return int(counted_rows["row_count"])


def _counted_on_days(table: ir.Table, column: str | None, days: Days | None) -> ir.Table:
    rows = rows_on_days(table, column, days)
    return rows.agg(row_count=rows.count())


def unread_values(
    rows: ir.Table,
    unread: Mapping[str, ir.BooleanValue],
    shown: Sequence[str],
    sentence: Callable[[int, Mapping[str, int], NamedValues], str],
) -> CheckResult:
    """Return the result of a check that values can be read, whose rows count without them.

    Args:
        rows: The rows that it looks at.
        unread: Whether a value of a row is not known, by the name of the value.
        shown: The columns of the examples, which are the most frequent combinations.
        sentence: Returns what to say of the number of rows, of the unread values of each name, and
            of the first example.
    """
    sums = {name: is_unread.ifelse(1, 0).sum().fill_null(0) for name, is_unread in unread.items()}
    ((looked_at, *numbers),) = (
        row.values() for row in rows_of(rows.agg(looked_at=rows.count(), **sums))
    )
    counts = {name: int(number) for name, number in zip(unread, numbers, strict=True) if number}
    if not counts:
        return CheckResult(0, int(looked_at))
    broken = rows.filter(reduce(or_, unread.values()))
    grouped = broken.group_by(*shown).agg(row_count=broken.count())
    examples = rows_of(grouped.order_by([grouped.row_count.desc(), *shown]).limit(EXAMPLES))
    evidence = {"sentence": sentence(int(looked_at), counts, examples[0])}
    return CheckResult(max(counts.values()), int(looked_at), examples, metadata=evidence)


def days_of_run(tags: Mapping[str, str]) -> Days | None:
    """Return the days that a run computes, from its tags; None if it computes whole tables."""
    first = tags.get(RANGE_START) or tags.get(PARTITION)
    last = tags.get(RANGE_END) or tags.get(PARTITION)
    if not first or not last:
        return None
    last_day = date.fromisoformat(last)
    return Days.from_dates([*Days.between(date.fromisoformat(first), last_day).dates, last_day])


KEYS_AT_ONCE = 5_000_000
"""Keys that are compared in one query; they take about 500 MB of memory in DuckDB."""


def contract_check(contract: Contract) -> TableCheck:
    """Return the check that a table meets its contract; a failure blocks the downstream tables."""
    return TableCheck(
        contract=contract,
        name="contract_holds",
        description=(
            f"Keys are unique, every column of {contract.qualified_name()} is within its contract."
        ),
        function=partial(_evaluate, contract),
        tables=(contract,),
        blocking=True,
    )


def _evaluate(contract: Contract, days: Days | None, table: ir.Table) -> CheckResult:
    is_by_part = bool(contract.key) and not _fits_at_once(contract, table)
    asked = {"table": table, "contract": contract, "days": days, "has_keys": not is_by_part}
    (result,) = unordered_rows_of(computed(_contract_counts, asked))
    counted_rows = {
        f"{name}: {violation}": int(result[f"measure_{n}"])
        for n, (name, violation, _) in enumerate(_violations(contract))
    }
    if contract.key:
        repeated = (
            sum(int(row["repeated"]) for part in _parts(contract, table, days) for row in part)
            if is_by_part
            else int(result["repeated"])
        )
        counted_rows[f"{', '.join(contract.key)}: is not unique"] = repeated
    examples = [
        {"check": violation, "rows": count} for violation, count in counted_rows.items() if count
    ][:EXAMPLES]
    return CheckResult(sum(counted_rows.values()), int(result["looked_at"]), examples)


def _contract_counts(
    table: ir.Table,
    contract: Contract,
    days: Days | None,
    has_keys: bool,  # noqa: FBT001 (by the size of the table)
) -> ir.Table:
    """Return in one row how many rows there are, how many break which part of the contract,
    and how many keys are there more than once, if it `has_keys`.
    """
    rows = rows_on_days(table, contract.day_column, days)
    broken = {
        f"measure_{n}": (is_broken(rows[name]).ifelse(1, 0)).sum().fill_null(0)
        for n, (name, _, is_broken) in enumerate(_violations(contract))
    }
    counts = rows.agg(looked_at=rows.count(), **broken)
    return counts.cross_join(_repeated(contract, rows)) if has_keys and contract.key else counts


Condition = Callable[[ir.Column], ir.BooleanValue]


def _violations(contract: Contract) -> Iterator[tuple[str, str, Condition]]:
    """Yield each column with what can be wrong with a value, and the condition that it is."""
    for name, column in contract.columns.items():
        if not column.nullable:
            yield name, "is missing", lambda value: value.isnull()
        if (least := column.at_least) is not None:
            yield name, f"is below {least}", partial(_is_below, least)
        if (most := column.at_most) is not None:
            yield name, f"is above {most}", partial(_is_above, most)
        if column.one_of:
            yield name, "is not among the known values", partial(_is_unknown, column.one_of)


def _is_below(least: Any, value: ir.Column) -> ir.BooleanValue:  # noqa: ANN401 (a number or a day)
    return value < least


def _is_above(most: Any, value: ir.Column) -> ir.BooleanValue:  # noqa: ANN401 (as above)
    return value > most


def _is_unknown(known: Sequence[str], value: ir.Column) -> ir.BooleanValue:
    return value.notin(known)


def _repeated(contract: Contract, rows: ir.Table) -> ir.Table:
    """Return in one row how many keys are there more than once."""
    keys = rows.group_by(*contract.key).agg(copies=rows.count())
    repeated = keys.filter(keys.copies > 1)
    return repeated.agg(repeated=repeated.count())


def _fits_at_once(contract: Contract, table: ir.Table) -> bool:
    """Return whether all keys of a table are compared in one query, so that memory does not grow
    with days.

    Only in DuckDB, which has the memory of this process and knows the size of a table without
    reading it, and only if the day is part of the key, are they more.
    """
    column = contract.day_column
    if column is None or column not in contract.key or not has_kernels(table.get_backend()):
        return True
    return count_on_days(table, None, None) <= KEYS_AT_ONCE


def _parts(contract: Contract, table: ir.Table, days: Days | None) -> Iterator[list[Row]]:
    """Yield how many keys are there more than once, for some days after the other."""
    column = str(contract.day_column)
    rows = rows_on_days(table, column, days)
    per_day = rows_of(rows.group_by(column).agg(row_count=rows.count()).order_by(column))
    parts: list[list[date]] = []
    counted_keys = KEYS_AT_ONCE
    for row in per_day:
        counted_keys += row["row_count"]
        if counted_keys > KEYS_AT_ONCE:
            parts.append([])
            counted_keys = row["row_count"]
        parts[-1].append(row[column])
    for part in parts:
        yield rows_of(_repeated(contract, rows.filter(rows[column].between(part[0], part[-1]))))


Tables = frozenset[Contract]


def check_steps(
    checks: Iterable[TableCheck], assets: Sequence[TableAsset] = (), pool: str | None = None
) -> list[dg.AssetChecksDefinition]:
    """Return the Dagster checks, in as few steps as the order of the tables allows.

    The assets are in the order in which they are computed. A check that compares its table with one
    that is computed from it waits for that one, and the checks that block it must not. Runs whose
    steps share a `pool` take turns.
    """
    downstream = _downstream_tables(assets)
    steps: dict[tuple[Contract, Tables], list[TableCheck]] = {}
    for check in checks:
        later = check.other_tables & downstream.get(check.contract, frozenset())
        steps.setdefault((check.contract, later), []).append(check)
    numbered: dict[Contract, int] = {}
    built = []
    for (contract, _later), together in steps.items():
        numbered[contract] = numbered.get(contract, 0) + 1
        built.append(_step(together, numbered[contract], pool))
    return built


def _step(checks: Sequence[TableCheck], number: int, pool: str | None) -> dg.AssetChecksDefinition:
    contract = checks[0].contract

    @dg.multi_asset_check(
        name=f"{contract.layer}__{contract.name}_checks{'' if number == 1 else f'_{number}'}",
        specs=[check.spec for check in checks],
        required_resource_keys={"warehouse", *(check.source for check in checks if check.source)},
        can_subset=True,
        pool=pool,
    )
    def evaluate(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        selected = {key.name for key in context.selected_asset_check_keys}
        errors: list[Exception] = []
        begun: dict[TableCheck, CheckResult | CheckCounts] = {}
        compared_by_check: dict[TableCheck, ComparedInputs] = {}
        may_be_left = not _asks_for_checks_alone(context.run, contract)
        for check in (check for check in checks if check.name in selected):
            with _noting(errors):
                begun[check], compared = check.begin(
                    context.run.tags, context.resources, may_be_left=may_be_left
                )
                if compared is not None:
                    compared_by_check[check] = compared
        results = _finished(begun, errors)
        passed = {
            compared: results[check].looked_at_count
            for check, compared in compared_by_check.items()
            if check in results and results[check] == CheckResult(0, results[check].looked_at_count)
        }
        if passed:
            context.resources.warehouse.note_passed(passed)
        for check, result in results.items():
            yield check.reported(result, days_of_run(context.run.tags))
        if errors:
            raise errors[0]

    return evaluate


def _asks_for_checks_alone(run: dg.DagsterRun, contract: Contract) -> bool:
    """Return whether a run checks a table that it does not compute, as who asks for that wants the
    checks to look at the rows.
    """
    if run.asset_selection is None:  # all tables or, as Dagster's page starts it, checks alone
        return bool(run.asset_check_selection)
    return asset_key(contract) not in run.asset_selection


def _finished(
    begun: Mapping[TableCheck, CheckResult | CheckCounts], errors: list[Exception]
) -> dict[TableCheck, CheckResult]:
    """Return the results of checks, also if one of them cannot be evaluated."""
    results = {
        check: outcome for check, outcome in begun.items() if isinstance(outcome, CheckResult)
    }
    rows = {check: outcome for check, outcome in begun.items() if isinstance(outcome, CheckCounts)}
    try:
        results |= zip(rows, counted([*rows.values()]) if rows else (), strict=True)
    except Exception:  # noqa: BLE001 (which check it is comes out below)
        for check, outcome in rows.items():
            with _noting(errors):
                (results[check],) = counted([outcome])
    return results


@contextmanager
def _noting(errors: list[Exception]) -> Iterator[None]:
    """Note an error in place of raising it, so that the checks after it are evaluated."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 (raised after the results of the others)
        errors.append(error)


def _downstream_tables(assets: Sequence[TableAsset]) -> Mapping[Contract, Set[Contract]]:
    """Return the tables that are computed from each table, directly or not."""
    downstream: dict[Contract, set[Contract]] = {asset.contract: set() for asset in assets}
    by_key = {asset_key(contract): contract for contract in downstream}
    for asset in reversed(assets):
        upstream = {reads.contract for reads in asset.reads.values()} | {
            by_key[dep] for dep in asset.deps if dep in by_key
        }
        for table in upstream:
            downstream.setdefault(table, set()).update({asset.contract}, downstream[asset.contract])
    return downstream


def counted_by(
    rows: ir.Table, column: str, meanings: Mapping[str, str], sentence: str
) -> CheckResult:
    """Return the result of a check that counts rows by what is wrong with them.

    Args:
        rows: The rows.
        column: What is wrong with each.
        meanings: What to say of its values.
        sentence: What to say, with a place for the numbers of rows and what is wrong with them.
    """
    grouped = rows_of(rows.group_by(column).agg(row_count=rows.count()))
    counts = {row[column]: int(row["row_count"]) for row in grouped}
    number = sum(counts.values())
    said = "; ".join(
        f"{counts[name]:,} {text}" for name, text in meanings.items() if name in counts
    )
    examples: list[Row] = [
        {column: name, "row_count": count} for name, count in sorted(counts.items())
    ]
    evidence = {"sentence": sentence.format(said)} if number else {}
    return CheckResult(number, number, examples, metadata=evidence)
