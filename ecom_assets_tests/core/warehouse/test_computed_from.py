"""A table that is computed from the same is left alone, and is as if it was computed again."""

from contextlib import closing, suppress
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ibis.expr.types as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.core.tables.asset import (
    RANGE_END,
    RANGE_START,
    Reads,
    TableAsset,
    invalidation,
    table_asset,
)
from ecom_assets.core.tables.check import BrokenRows, CheckCounts, check, counted, rows_on_days
from ecom_assets.core.tables.contract import Table, count, day, text
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import SliceOutput
from ecom_assets.core.warehouse import table_statements
from ecom_assets.core.warehouse.computed_from import ComputedFrom
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.core.warehouse.engines.visits_table import (
    ONE,
    Visits,
    from_outside,
    stored,
)
from ecom_assets_tests.hypothesis_settings import examples

TWO, FOUR = ONE + timedelta(days=1), ONE + timedelta(days=3)


class VisitsDaily(Table):
    """One row per day with visits."""

    layer = "mart"
    key = ("visit_date",)
    day_column = "visit_date"

    visit_date = day("The day")
    visit_count = count("Visits", unit="visits")


class FirstVisits(Table):
    """One row per visitor: the first visit."""

    layer = "mart"
    key = ("visitor_id",)
    day_column = "visit_date"

    visit_date = day("The day of the first visit")
    visitor_id = text("The visitor")


class Regulars(Table):
    """One row per visitor with enough days."""

    layer = "mart"
    key = ("visitor_id",)

    visitor_id = text("The visitor")
    day_count = count("Days with a visit", unit="days")


@table_asset(VisitsDaily, visits=Visits)
def visits_daily(visits: ir.Table, days: Days) -> ir.Table:
    of_days = visits.filter(days.contain(visits.visit_date))
    return of_days.group_by("visit_date").agg(visit_count=of_days.count())


@invalidation(visits=Visits, firsts=FirstVisits)
def days_of_visitors(visits: ir.Table, firsts: ir.Table, days: Days) -> ir.Table:
    """Return the days on which visitors of the run come, or came first."""
    come = visits.filter(days.contain(visits.visit_date)).select("visitor_id")
    gone = firsts.filter(days.contain(firsts.visit_date)).select("visitor_id")
    visitors = come.union(gone).distinct()
    now = visits.semi_join(visitors, "visitor_id").select(day="visit_date")
    return now.union(firsts.semi_join(visitors, "visitor_id").select(day="visit_date")).distinct()


@table_asset(FirstVisits, invalidated_by=days_of_visitors, visits=Reads(Visits, whole=True))
def first_visits(visits: ir.Table, days: Days) -> ir.Table:
    firsts = visits.group_by("visitor_id").agg(visit_date=visits.visit_date.min())
    return firsts.filter(days.contain(firsts.visit_date)).select("visit_date", "visitor_id")


@table_asset(Regulars, visits=Reads(Visits, whole=True))
def regulars(visits: ir.Table, least: int) -> ir.Table:
    of_visitor = visits.group_by("visitor_id").agg(day_count=visits.visit_date.nunique())
    return of_visitor.filter(of_visitor.day_count >= least)


ASSETS = (visits_daily, first_visits, regulars)
TABLES: tuple[type[Table], ...] = tuple(asset.contract for asset in ASSETS)


@pytest.fixture(autouse=True)
def _of_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the functions of this file for the platform's."""
    monkeypatch.setattr(
        table_statements, "_is_ours", lambda one: str(one.__module__).startswith("ecom_assets")
    )


def in_memory() -> DuckDBEngine:
    engine = DuckDBEngine(Path("never_created.duckdb")).noting_writes()
    engine.con = connect()
    engine.run_id = "first"
    tables: tuple[type[Table], ...] = (Visits, *TABLES)
    for contract in tables:
        engine.ensure(contract)
    return engine


class KilledError(Exception):
    """A run dies."""


