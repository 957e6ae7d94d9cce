"""What orders leave before advertising: examples that a reader can redo, and random orders beside a
few lines of plain Python.
"""

import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

import pytest

from ecom_assets.commerce.costs.contracts import ProfitDaily, ProfitLines
from ecom_assets.commerce.costs.queries import STEPS, steps
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets_tests.builders import Row
from ecom_assets_tests.commerce.costs.shop import TOTAL, cost, profit_of, sale, shop_of
from ecom_assets_tests.each import each

D = Decimal
HAT_20 = cost("hat", "20", "2026-01-01")
CHARGED: Row = {"shipping_amount": D(6), "tax_amount": D("10.64")}
"""What is paid beside a hat for 50: shipping of 6, and 19 % tax of both."""
LABEL: Row = {"shipping_cost_amount": D("4.50")}
TWO_PERCENT = [{"percent": 2, "per_order": "0.25"}]


def hat(**more: Any) -> Row:
    return sale("a-1", "2026-05-02", "hat", "1", "50", **{**CHARGED, **LABEL, **more})


def contribution(profit: Row) -> Decimal | None:
    amount: Decimal | None = profit["contribution_before_ads_amount"]
    return amount


def only_line(lines: Iterable[Row], **settings: Any) -> Row:
    (row,) = shop_of(lines, [HAT_20], **settings).rows(ProfitLines)
    return row


@pytest.mark.slow
def test_shipping_paid_and_the_payment_are_taken_off_and_shipping_charged_is_added() -> None:
    """Example 7: 50 - 20 + 6 - 4.50 - (2 % of 66.64 + 0.25); then the shipping is paid back."""
    profit = profit_of([hat()], [HAT_20], payment_fee_rules=TWO_PERCENT)
    assert profit["payment_fee_amount"] == profit["estimated_payment_fee_amount"] == D("1.58")
    assert contribution(profit) == D("29.92")
    stated = profit_of([hat(payment_fee_amount=D("1.58"))], [HAT_20])
    assert (contribution(stated), stated["estimated_payment_fee_amount"]) == (D("29.92"), None)
    back = sale("a-2", "2026-05-09", "(none)", "0", "0", status="refunded", shipping_amount=D(-6))
    profit = profit_of([hat(), back], [HAT_20], payment_fee_rules=TWO_PERCENT)
    assert (profit["revenue_amount"], profit["gross_profit_amount"]) == (50, 30)
    assert contribution(profit) == D("23.92")


@pytest.mark.slow
def test_amounts_of_currencies_of_small_worth_are_multiplied() -> None:
    """Forty phones that cost 25 million each are sold for 30 million each; payment takes 2 %."""
    line = sale("a-1", "2026-05-02", "phone", "40", "1200000000", payment_method="card")
    costs = [cost("phone", "25000000", "2026-01-01")]
    profit = profit_of([line], costs, payment_fee_rules=[{"percent": 2}])
    assert profit["cost_amount"] == 1_000_000_000
    assert profit["gross_profit_amount"] == 200_000_000
    assert profit["payment_fee_amount"] == 24_000_000
    assert contribution(profit) == 176_000_000


@pytest.mark.slow
def test_nothing_unknown_is_0() -> None:
    """A shop that nobody says the fees of has no contribution; one that has none says so."""
    unknown = profit_of([hat()], [HAT_20])
    assert contribution(unknown) is None
    assert unknown["contribution_shipped_amount"] == 0
    none = profit_of([hat()], [HAT_20], payment_fee_rules=[{"per_order": 0}])
    assert contribution(none) == D("31.50")


@pytest.mark.slow
def test_shipping_is_a_part_of_each_order_of_a_shop_that_has_some() -> None:
    download = sale("b-1", "2026-05-02", "hat", "1", "50", payment_fee_amount=D(1))
    assert contribution(profit_of([download], [HAT_20])) == 29
    both = profit_of([download, hat(payment_fee_amount=D(1))], [HAT_20])
    assert contribution(both) == D("30.50")
    assert both["contribution_shipped_amount"] == 50


