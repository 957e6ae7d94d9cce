"""A run over the simulated shop's orders and costs finds the profit that the shop knows."""

from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets.commerce.costs.contracts import CategoryProfitability, ProfitDaily, ProfitLines
from ecom_assets.commerce.marketing.contracts import CUTS, CustomerCohortValue
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets_tests.command import ecom
from ecom_assets_tests.sandbox.shop_recount import Recount

pytestmark = pytest.mark.xdist_group("shop_month")
NAMES = {
    "gross_sales_amount": "gross_sales_amount",
    "discount_amount": "discount_amount",
    "returns_amount": "returns_amount",
    "revenue_amount": "revenue_amount",
    "cost_amount": "cost_amount",
    "costed_revenue_amount": "revenue_with_cost_amount",
    "gross_profit_amount": "gross_profit_amount",
}
"""The numbers of a line, and what the shop calls them."""
OF_ORDERS = ("shipping_amount", "payment_fee_amount", "shipping_cost_amount")
OF_DAYS = (*OF_ORDERS, "contribution_before_ads_amount")
"""The numbers of orders, and of days, which the shop knows by day."""
PROFIT = " or ".join(
    f'+key:"mart/{name}"'
    for name in ("profit_daily", "category_profitability", "customer_cohort_value")
)
BY = {"by_date": "order_date", "by_product": "item_id", "by_category": "item_category"}


def cohorts_of(engine: Engine) -> dict[str, tuple[int, list[str], list[str]]]:
    """Return customers, net sales and contribution of months that are over, as the shop does."""
    cells = engine.table(CustomerCohortValue)
    cells = cells.filter(*(cells[name] == "(all)" for name in CUTS))
    result: dict[str, tuple[int, list[str], list[str]]] = {}
    for row in engine.rows_of(cells.order_by("cohort_month_date", "months_since_count")):
        month = f"{row['cohort_month_date']:%Y-%m}"
        _, revenue, left = result.setdefault(month, (row["customer_count"], [], []))
        if row["is_complete"]:
            revenue.append(f"{row['revenue_amount']:.2f}")
            left.append(f"{row['contribution_before_ads_amount'] or 0:.2f}")
    return result


@pytest.mark.slow
def test_the_profit_of_a_run_is_the_truth(month: Recount, tmp_path: Path) -> None:
    home = tmp_path / "home"
    orders, costs = month.folder / "orders.parquet", month.folder / "costs.csv"
    env = {"ECOM_CATALOGUE": str(month.folder / "catalogue.parquet")}
    files = ("--orders", orders, "--costs", costs)
    result = ecom("run", *files, "--select", PROFIT, home=home, env=env)
    assert result.exit_code == 0, result.err
    with closing(new_engine(Settings(home=home), read_only=True).open()) as engine:
        lines = engine.table(ProfitLines)
        for kind, unit in BY.items():
            names = NAMES | dict.fromkeys(OF_DAYS if kind == "by_date" else ())
            sums = lines.group_by(unit).agg(**{name: lines[name].sum() for name in names})
            rows = {str(row.pop(unit)): row for row in engine.rows_of(sums)}
            truth = month.truth["profit"][kind]
            assert rows.keys() == truth.keys()
            for value, row in rows.items():
                expected = {name: truth[value][of or name] for name, of in names.items()}
                known = {name: text and Decimal(text) for name, text in expected.items()}
                zeros = {
                    name: row[name] or 0 for name in ("discount_amount", *OF_ORDERS) if name in row
                }
                assert row | zeros == known, value
        assert cohorts_of(engine) == {
            name: (truth["new_customers"], truth["revenue_amounts"], truth["contribution_amounts"])
            for name, truth in month.truth["advertising"]["cohorts"].items()
        }
        assert engine.some_rows(ProfitDaily, None, 1)
        assert engine.some_rows(CategoryProfitability, None, 1)
