"""Checks of a table share a step of Dagster's, and each says what it saw
whatever the others come to.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import dagster as dg
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from ibis.backends.sql import SQLBackend

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables import portable
from ecom_assets.core.tables.asset import Reads, TableAsset
from ecom_assets.core.tables.check import BrokenRows, CheckResult, Evaluate, TableCheck, check_steps
from ecom_assets.core.tables.computations import ComparedInputs, RequestedComputation
from ecom_assets.core.tables.contract import Table, count
from ecom_assets.definitions import checks, table_assets
from ecom_assets_tests.each import each


class Baskets(Table):
    """One row per basket."""

    layer = "mart"
    key = ("basket_number",)

    basket_number = count("Number of the basket", unit="place")


class BasketTotals(Table):
    """One row for all baskets."""

    layer = "mart"
    key = ("basket_count",)

    basket_count = count("Baskets", unit="baskets")


def one_check(
    name: str, evaluate: Evaluate, *others: type[Table], blocking: bool = False
) -> TableCheck:
    return TableCheck(Baskets, name, f"It is {name}.", evaluate, others, blocking)


def good(*_tables: Any) -> CheckResult:
    return CheckResult(0, 3)


def bad(*_tables: Any) -> CheckResult:
    return CheckResult(2, 3)


def blind(*_tables: Any) -> CheckResult:
    raise ConnectionError("the warehouse is away")


def above(limit: int) -> Callable[..., BrokenRows]:
    """Return a check of three baskets, numbered 1 to 3, that none has a higher number."""
    baskets = ibis.memtable(pa.table({"basket_number": [1, 2, 3]}))
    return lambda *_: BrokenRows(baskets.filter(baskets.basket_number > limit), baskets)


def unreadable(*_tables: Any) -> BrokenRows:
    baskets = ibis.memtable(pa.table({"basket_number": ["none"]}))
    return BrokenRows(baskets.filter(baskets.basket_number.cast("int64") > 0), baskets)


def run(*checks_of_it: TableCheck) -> dg.ExecuteInProcessResult:
    @dg.asset(key=["mart", "baskets"])
    def baskets() -> None: ...

    @dg.asset(key=["mart", "basket_totals"], deps=[baskets])
    def basket_totals() -> None: ...

    warehouse = dg.ResourceDefinition.hardcoded_resource(object())
    assets = [baskets, basket_totals, *check_steps(checks_of_it)]
    return dg.materialize(assets, resources={"warehouse": warehouse}, raise_on_error=False)


def test_a_check_that_cannot_look_fails_the_run_and_hides_no_other_result() -> None:
    result = run(one_check("blind", blind), one_check("bad", bad), one_check("good", good))
    assert {
        evaluation.check_name: evaluation.passed
        for evaluation in result.get_asset_check_evaluations()
    } == {
        "bad": False,
        "good": True,
    }
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert failed.step_key == "mart__baskets_checks"
    assert "the warehouse is away" in str(failed.step_failure_data.error)


def seen(result: dg.ExecuteInProcessResult) -> dict[str, tuple[Any, Any]]:
    """Return how many rows each check found broken, and some of them."""
    return {
        evaluation.check_name: (
            evaluation.metadata["observed"].value,
            evaluation.metadata["examples"].value,
        )
        for evaluation in result.get_asset_check_evaluations()
    }


def test_checks_of_rows_are_counted_by_one_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    statements: list[ir.Table] = []
    fetch = portable.fetched

    def noted(con: SQLBackend, rows: ir.Table) -> list[tuple[Any, ...]]:
        statements.append(rows)
        return fetch(con, rows)

    monkeypatch.setattr(portable, "fetched", noted)
    result = run(
        *(one_check(f"above_{limit}", above(limit)) for limit in (3, 4, 5)), one_check("good", good)
    )
    assert seen(result) == dict.fromkeys(("good", "above_3", "above_4", "above_5"), (0, []))
    assert len(statements) == 1
    three = [{"basket_number": 3}]
    two = one_check("above_1", above(1)), one_check("above_2", above(2))
    assert seen(run(*two)) == {
        "above_1": (2, [{"basket_number": 2}, *three]),
        "above_2": (1, three),
    }


def test_rows_that_cannot_be_read_hide_no_other_check() -> None:
    result = run(
        one_check("unreadable", unreadable), one_check("above_2", above(2)), one_check("bad", bad)
    )
    assert seen(result).keys() == {"above_2", "bad"}
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert "none" in str(failed.step_failure_data.error)


def passed_before(computation: RequestedComputation) -> ComparedInputs:
    """Say of each check that a run has seen it pass over the same three rows."""
    return ComparedInputs(computation, "inputs", run_id="earlier", looked_at_count=3)


BASKETS = dg.AssetKey(["mart", "baskets"])
BAD = dg.AssetCheckKey(BASKETS, "bad")


@each(
    "chosen, checked, is_passed",
    [
        (None, None, True),
        (frozenset({BASKETS}), None, True),
        (None, frozenset({BAD}), False),
        (frozenset(), frozenset({BAD}), False),
    ],
)
def test_checks_alone_look_at_rows_that_are_as_before(
    chosen: frozenset[dg.AssetKey] | None,
    checked: frozenset[dg.AssetCheckKey] | None,
    is_passed: bool,  # noqa: FBT001 (a value of the table above)
) -> None:
    """Where the table is computed too, they pass again without a look."""

    @dg.asset(key=BASKETS)
    def baskets() -> None: ...

    unchanged = SimpleNamespace(compared_inputs=passed_before, table=None)
    shop = dg.Definitions(
        [baskets],
        asset_checks=check_steps([one_check("bad", bad)]),
        resources={"warehouse": dg.ResourceDefinition.hardcoded_resource(unchanged)},
        executor=dg.in_process_executor,
    )
    job = shop.resolve_implicit_global_asset_job_def()
    job = job.get_subset(asset_selection=chosen, asset_check_selection=checked)
    with dg.DagsterInstance.ephemeral() as instance:
        started = instance.create_run_for_job(job, asset_selection=chosen)
        execute_run(InMemoryJob(job), started._replace(asset_check_selection=checked), instance)
        events = instance.all_logs(
            started.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        )
    (event,) = [event.dagster_event for event in events]
    assert event is not None
    assert event.asset_check_evaluation_data.passed is is_passed


def test_what_blocks_still_blocks_beside_what_does_not() -> None:
    stopped = run(one_check("bad", bad, blocking=True), one_check("good", good))
    assert not stopped.success
    assert not stopped.asset_materializations_for_node("mart__basket_totals")
    warned = run(one_check("bad", bad), one_check("good", good, blocking=True))
    assert warned.asset_materializations_for_node("mart__basket_totals")


def test_a_check_that_waits_for_a_later_table_has_a_step_of_its_own() -> None:
    assets = [
        TableAsset(lambda: None, Baskets),
        TableAsset(lambda baskets: None, BasketTotals, {"baskets": Reads(Baskets)}),  # noqa: ARG005 (it is not called)
    ]
    built = check_steps(
        [
            one_check("good", good),
            one_check("same", good),
            one_check("adds_up", good, BasketTotals),
        ],
        assets,
    )
    assert [sorted(spec.name for spec in step.check_specs) for step in built] == [
        ["good", "same"],
        ["adds_up"],
    ]


def test_the_platform_has_one_step_per_table_that_is_checked() -> None:
    settings = Settings()
    every = checks(settings)
    built = check_steps(every, table_assets(settings))
    assert sum(len(list(step.check_specs)) for step in built) == len(every)
    assert len(built) == len({check.contract for check in every})
