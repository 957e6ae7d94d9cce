"""What sales leave after the cost of what was sold: examples that a reader can redo, and whatever
the order in which sales and costs come.
"""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import cache

import pytest

from ecom_assets.commerce.costs.contracts import CategoryProfitability, ProfitLines
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.builders import Row
from ecom_assets_tests.commerce.costs.shop import CITIES, CostShop, cost, profit_of, sale, shop_of
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import seeds

D = Decimal
HAT_60 = cost("hat", "60", "2026-01-01")


def numbers(profit: Row, *names: str) -> tuple[object, ...]:
    return tuple(profit[name] for name in names)


GROSS_TO_PROFIT = (
    "gross_sales_amount",
    "discount_amount",
    "revenue_amount",
    "cost_amount",
    "gross_profit_amount",
)


@pytest.mark.slow
def test_a_discount_is_taken_off_before_the_cost() -> None:
    """Example 1: 2 hats at 119.00 with 19 % tax, 10 % off, each hat costs 60."""
    hats = sale(
        "a-1",
        "2026-05-02",
        "hat",
        "2",
        "180",
        gross_amount=D(200),
        discount_amount=D(20),
    )
    profit = profit_of([hats], [HAT_60])
    assert numbers(profit, *GROSS_TO_PROFIT) == (200, 20, 180, 120, 60)
    assert round(profit["margin"], 4) == D("0.3333")


@pytest.mark.slow
def test_a_discount_of_an_order_leaves_its_parts_of_the_lines() -> None:
    """Example 2: three socks at 10.00 with 10.00 off the order; only what a hat costs is known."""
    parts = (("6.66", "3.34"), ("6.67", "3.33"), ("6.67", "3.33"))
    lines = [
        sale(f"a-{n}", "2026-05-02", "sock", "1", paid, gross_amount=D(10), discount_amount=D(off))
        for n, (paid, off) in enumerate(parts)
    ]
    profit = profit_of(lines, [HAT_60])
    assert numbers(profit, *GROSS_TO_PROFIT) == (30, 10, 20, None, None)


@pytest.mark.slow
@each(
    "refund, expected",
    [
        (sale("a-2", "2026-05-09", "hat", "-1", "-90"), (90, 90, 60, 30)),
        (sale("a-2", "2026-05-09", "hat", "-1", "-90", is_restocked=True), (90, 90, 60, 30)),
        (sale("a-2", "2026-05-09", "hat", "-1", "-90", is_restocked=False), (90, 90, 120, -30)),
        (sale("a-2", "2026-05-09", "hat", "0", "-10"), (10, 170, 120, 50)),
    ],
)
def test_a_piece_that_comes_back_takes_its_cost_back_and_money_alone_does_not(
    refund: Row, expected: tuple[int, ...]
) -> None:
    """Example 3: one of two hats of 90 goes back, and can be sold again or not; or 10 alone."""
    profit = profit_of([sale("a-1", "2026-05-02", "hat", "2", "180"), refund], [HAT_60])
    names = ("returns_amount", "revenue_amount", "cost_amount", "gross_profit_amount")
    assert numbers(profit, *names) == expected


@pytest.mark.slow
def test_profit_is_over_the_lines_whose_cost_is_known_and_says_how_many_these_are() -> None:
    """Example 4: A for 100 costs 60, of B for 50 nobody knows it."""
    lines = [sale("a-1", "2026-05-02", "A", "1", "100"), sale("a-2", "2026-05-02", "B", "1", "50")]
    profit = profit_of(lines, [cost("A", "60", "2026-01-01")])
    assert numbers(profit, "gross_profit_amount", "revenue_amount") == (40, 150)
    assert profit["margin"] == D("0.4")
    assert round(profit["coverage"], 4) == D("0.6667")


@pytest.mark.slow
def test_a_later_cost_changes_no_earlier_sale_and_no_return_of_it() -> None:
    """Example 5: 10 until 31 May, then 12; 3 sold in May, 2 in June; one of May goes back."""
    costs = [cost("hat", "10", "2026-01-01"), cost("hat", "12", "2026-06-01")]
    sales = [
        sale("a-1", "2026-05-20", "hat", "3", "60"),
        sale("b-1", "2026-06-03", "hat", "2", "40", customer="bob"),
    ]
    profit = profit_of(sales, costs)
    assert numbers(profit, "revenue_amount", "cost_amount", "gross_profit_amount") == (100, 54, 46)
    returned = profit_of([*sales, sale("a-2", "2026-06-05", "hat", "-1", "-20")], costs)
    assert numbers(returned, "revenue_amount", "cost_amount", "gross_profit_amount") == (80, 44, 36)


