"""`ecom run` over exports of shops whose order lines state costs: profit without `ECOM_COSTS`."""

import json
from pathlib import Path
from typing import Any

import pytest

from ecom_assets_tests.builders import Row
from ecom_assets_tests.command import ecom
from ecom_assets_tests.ingestion.sources import test_shop_order_documents as documents


def magento() -> Row:
    """Two shirts at 20.00 each for 70.00, of which one comes back for 35.00; three mugs for 30.00,
    whose cost of 0 is Magento's default.
    """
    order: Row = documents.MAGENTO_ORDER
    shirt, child, mug = order["items"]
    items = [{**shirt, "base_cost": 20}, child, {**mug, "base_cost": 0}]
    return {"items": [{**order, "items": items}]}


def woocommerce() -> list[Row]:
    """Two shirts at 6.50 each for 26.00 with a part of a fee; a cap for 13.00 without a cost."""
    order: Row = documents.WOO_ORDER
    shirt, cap = order["line_items"]
    shirt = {**shirt, "cost_of_goods_sold": {"total_value": 13}}
    return [{**order, "line_items": [shirt, cap], "refunds": []}]


def prestashop() -> Row:
    """Two shirts at 4.25 each for 16.00; a mug for 8.00 without a cost."""
    order: Row = documents.PRESTA_ORDER
    shirt, mug = order["associations"]["order_rows"]
    rows = [{**shirt, "original_wholesale_price": "4.250000"}, mug]
    return {"orders": [{**order, "associations": {"order_rows": rows}}]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mapping", "export", "cost", "profit", "known"),
    [
        # 2 * 20.00 - 20.00; 70.00 - 35.00 - 20.00; of 70.00 + 30.00
        ("magento", magento(), "20.00", "15.00", 0.7),
        # 2 * 6.50; 26.00 - 13.00; of 26.00 + 13.00
        ("woocommerce", woocommerce(), "13.00", "13.00", 2 / 3),
        # 2 * 4.25; 16.00 - 8.50; of 16.00 + 8.00
        ("prestashop", prestashop(), "8.50", "7.50", 2 / 3),
    ],
)
def test_costs_that_order_lines_state_give_profit_without_a_file_of_costs(  # noqa: PLR0913, PLR0917 (parameters of a case)
    home: Path, tmp_path: Path, mapping: str, export: Any, cost: str, profit: str, known: float
) -> None:
    orders = tmp_path / "orders.json"
    orders.write_text(json.dumps(export))
    result = ecom("run", "--json", "--orders", orders, "--orders-mapping", mapping, home=home)
    assert result.exit_code == 0, result.err
    said = result.json["profit"]
    assert (said["cost_amount"], said["gross_profit_amount"]) == (cost, profit)
    assert said["cost_coverage_rate"] == pytest.approx(known)
