"""The profit of Microsoft's sample shop in 2016, with sums that were taken with other tools.

Its lines have no amounts, and its returns neither order nor customer: prices and costs are those of
the products, by their keys, or costs have a history, by SKU, of which 200 ends lie before their
starts.
"""

from decimal import Decimal
from typing import Any

import ibis
import ibis.expr.types as ir
import pytest
from ibis.backends.duckdb import Backend

from ecom_assets.commerce.costs.contracts import RawCosts
from ecom_assets.commerce.costs.costs import cost_versions, item_costs
from ecom_assets.commerce.costs.profit import profit_lines
from ecom_assets.commerce.products.contracts import RawStock
from ecom_assets.commerce.sales.contracts import City, Customer, Sales
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.command import REAL_FILES

FOLDER = REAL_FILES / "adventure_works"
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"{FOLDER} is not here: it is for trials of the platform only"
)
D = Decimal
FILES = {"sales": "sales_2016", "returns": "returns", "products": "products"}
LINES = """
    SELECT 'line ' || row_number() OVER () AS uniq_id, OrderNumber AS order_id,
        strptime(OrderDate, '%d-%b-%Y')::DATE AS order_date, CustomerKey AS customer_id,
        ProductSKU AS sku, ProductKey AS item_id, OrderQuantity::INT AS quantity,
        ProductPrice::DECIMAL(18, 4) AS price, 'shipped' AS status
    FROM sales JOIN products USING (ProductKey)
    UNION ALL
    SELECT 'return ' || row_number() OVER (), 'return ' || row_number() OVER (),
        strptime(ReturnDate, '%d-%b-%Y')::DATE, '(unknown)', ProductSKU, ProductKey,
        -ReturnQuantity::INT, ProductPrice::DECIMAL(18, 4), 'refunded'
    FROM returns JOIN products USING (ProductKey) WHERE ReturnDate LIKE '%2016'
"""


@pytest.fixture(scope="module")
def con() -> Backend:
    """The files as tables."""
    con = connect()
    for name, file in FILES.items():
        path = FOLDER / f"{file}.csv"
        con.raw_sql(
            f"CREATE TABLE {name} AS FROM read_csv('{path}', all_varchar = true, encoding = "
            "'latin-1')"
        )
    con.raw_sql(
        f"CREATE TABLE history AS FROM read_csv('{FOLDER / 'cost_history.csv'}', all_varchar=true)"
    )
    con.raw_sql(f"CREATE TABLE lines AS {LINES}")
    return con


def filled(table: ir.Table, contract: Any) -> ir.Table:
    """Return rows with all columns of a contract, null where they have none."""
    kinds = schema_of(contract)
    return table.select(
        **{
            name: (table[name] if name in table.columns else ibis.null()).cast(kind(nullable=True))
            for name, kind in kinds.items()
        }
    )


def profit_by(con: Backend, item: str, received: str) -> dict[str, Decimal]:
    """Return the sums of what is shipped and returned, with costs as they were received."""
    lines = con.table("lines")
    named = lines.mutate(item_id=lines[item], revenue_amount=lines.price * lines.quantity)
    sold = filled(named, Sales)
    no_catalogue = filled(con.sql("SELECT NULL::VARCHAR AS product_id WHERE false"), RawStock)
    known = item_costs(cost_versions(filled(con.sql(received), RawCosts)), no_catalogue)
    nobody = filled(con.sql("SELECT NULL::VARCHAR AS customer_id WHERE false"), Customer)
    nowhere = filled(con.sql("SELECT NULL::VARCHAR AS city_id WHERE false"), City)
    result = profit_lines(sold, known, nobody, nowhere)
    sums = result.group_by("status").agg(
        revenue=result.revenue_amount.sum(),
        cost=result.cost_amount.sum(),
        profit=result.gross_profit_amount.sum(),
    )
    rows = {row.pop("status"): row for row in sums.to_pyarrow().to_pylist()}
    return {f"{status} {name}": rows[status][name] for status in rows for name in rows[status]}


@pytest.mark.slow
def test_costs_of_the_products(con: Backend) -> None:
    sums = profit_by(
        con,
        "item_id",
        "SELECT ProductKey AS item_id, ProductKey AS cost_id, ProductCost AS "
        "received_unit_cost_amount, ProductCost AS unit_cost_amount, DATE '2015-01-01' AS "
        "received_date, 'products.csv' AS source, 'products.csv' AS source_file FROM products",
    )
    assert sums["shipped revenue"] == D("9324195.35")
    assert sums["shipped cost"] == D("5357171.92")
    assert sums["refunded revenue"] == D("-276348.82")
    assert sums["refunded cost"] == D("-159819.51")
    assert sums["shipped revenue"] + sums["refunded revenue"] == D("9047846.53")
    assert sums["shipped profit"] + sums["refunded profit"] == D("3850494.12")


@pytest.mark.slow
def test_costs_with_a_history(con: Backend) -> None:
    sums = profit_by(
        con,
        "sku",
        "SELECT sku AS item_id, sku || start_date AS cost_id, standard_cost AS "
        "received_unit_cost_amount, standard_cost AS unit_cost_amount, start_date AS "
        "received_valid_from_date, start_date AS valid_from_date, end_date AS "
        "received_valid_until_date, end_date AS valid_until_date, DATE '2016-12-31' AS "
        "received_date, 'cost_history.csv' AS source, 'cost_history.csv' AS source_file FROM "
        "history",
    )
    assert round(sums["shipped cost"], 2) == D("5864057.61")