@pytest.mark.slow
def test_contribution_is_over_orders_of_which_all_parts_are_known() -> None:
    """Order a has a hat for 50, which costs 20, and a sock, whose cost nobody knows."""
    sock = sale("a-2", "2026-05-02", "sock", "1", "10")
    other = sale("b-1", "2026-05-02", "hat", "1", "40", **CHARGED, **LABEL)
    back = sale("a-3", "2026-05-09", "hat", "-1", "-50")
    lines = [hat(), sock, other, back]
    profit = profit_of(lines, [HAT_20], payment_fee_rules=[{"per_order": 1}])
    assert profit["gross_profit_amount"] == 30 + 20 - 30
    assert contribution(profit) == D("20.50")
    assert profit["contribution_shipped_amount"] == 40


@pytest.mark.slow
def test_a_refund_whose_order_is_not_there_is_of_an_order_of_which_nothing_is_known() -> None:
    """Nobody says what payments cost; 17 hats came back whose orders nobody knows."""
    lines = [
        sale("a-1", "2026-05-02", "hat", "1", "50"),
        sale("b-1", "2026-05-09", "hat", "-17", "-850"),
    ]
    profit = profit_of(lines, [HAT_20])
    assert profit["gross_profit_amount"] == 30 - 17 * 30
    assert contribution(profit) is None
    assert profit["contribution_shipped_amount"] == 0


@pytest.mark.slow
def test_a_refund_without_a_number_is_of_its_customers_last_order_with_its_item() -> None:
    """Two hats come back, as a report without numbers of orders says it: anna's second one, whose
    fee is known, and one of bob, of whose order it is not.
    """
    fee: dict[str, Any] = {"payment_fee_amount": D(1)}
    lines = [
        sale("a-1", "2026-05-02", "hat", "1", "50"),
        sale("b-1", "2026-05-03", "hat", "1", "50", **fee),
        sale("c-1", "2026-05-09", "hat", "-1", "-50"),
        sale("d-1", "2026-05-02", "hat", "1", "50", customer="bob"),
        sale("e-1", "2026-05-09", "hat", "-1", "-50", customer="bob"),
    ]
    known = {
        row["uniq_id"]: row["contribution_before_ads_amount"]
        for row in shop_of(lines, [HAT_20]).rows(ProfitLines)
    }
    assert known == {"a-1": None, "b-1": 29, "c-1": -30, "d-1": None, "e-1": None}


@pytest.mark.slow
def test_an_order_counts_where_its_refund_is_known_too() -> None:
    """Of order a, a sock comes back, whose cost nobody knows; order b is known, with its refund."""
    order: dict[str, Any] = {"payment_fee_amount": D(1)}
    lines = [
        sale("a-1", "2026-05-02", "hat", "1", "50", **order),
        sale("a-2", "2026-05-09", "sock", "-1", "-10"),
        sale("a-3", "2026-05-10", "hat", "-1", "-5"),
        sale("a-4", "2026-05-11", "hat", "1", "50", **order),
        sale("b-1", "2026-05-02", "hat", "1", "50", **order),
        sale("b-2", "2026-05-09", "hat", "0", "-5"),
    ]
    shop = shop_of(lines, [HAT_20])
    known = {
        row["uniq_id"]: row["contribution_before_ads_amount"] for row in shop.rows(ProfitLines)
    }
    nothing = dict.fromkeys(("a-1", "a-2", "a-3"))
    assert known == nothing | {"a-4": 29, "b-1": 29, "b-2": -5}


PARTS = ("payment_fee_amount", "shipping_amount", "shipping_cost_amount")


def half_known_shop(dice: random.Random) -> list[Row]:
    """Return orders and refunds of ten days, of each of which any part may be unknown: the cost of
    an item, how many there are of it, the fee, and both sides of shipping.
    """
    rows: list[Row] = []
    for order in range(60):
        days = sorted(dice.choices(range(10), k=dice.randint(1, 3)))
        customer = dice.choice(("anna", "bob", "cid", f"customer {order}", UNKNOWN_CUSTOMER))
        for number, on in enumerate(days):
            is_back = dice.random() < (0.6 if number else 0.1)
            for line in range(dice.randint(1, 2)):
                item = dice.choice(("hat", "hat", "hat", "hat", "sock"))
                price, unit_cost = D(dice.randint(0, 5000)) / 100, dice.choice(("3", "4", None))
                row = sale(
                    f"{order}-{number}-{line}",
                    f"2026-05-{on + 1:02}",
                    item,
                    "1",
                    str(price),
                    customer=customer,
                )
                row |= {"unit_cost_amount": unit_cost and D(unit_cost)}
                row |= {"quantity": dice.choice((D(1), D(1), D(2), None))}
                if is_back:
                    row |= {"status": "refunded", "revenue_amount": -price}
                    row |= {"quantity": row["quantity"] and -row["quantity"]}
                for name in PARTS:
                    row[name] = dice.choice((D(0), D(1), D("2.5"), D(3), None))
                rows.append(row)
    dice.shuffle(rows)
    return rows


