"""What to reorder, and what a day without stock costs: by hand, and against plain Python."""

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.commerce.products.contracts import InventoryAlerts, ProductPerformance
from ecom_assets.commerce.products.stock import (
    InventoryRule,
    SalesDays,
    inventory_alerts,
    with_vendor_days,
)
from ecom_assets.commerce.sales.contracts import Sales
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.stock import stock_rows
from ecom_assets_tests.builders import Row, as_table, at
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

LAST = date(2026, 6, 30)
WINDOW = tuple(LAST - timedelta(days=ago) for ago in range(28))
"""The days that count, the newest first."""


def reordered(
    sold: Sequence[tuple[date, object, object]],
    catalogues: Mapping[date, Mapping[str, object]],
    rule: InventoryRule | None = None,
    known: Sequence[date] = WINDOW,
) -> Row:
    """Return the alert of the only product: None without one.

    `sold` has days with items and what was paid for them, `catalogues` the line of each day.
    """
    rule = rule or InventoryRule()
    rows = [
        {"event_date": day, "product_id": "hat", "sold_item_count": items, "shipped_amount": paid}
        for day, items, paid in sold
    ]
    stock = [
        stock_rows([{"product_id": "hat", **line}], day, "test").to_pyarrow()
        for day, line in catalogues.items()
    ]
    con = connect()
    con.con.register("products", as_table(rows, ProductPerformance))
    con.con.register("stock", pa.concat_tables(stock))
    days = SalesDays.from_dates(known, LAST, rule)
    alerts = inventory_alerts(con.table("stock"), con.table("products"), days, rule)
    found = con.to_pyarrow(alerts).to_pylist()
    con.disconnect()
    return found[0] if found else {}


def test_a_reorder_is_the_daily_items_for_the_delivery_and_28_days_less_the_stock() -> None:
    # 56 in 28 days are two a day: 2 * (7 + 28) - 4 = 66. 56 cost 280.00: two cost 10.00.
    row = reordered([(LAST, 56, Decimal("280.00"))], {LAST: {"stock": 4, "lead_time_days": 7}})
    assert (row["alert"], row["in_stock_days_count"], row["reorder_days_count"]) == ("low", 28, 28)
    assert (row["reorder_item_count"], row["day_without_stock_amount"]) == (66, Decimal("10.0000"))


def test_the_mean_is_over_days_in_stock() -> None:
    # None was left on the last seven days, and on one of them three were sold: six are left out.
    # 44 items in 22 days are two a day: 2 * (7 + 28) - 0 = 70.
    catalogues = {day: {"stock": 0, "lead_time_days": 7} for day in WINDOW[:7]}
    sold = [(WINDOW[27], 41, Decimal("205.00")), (WINDOW[3], 3, Decimal("15.00"))]
    row = reordered(sold, catalogues)
    assert (row["alert"], row["in_stock_days_count"]) == ("out_of_stock", 22)
    assert (row["reorder_item_count"], row["day_without_stock_amount"]) == (70, Decimal("10.0000"))


def test_of_two_lines_of_a_day_the_last_says_whether_there_was_stock() -> None:
    earlier = [{"product_id": "hat", "stock": 0}, {"product_id": "hat", "stock": 3}]
    lines = pa.concat_tables(
        [
            stock_rows(earlier, WINDOW[1], "test").to_pyarrow(),
            stock_rows([{"product_id": "hat", "stock": 0}], LAST, "test").to_pyarrow(),
        ]
    )
    con, rule = connect(), InventoryRule()
    con.con.register("products", as_table([], ProductPerformance))
    con.con.register("stock", lines)
    days = SalesDays.from_dates(WINDOW, LAST, rule)
    rows = inventory_alerts(con.table("stock"), con.table("products"), days, rule)
    (row,) = con.to_pyarrow(rows).to_pylist()
    assert row["in_stock_days_count"] == 27


@each(
    "line, days, expected",
    [
        ({"stock": 0, "lead_time_days": 7}, 28, 35),  # one a day: 1 * (7 + 28)
        ({"stock": 0, "lead_time_days": 0}, 28, 28),
        ({"stock": 0, "lead_time_days": 7}, 14, 21),  # the setting
        ({"stock": 0}, 28, None),  # nobody knows when a delivery comes
        ({"stock": -3, "lead_time_days": 7}, 28, 38),  # three are promised already
        ({"stock": 36, "reorder_point": 40, "lead_time_days": 7}, 28, 0),  # 35 - 36
        ({"stock": 34, "reorder_point": 40, "lead_time_days": 7}, 28, 1),
    ],
)
def test_the_bounds_of_a_reorder(line: dict[str, object], days: int, expected: int | None) -> None:
    # None was left today; none sold today either, but 27 in the 27 days before.
    row = reordered(
        [(WINDOW[1], 28 if line["stock"] in {34, 36} else 27, Decimal(54))],
        {LAST: line},
        InventoryRule(reorder_days=days),
    )
    assert row["reorder_item_count"] == expected


@each(
    "line, alert, expected",
    [
        ({"stock": 3}, "low", 28 + 5 - 3),  # 3 days of cover, and a delivery takes 5
        ({"stock": 3, "lead_time_days": 2}, None, None),  # the catalogue's own 2 come first
        ({"stock": 0, "lead_time_days": 0}, "out_of_stock", 28),
    ],
)
def test_the_shop_s_days_of_a_delivery_hold_where_the_catalogue_says_none(
    line: dict[str, object], alert: str | None, expected: int | None
) -> None:
    sold = [(WINDOW[1], 28 if line["stock"] else 27, Decimal(56))]
    row = reordered(sold, {LAST: line}, InventoryRule(delivery_days=5))
    assert (row.get("alert"), row.get("reorder_item_count")) == (alert, expected)


