"""On every engine each check, each query and each question takes tables without a row."""

import inspect
import pkgutil
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from importlib import import_module
from pathlib import Path
from types import NoneType, SimpleNamespace
from typing import Any, Literal, get_args, get_origin, get_type_hints

import dagster as dg
import ibis.expr.types as ir
import pytest
from ibis.backends.sql import SQLBackend

import ecom_assets
from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.questions.answer import ORDERS, answer
from ecom_assets.commerce.costs import queries as costs
from ecom_assets.commerce.marketing import queries as marketing
from ecom_assets.commerce.products.queries import top_products
from ecom_assets.commerce.quality.queries import Wanted
from ecom_assets.core.errors import EcomError, SourceError, WarehouseError
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.rows import Row
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.check import BrokenRows, CheckResult, counted
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import has_kernels, rows_of
from ecom_assets.core.tables.queries import EVENTS, KnownDays, Page, Period, Reading
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.definitions import build_definitions, checks
from ecom_assets.interfaces.all_questions import question_named
from ecom_assets.interfaces.api.store.question_source import published_source
from ecom_assets.interfaces.api.store.store import Cancellation, PublishedState, StoreReading
from ecom_assets.orchestration.registry import ALL, NOTES
from ecom_assets_tests.command import HEADER
from ecom_assets_tests.core.warehouse.engines.shop_input import ORDER_HEADER
from ecom_assets_tests.core.warehouse.engines.test_question_parity import KINDS
from ecom_assets_tests.core.warehouse.engines.warehouses import (
    ALL_ENGINES,
    on_one_worker_each,
    opened,
    settings_of,
)
from ecom_assets_tests.each import each

pytestmark = pytest.mark.timeout(1200)
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 9)
DAYS = Days.between(FIRST, date(2026, 3, 10))
KNOWN = {source: KnownDays(FIRST, LAST) for source in (EVENTS, ORDERS)}
"""Of sources that had rows, none of which counts: all were refused, or are erased."""


@pytest.fixture(scope="module", params=on_one_worker_each(ALL_ENGINES))
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """An engine with all tables, and no row in any."""
    home = tmp_path_factory.mktemp(request.param)
    engine = opened(settings_of(request.param, request, home))
    for contract in (*ALL, *NOTES):
        engine.ensure(contract)
    yield engine
    engine.close()


on_duckdb = pytest.mark.parametrize("engine", on_one_worker_each(("duckdb",)), indirect=True)
"""What Python decides before it asks is the same on every engine, and is tried on one."""


@pytest.fixture
def shop(tmp_path: Path) -> Settings:
    """Settings of a shop whose files have a header and nothing else."""
    (tmp_path / "events.csv").write_text(HEADER + "\n")
    (tmp_path / "orders.csv").write_text(ORDER_HEADER + "\n")
    return Settings(
        home=tmp_path / "home",
        events=str(tmp_path / "events.csv"),
        orders=str(tmp_path / "orders.csv"),
    )


Evaluated = Callable[[], CheckResult | BrokenRows]


def raised_by_checks(engine: Engine, shop: Settings, days: Days | None) -> list[str]:
    """Evaluate every check, those of a table by one statement as in a run; return what raised."""
    raised: list[str] = []
    by_table: dict[type[Table], dict[str, Evaluated]] = defaultdict(dict)
    with dg.build_resources(dict(build_definitions(shop).resources or {})) as given:
        for check in checks(shop):
            tables = [engine.readable(table) for table in check.tables]
            source = [getattr(given, check.source)] if check.source else []
            by_table[check.contract][check.name] = partial(check.function, days, *tables, *source)
        for contract, evaluated in by_table.items():
            if error := error_of(evaluated.values()):
                names = [name for name, evaluate in evaluated.items() if error_of([evaluate])]
                raised.append(f"{contract.qualified_name()}: {names or 'together'}: {error}")
    return raised


def error_of(evaluated: Iterable[Evaluated]) -> str:
    """Count the broken rows of checks; return what was raised."""
    try:
        outcomes = [evaluate() for evaluate in evaluated]
        if rows := [outcome for outcome in outcomes if not isinstance(outcome, CheckResult)]:
            counted(rows)
    except Exception as error:  # noqa: BLE001 (of whatever kind)
        return repr(error)
    return ""


@pytest.mark.parametrize(
    "engine",
    on_one_worker_each(ALL_ENGINES, slow=[name for name in ALL_ENGINES if name != "duckdb"]),
    indirect=True,
)
def test_every_check_is_evaluated(engine: Engine, shop: Settings) -> None:
    assert raised_by_checks(engine, shop, DAYS) == []


@pytest.mark.slow
@on_duckdb
def test_every_check_is_evaluated_over_all_of_history(engine: Engine, shop: Settings) -> None:
    assert raised_by_checks(engine, shop, None) == []


class EmptyReading(StoreReading):
    """The tables of an engine, as if they were published."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        """Take an open engine."""
        noted: Any = {contract.qualified_name(): {} for contract in ALL}
        published = PublishedState("1", datetime(2026, 3, 10, tzinfo=UTC), LAST, KNOWN, noted)
        super().__init__(published, settings, Cancellation())
        self.engine = engine

    @property
    def has_kernel(self) -> bool:  # type: ignore[override]  # one class stands for several stores
        """Whether the engine has the kernels."""
        return has_kernels(self.engine.con)

    def _table(self, contract: type[Table]) -> ir.Table:
        return self.engine.readable(contract)

    def rows(self, question: ir.Table, period: Period | None = None) -> list[Row]:
        """Return the rows of a result."""
        return rows_of(question, period.parameters if period else None)

    def events_in(self, con: SQLBackend) -> ir.Table:  # noqa: ARG002 (there is but one)
        """Return the events."""
        return self.engine.readable(CleanEvents)

    def adhoc(self) -> AbstractContextManager[SQLBackend]:
        """Return the connection."""
        return nullcontext(self.engine.con)


def queries() -> Iterator[Callable[..., Any]]:
    """Yield each function of a subject's `queries.py` that reads stored tables."""
    for module in pkgutil.walk_packages(ecom_assets.__path__, "ecom_assets."):
        if re.fullmatch(r"ecom_assets\.(behaviour|commerce)\..*\.queries", module.name):
            for function in vars(import_module(module.name)).values():
                if (
                    inspect.isfunction(function)
                    and function.__module__ == module.name
                    and not function.__name__.startswith("_")
                    and next(iter(inspect.signature(function).parameters), "") == "reading"
                    and "sold" not in inspect.signature(function).parameters  # a part of one
                ):
                    yield function


