"""Rows of orders in the shapes that exports have: what init finds out of a file adds up to
what was sold, or it asks.

Random orders are written in each shape; what was sold is added up from the orders, in plain Python.
"""

import csv
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.files import damage
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import OWN, MappingSearch, read_by
from ecom_assets.ingestion.sources.reading import FileReading
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.ingestion.sources.test_order_files import read

ITEMS = {"Vase": Decimal("20.00"), "Card": Decimal("2.50"), "Lamp": Decimal("49.90")}


@dataclass(frozen=True)
class Order:
    """An order: how many it has of each item, and a discount of the whole."""

    items: tuple[tuple[str, int], ...]
    discount: Decimal = Decimal(0)

    @property
    def goods(self) -> Decimal:
        """Return what its items cost without the discount."""
        return sum((ITEMS[name] * count for name, count in self.items), Decimal(0))

    @property
    def pieces(self) -> int:
        """Return how many items it has."""
        return sum(count for _, count in self.items)


ORDERS = st.lists(
    st.dictionaries(st.sampled_from([*ITEMS]), st.integers(1, 5), min_size=1).map(
        lambda items: Order(tuple(items.items()))
    ),
    min_size=12,
    max_size=20,
)
Rows = Iterator[Sequence[object]]


def placed(number: int) -> tuple[str, str, str]:
    """Return the number, the time and the customer of an order."""
    return (
        f"A{1001 + number}",
        f"2026-03-{number % 28 + 1:02} 10:{number:02}:00",
        f"c{number % 7}@example.com",
    )


def lines(orders: Sequence[Order]) -> Rows:
    """A row a line, with its own amount."""
    yield "Order Number", "Order Date", "Customer Email", "Product", "Quantity", "Line Total"
    for number, order in enumerate(orders):
        for name, count in order.items:
            yield *placed(number), name, count, ITEMS[name] * count


def amounts_repeated(orders: Sequence[Order]) -> Rows:
    """A row a line, each with the amount of the whole order."""
    yield (
        "Order Number",
        "Order Date",
        "Customer Email",
        "Product",
        "Quantity",
        "Unit Price",
        "Order Total",
    )
    for number, order in enumerate(orders):
        for name, count in order.items:
            yield *placed(number), name, count, ITEMS[name], order.goods


def order_row_first(orders: Sequence[Order]) -> Rows:
    """A row of the order, then a row for each of its lines."""
    yield (
        "linetype",
        "orderNumber",
        "orderDate",
        "customerEmail",
        "product",
        "quantity",
        "totalPrice",
        "amountTotal",
    )
    for number, order in enumerate(orders):
        yield "order", *placed(number), "", "", "", order.goods
        for name, count in order.items:
            yield "item", *placed(number), name, count, ITEMS[name] * count, ""


def first_line_only(orders: Sequence[Order]) -> Rows:
    """The columns of the order on its first line only."""
    yield (
        "Order Reference",
        "Order Date",
        "Customer",
        "Total",
        "Order Lines/Product",
        "Order Lines/Quantity",
        ("Order Lines/Subtotal"),
    )
    for number, order in enumerate(orders):
        for position, (name, count) in enumerate(order.items):
            common = (*placed(number), order.goods) if position == 0 else ("", "", "", "")
            yield *common, name, count, ITEMS[name] * count


SHAPES = {
    shape.__name__: shape for shape in (lines, amounts_repeated, order_row_first, first_line_only)
}


def by_init(
    file: Path, shape: Callable[[Sequence[Order]], Rows], orders: Sequence[Order]
) -> tuple[Decimal, Decimal] | None:
    """Write orders in a shape, and return the money and the pieces that count by the proposal;
    None if it asks.
    """
    with file.open("w", encoding="utf-8", newline="") as text:
        csv.writer(text).writerows(shape(orders))
    search = MappingSearch([str(file)], Settings(home=file.parent), MappingKind.ORDERS)
    proposal = search.proposal({"timezone": "UTC"}, OWN)
    if [question for question in proposal.questions if question.key != "timezone"]:
        return None
    with read_by(search, proposal) as reading:
        assert isinstance(reading, FileReading)
        rows = reading.files.classified().to_pyarrow().to_pylist()
    counted = [row for row in rows if row["reject_reason"] is None]
    sign = {"refunded": -1}
    money = sum((row["payment_amount"] * sign.get(row["status"], 1) for row in counted), Decimal(0))
    return money, sum((row["quantity"] or Decimal(0) for row in counted), Decimal(0))


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@examples(40)
@given(orders=ORDERS)
def test_what_a_row_is_is_found_or_asked(
    tmp_path_factory: pytest.TempPathFactory, shape: str, orders: Sequence[Order]
) -> None:
    result = by_init(tmp_path_factory.mktemp("shape") / "orders.csv", SHAPES[shape], orders)
    sold = (
        sum((order.goods for order in orders), Decimal(0)),
        Decimal(sum(order.pieces for order in orders)),
    )
    assert result is None or result == sold