def compute(asset: TableAsset, engine: Engine, run: Days, least: int) -> bool:
    """Compute a table as a step does; return whether it was left alone."""
    days = run if asset.contract.day_column else Days(())
    tables = {
        name: reads.select(engine.table(reads.contract), days)
        for name, reads in asset.reads.items()
    }
    parameters = {**tables, "least": least}
    compared = asset.compared_inputs(days, parameters, engine)
    if compared is not None and compared.are_unchanged:
        return True
    output = asset.output(days, parameters, engine)
    written: Days | None = days if asset.contract.day_column else None
    if isinstance(output, SliceOutput):
        output, written = output.rows, output.written_days
    engine.replace(asset.contract, output, written, compared=compared)
    return False


def left_alone(engine: Engine, run: Days, least: int = 1) -> list[str]:
    """Run all tables; return the names of those that were left alone."""
    return [asset.contract.__name__ for asset in ASSETS if compute(asset, engine, run, least)]


def write(engine: Engine, a_day: date, *visitors: str) -> None:
    rows = from_outside(*((a_day, visitor) for visitor in visitors))
    engine.replace(Visits, rows, Days((a_day,)))


ALL = ["VisitsDaily", "FirstVisits", "Regulars"]


def test_without_news_everything_is_left_alone() -> None:
    """What reads its own rows needs a second run: the first has changed them."""
    with closing(in_memory()) as engine:
        run = Days((ONE, TWO))
        write(engine, ONE, "ann", "bob")
        assert left_alone(engine, run) == []
        assert left_alone(engine, run) == ["VisitsDaily", "Regulars"]
        assert left_alone(engine, run) == ALL
        write(engine, ONE, "bob", "ann")  # the same rows in another order
        assert left_alone(engine, run) == ALL
        assert stored(engine, VisitsDaily) == [(ONE, 2)]


def test_what_changes_is_computed_again() -> None:
    with closing(in_memory()) as engine:
        run = Days((ONE, TWO))
        write(engine, ONE, "ann", "bob")
        for _ in range(3):
            left_alone(engine, run)
        assert left_alone(engine, run, least=2) == ["VisitsDaily", "FirstVisits"], "another rule"
        assert left_alone(engine, run, least=2) == ALL
        assert left_alone(engine, Days((ONE,)), least=2) == ["Regulars"], "other days"
        engine.execute("DELETE FROM mart.visits_daily")  # by hand: nobody noted it
        assert left_alone(engine, run, least=2) == ["FirstVisits", "Regulars"]
        assert stored(engine, VisitsDaily) == [(ONE, 2)]
        engine.remove(Visits, ["visitor_id = 'ann'"], engine.table(Visits), None)
        assert engine.row_count(ComputedFrom) == 0
        assert left_alone(engine, run, least=2) == [], "a visitor was erased"
        assert stored(engine, VisitsDaily) == [(ONE, 1)]
        assert stored(engine, FirstVisits) == [(ONE, "bob")]


def test_a_run_that_dies_leaves_no_note_of_what_it_did_not_write() -> None:
    with closing(in_memory()) as engine:
        run = Days((ONE,))
        write(engine, ONE, "ann")
        die_at(engine, "slice_written", 1)
        with pytest.raises(KilledError):
            left_alone(engine, run)
        engine.on_step = lambda _step: None
        assert engine.row_count(ComputedFrom) == 0
        assert left_alone(engine, run) == []
        assert stored(engine, VisitsDaily) == [(ONE, 1)]


def test_without_the_cache_everything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_statements.TABLE_STATEMENTS, "is_on", False)
    with closing(in_memory()) as engine:
        write(engine, ONE, "ann")
        for _ in range(3):
            assert left_alone(engine, Days((ONE,))) == []


@check(VisitsDaily, reads=(VisitsDaily,))
def few_come(days: Days, daily: ir.Table) -> BrokenRows:
    """At most two visits a day."""
    rows = rows_on_days(daily, "visit_date", days)
    return BrokenRows(rows.filter(rows.visit_count > 2), rows)


