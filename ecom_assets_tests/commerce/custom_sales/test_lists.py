"""What is behind numbers of sales: customers and order lines, against plain Python."""

import csv
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.questions import whole_lists
from ecom_assets.behaviour.questions.whole_lists import Blocks
from ecom_assets.commerce.custom_sales.lists import all_of, lines_of, who_of
from ecom_assets.core.settings.settings import Settings
from ecom_assets_tests.command import ecom
from ecom_assets_tests.commerce.custom_sales import sales_reference
from ecom_assets_tests.commerce.custom_sales.sales_reference import (
    Line,
    Row,
    ask_of,
    number,
    with_goodwill,
    write,
)
from ecom_assets_tests.commerce.custom_sales.test_custom_sales import (
    LINES,
    MONDAY,
    ORDERS,
    is_close,
)
from ecom_assets_tests.hypothesis_settings import examples


def listed(kind: Any, orders: Path, **question: Any) -> Row:
    return ask_of(kind, orders, Settings(home=orders.parent / "home"), **question)


@pytest.mark.slow
def test_customers_are_listed_with_their_own_numbers_those_with_most_first(tmp_path: Path) -> None:
    """Ann pays 50 and gets 15 back, Bob pays 10; a placeholder is nobody."""
    nobody = Line(6, "D", "NA", MONDAY, "sock", 1, Decimal(99))
    orders = write([*ORDERS, nobody], tmp_path / "orders.csv")
    measures = ["revenue_amount", "order_count", "average_order_value"]
    answer = listed(who_of(10), orders, measures=measures)
    assert [(row["customer_id"], row["numbers"]) for row in answer["who"]] == [
        ("ann", {"revenue_amount": "35.00", "order_count": 2, "average_order_value": "17.50"}),
        ("bob", {"revenue_amount": "10.00", "order_count": 1, "average_order_value": "10.00"}),
    ]
    assert (answer["count"], answer["total_count"]) == (2, 2)
    assert answer["who"][0]["last_ordered_at"] == "2026-01-14T10:00:00Z"
    narrowed = listed(who_of(10), orders, measures=measures, where=["product = scarf"])
    assert [row["customer_id"] for row in narrowed["who"]] == ["ann", "bob"]
    assert [row["customer_id"] for row in listed(who_of(1), orders)["who"]] == ["ann"]


@pytest.mark.slow
def test_lines_are_listed_the_newest_first_with_what_each_adds(tmp_path: Path) -> None:
    orders = write(ORDERS, tmp_path / "orders.csv")
    measures = ["revenue_amount", "refund_count"]
    answer = listed(lines_of(2), orders, measures=measures, where=["product = hat"])
    assert [(row["uniq_id"], row["item_name"], row["numbers"]) for row in answer["lines"]] == [
        ("l005", "Hat", {"revenue_amount": "-15.00", "refund_count": 1}),
        ("l004", "Hat", {"revenue_amount": "10.00", "refund_count": 0}),
    ]
    assert answer["count"] == 3
    assert answer["explained_by"] == {
        "table": "mart.sales",
        "column": "revenue_amount",
        "key": "uniq_id",
    }
    of_profit = listed(lines_of(2), orders, measures=["gross_profit_amount"])["explained_by"]
    assert (of_profit["table"], of_profit["column"]) == ("mart.profit_lines", "gross_profit_amount")


@pytest.mark.slow
@examples(40)
@given(
    drawn=LINES,
    names=st.lists(st.sampled_from(sales_reference.MEASURES), min_size=1, max_size=3, unique=True),
)
def test_each_customer_and_each_line_has_the_numbers_of_plain_python(
    drawn: list[dict[str, Any]], names: list[str]
) -> None:
    lines = with_goodwill(Line(number=place, **line) for place, line in enumerate(drawn, start=1))
    if all(line.unit_cost is None for line in lines):
        names = ["revenue_amount"]
    blocks: list[Row] = []

    def take(every: Blocks) -> None:
        blocks.extend(row for block in every for row in block)

    with TemporaryDirectory() as folder:
        orders = write(lines, Path(folder) / "orders.csv")
        first = listed(who_of(1_000), orders, measures=names)
        every = listed(all_of(take), orders, measures=names)
        each = listed(lines_of(1_000), orders, measures=names)
    assert blocks == first["who"]
    assert every["total_count"] == first["count"] == len({line.customer for line in lines})
    for row in first["who"]:
        own = [line for line in lines if line.customer == row["customer_id"]]
        for name in names:
            assert is_close(row["numbers"][name], number(name, own)), name
    by_id = {f"l{line.number:03}": line for line in lines}
    assert {row["uniq_id"] for row in each["lines"]} == by_id.keys()
    for row in each["lines"]:
        for name in names:
            assert is_close(row["numbers"][name], number(name, [by_id[row["uniq_id"]]])), name


def test_all_customers_come_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_lists, "BLOCK_ROWS", 2)
    lines = [
        Line(place, f"o{place}", f"c{place}", MONDAY + timedelta(hours=place), "hat", 1, Decimal(5))
        for place in range(1, 6)
    ]
    sizes: list[int] = []

    def take(blocks: Blocks) -> None:
        sizes.extend(len(block) for block in blocks)

    listed(all_of(take), write(lines, tmp_path / "orders.csv"))
    assert sum(sizes) == 5


def test_the_command_writes_all_customers_to_a_file(tmp_path: Path) -> None:
    orders, out = write(ORDERS, tmp_path / "orders.csv"), tmp_path / "who.csv"
    result = ecom(
        *("sales", "--orders", orders, "--who", out),
        *("--measures", "revenue_amount,average_order_value", "--by", "product"),
        home=tmp_path / "home",
    )
    assert result.exit_code == 0, result.out + result.err
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["customer_id"], float(row["average_order_value"])) for row in rows] == [
        ("ann", 17.5),
        ("bob", 10.0),
    ]
