"""What a shop pays by month is spread over the days of the month, to the cent."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal

from ecom_assets.commerce.costs.other_costs import other_costs_daily
from ecom_assets.commerce.sales.contracts import Calendar
from ecom_assets.core.tables.cost_rules import OtherCostRule
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import in_memory
from ecom_assets_tests.builders import Row

FIRST = date(2027, 12, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(31 + 31 + 29 + 31 + 30)]
"""December 2027 to April 2028, a leap year."""


def calendar() -> list[Row]:
    return [
        dict.fromkeys(Calendar.columns)
        | {"calendar_date": day, "year_number": day.year, "month_number": day.month}
        for day in DAYS
    ]


def amounts(*rules: OtherCostRule, days: Days | None = None) -> dict[tuple[str, date], Decimal]:
    rows = other_costs_daily(in_memory(calendar(), Calendar), rules, days).to_pyarrow().to_pylist()
    return {
        (row["cost_name"], row["cost_date"]): row["estimated_other_cost_amount"] for row in rows
    }


def test_the_days_of_each_month_add_up_to_it_and_none_is_a_cent_off() -> None:
    costs = amounts(OtherCostRule(name="Tool", per_month=Decimal("79.99")))
    months: dict[int, list[Decimal]] = defaultdict(list)
    for (_, day), amount in costs.items():
        months[day.month].append(amount)
    assert {month: len(parts) for month, parts in months.items()} == {
        12: 31,
        1: 31,
        2: 29,
        3: 31,
        4: 30,
    }
    for parts in months.values():
        assert sum(parts) == Decimal("79.99")
        assert max(parts) - min(parts) <= Decimal("0.01")


def test_a_new_price_counts_from_its_day_and_no_day_counts_twice() -> None:
    rules = [
        OtherCostRule(name="Tool", per_month=Decimal(31), valid_until_date=date(2028, 1, 31)),
        OtherCostRule(name="Tool", per_month=Decimal(62), valid_from_date=date(2028, 1, 30)),
        OtherCostRule(name="Rent", per_month=Decimal(0), valid_from_date=date(2028, 4, 29)),
    ]
    costs = amounts(*rules)
    assert [costs["Tool", date(2028, 1, day)] for day in (29, 30, 31)] == [1, 2, 2]
    assert {day: amount for (name, day), amount in costs.items() if name == "Rent"} == {
        date(2028, 4, 29): 0,
        date(2028, 4, 30): 0,
    }


def test_without_rules_there_are_none_and_a_run_has_its_days_only() -> None:
    assert amounts() == {}
    days = Days((date(2028, 2, 3),))
    assert amounts(OtherCostRule(name="Tool", per_month=Decimal(29)), days=days) == {
        ("Tool", date(2028, 2, 3)): 1
    }