def evaluated(engine: Engine, *, may_be_left: bool = True) -> tuple[int, int, bool]:
    """Return how many rows of a check fail, how many it looks at, and whether it counted them."""
    tags = {RANGE_START: str(ONE), RANGE_END: str(TWO)}
    resources = SimpleNamespace(warehouse=engine)
    outcome, compared = few_come.begin(tags, resources, may_be_left=may_be_left)
    is_counted = isinstance(outcome, CheckCounts)
    (result,) = counted([outcome]) if isinstance(outcome, CheckCounts) else (outcome,)
    if compared is not None and not result.broken_count:
        engine.note_passed({compared: result.looked_at_count})
        engine.finish_notes()
    return result.broken_count, result.looked_at_count, is_counted


def test_a_check_that_passed_over_the_same_passes_and_one_that_failed_fails_again() -> None:
    with closing(in_memory()) as engine:
        run = Days((ONE, TWO))
        write(engine, ONE, "ann", "bob")
        left_alone(engine, run)
        assert [evaluated(engine) for _ in range(2)] == [(0, 1, True), (0, 1, False)]
        assert evaluated(engine, may_be_left=False) == (0, 1, True), "asked for alone"
        write(engine, TWO, "ann", "bob", "eva")
        left_alone(engine, run)
        assert [evaluated(engine) for _ in range(2)] == [(1, 2, True), (1, 2, True)]


def die_at(engine: Engine, at: str, write_number: int) -> None:
    """Let a run die at a step of its first, second or third write."""
    seen = [0]

    def step(name: str) -> None:
        seen[0] += name == at
        if name == at and seen[0] == write_number:
            raise KilledError

    engine.on_step = step


RUN_DAYS = st.sampled_from([Days((ONE,)), Days((TWO,)), Days((ONE, TWO)), Days.between(ONE, FOUR)])
DAY_NUMBERS = st.integers(0, 2)
VISITORS = st.lists(st.sampled_from(["ann", "bob", "eva"]), unique=True)
DEATHS = st.none() | st.tuples(st.sampled_from(["slice_written", "committed"]), st.integers(1, 3))
EVENTS = st.one_of(
    st.tuples(st.just("write"), DAY_NUMBERS, VISITORS),
    st.tuples(st.just("run"), RUN_DAYS, st.integers(1, 2), DEATHS),
    st.tuples(st.just("run"), RUN_DAYS, st.just(1), st.none()),
    st.tuples(st.just("lose"), st.sampled_from(TABLES), DAY_NUMBERS),
    st.tuples(st.just("erase"), st.sampled_from(["ann", "bob", "eva"])),
)


def take_part(engine: Engine, event: tuple[Any, ...]) -> None:
    """Let one thing happen to a shop."""
    kind, *about = event
    if kind == "write":
        write(engine, ONE + timedelta(days=about[0]), *about[1])
    elif kind == "lose":
        table, number = about
        where = engine.where(
            table, Days((ONE + timedelta(days=number),)) if table.day_column else None
        )
        engine.execute(f"DELETE FROM {engine.name_of(table)}{where}")
    elif kind == "erase":
        for table in (Visits, FirstVisits, Regulars):
            engine.remove(table, [f"visitor_id = '{about[0]}'"], engine.table(table), None)
    else:
        run, least, death = about
        if death:
            die_at(engine, *death)
        with suppress(KilledError):
            left_alone(engine, run, least)
        engine.on_step = lambda _step: None


@examples(300)
@given(st.lists(EVENTS, max_size=12))
def test_every_table_is_as_if_everything_was_computed_again(story: list[tuple[Any, ...]]) -> None:
    """Writes, runs over some days by changing rules, runs that die, rows that are lost by hand and
    visitors who are erased: a shop that leaves tables alone has the rows of one that never does.
    """
    with closing(in_memory()) as looking, closing(in_memory()) as computing:
        for number, event in enumerate(story):
            take_part(looking, event)
            computing.notes_writes = False
            died = event[0] == "run" and event[3] is not None
            take_part(computing, event)
            if died:  # which write of a run is the second depends on what was left alone
                for engine in (looking, computing):
                    take_part(engine, ("run", event[1], event[2], None))
            for table in TABLES:
                assert stored(looking, table) == stored(computing, table), story[: number + 1]
