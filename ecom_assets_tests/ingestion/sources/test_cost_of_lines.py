"""What goods cost the shop, beside the price in a report of orders: of a piece, or of a line."""

from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import (
    OWN,
    MappingSearch,
    open_questions,
    read_by,
)
from ecom_assets.ingestion.sources.reading import FileReading
from ecom_assets_tests.ingestion.sources.conftest import write

ANSWERS: Final = {"timezone": "UTC", "units": "whole units"}
COSTS: Final = {"mug": Decimal(4), "bowl": Decimal(6), "lamp": Decimal("3.10")}
PRICES: Final = {"mug": 10, "bowl": 15, "lamp": 8}
LINES: Final = (("1001", "mug", 2), ("1001", "bowl", 1), ("1002", "mug", 3), ("1003", "lamp", 1))


def search_of(path: Path, head: str, rows: list[str]) -> MappingSearch:
    write(path, "\n".join([head, *rows, ""]))
    settings = Settings(home=path.parent / "home", currency="EUR", timezone="UTC")
    return MappingSearch([str(path)], settings, MappingKind.ORDERS)


def costs_by_item(search: MappingSearch) -> dict[str, set[Decimal | None]]:
    proposal = search.proposal(search.guesses(ANSWERS, OWN), OWN)
    with read_by(search, proposal) as reading:
        assert isinstance(reading, FileReading)
        rows = reading.files.classified().to_pyarrow().to_pylist()
    items: dict[str, set[Decimal | None]] = {}
    for row in rows:
        items.setdefault(row["item_id"], set()).add(row["unit_cost_amount"])
    return items


def number(value: Decimal | float, separator: str) -> str:
    return f"{value:.2f}".replace(".", separator)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "separator", "delimiter", "is_of_line"),
    [
        ("Prix d'achat HT", ",", ";", False),
        ("Cost per item", ".", ",", False),
        ("Cost", ".", ",", False),
        ("Cost", ".", ",", True),
        ("EK netto", ",", "\t", True),
    ],
)
def test_a_cost_is_of_a_piece_or_of_a_line_as_quantities_show(
    tmp_path: Path, name: str, separator: str, delimiter: str, *, is_of_line: bool
) -> None:
    """Two mugs and three cost 4.00 each, or 8.00 and 12.00 together."""
    head = delimiter.join(["Order ID", "Date", "Customer", "SKU", "Quantity", name, "Line total"])
    rows = []
    for day, (order, item, pieces) in enumerate(LINES, 2):
        cost = number(COSTS[item] * (pieces if is_of_line else 1), separator)
        total = number(PRICES[item] * pieces, separator)
        cells = [order, f"2026-03-0{day} 10:00", f"c{order}", item, str(pieces), cost, total]
        rows.append(delimiter.join(cells))
    search = search_of(tmp_path / "orders.csv", head, rows)
    assert costs_by_item(search) == {item: {cost} for item, cost in COSTS.items()}


def test_a_cost_that_may_be_of_one_piece_or_of_all_is_noted(tmp_path: Path) -> None:
    rows = ["1,2026-03-02,c1,mug,2,8.00,20.00", "2,2026-03-03,c2,lamp,3,9.30,24.00"]
    search = search_of(tmp_path / "o.csv", "Order ID,Date,Customer,SKU,Qty,Cost,Total", rows)
    assert "Cost is not used: no item in different quantities" in search.proposal({}, OWN).text
    assert costs_by_item(search) == {"mug": {None}, "lamp": {None}}


def test_what_customers_pay_is_no_cost(tmp_path: Path) -> None:
    rows = [f"{n},2026-03-0{n},c{n},mug,{n},10.00,{n * 9}.00" for n in (1, 2, 3)]
    search = search_of(tmp_path / "o.csv", "Order ID,Date,Customer,SKU,Qty,Cost,Paid", rows)
    assert costs_by_item(search) == {"mug": {None}}


def test_a_price_without_its_tax_is_no_cost(tmp_path: Path) -> None:
    """Books with 7 % of tax, and lamps with 19 %: what is left of the total is no profit."""
    prices = [("book", 10, "10.70"), ("lamp", 20, "23.80"), ("atlas", 30, "32.10")] * 4
    rows = [
        f"{n},2026-03-{n:02},c{n},{item},1,{net}.00,{gross}"
        for n, (item, net, gross) in enumerate(prices, 1)
    ]
    head = "Order ID,Date,Customer,SKU,Quantity,Purchase price,Total"
    search = search_of(tmp_path / "o.csv", head, rows)
    assert costs_by_item(search) == {"book": {None}, "lamp": {None}, "atlas": {None}}


def test_a_cost_of_nothing_is_not_known(tmp_path: Path) -> None:
    rows = ["1,2026-03-02,c1,mug,2,4.00,20.00", "2,2026-03-03,c2,lamp,1,0.00,24.00"]
    search = search_of(tmp_path / "o.csv", "Order ID,Date,Customer,SKU,Qty,Unit cost,Total", rows)
    assert costs_by_item(search) == {"mug": {Decimal(4)}, "lamp": {None}}


def test_nobody_is_asked_whether_a_cost_is_taken_off_the_amount(tmp_path: Path) -> None:
    """Costs beside prices times quantities: nothing but the amount is what was paid."""
    lines = [(n, item, 1 + n % 3) for n in range(1, 13) for item in COSTS]
    rows = [
        f"{n},2026-03-{n:02} 10:00,c{n},{item},{q},{PRICES[item]}.00,{COSTS[item]:.2f},"
        f"{PRICES[item] * q}.00,{'cancelled' if n == 5 else 'paid'}"
        for n, item, q in lines
    ]
    head = "Order ID,Date,Customer,SKU,Quantity,Unit price net,Purchase price,Line total,Status"
    search = search_of(tmp_path / "orders.csv", head, rows)
    assert [one.key for one in open_questions(search.proposal(ANSWERS, OWN), ANSWERS)] == []
    assert costs_by_item(search) == {item: {cost} for item, cost in COSTS.items()}