OF_ONE_KIND: dict[Any, Any] = {
    Period: Period("custom", FIRST, LAST, KNOWN),
    Page: Page(5),
    Days: DAYS,
    Wanted: Wanted("events"),
    str: "1",
    int: 3,
    bool: True,
    Decimal: Decimal(5),
}
BY_NAME: dict[str, Any] = {
    "contracts": (CleanEvents,),
    "cells": (),
    "name": "gross_profit_amount",
}


def choices(kind: Any) -> Sequence[Any]:
    """Return the values that a parameter of a query is asked with."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    if kind in OF_ONE_KIND:
        return (OF_ONE_KIND[kind],)
    if NoneType in get_args(kind):
        return (None, *(value for part in get_args(kind)[:-1] for value in choices(part)))
    if issubclass(get_origin(kind) or kind, Mapping):
        return ({},)
    if issubclass(get_origin(kind) or kind, Collection):
        return (("1",),)
    return ()


def calls(function: Callable[..., Any], reading: Reading) -> Iterator[partial[Any]]:
    """Yield the calls of a query: with the first value of each parameter,
    and with each other value of one of them.
    """
    hints = get_type_hints(function)
    has_numbers = "numbers" in hints
    parameters = {
        name: [value for value in values if not (has_numbers and value in costs.SORTED_BY)]
        for name in list(inspect.signature(function).parameters)[1:]
        if name != "numbers"
        and (values := [BY_NAME[name]] if name in BY_NAME else choices(hints[name]))
    }
    usual = {name: values[0] for name, values in parameters.items()}
    others = ({name: value} for name, values in parameters.items() for value in values[1:])
    for changed in ({}, *others):
        yield partial(function, reading, **usual | changed)


def by_profit(reading: Reading) -> Iterator[partial[Any]]:
    """Yield the calls of the list of products that takes a column of costs from its caller."""
    for name in costs.SORTED_BY:
        numbers = costs.items_sorted(reading, name)
        yield partial(
            top_products,
            reading,
            OF_ONE_KIND[Period],
            name,
            None,
            Page(5),
            numbers=numbers,
        )


def raised_by_queries(engine: Engine, shop: Settings) -> list[str]:
    """Ask every query; return what raised."""
    reading = EmptyReading(engine, shop)
    raised: list[str] = []
    with suppress(costs.NoCostsError):
        asked = [call for function in queries() for call in calls(function, reading)]
        asked += by_profit(reading)
    for call in asked:
        try:
            result = call()
            if isinstance(result, ir.Table):
                reading.rows(result, OF_ONE_KIND[Period])
        except WarehouseError as error:
            raised.append(f"{call.func.__name__}: {call.keywords}: {error!r}")
        except EcomError:
            pass  # a sentence about what is not there
        except Exception as error:  # noqa: BLE001 (of whatever kind)
            raised.append(f"{call.func.__name__}: {call.keywords}: {error!r}")
    assert len(asked) > 100
    return raised


@pytest.mark.slow
def test_every_query_is_answered_where_other_days_have_costs(
    engine: Engine, shop: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "has_costs", lambda _reading: True)
    monkeypatch.setattr(marketing, "has_spend", lambda _reading: True)
    assert raised_by_queries(engine, shop) == []


@pytest.mark.slow
@on_duckdb
def test_every_query_is_answered_without_costs(engine: Engine, shop: Settings) -> None:
    assert raised_by_queries(engine, shop) == []


STEPS = ["page_view", "purchase"]
QUESTIONS: dict[str, Sequence[dict[str, Any]]] = {
    **{name: list(cases.values()) for name, cases in KINDS.items()},
    "journeys": [{}],
    "sessions": [{}],
    "correlation": [{"funnel": {"steps": STEPS}}],
    "attribution": [{}, {"model": "markov"}],
    "sales": [{}, {"over": "day"}, {"by": "product"}, {"by": "city"}, {"by": "channel"}],
    "segments": [{}],
    "value": [{}],
}


@pytest.mark.slow
@pytest.mark.parametrize("engine", on_one_worker_each(("duckdb", "postgres")), indirect=True)
@each("name", QUESTIONS)
def test_every_question_is_answered_where_tables_are_published(
    engine: Engine, shop: Settings, name: str
) -> None:
    kind = question_named(name)
    reading = EmptyReading(engine, shop)
    request: Any = SimpleNamespace(scope={"type": "http", "scopes": frozenset(Scope)})
    raised: list[str] = []
    for asked in QUESTIONS[name]:
        source = published_source(kind, request, reading, shop)
        try:
            answer(kind, kind.question.from_mapping(asked), source)
        except WarehouseError as error:
            raised.append(f"{asked}: {error!r}")
        except SourceError:
            pass  # a sentence: nothing counts as an event
        except Exception as error:  # noqa: BLE001 (of whatever kind)
            raised.append(f"{asked}: {error!r}")
    assert not raised, "\n".join(raised)
