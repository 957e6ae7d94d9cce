"""Orders whose items are packed into one cell, in each way that exports have: four orders of
2 hats and a cap, a hat, a cap and 3 pairs of socks, a cap. A hat costs 20, a cap 15, socks 5.
"""

import csv
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.errors import MappingError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.files.mapping import OrderMapping, load
from ecom_assets.ingestion.sources.files.packed_cells import PackedCell
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import OWN, MappingSearch, open_questions
from ecom_assets.ingestion.sources.reading import FileReading
from ecom_assets_tests.each import each
from ecom_assets_tests.ingestion.sources.conftest import write

Item = tuple[str, int, int]
HAT, CAP, SOCKS = 20, 15, 5
ORDERS: Sequence[Sequence[Item]] = (
    [("Hat", 2, HAT), ("Cap", 1, CAP)],
    [("Hat", 1, HAT)],
    [("Cap", 1, CAP), ("Sock", 3, SOCKS)],
    [("Cap", 1, CAP)],
)
GOODS = Decimal(55 + 20 + 30 + 15)
PIECES = {"Hat": 3, "Cap": 3, "Sock": 3}
ZONE = {"timezone": "UTC"}


def total_of(items: Sequence[Item]) -> int:
    """Return what items come to."""
    return sum(count * price for _, count, price in items)