def whole_of(line: Row, rows: Iterable[Row]) -> str:
    """Return the number of the order that a line is of."""
    shipped = [
        row
        for row in rows
        if row["status"] == "shipped" and row["order_date"] <= line["order_date"]
    ]
    number: str = line["order_id"]
    if line["status"] == "shipped" or number in {row["order_id"] for row in shipped}:
        return number
    items = {
        row["item_id"]
        for row in rows
        if all(row[name] == line[name] for name in ("order_id", "order_date", "status"))
    }
    theirs = [
        (row["order_date"], row["order_id"])
        for row in shipped
        if row["customer_id"] == line["customer_id"] != UNKNOWN_CUSTOMER and row["item_id"] in items
    ]
    return max(theirs)[1] if theirs else number


def parts_of_orders(rows: Iterable[Row]) -> dict[str, list[list[Row]]]:
    """Return what counts together: what is shipped of a number on a day, by itself or with all
    refunds from that day on, and what else was shipped until the last of them.
    """
    every = list(rows)
    by_day: dict[str, dict[tuple[date, str], list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in every:
        by_day[whole_of(row, every)][row["order_date"], row["status"]].append(row)
    result = {}
    for order, days in by_day.items():
        shipped = [on for on, status in days if status == "shipped"]
        back = [on for on, status in days if status == "refunded"]
        whole: list[list[Row]] = []
        alone: list[list[Row]] = []
        for (on, status), lines in sorted(days.items()):
            if status == "shipped":
                (whole if back and on <= max(back) else alone).append(lines)
            elif shipped and on >= min(shipped):
                whole.append(lines)
        result[order] = [
            *([[row for lines in whole for row in lines]] if whole else []),
            *alone,
        ]
    return result


def is_all_known(lines: Iterable[Row], costs: dict[str, Decimal | None]) -> bool:
    """Return whether each line has a cost, and each day of an order its fee and its shipping."""
    of_day: dict[date, list[Row]] = defaultdict(list)
    for row in lines:
        if costs[row["uniq_id"]] is None:
            return False
        if row["status"] == "shipped":
            of_day[row["order_date"]].append(row)
    return all(
        any(row[name] is not None for row in of_order)
        for of_order in of_day.values()
        for name in PARTS
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_sum_counts_an_order_with_all_its_parts_and_refunds_or_not_at_all(seed: int) -> None:
    """Whatever is known of which order: the contribution of each day is that of the whole orders
    of which all is known, by a few lines of Python.
    """
    rows = half_known_shop(random.Random(seed))  # noqa: S311 (orders, not secrets)
    shop = shop_of(rows, [HAT_20])
    lines = {row["uniq_id"]: row for row in shop.rows(ProfitLines)}
    costs = {name: row["cost_amount"] for name, row in lines.items()}
    expected: dict[date, Decimal] = defaultdict(D)
    shipped: dict[date, Decimal] = defaultdict(D)
    counted = 0
    for wholes in parts_of_orders(rows).values():
        for whole in wholes:
            if not is_all_known(whole, costs):
                continue
            counted += 1
            for row in whole:
                on, paid = row["order_date"], row["revenue_amount"]
                expected[on] += paid - (costs[row["uniq_id"]] or D(0))
                expected[on] += row["shipping_amount"] or D(0)
                expected[on] -= sum((row[name] or D(0) for name in (PARTS[0], PARTS[2])), D(0))
                shipped[on] += paid if row["status"] == "shipped" else D(0)
    assert 10 < counted < 60
    totals = {
        row["order_date"]: row
        for row in shop.rows(ProfitDaily)
        if all(row[name] == value for name, value in TOTAL.items())
    }
    known = {
        on: row["contribution_before_ads_amount"]
        for on, row in totals.items()
        if row["contribution_before_ads_amount"] is not None
    }
    assert known == expected
    of_shipped = {
        on: amount for on, row in totals.items() if (amount := row["contribution_shipped_amount"])
    }
    assert of_shipped == {on: amount for on, amount in shipped.items() if amount}


@pytest.mark.slow
@each(
    "sold, rules, fee",
    [
        ({"payment_method": "Card"}, TWO_PERCENT, "1.58"),
        (
            {"payment_method": "Card"},
            [*TWO_PERCENT, {"payment_method": "card", "percent": 1}],
            "0.67",
        ),
        ({"payment_method": "cash"}, [{"payment_method": "card", "percent": 1}], None),
        ({}, [*TWO_PERCENT, {"percent": 3, "valid_from_date": "2026-05-02"}], "2.00"),
        ({}, [*TWO_PERCENT, {"percent": 3, "valid_from_date": "2026-05-03"}], "1.58"),
        ({}, [{"percent": 3, "valid_until_date": "2026-05-01"}], None),
        ({}, [{"percent": 3, "valid_until_date": "2026-05-02"}], "2.00"),
        ({"payment_fee_amount": D("0.01")}, TWO_PERCENT, "0.01"),
    ],
)
def test_the_fee_is_what_the_order_states_else_that_of_the_rule_of_its_method_and_day(
    sold: Row, rules: list[Row], fee: str | None
) -> None:
    line = only_line([hat(**sold)], payment_fee_rules=rules)
    assert line["payment_fee_amount"] == (fee and D(fee))
    is_by_rule = fee is not None and "payment_fee_amount" not in sold
    assert (line["payment_fee_rule"] is not None) == is_by_rule


@pytest.mark.slow
def test_a_line_says_which_rules_its_amounts_are_from() -> None:
    line = only_line(
        [hat(city_id="Spain", sales_channel="Marketplace", shipping_cost_amount=None)],
        payment_fee_rules=TWO_PERCENT,
        shipping_cost_rules=[{"country": "Spain", "per_order": "5.5", "per_piece": "0.4"}],
        commission_rules=[{"sales_channel": "marketplace", "percent": 12}],
    )
    assert line["payment_fee_rule"] == "2 % of what was charged + 0.25 per order"
    assert line["shipping_cost_rule"] == "5.5 per order + 0.4 per piece, Spain"
    assert line["commission_rule"] == "12 % of what was charged, marketplace"
    assert line["estimated_shipping_cost_amount"] == D("5.9")
    assert line["estimated_commission_amount"] == D("8.00")
    assert line["contribution_before_ads_amount"] == 30 + 6 - D("5.9") - D("1.58") - 8


@pytest.mark.slow
def test_an_order_for_which_nothing_was_paid_has_no_fee() -> None:
    free = hat(revenue_amount=D(0), shipping_amount=D(0), tax_amount=D(0))
    line = only_line([free], payment_fee_rules=TWO_PERCENT)
    assert (line["payment_fee_amount"], line["payment_fee_rule"]) == (0, None)
    assert line["contribution_before_ads_amount"] == D("-24.50")


@pytest.mark.slow
@each(
    "refunds, expected",
    [
        ([("hat", "-50")], (50, 0)),
        ([("hat", "-50"), ("hat", "-15")], (50, 15)),
        ([("(none)", "-10")], (10, 0)),
        ([("(none)", "-65")], (50, 15)),
    ],
)
def test_what_is_paid_back_beyond_the_worth_of_an_order_is_goodwill(
    refunds: list[tuple[str, str]], expected: tuple[int, int]
) -> None:
    lines = [
        sale(f"a-{number}", f"2026-05-{number:02}", item, "0", amount)
        for number, (item, amount) in enumerate(refunds, start=8)
    ]
    profit = profit_of([hat(payment_fee_amount=D(1)), *lines], [HAT_20])
    returns, goodwill = expected
    assert (profit["returns_amount"], profit["goodwill_amount"]) == expected
    assert profit["revenue_amount"] == 50 - returns
    assert contribution(profit) == 50 - 20 + 6 - D("4.5") - 1 - returns - goodwill


@pytest.mark.slow
def test_money_for_no_item_of_an_order_that_is_not_there_is_goodwill_too() -> None:
    lost = [
        sale("x-1", "2026-05-09", "(none)", "0", "-12"),
        sale("y-1", "2026-05-09", "hat", "-1", "-50"),
    ]
    profit = profit_of([hat(), *lost], [HAT_20])
    assert (profit["goodwill_amount"], profit["returns_amount"]) == (12, 50)


@pytest.mark.slow
def test_the_steps_to_the_contribution_add_up() -> None:
    lines = [
        hat(payment_fee_amount=D("1.58")),
        sale("b-1", "2026-05-02", "hat", "1", "40", **CHARGED),
        sale("a-2", "2026-05-09", "(none)", "0", "-65"),
    ]
    first, *others = steps(profit_of(lines, [HAT_20]), "EUR")
    assert (first["step"], first["step_amount"]) == ("gross_sales", 90)
    so_far = first["step_amount"]
    for step in others:
        if step["is_total"]:
            assert step["step_amount"] == so_far, step
        else:
            so_far += step["step_amount"] or 0
    assert so_far == 50 - 20 + 6 - D("4.5") - D("1.58") - 65
    assert STEPS[-1].is_total


AMOUNTS = ("shipping_amount", "shipping_cost_amount", "payment_fee_amount")


def random_orders(dice: random.Random) -> list[Row]:
    """Return orders of one to six lines, whose amounts are on any of them, or on none."""
    rows: list[Row] = []
    for order in range(150):
        on = date(2026, 5, 1) + timedelta(days=dice.randint(0, 5))
        size, kind = dice.randint(1, 6), dice.choice(("shipped", "shipped", "refunded"))
        for line in range(size):
            paid = D(dice.choice((0, 1, 333, 667, 1999, 50_000))) / 100
            row = sale(f"{order}-{line}", str(on), dice.choice(("hat", "sock")), "1", str(paid))
            row |= {"customer_id": f"customer {order}"}
            row |= dict.fromkeys(AMOUNTS) | {"status": kind}
            if kind == "refunded":
                row |= {"quantity": D(-1), "revenue_amount": -paid}
            rows.append(row)
        for name in AMOUNTS:
            if dice.random() < 0.8:
                cents = D(dice.choice((0, 1, 490, 1001, 12_377))) / dice.choice((100, 10_000))
                is_back = kind == "refunded" and dice.random() < 0.5
                dice.choice(rows[-size:])[name] = -cents if is_back else cents
    dice.shuffle(rows)
    return rows


def by_hand(total: Decimal, weights: list[int]) -> list[Decimal]:
    """Return the parts of a total: what each weight adds to it, in whole cents."""
    weights = weights if sum(weights) else [1] * len(weights)
    so_far = [sum(weights[: i + 1]) for i in range(len(weights))]
    bounds = [
        total
        if part == so_far[-1]
        else D(floor(Fraction(total) * 100 * part / so_far[-1] + Fraction(1, 2))) / 100
        for part in so_far
    ]
    return [to - before for before, to in zip([D(0), *bounds], bounds, strict=False)]


@pytest.mark.slow
def test_lines_share_the_amounts_of_their_order_to_the_cent_as_by_hand() -> None:
    rows = random_orders(random.Random(3))  # noqa: S311 (orders, not secrets)
    rows_by_id = {row["uniq_id"]: row for row in shop_of(rows, [HAT_20]).rows(ProfitLines)}
    orders: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["uniq_id"]):
        orders[row["order_id"]].append(row)
    for lines in orders.values():
        weights = [int(abs(row["revenue_amount"]) * 100) for row in lines]
        shares = [rows_by_id[row["uniq_id"]] for row in lines]
        assert {row["has_shared_amounts"] for row in shares} == {len(lines) > 1}
        for name in AMOUNTS:
            stated = [row[name] for row in lines if row[name] is not None]
            is_free = not any(weights) and lines[0]["status"] == "shipped"
            if name == "payment_fee_amount" and is_free and not stated:
                continue  # whether it is free depends on what shipping cost
            expected = by_hand(sum(stated, D(0)), weights) if stated else [None] * len(lines)
            assert [row[name] for row in shares] == expected, lines
        is_known = lines[0]["status"] == "shipped"  # no order is there of what is paid back
        is_known &= all(row["cost_amount"] is not None for row in shares)
        is_known &= all(any(row[name] is not None for row in lines) for name in AMOUNTS)
        for row in shares:
            assert (row["contribution_before_ads_amount"] is not None) == is_known or is_free
            if is_known:
                assert row["contribution_before_ads_amount"] == (
                    row["gross_profit_amount"]
                    + (row["shipping_amount"] or 0)
                    - (row["shipping_cost_amount"] or 0)
                    - (row["payment_fee_amount"] or 0)
                    - row["goodwill_amount"]
                )
