"""On every engine, a raw table keeps the rows of a day that its source has lost, until somebody lets them go."""

from collections.abc import Iterator
from datetime import date

import ibis
import pytest

from ecom_assets.products.contracts import RawStock
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.stock import stock_rows
from ecom_assets.tables.days import Days
from ecom_assets.tables.source_gate import SourceGate
from ecom_assets.warehouse.engine import Engine
from ecom_assets.warehouse.withdrawals import WithdrawalGuard, Withdrawals, held_withdrawals, notes_of
from ecom_assets_tests.warehouse.engines.warehouses import ALL_ENGINES, on_one_worker_each, opened, settings_of

ONE, TWO = date(2026, 1, 1), date(2026, 1, 2)
BOTH = Days((ONE, TWO))


@pytest.fixture(scope="module", params=on_one_worker_each(ALL_ENGINES))
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_of(request.param, request, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = opened(settings)
    for contract in (RawStock, Withdrawals):
        engine.drop(contract)
    yield engine
    engine.close()


def bring(  # noqa: PLR0913 (each is a fact of a story)
    engine: Engine, one: int, two: int, *, allowed: bool = False, whole: tuple[date, ...] = (), days: Days = BOTH
) -> list[date]:
    """Bring so many rows of each of two days; return the days that were replaced."""
    rows = stock_rows(({"product_id": str(number), "stock": "1"} for number in range(one + two)), ONE, "shop")
    day = (rows.record_number <= one).ifelse(ibis.literal(ONE), ibis.literal(TWO))
    rows = rows.mutate(received_date=day)
    rows = rows.filter(days.contain(rows.received_date))
    guard = WithdrawalGuard(engine, SourceGate(least_count=10), lambda _contract: whole, "run", is_allowed=allowed)
    return list(guard.replace(RawStock, rows, days)[1].dates)


def counts(engine: Engine) -> list[int]:
    actual = engine.day_counts(RawStock, BOTH)
    return [actual.get(ONE, 0), actual.get(TWO, 0)]


def held(engine: Engine) -> list[tuple[date, int, int]]:
    return [(row["received_date"], row["stored_count"], row["offered_count"]) for row in held_withdrawals(engine)]


@pytest.mark.sampled(1)
def test_a_lost_day_keeps_its_rows_and_its_neighbour_goes_on(engine: Engine) -> None:
    assert bring(engine, 3, 3) == [ONE, TWO]
    assert bring(engine, 5, 0) == [ONE]
    assert (counts(engine), held(engine)) == ([5, 3], [(TWO, 3, 0)])
    since = held_withdrawals(engine)[0]["noticed_at"]
    assert bring(engine, 5, 0) == [ONE]
    assert held_withdrawals(engine)[0]["noticed_at"] == since


def test_rows_that_are_back_end_it_by_themselves(engine: Engine) -> None:
    bring(engine, 3, 3)
    bring(engine, 3, 0)
    assert bring(engine, 3, 2) == [ONE, TWO]
    assert (counts(engine), notes_of(engine)) == ([3, 2], [])


@pytest.mark.sampled(1)
def test_a_run_that_allows_it_lets_them_go_and_it_is_noted(engine: Engine) -> None:
    bring(engine, 3, 3)
    bring(engine, 3, 0)
    assert bring(engine, 3, 0, allowed=True) == [ONE, TWO]
    assert (counts(engine), held(engine)) == ([3, 0], [])
    (note,) = notes_of(engine)
    assert (note["received_date"], note["stored_count"], note["withdrawn_at"] is None) == (TWO, 3, False)


def test_a_day_that_lost_most_of_many_rows_is_kept_too(engine: Engine) -> None:
    bring(engine, 100, 9)
    assert bring(engine, 19, 1) == [TWO]
    assert (counts(engine), held(engine)) == ([100, 1], [(ONE, 100, 19)])
    assert bring(engine, 20, 1) == [ONE, TWO]
    assert (counts(engine), held(engine)) == ([20, 1], [])


def test_a_day_that_its_source_says_is_whole_may_end_within_the_gate(engine: Engine) -> None:
    bring(engine, 100, 9)
    assert bring(engine, 100, 0, whole=(TWO,)) == [ONE, TWO]
    assert bring(engine, 0, 0, whole=(ONE,)) == [TWO]
    assert counts(engine) == [100, 0]


def test_days_that_a_run_is_not_about_are_not_looked_at(engine: Engine) -> None:
    bring(engine, 3, 3)
    assert bring(engine, 3, 0, days=Days((ONE,))) == [ONE]
    assert bring(engine, 0, 0, days=Days(())) == []
    assert (counts(engine), notes_of(engine)) == ([3, 3], [])
