"""What the checks of costs say of costs that cannot be right, and of margins that fall."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from ecom_assets.commerce.costs.checks import (
    costs_are_below_prices,
    costs_do_not_contradict,
    every_cost_is_read,
    margin_does_not_fall_by_half,
    most_costs_are_known,
    profit_adds_up_to_its_lines,
    received_is_costs_plus_quarantined,
    rule_checks,
)
from ecom_assets.commerce.costs.contracts import ProfitDaily
from ecom_assets.commerce.costs.contribution import CostRules
from ecom_assets.core.tables.check import CheckResult, TableCheck, contract_check
from ecom_assets.core.tables.cost_rules import PaymentFeeRule, ShippingCostRule
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.builders import Row
from ecom_assets_tests.commerce.costs.shop import CostShop, cost, profit_of, sale

FIRST = date(2026, 5, 1)


def checked(check: TableCheck, sales: list[Row], *costs: Row) -> CheckResult:
    """Return the result of a check over a shop."""
    shop = CostShop()
    shop.cost(*costs)
    shop.sell(sales)
    days = sorted(row["order_date"] for row in sales)
    run = Days.between(days[0], days[-1] + timedelta(days=1))
    shop.run(run)
    return check.evaluate(run, *(shop.table(contract) for contract in check.tables))


def sentence(result: CheckResult) -> str:
    return str(result.metadata.get("sentence", ""))


def sold(*items: str) -> list[Row]:
    """Return a sale of each item for 20."""
    return [sale(f"{item}-1", "2026-05-01", item, "1", "20") for item in items]


@pytest.mark.slow
def test_costs_above_prices_are_counted_as_cents_and_packs() -> None:
    costs = [cost("hat", "19"), cost("cap", "2000"), cost("pen", "240"), cost("cup", "21")]
    result = checked(costs_are_below_prices, sold("hat", "cap", "pen", "cup"), *costs)
    assert result.broken_count == 3
    assert sentence(result).startswith(
        "Items that cost more than customers paid for them: 3 of 4; 1 about a hundred times, as in "
        "cents; 1 about twelve times, as for a pack."
    )
    assert checked(costs_are_below_prices, sold("hat"), cost("hat", "20")).broken_count == 0


@pytest.mark.slow
def test_a_fifth_of_sales_may_be_without_a_cost() -> None:
    items = [f"item {number}" for number in range(5)]
    known = [cost(item, "5") for item in items]
    assert checked(most_costs_are_known, sold(*items), *known[1:]).broken_count == 0
    result = checked(most_costs_are_known, sold(*items), *known[2:])
    assert sentence(result).startswith("Of 40% of what was sold the cost is not known")


@pytest.mark.slow
def test_a_margin_that_falls_by_half_is_said() -> None:
    days = [FIRST + timedelta(days=number) for number in range(35)]
    sales = [sale(f"{day}-1", str(day), "hat", "1", "20") for day in days]
    later = str(days[-7])
    for amount, is_fallen in (("14.9", False), ("15", True)):
        costs = [cost("hat", "10", "2026-01-01"), cost("hat", amount, later)]
        result = checked(margin_does_not_fall_by_half, sales, *costs)
        assert (result.broken_count == 1) is is_fallen, amount
    assert "Gross margin fell by half or more in the week up to 2026-06-04" in sentence(result)


@pytest.mark.slow
def test_a_margin_may_be_above_1_where_more_cost_comes_back_than_is_sold() -> None:
    """A hat for 10 costs 5; a coat that cost 8 comes back for 9: net sales 1, cost -3, profit 4."""
    sales = [
        sale("a-1", "2026-05-02", "hat", "1", "10"),
        sale("b-1", "2026-05-02", "coat", "-1", "-9"),
    ]
    costs = [cost("hat", "5", "2026-01-01"), cost("coat", "8", "2026-01-01")]
    assert profit_of(sales, costs)["margin"] == 4
    assert checked(contract_check(ProfitDaily), sales, *costs).broken_count == 0


@pytest.mark.slow
def test_a_rule_about_what_no_order_has_is_said() -> None:
    """Rules are compared with orders whatever the case; without a value they are for all."""
    for_all = PaymentFeeRule(percent=Decimal(1))
    (check,) = rule_checks(
        CostRules(
            (for_all, PaymentFeeRule(percent=Decimal(2), payment_method="Card")),
            (ShippingCostRule(per_order=Decimal(4), country="Germnay"),),
        )
    )
    paid = sale("a-1", "2026-05-02", "hat", "1", "20", payment_method="card", city_id="Germany")
    result = checked(check, [paid], cost("hat", "5", "2026-01-01"))
    assert (result.broken_count, result.looked_at_count) == (1, 2)
    assert sentence(result).startswith(
        "Rules of costs about what no order has: country 'Germnay', where orders have (none), "
        "Germany, Spain; correct"
    )
    assert rule_checks(CostRules((for_all,))) == []


@pytest.mark.slow
def test_rows_and_profit_are_accounted_for() -> None:
    costs = [
        cost("hat", "10", "2026-01-01", "2025-01-01"),
        cost("hat", "11", "2026-01-01", "2025-01-01"),
        cost("hat", "-1", "2026-02-01"),
        cost(None, "1"),
        cost("glove", "3"),
    ]
    for check in (received_is_costs_plus_quarantined, profit_adds_up_to_its_lines):
        assert checked(check, sold("hat"), *costs).broken_count == 0
    refused = checked(every_cost_is_read, sold("hat"), *costs)
    assert sentence(refused).startswith(
        "Rows of costs that are not read: 1 without an item; 1 with a cost below zero."
    )
    said = checked(costs_do_not_contradict, sold("hat"), *costs)
    assert said.broken_count == 1
    assert "1 with another cost of the same item and day" in sentence(said)
    assert Decimal(said.looked_at_count) == 1