@pytest.mark.slow
@examples(40)
@given(orders=ORDERS, discounts=st.lists(st.integers(0, 3), min_size=20, max_size=20))
def test_a_discount_below_zero_is_no_return(
    tmp_path_factory: pytest.TempPathFactory, orders: Sequence[Order], discounts: Sequence[int]
) -> None:
    """Each order may have a line of 0.50 to 1.50 below zero, without a quantity;
    the total says that it lowers it.
    """
    less = [Decimal(count) / 2 for count, _ in zip(discounts, orders, strict=False)]

    def with_discounts(orders: Sequence[Order]) -> Rows:
        yield (
            "Order Number",
            "Order Date",
            "Customer Email",
            "Line Type",
            "Product",
            "Quantity",
            "Line Total",
            "Order Total",
        )
        for number, order in enumerate(orders):
            total = order.goods - less[number]
            for name, count in order.items:
                yield *placed(number), "product", name, count, ITEMS[name] * count, total
            if less[number]:
                yield *placed(number), "promotion", "Voucher", 1, -less[number], total

    result = by_init(tmp_path_factory.mktemp("shape") / "orders.csv", with_discounts, orders)
    assert result is None or result[0] == sum((order.goods for order in orders), Decimal(0)) - sum(
        less
    )


SHOPIFY = (
    "Name",
    "Email",
    "Financial Status",
    "Currency",
    "Subtotal",
    "Shipping",
    "Taxes",
    "Total",
    "Created at",
    "Lineitem quantity",
    "Lineitem name",
    "Lineitem price",
    "Lineitem sku",
    "Payment Method",
)


def shopify_lines(orders: Sequence[Order]) -> list[Sequence[object]]:
    """Return the lines of Shopify's export: what is of the order is on its first line only."""
    result: list[Sequence[object]] = []
    for number, order in enumerate(orders):
        name, at, customer = placed(number)
        for position, (item, count) in enumerate(order.items):
            of_order = (
                (customer, "paid", "EUR", order.goods, 0, 0, order.goods)
                if position == 0
                else ("",) * 7
            )
            created = f"{at} +0000" if position == 0 else ""
            result.append(
                (
                    f"#{name}",
                    *of_order,
                    created,
                    count,
                    item,
                    ITEMS[item],
                    item,
                    "Card" if created else "",
                )
            )
    return result


@pytest.mark.slow
@examples(40)
@given(orders=ORDERS, seed=st.integers(0, 1_000))
def test_lines_of_an_order_are_one_order_wherever_they_lie(
    tmp_path_factory: pytest.TempPathFactory, orders: Sequence[Order], seed: int
) -> None:
    """Shopify's lines, whose first alone has what is of the order,
    sorted in a spreadsheet in any way.
    """
    rows = shopify_lines(orders)
    random.Random(seed).shuffle(rows)  # noqa: S311 (an order of lines, no secret)
    file = tmp_path_factory.mktemp("shape") / "orders_export.csv"
    with file.open("w", encoding="utf-8", newline="") as text:
        csv.writer(text).writerows([SHOPIFY, *rows])
    actual = {
        (
            row["order_id"],
            row["customer_id"],
            row["item_id"],
            row["quantity"],
            row["payment_amount"],
        )
        for row in read(file, "shopify")
    }
    assert actual == {
        (f"#{placed(number)[0]}", placed(number)[2], item, count, ITEMS[item] * count)
        for number, order in enumerate(orders)
        for item, count in order.items
    }


MAPPING_OF_LINES = """\
group_by: [order]
rows: {sale: lines}
fields:
  uniq_id: {hash_of: [order, item]}
  order_id: order
  date_time: {column: at, timezone: UTC}
  customer_id: customer
  item_id: item
  quantity: {constant: "1"}
  payment_amount: amount
"""


@pytest.mark.slow
@pytest.mark.parametrize("kept_bytes", [0, 1 << 20])
@pytest.mark.parametrize("kept_lines", [2, 3, 100])
def test_a_file_whose_lines_are_not_kept_has_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_bytes: int, kept_lines: int
) -> None:
    """Two orders of 20 and 5.50, of which the second begins before the first ends; one line has a
    cell too many.
    """
    monkeypatch.setattr(damage, "MOST_KEPT_BYTES", kept_bytes)
    monkeypatch.setattr(damage, "MOST_KEPT_LINES", kept_lines)
    path, mapping = tmp_path / "orders.csv", tmp_path / "mapping.yaml"
    mapping.write_text(MAPPING_OF_LINES)
    path.write_text(
        "order,at,customer,item,amount\n"
        'A1,2026-03-01 10:00,ann,"Vase, blue",15\n'
        "A2,2026-03-01 11:00,ben,Card,5.50\n"
        "A3,2026-03-01 11:00,ben,Card,5.50,left over\n"
        "A1,2026-03-01 10:00,ann,Lamp,5\n"
    )
    rows = FileReading.open([str(path)], str(mapping), is_events=False).files.classified()
    found = sorted(
        (row["item_id"] or "", row["payment_amount"], row["reject_reason"])
        for row in rows.to_pyarrow().to_pylist()
    )
    assert found == [
        ("", None, "malformed_row"),
        ("Card", Decimal("5.50"), None),
        ("Lamp", Decimal("5.00"), None),
        ("Vase, blue", Decimal("15.00"), None),
    ]
