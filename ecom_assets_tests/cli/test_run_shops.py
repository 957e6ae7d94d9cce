"""`ecom run` over exports of shops: one command, no key written by hand,
and the figures that their pages name.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ecom_assets_tests.cli.test_run_orders import queried
from ecom_assets_tests.command import FEW_SALES, ecom
from ecom_assets_tests.ingestion.sources import test_shop_order_documents as documents
from ecom_assets_tests.ingestion.sources import test_shopify_graphql as graphql
from ecom_assets_tests.ingestion.sources.test_shop_orders import (
    ANN,
    ANN_2,
    BOB,
    CARLA,
    MAGENTO_GRID,
    PRESTA_LIST,
    STRIPE_PAYMENTS,
    WOO_ANALYTICS,
    csv_text,
)

TOTALS = (
    "coalesce(sum(revenue_amount), 0), coalesce(sum(shipping_amount), 0), "
    "coalesce(sum(tax_amount), 0)"
)
LAYOUTS: dict[str, tuple[str, Any, tuple[str, str, str]]] = {
    "shopify": ("csv", csv_text([ANN, ANN_2, BOB, CARLA]), ("72.00", "6.00", "3.29")),
    "shopify_admin": ("json", {"orders": [documents.SHOPIFY_ORDER]}, ("27.50", "0.00", "5.51")),
    "shopify_graphql": (
        "json",
        graphql.answer(graphql.order(1, "2026-07-05T07:00:00Z", graphql.PLACED, graphql.RETURNED)),
        ("31.00", "0.00", "5.51"),
    ),
    "woocommerce": ("json", [documents.WOO_ORDER], ("26.00", "8.00", "3.62")),
    "magento": ("json", {"items": [documents.MAGENTO_ORDER]}, ("65.00", "10.00", "4.00")),
    "prestashop": ("json", {"orders": [documents.PRESTA_ORDER]}, ("24.00", "6.00", "6.00")),
    "stripe": ("json", {"data": [documents.CHARGE]}, ("19.99", "0.00", "0.00")),
    "stripe_balance": (
        "json",
        {"data": [documents.TXN, documents.BACK, documents.PAYOUT]},
        ("15.00", "0.00", "0.00"),
    ),
    "stripe_payments": ("csv", STRIPE_PAYMENTS, ("720.00", "0.00", "0.00")),
    "woocommerce_analytics": ("csv", WOO_ANALYTICS, ("26.00", "0.00", "0.00")),
    "magento_grid": ("csv", MAGENTO_GRID, ("1100.00", "10.00", "0.00")),
    "prestashop_list": ("csv", PRESTA_LIST, ("1072.00", "0.00", "0.00")),
}
"""Of each mapping a file, and its net sales, shipping and taxes,
as the tests of the mapping add them up.
"""


@pytest.mark.slow
@pytest.mark.parametrize("mapping", LAYOUTS)
def test_an_export_gives_the_figures_of_its_shop(tmp_path: Path, mapping: str) -> None:
    ending, content, totals = LAYOUTS[mapping]
    file = tmp_path / f"export.{ending}"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    result = ecom(
        "run", "--orders", file, "--orders-mapping", mapping, *FEW_SALES, home=tmp_path / "home"
    )
    assert result.exit_code == 0, result.err
    [actual] = queried(tmp_path / "home", f"SELECT {TOTALS} FROM mart.sales")
    assert actual == tuple(map(Decimal, totals))


@pytest.mark.slow
def test_customers_of_a_file_are_those_of_the_orders(tmp_path: Path) -> None:
    orders, customers = tmp_path / "orders_export.csv", tmp_path / "customers_export.csv"
    orders.write_text(csv_text([ANN, ANN_2, BOB, CARLA]))
    customers.write_text(
        "Customer ID,First Name,Email\n'1,Ann,Ann@example.com\n'3,Carla,carla@example.com\n"
    )
    home = tmp_path / "home"
    of_orders = ("--orders", orders, "--orders-mapping", "shopify")
    result = ecom(
        "run", *of_orders, "--customers", customers, "--customers-mapping", "shopify", home=home
    )
    assert result.exit_code == 0, result.err
    joined = "mart.customer AS o JOIN staging.customers AS c ON o.customer_id = c.customer_id"
    assert sorted(queried(home, f"SELECT c.full_name, o.shipped_amount FROM {joined}")) == [
        ("Ann", Decimal("47.00")),
        ("Carla", Decimal("25.00")),
    ]
