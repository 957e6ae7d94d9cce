"""Every engine knows alike who is a new customer: of a story, and of a random shop, what plain
Python counts.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta

import ibis
import pytest

from ecom_assets.commerce.costs.profit import with_customer_type, with_order
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.sales import dimensions
from ecom_assets.commerce.sales.contracts import City, Customer
from ecom_assets.commerce.sales.customer_retention import customers_of_days
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.local import in_memory
from ecom_assets_tests.commerce.orders.test_new_customers import (
    DAYS,
    FIRST,
    STORY,
    Line,
    PlainCustomers,
    cells,
    spans,
)
from ecom_assets_tests.core.warehouse.engines.warehouses import (
    ALL_ENGINES,
    on_one_worker_each,
    opened,
    settings_of,
)

ALL_DAYS = Days.between(FIRST, FIRST + timedelta(days=DAYS))


@pytest.fixture(scope="module", params=on_one_worker_each(ALL_ENGINES))
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    home = tmp_path_factory.mktemp(request.param)
    engine = opened(settings_of(request.param, request, home))
    yield engine
    engine.close()


def random_lines(dice: random.Random) -> list[Line]:
    return [
        Line(
            order=str(dice.randint(1, 40)),
            customer=dice.choice(("anna", "ben", "carl", "dora", "eve", UNKNOWN_CUSTOMER)),
            day=dice.randrange(DAYS),
            hour=dice.choice((9, 9, 18)),
            paid=dice.choice((0, 0, 5, 20)),
            is_refund=dice.random() < 0.2,
            is_renewal=dice.choice((None, None, None, False, True)),
        )
        for _ in range(40)
    ]


def shops() -> list[Sequence[Line]]:
    dice = random.Random(7)  # noqa: S311 (a story, no secret)
    return [STORY, random_lines(dice)]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(2))
def test_every_engine_counts_the_same_new_customers(engine: Engine, number: int) -> None:
    lines = shops()[number]
    log = in_memory([cells(line, n) for n, line in enumerate(lines)], UserOrderLog)
    for contract in (UserOrderLog, City, Customer):
        engine.ensure(contract)
    engine.replace(City, in_memory([dict.fromkeys(City.columns, "1")], City), None)
    engine.replace(UserOrderLog, log, ALL_DAYS)
    stored = engine.table(UserOrderLog)
    engine.replace(Customer, dimensions.customer(stored), None)
    sold = stored.mutate(revenue_amount=stored.payment_amount)
    plain = PlainCustomers(tuple(lines))
    for first, last in spans():
        within = sold.filter(sold.order_date.between(first, last))
        counted = customers_of_days(
            within, engine.table(Customer), ibis.literal(first), ibis.literal(last)
        )
        rows = engine.rows_of(counted)
        names = ("customers_count", "new_customers_count", "returning_customers_count")
        found = tuple(int(rows[0][name]) for name in names) if rows else (0, 0, 0)
        assert found == tuple(plain.counts(first, last))
    typed = with_customer_type(with_order(sold), engine.table(Customer))
    types = {row["uniq_id"]: row["customer_type"] for row in engine.rows_of(typed)}
    expected = {
        f"line {n}": plain.type_on(line.customer, line.date)
        for n, line in enumerate(lines)
        if not line.is_refund
    }
    assert {name: types[name] for name in expected} == expected
