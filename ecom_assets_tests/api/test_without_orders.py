"""A shop with events and no orders: it is told so, and a zero is not taken for bad business."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import ibis.expr.types as ir
import pytest
from fastapi import FastAPI

from ecom_assets.answers.customers import NUMBERS, customers
from ecom_assets.answers.geography import geography
from ecom_assets.answers.period import Period
from ecom_assets.answers.reading import NoOrdersError, Row
from ecom_assets.answers.sales import sales
from ecom_assets.answers.trend import revenue_trend
from ecom_assets.api.problems import handle_errors
from ecom_assets.contracts.table import Table
from ecom_assets.warehouse.duckdb import DuckDBEngine, connect
from ecom_assets_tests.api.conftest import served

NEWEST = date(2026, 3, 1)
MONTH = Period.of(NEWEST)


@dataclass
class EmptyShop:
    """Tables of a shop that gave nothing."""

    engine: DuckDBEngine
    newest_date: date = NEWEST
    timezone: str = "UTC"
    currency: str = "USD"

    def table(self, contract: type[Table]) -> ir.Table:
        """Return a whole table, empty."""
        return self.engine.table(contract)

    def rows(self, question: ir.Table, period: Period | None = None) -> list[Row]:
        """Return the rows of a result."""
        found: list[Row] = question.to_pyarrow(params=period.parameters if period else {}).to_pylist()
        return found

    def state(self, question: ir.Table) -> list[Row]:
        """Return the same."""
        return self.rows(question)


@pytest.fixture
def shop() -> EmptyShop:
    engine = DuckDBEngine(Path("memory"))
    engine.con = connect()
    return EmptyShop(engine)


def test_questions_about_sales_are_refused_with_the_way_out(shop: EmptyShop) -> None:
    for ask in (
        lambda: sales(shop, MONTH),
        lambda: revenue_trend(shop, MONTH, "day"),
        lambda: revenue_trend(shop, MONTH, "hour"),
        lambda: geography(shop, MONTH, "country", limit=5),
    ):
        with pytest.raises(NoOrdersError, match="set ECOM_ORDERS or ECOM_ORDER_API_URL, or ask /analytics/products"):
            ask()


def test_nobody_is_called_new_or_returning(shop: EmptyShop) -> None:
    told = customers(shop, MONTH)
    assert told["customers"] == told["previous"] == dict.fromkeys(NUMBERS)
    assert told["value"]["customer_count"] == 0


def test_over_http_the_refusal_is_a_conflict(shop: EmptyShop) -> None:
    app = FastAPI()
    handle_errors(app)
    app.get("/analytics/sales")(lambda: sales(shop, MONTH))
    with served(app) as asked:
        answer = asked.get("/analytics/sales")
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert answer.json()["detail"].startswith("There are no order lines to tell sales from; ")