@each(
    "said, sold_by, expected",
    [
        (None, ["Acme"], 21),
        (None, [" ACME "], 21),
        (None, [None, "Beta", "Acme"], 7),  # of the newest line that names one
        (None, ["Gamma"], None),
        (None, [None], None),
        (3, ["Acme"], 3),  # the catalogue's own come first
    ],
)
def test_the_days_of_a_delivery_are_those_of_the_vendor_of_the_newest_line(
    said: int | None, sold_by: Sequence[str | None], expected: int | None
) -> None:
    """The first vendor of the list is that of the newest line."""
    con = connect()
    lines = [
        {"uniq_id": f"{n}", "item_id": "hat", "vendor": vendor, "ordered_at": at("09:00", day)}
        for n, (vendor, day) in enumerate(zip(sold_by, WINDOW, strict=False))
    ]
    line = {"product_id": "hat", "stock": 1} | ({} if said is None else {"lead_time_days": said})
    con.con.register("sold", as_table(lines, Sales))
    con.con.register("stock", stock_rows([line], LAST, "test").to_pyarrow())
    rule = InventoryRule(vendor_days=(("acme", 21), ("beta", 7)))
    rows = with_vendor_days(con.table("stock"), con.table("sold"), rule)
    (row,) = con.to_pyarrow(rows).to_pylist()
    assert row["lead_time_days"] == expected
    con.disconnect()


def test_what_is_not_known_is_null() -> None:
    # Of two days with sales one has no amounts: the price is that of the other, 10.00 ÷ 2.
    line = {"stock": 0, "lead_time_days": 7}
    sold = [(WINDOW[1], 25, None), (WINDOW[2], 2, Decimal("10.00"))]
    assert reordered(sold, {LAST: line})["day_without_stock_amount"] == Decimal("5.0000")
    unpriced = reordered([(WINDOW[1], 27, None)], {LAST: line})
    assert (unpriced["reorder_item_count"], unpriced["day_without_stock_amount"]) == (35, None)
    # Nothing was sold: nothing is missed. No day in stock: nobody knows.
    unsold = reordered([], {LAST: line})
    assert (unsold["reorder_item_count"], unsold["day_without_stock_amount"]) == (0, 0)
    never = reordered([], dict.fromkeys(WINDOW, line))
    assert never["in_stock_days_count"] == 0
    assert (never["reorder_item_count"], never["day_without_stock_amount"]) == (None, None)


def test_a_rule_of_no_days_is_refused() -> None:
    with pytest.raises(DefinitionError, match="reorder_days of 0 says nothing about stock"):
        InventoryRule(reorder_days=0)


DAYS_AGO = st.integers(0, 40)
SALES = st.dictionaries(
    DAYS_AGO, st.tuples(st.integers(1, 400), st.decimals("0.01", "90.00", places=2) | st.none())
)


@examples(60)
@given(
    sold=SALES,
    empty=st.sets(st.integers(1, 40)),
    unknown=st.sets(st.integers(1, 27)),
    stock=st.integers(-5, 60),
    lead=st.integers(0, 30) | st.none(),
)
def test_it_is_what_plain_python_says(
    sold: dict[int, tuple[int, Decimal | None]],
    empty: set[int],
    unknown: set[int],
    stock: int,
    lead: int | None,
) -> None:
    """The keys are days before the stock's day; nothing was sold on days that are not known."""
    sold = {ago: of_day for ago, of_day in sold.items() if ago not in unknown}
    line: dict[str, Any] = {"lead_time_days": lead, "reorder_point": 100}
    row = reordered(
        [(LAST - timedelta(days=ago), *of_day) for ago, of_day in sold.items()],
        {
            **{LAST - timedelta(days=ago): {**line, "stock": 0} for ago in empty},
            LAST: {**line, "stock": stock},
        },
        known=[LAST - timedelta(days=ago) for ago in range(41) if ago not in unknown],
    )
    assert set(row) == set(InventoryAlerts.columns)
    out = empty | ({0} if stock <= 0 else set())
    in_stock = [ago for ago in range(28) if ago not in unknown and (ago in sold or ago not in out)]
    counted = {ago: of_day for ago, of_day in sold.items() if ago < 28}
    items = sum(count for count, _ in counted.values())
    assert row["in_stock_days_count"] == len(in_stock)
    assert row["sold_item_count"] == items
    if lead is None or not in_stock:
        assert row["reorder_item_count"] is None
    else:
        missing = Fraction(items * (lead + 28), len(in_stock)) - stock
        assert row["reorder_item_count"] == max(0, math.ceil(missing))
    priced = [(count, paid) for count, paid in counted.values() if paid is not None]
    if not in_stock or (items and not priced):
        assert row["day_without_stock_amount"] is None
    elif not items:
        assert row["day_without_stock_amount"] == 0
    else:
        price = Fraction(sum(paid for _, paid in priced)) / sum(count for count, _ in priced)
        expected = Fraction(items, len(in_stock)) * price
        assert float(row["day_without_stock_amount"]) == pytest.approx(float(expected), abs=1e-4)