@pytest.mark.slow
def test_what_is_given_away_costs_all_the_same() -> None:
    """Example 6: a hat for 40 that costs 15, and a gift of 12 that costs 4; or both for nothing."""
    costs = [cost("hat", "15", "2026-01-01"), cost("gift", "4", "2026-01-01")]
    hat = sale("a-1", "2026-05-02", "hat", "1", "40", gross_amount=D(40), discount_amount=D(0))
    gift = sale("a-2", "2026-05-02", "gift", "1", "0", gross_amount=D(12), discount_amount=D(12))
    profit = profit_of([hat, gift], costs)
    assert numbers(profit, *GROSS_TO_PROFIT) == (52, 12, 40, 19, 21)
    assert profit["margin"] == D("0.525")
    free = hat | {"revenue_amount": D(0), "discount_amount": D(40)}
    profit = profit_of([free, gift], costs)
    assert numbers(profit, "revenue_amount", "gross_profit_amount", "margin") == (0, -19, None)


@pytest.mark.slow
def test_what_a_line_says_of_its_cost_comes_before_the_table() -> None:
    line = sale("a-1", "2026-05-02", "hat", "2", "180", unit_cost_amount=D("55.5"))
    back = sale("a-2", "2026-05-09", "hat", "-1", "-90")
    assert profit_of([line], [HAT_60])["cost_amount"] == 111
    assert profit_of([line, back], [HAT_60])["cost_amount"] == D("55.5")


def test_the_catalogue_says_a_cost_where_neither_the_line_nor_the_table_does() -> None:
    """Four hats of May: by its line one cost 55, by the table two 60 from the 3rd until the 5th,
    and before, by the catalogue of the 10th, one 58.
    """
    shop = CostShop()
    shop.cost(cost("hat", "60", "2026-05-03", "2026-05-05"))
    shop.catalogue(("hat", date(2026, 5, 10), "58"))
    shop.sell(
        [
            sale("a-1", "2026-05-04", "hat", "1", "90", unit_cost_amount=D(55)),
            sale("b-1", "2026-05-04", "hat", "2", "180"),
            sale("c-1", "2026-05-02", "hat", "1", "90"),
            sale("d-1", "2026-05-12", "hat", "1", "90"),
        ]
    )
    shop.run(Days.between(date(2026, 5, 2), date(2026, 5, 13)))
    lines = {row["uniq_id"]: row for row in shop.rows(ProfitLines)}
    names = ("cost_source", "cost_amount", "is_cost_estimated")
    assert {line: numbers(row, *names) for line, row in lines.items()} == {
        "a-1": ("line", 55, False),
        "b-1": ("costs", 120, False),
        "c-1": ("catalogue", 58, True),
        "d-1": ("catalogue", 58, False),
    }
    assert numbers(shop.profit(), "cost_amount", "estimated_cost_amount") == (291, 58)


@pytest.mark.slow
def test_a_cost_without_a_day_stands_in_for_the_days_before_it_and_is_estimated() -> None:
    lines = [
        sale("a-1", "2026-05-02", "hat", "1", "90"),
        sale("b-1", "2026-06-20", "hat", "1", "90"),
    ]
    profit = profit_of(lines, [cost("hat", "60", arrived=date(2026, 6, 10))])
    assert numbers(profit, "cost_amount", "estimated_cost_amount") == (120, 60)


@pytest.mark.slow
def test_a_quantity_that_is_not_known_leaves_the_cost_unknown() -> None:
    profit = profit_of([sale("a-1", "2026-05-02", "hat", None, "90")], [HAT_60])
    assert numbers(profit, "cost_amount", "gross_profit_amount", "coverage") == (None, None, 0)


def test_customers_are_new_on_the_day_of_their_first_order_only() -> None:
    shop = CostShop()
    shop.cost(HAT_60)
    shop.sell(
        [
            sale("a-1", "2026-05-02", "hat", "1", "90"),
            sale("b-1", "2026-05-03", "hat", "1", "90"),
            sale("a-2", "2026-05-04", "hat", "-1", "-90"),
            sale("c-1", "2026-05-02", "hat", "1", "90", customer="(unknown)"),
        ]
    )
    shop.run(Days.between(date(2026, 5, 2), date(2026, 5, 5)))
    types = {row["uniq_id"]: row["customer_type"] for row in shop.rows(ProfitLines)}
    assert types == {"a-1": "new", "b-1": "returning", "a-2": "new", "c-1": "unknown"}


FIRST = date(2026, 5, 1)
DAYS = Days.between(FIRST, FIRST + timedelta(days=6))


def random_sales(dice: random.Random, first: int = 0) -> list[Row]:
    """Return sales of few orders, items and customers, so that all meet; no two of one number,
    which begin at `first`.
    """
    lines = []
    for number in range(first, first + 12):
        on = dice.choice(DAYS.dates)
        pieces = dice.randint(1, 3)
        is_refund = dice.random() < 0.3
        lines.append(
            sale(
                f"{dice.choice('abcdef')}-{number}",
                str(on),
                dice.choice(("hat", "sock")),
                str(-pieces if is_refund else pieces),
                str((-dice.choice((10, 30)) if is_refund else 20) * pieces),
                customer=dice.choice(("anna", "bob")),
                city_id=dice.choice(CITIES),
                sales_channel=dice.choice(("web", "marketplace")),
                payment_method=dice.choice((None, "card")),
                shipping_amount=dice.choice((None, D("4.99"), D(0))),
                shipping_cost_amount=dice.choice((None, D("3.35"))),
                payment_fee_amount=dice.choice((None, D("0.7777"))),
                is_restocked=dice.choice((None, True, False)) if is_refund else None,
                unit_cost_amount=dice.choice((None, None, D("7.25"))),
            )
        )
    return lines