def orders_file(path: Path, head: str, cells: Callable[[Sequence[Item]], Sequence[str]]) -> Path:
    """Write the orders, each with some cells behind its number, time and customer."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["Order Number", "Date", "Email", *head.split(",")])
        for number, items in enumerate(ORDERS, start=1):
            placed = f"2026-03-0{number} 10:00"
            rows.writerow([f"A{number}", placed, f"c{number}@x.de", *cells(items)])
    return path


def read(path: Path, answers: Mapping[str, str]) -> tuple[FileReading, set[str]]:
    """Return a file by its draft, and the keys of the questions that were open."""
    search = MappingSearch([str(path)], Settings(home=path.parent / "home"), MappingKind.ORDERS)
    open_keys = {one.key for one in open_questions(search.proposal(ZONE, OWN), ZONE)}
    proposal = search.proposal(search.guesses({**ZONE, **answers}, OWN), OWN)
    mapping = write(path.with_suffix(".yaml"), proposal.text)
    return FileReading.open([str(path)], str(mapping), is_events=False), open_keys


def sold(reading: FileReading) -> tuple[Decimal, dict[str, int], int]:
    """Return the money, the pieces of each product and the orders of a file."""
    rows: list[dict[str, Any]] = reading.files.classified().to_pyarrow().to_pylist()
    kept = [row for row in rows if row["reject_reason"] is None]
    pieces: Counter[str] = Counter()
    for row in kept:
        pieces[row["item_id"]] += int(row["quantity"])
    amount = sum((row["payment_amount"] for row in kept), Decimal())
    return amount, dict(pieces), len({row["order_id"] for row in kept})


def as_json(items: Sequence[Item]) -> str:
    """Return items as JSON."""
    return json.dumps([{"sku": n, "quantity": c, "price": f"{p}.00"} for n, c, p in items])


def with_members(between: str, named: str, lines: str) -> Callable[[Sequence[Item]], Sequence[str]]:
    """Return what writes items with the names of their members, and the total of the order."""

    def cells(items: Sequence[Item]) -> Sequence[str]:
        parts = (
            between.join([f"sku{named}{n}", f"quantity{named}{c}", f"total{named}{c * p}.00"])
            for n, c, p in items
        )
        return lines.join(parts), f"{total_of(items)}.00"

    return cells


@pytest.mark.slow
@each(
    "form, cells",
    [
        ("JSON", lambda items: (as_json(items), f"{total_of(items)}.00")),
        ("Python", lambda items: (str(json.loads(as_json(items))), f"{total_of(items)}.00")),
        ("members", with_members("|", ":", ";")),
        ("members by line", with_members(", ", ": ", "\n")),
        ("members with =", with_members(";", "=", "||")),
    ],
)
def test_items_with_members_are_lines(
    tmp_path: Path, form: str, cells: Callable[[Sequence[Item]], Sequence[str]]
) -> None:
    path = orders_file(tmp_path / f"{form}.csv", "Items,Total", cells)
    reading, asked = read(path, {})
    assert asked == set()
    assert sold(reading) == (GOODS, PIECES, 4)


@pytest.mark.slow
@each(
    "form, item, between",
    [
        ("2 x Hat", lambda n, c: f"{c} x {n}", ", "),
        ("2x Hat", lambda n, c: f"{c}x {n}", "; "),
        ("Hat x 2", lambda n, c: f"{n} x {c}", " | "),
        ("Hat (2)", lambda n, c: f"{n} ({c})", ", "),
        ("Hat (Qty: 2)", lambda n, c: f"{n} (Qty: {c})", "\n"),
        ("Hat:2", lambda n, c: f"{n}:{c}", ","),
    ],
)
def test_names_with_quantities_share_the_amount_of_their_order(
    tmp_path: Path, form: str, item: Callable[[str, int], str], between: str
) -> None:
    # Of the first order, 55 for three pieces, 36.67 are of two hats.
    path = orders_file(
        tmp_path / f"{form.replace(':', ' ')}.csv",
        "Items,Total",
        lambda items: (between.join(item(n, c) for n, c, _ in items), f"{total_of(items)}.00"),
    )
    reading, asked = read(path, {})
    assert asked == set()
    assert sold(reading) == (GOODS, PIECES, 4)
    rows = reading.files.classified().to_pyarrow().to_pylist()
    first = {row["item_id"]: row["payment_amount"] for row in rows if row["order_id"] == "A1"}
    assert first == {"Hat": Decimal("36.67"), "Cap": Decimal("18.33")}


@pytest.mark.slow
def test_lists_in_several_cells_are_of_one_item_each(tmp_path: Path) -> None:
    def cells(items: Sequence[Item]) -> Sequence[str]:
        names, counts, prices = ["|".join(map(str, cell)) for cell in zip(*items, strict=True)]
        return names, counts, prices, f"{total_of(items)}.00"

    head = "Product Name,Product Qty,Product Price,Total"
    more = [*ORDERS, [("Hat", 1, HAT), ("Cap", 1, CAP)]]
    path = tmp_path / "lists.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["Order Number", "Date", "Email", *head.split(",")])
        for number, items in enumerate(more, start=1):
            row = [f"A{number}", f"2026-03-0{number} 10:00", f"c{number}@x.de", *cells(items)]
            rows.writerow(row)
    reading, asked = read(path, {})
    assert asked == set()
    # A fifth order of a hat and a cap is 35.
    assert sold(reading) == (GOODS + 35, {"Hat": 4, "Cap": 4, "Sock": 3}, 5)


NAMES = ("Hat\nCap", "Hat", "Cap\nSock", "Sock\nHat")


@pytest.mark.slow
def test_names_alone_are_asked_for_with_one_piece_each(tmp_path: Path) -> None:
    rows = [
        ["A1", "2026-03-01 10:00", "c1@x.de", NAMES[0], "35.00"],
        ["A2", "2026-03-02 10:00", "c2@x.de", NAMES[1], "20.00"],
        ["A3", "2026-03-03 10:00", "c3@x.de", NAMES[2], "20.00"],
        ["A4", "2026-03-04 10:00", "c4@x.de", NAMES[3], "25.00"],
    ]
    path = tmp_path / "names.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["Order", "Date", "Email", "Products", "Total"], *rows])
    reading, asked = read(path, {})
    assert asked == {"list"}
    assert sold(reading) == (Decimal(100), {"Hat": 3, "Cap": 2, "Sock": 2}, 4)
    reading, _ = read(path, {"list": "none"})
    assert sold(reading) == (Decimal(100), {"order": 4}, 4)


def test_a_name_with_a_comma_is_one(tmp_path: Path) -> None:
    lines = [
        f'A{n},2026-03-0{n} 10:00,c{n}@x.de,"Hat, {color}",20.00'
        for n, color in enumerate(["blue", "red", "blue", "green"], start=1)
    ]
    path = write(tmp_path / "colors.csv", "\n".join(["Order,Date,Email,Item,Total", *lines, ""]))
    reading, asked = read(path, {})
    assert asked == set()
    assert sold(reading)[0] == 80


@pytest.mark.slow
def test_a_discount_of_the_order_is_taken_off_its_lines(tmp_path: Path) -> None:
    # 5 off each order and 4 of postage: 55 - 5, 20 - 5, 30 - 5 and 15 - 5.
    def cells(items: Sequence[Item]) -> Sequence[str]:
        goods = total_of(items)
        return as_json(items), f"{goods}.00", "5.00", "4.00", f"{goods - 5 + 4}.00"

    path = orders_file(tmp_path / "off.csv", "Items,Subtotal,Discount,Shipping,Total", cells)
    reading, asked = read(path, {})
    assert asked == set()
    assert sold(reading) == (GOODS - 20, PIECES, 4)


@pytest.mark.slow
def test_a_total_beside_a_list_without_amounts_is_shared(tmp_path: Path) -> None:
    documents = [
        {
            "id": f"A{number}",
            "created_at": f"2026-03-0{number}T10:00:00Z",
            "customer": f"c{number}",
            "total": f"{total_of(items)}.00",
            "items": [{"sku": name, "quantity": count} for name, count, _ in items],
        }
        for number, items in enumerate(ORDERS, start=1)
    ]
    path = write(tmp_path / "orders.json", json.dumps(documents))
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"), MappingKind.ORDERS)
    assert open_questions(search.proposal({}, OWN), {}) == []
    mapping = write(tmp_path / "m.yaml", search.proposal({}, OWN).text)
    assert sold(FileReading.open([str(path)], str(mapping), is_events=False))[:2] == (GOODS, PIECES)


BY_HAND = """
name: by hand
packed:
  Items: {lines: ",", like: '(?P<quantity>\\d+) (?P<sku>.+)'}
