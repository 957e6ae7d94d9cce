"""Which other days a run changes is asked only where a table has rows on other days."""

from datetime import date, timedelta

import ibis.expr.types as ir

from ecom_assets.commerce.costs.assets import days_of_other_lines, days_of_other_profit
from ecom_assets.commerce.marketing.assets import (
    days_of_other_campaigns,
    days_of_other_claims,
    days_of_other_marketing,
    days_of_other_spend,
)
from ecom_assets.core.tables.asset import Invalidation, invalidation
from ecom_assets.core.tables.contract import Table, day
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.each import each

FIRST = date(2026, 1, 1)
RUN = Days((FIRST, FIRST + timedelta(days=1)))


class Spent(Table):
    """One row per day on which anything was spent."""

    layer = "mart"
    key = ("spend_date",)
    day_column = "spend_date"

    spend_date = day("The day")


class Seen(Table):
    """One row per day on which anybody came."""

    layer = "mart"
    key = ("seen_date",)
    day_column = "seen_date"

    seen_date = day("The day")


class Tables:
    """A warehouse with some days of spend and of visits."""

    def __init__(self, spent: list[int], seen: list[int]) -> None:
        """Store the rows, by days after the first."""
        con = connect()
        self.tables: dict[type[Table], ir.Table] = {}
        for contract, column, days in ((Spent, "spend_date", spent), (Seen, "seen_date", seen)):
            numbers = f"unnest({days}::INT[]) AS t(n)"
            rows = con.sql(f"SELECT DATE '{FIRST}' + n::INTEGER AS {column} FROM {numbers}")
            self.tables[contract] = con.create_table(contract.name, obj=rows)

    def readable(self, contract: type[Table]) -> ir.Table:
        """Return a table."""
        return self.tables[contract]


asked: list[Days] = []


@invalidation(
    only_with_rows_of=(("spent", "spend_date"), ("seen", "seen_date")), spent=Spent, seen=Seen
)
def other_days(spent: ir.Table, seen: ir.Table, days: Days) -> ir.Table:
    """Return all days of visits."""
    asked.append(days)
    assert "spend_date" in spent.columns
    return seen.select(day="seen_date").distinct()


@each(
    "spent, seen, is_asked",
    [([0, 1], [1], False), ([], [], False), ([0, 2], [1], True), ([0], [1, 2], True)],
)
def test_other_days_are_asked_only_where_any_table_has_rows_on_them(
    spent: list[int], seen: list[int], *, is_asked: bool
) -> None:
    asked.clear()
    found = other_days.days(RUN, {}, Tables(spent, seen))  # type: ignore[arg-type]
    assert bool(asked) is is_asked
    later = [FIRST + timedelta(days=2)] if 2 in seen else []
    assert found.dates == (*RUN.dates, *later)


@each(
    "declared",
    [
        *(days_of_other_spend, days_of_other_campaigns, days_of_other_marketing),
        *(days_of_other_claims, days_of_other_lines, days_of_other_profit),
    ],
)
def test_each_table_that_is_compared_with_its_own_rows_names_their_days(
    declared: Invalidation,
) -> None:
    """Rows of days that nothing brings any more are found, too."""
    stored = declared.reads["stored"]
    assert ("stored", stored.day_column) in declared.only_with_rows_of
    for name, column in declared.only_with_rows_of:
        assert declared.reads[name].columns[column].type == "date"