def random_costs(dice: random.Random) -> list[Row]:
    """Return costs with and without days, ends that lie anywhere, and no cost at all."""
    days = [None, *map(str, DAYS.dates)]
    return [
        cost(
            dice.choice(("hat", "sock")),
            dice.choice(("3", "4.5", "5", None)),
            dice.choice(days),
            dice.choice((None, None, *days)),
            arrived=dice.choice(DAYS.dates),
        )
        for _ in range(5)
    ]


def random_catalogue(dice: random.Random) -> list[tuple[str, date, str | None]]:
    """Return what the catalogue says on two days of what items cost, nothing or 0 among it."""
    days = dice.sample(DAYS.dates, 2)
    return [
        (item, on, dice.choice((None, "0", "2", "2.5"))) for on in days for item in ("hat", "sock")
    ]


@cache
def shop() -> CostShop:
    """One warehouse, emptied between stories."""
    return CostShop()


def run_in_pieces(days: Sequence[date], dice: random.Random) -> None:
    """Run days one by one, in any order."""
    for on in dice.sample(days, len(days)):
        shop().run(Days((on,)))


def check(seed: int) -> None:
    """Run some days, let sales and costs become others, run what changed; compare with one run."""
    dice = random.Random(seed)  # noqa: S311 (stories, not secrets)
    shop().sell([], DAYS)
    for table in shop().state():
        shop().engine.execute(f"DELETE FROM {table}")
    before, after = random_sales(dice), random_sales(dice, 12)
    changed = dice.sample(DAYS.dates, 3)
    shop().cost(*random_costs(dice))
    shop().catalogue(*random_catalogue(dice))
    first = shop().sell(before, DAYS)
    run_in_pieces(DAYS.dates, dice)
    now = [row for row in before if row["order_date"] not in changed]
    now += [row for row in after if row["order_date"] in changed]
    first_now = shop().sell(now, DAYS)
    shop().cost(*random_costs(dice))
    shop().catalogue(*random_catalogue(dice))
    # Whoever paid first on another day is new on other days.
    theirs = {
        row["order_date"]
        for row in now
        if first.get(row["customer_id"]) != first_now[row["customer_id"]]
    }
    run_in_pieces(sorted({*changed, *theirs}), dice)
    in_pieces = shop().state()
    shop().run(DAYS)
    assert shop().state() == in_pieces, f"shop {seed}"
    assert in_pieces["mart.profit_lines"]


@pytest.mark.slow
def test_any_order_of_runs_ends_as_one_run_over_everything() -> None:
    for seed in seeds((0, 1, *range(100, 130))):
        check(seed)


def weekly(shop: CostShop, *names: str) -> dict[str, tuple[object, ...]]:
    """Return columns of the profitability of categories, which all are of one week."""
    return {row["item_category"]: numbers(row, *names) for row in shop.rows(CategoryProfitability)}


SOLD_BY_CATEGORY = (
    sale("a-1", "2026-05-04", "hat", "2", "180", item_category="hats"),
    sale("b-1", "2026-05-05", "hat", "1", "90", item_category="hats"),
    sale("c-1", "2026-05-06", "sock", "5", "50"),
    sale("c-2", "2026-05-08", "sock", "-1", "-10"),
)


@pytest.mark.slow
def test_categories_are_ranked_by_orders_where_nothing_is_known_of_costs() -> None:
    """270 of hats in two orders; socks for 50 have no category, of which 10 are paid back."""
    shop = shop_of(SOLD_BY_CATEGORY, [])
    names = ("order_count", "sold_item_count", "revenue_amount", "returns_amount")
    assert weekly(shop, *names) == {"hats": (2, 3, 270, 0), "sock": (1, 5, 40, 10)}
    assert weekly(shop, "popularity_rank", "profit_rank") == {"hats": (1, None), "sock": (2, None)}
    unknown = ("gross_profit_amount", "cost_amount", "gross_margin_rate")
    assert weekly(shop, *unknown, "contribution_before_ads_amount") == dict.fromkeys(
        ("hats", "sock"), (None,) * 4
    )
    assert weekly(shop, "costed_shipped_amount", "cost_coverage_rate")["hats"] == (0, 0)
    assert not shop.rows(ProfitLines)


@pytest.mark.slow
def test_a_cost_of_one_category_changes_no_number_of_another_but_its_rank() -> None:
    shop = shop_of(SOLD_BY_CATEGORY, [cost("hat", "100", "2026-01-01")])
    names = ("revenue_amount", "gross_profit_amount", "profit_rank", "popularity_rank")
    assert weekly(shop, *names) == {"hats": (270, -30, 1, 1), "sock": (40, None, None, 2)}