rows: {line: Items}
fields:
  uniq_id: {hash_of: [Nr, _position]}
  date_time: Date
  order_id: Nr
  customer_id: Email
  item_id: Items.sku
  quantity: Items.quantity
  payment_amount: {column: Total, shared_by: Items.quantity}
other_columns: ignore
"""


@pytest.mark.slow
@each("ending", [".csv", ".csv.gz", ".ndjson"])
def test_a_mapping_by_hand_and_a_cell_that_is_not_so(tmp_path: Path, ending: str) -> None:
    # 30 for two hats and a cap; the second cell is not packed so, and waits.
    head, cells = ["Nr", "Date", "Email", "Items", "Total"], ["2 hat, 1 cap", "hats"]
    rows = [
        [f"A{n}", f"2026-03-0{n} 10:00:00", "c@x.de", cell, "30.00"]
        for n, cell in enumerate(cells, start=1)
    ]
    path = tmp_path / f"orders{ending}"
    if ending == ".ndjson":
        lines = [json.dumps(dict(zip(head, row, strict=True))) for row in rows]
    else:
        lines = [",".join(head), *(f'{",".join(r[:3])},"{r[3]}",{r[4]}' for r in rows)]
    write(path, "\n".join([*lines, ""]))
    mapping = write(tmp_path / "m.yaml", BY_HAND)
    reading = FileReading.open([str(path)], str(mapping), is_events=False)
    assert sold(reading) == (Decimal(30), {"hat": 2, "cap": 1}, 1)
    assert reading.rows_json["rejected"] == {"malformed_row": 1}


@each(
    "packed, sentence",
    [
        ("{Items: {members: '|', named: ':'}}", "`lines` is missing"),
        ("{Items: {lines: ',', like: '(x'}}", "`like` is no regular expression"),
        ("{Items: {lines: ',', like: 'x'}}", "`like` names no member"),
        ("{Items: {lines: ',', like: '(?P<a>x)', named: ':'}}", "give `like`, or `members`"),
        ("{Items: {lines: ',', members: '|'}}", "`members` needs `named`"),
    ],
)
def test_what_is_wrong_with_the_keys_is_said(tmp_path: Path, packed: str, sentence: str) -> None:
    lines = BY_HAND.splitlines()
    lines[3] = f"  {packed}"
    text = "\n".join(lines)
    with pytest.raises(MappingError, match=sentence.replace("(", r"\(")):
        load(OrderMapping, str(write(tmp_path / "m.yaml", text)))


@pytest.mark.slow
def test_what_lines_came_to_must_hold_in_later_files(tmp_path: Path) -> None:
    # In April, the lines of an order come to 20, and its total is 18: a discount that no file had.
    head = "Items,Total"
    march = orders_file(
        tmp_path / "march.csv", head, lambda items: (as_json(items), f"{total_of(items)}.00")
    )
    read(march, {})
    april = tmp_path / "april.csv"
    cell = as_json([("Hat", 1, HAT)]).replace('"', '""')
    rows = [
        f'B{n},2026-04-0{n} 10:00,d{n}@x.de,"{cell}",{total}' for n, total in ((1, 20), (2, 18))
    ]
    write(april, "\n".join([f"Order Number,Date,Email,{head}", *rows, ""]))
    mapping = str(march.with_suffix(".yaml"))
    reading = FileReading.open([str(april)], mapping, is_events=False)
    assert reading.rows_json["rejected"] == {"broken_proof": 1}
    assert sold(reading) == (Decimal(20), {"Hat": 1}, 1)


def test_a_text_that_no_item_is_as_long_as_is_not_searched() -> None:
    """What `Hat x 2` is found by takes hours over a million blanks, which somebody may send."""
    cell = PackedCell(", ", like=r"(?P<name>.+?)\s*x\s*(?P<quantity>\d+)")
    assert cell.items_of({"items": "Hat x 2, Cap x 1"}, "items") == [
        {"name": "Hat", "quantity": "2"},
        {"name": "Cap", "quantity": "1"},
    ]
    assert cell.items_of({"items": f"Hat{' ' * 1_000_000}x 2"}, "items") is None
