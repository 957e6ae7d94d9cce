"""What a draft proved of its file holds for later files: rows that break it wait, with a reason
that names what does not hold, and each number can be added up by a reader.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets.commerce.costs.costs import cost_versions
from ecom_assets.core.errors import MappingError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.warehouse.local import temporary
from ecom_assets.ingestion.sources.cost_reading import CostFileReading
from ecom_assets.ingestion.sources.files.mapping import (
    AdSpendMapping,
    CostMapping,
    EventMapping,
    OrderMapping,
    StockMapping,
    load,
)
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import OWN, MappingSearch
from ecom_assets.ingestion.sources.reading import FileReading
from ecom_assets.ingestion.sources.readings import Reading
from ecom_assets.ingestion.sources.record_feed import feeds
from ecom_assets.ingestion.sources.stock import stock_values
from ecom_assets.ingestion.sources.stock_reading import StockFileReading
from ecom_assets_tests.each import each
from ecom_assets_tests.ingestion.sources.conftest import write

HEAD = "Order,Date,Customer,SKU,Price,Qty,Tax,Shipping,Total,Payment Status,Cancelled"
MARCH = (
    "1,2026-03-01 10:00:00,c1,A,10.00,2,4.00,5.00,29.00,paid,no",
    "2,2026-03-01 11:00:00,c2,B,20.00,1,4.00,0.00,24.00,paid,no",
    "3,2026-03-01 12:00:00,c2,A,10.00,1,2.00,5.00,17.00,paid,no",
    "4,2026-03-02 12:00:00,c3,B,20.00,2,8.00,5.00,53.00,pending,no",
)
"""Orders of 20, 20, 10 and 40 with a fifth of tax and 5 of shipping, but for the second one."""
ANSWERS = {"timezone": "UTC", "state_1": "sale", "state_2": "sale"}


def mapping_of(folder: Path, lines: tuple[str, ...] = MARCH, head: str = HEAD) -> Path:
    """Return the mapping that is drafted of a file of orders, with the guess for what is asked."""
    march = folder / "march.csv"
    write(march, "\n".join([head, *lines, ""]))
    search = MappingSearch([str(march)], Settings(home=folder / "home"), MappingKind.ORDERS)
    answers = search.guesses(search.accepted(ANSWERS, OWN)[0], OWN)
    return write(folder / "march.yaml", search.proposal(answers, OWN).text)


def reading_of(mapping: Path, *lines: str, head: str = HEAD) -> FileReading:
    """Return a later file as a mapping reads it."""
    april = mapping.parent / "april.csv"
    write(april, "\n".join([head, *lines, ""]))
    return FileReading.open([str(april)], str(mapping), is_events=False)


def waiting(reading: FileReading) -> dict[str, list[str]]:
    """Return the orders that wait, by what does not hold of them."""
    lines = reading.files.classified()
    broken = lines.filter(lines.reject_reason == "broken_proof")
    orders: dict[str, list[str]] = {}
    for row in broken.order_by("order_id").to_pyarrow().to_pylist():
        orders.setdefault(row["left_out"].removeprefix("holds: "), []).append(row["order_id"])
    return orders


SUM = "Price times Qty = Total - Tax - Shipping"


@pytest.mark.slow
def test_the_file_of_the_draft_holds_and_so_does_a_later_one_like_it(tmp_path: Path) -> None:
    mapping = mapping_of(tmp_path)
    assert [*load(OrderMapping, str(mapping)).holds] == [
        "each row has another Order",
        SUM,
        "Payment Status is paid or pending",
        "Cancelled is no",
        "no SKU is a gift card, a tip, a deposit, a warranty or shipping",
    ]
    again = reading_of(mapping, *MARCH)
    assert (again.rows_json["rejected"], again.money["counted"].amount) == ({}, Decimal(90))
    later = reading_of(mapping, "5,2026-04-01 10:00:00,c9,A,11.00,3,6.60,4.00,43.60,paid,no")
    assert (later.rows_json["rejected"], later.money["counted"].amount) == ({}, Decimal(33))


def test_rows_that_break_a_sum_wait_with_their_money_and_say_which_sum(tmp_path: Path) -> None:
    # From April on, prices are with their tax of a fifth: 24 a piece, and the total is 24 + 5.
    reading = reading_of(
        mapping_of(tmp_path),
        "5,2026-04-01 10:00:00,c1,B,24.00,1,4.00,5.00,29.00,paid,no",
        "6,2026-04-01 11:00:00,c1,A,10.00,1,2.00,0.00,12.00,paid,no",
    )
    assert waiting(reading) == {SUM: ["5"]}
    assert reading.money["refused"].amount == Decimal(24)
    assert reading.money["counted"].amount == Decimal(10)
    (reason,) = reading.not_clean
    assert (reason.reason, reason.row_count) == ("broken_proof", 1)
    assert reason.meaning.startswith(f"Does not hold: {SUM} (1 row). The line breaks what its")


def test_of_many_rows_two_in_a_hundred_may_be_off_unless_they_are_all_that_have_a_part(
    tmp_path: Path,
) -> None:
    mapping = mapping_of(tmp_path)

    def row(number: int, tax: str, shipping: str, total: str) -> str:
        cells = f"2026-04-01 10:00:00,c{number},A,10.00,1,{tax},{shipping},{total}"
        return f"{number},{cells},paid,no"

    good = [row(number, "2.00", "0.00", "12.00") for number in range(100, 198)]
    # A rounded total is off by 10 cents in 2 of 100 rows, as could be in the file of the draft.
    rounded = [row(number, "2.00", "0.00", "12.10") for number in (1, 2)]
    assert waiting(reading_of(mapping, *good, *rounded)) == {}
    # Of 2 of 100 rows, which alone have shipping, the total is without it.
    unlike = [row(number, "2.00", "5.00", "12.00") for number in (1, 2)]
    assert waiting(reading_of(mapping, *good, *unlike)) == {SUM: ["1", "2"]}


def test_an_order_of_two_rows_waits_where_each_order_had_one(tmp_path: Path) -> None:
    reading = reading_of(
        mapping_of(tmp_path),
        "5,2026-04-01 10:00:00,c1,A,10.00,1,2.00,5.00,17.00,paid,no",
        "5,2026-04-01 10:00:00,c1,B,20.00,1,4.00,5.00,29.00,paid,no",
        "6,2026-04-01 10:00:00,c1,B,20.00,1,4.00,5.00,29.00,paid,no",
    )
    assert waiting(reading) == {"each row has another Order": ["5", "5"]}
    assert reading.money["counted"].amount == Decimal(20)


@pytest.mark.slow
@each(
    "cells, name",
    [
        ("paid,yes", "Cancelled is no"),
        (",no", "Payment Status is paid or pending"),
    ],
)
def test_a_value_that_nobody_was_asked_about_waits(tmp_path: Path, cells: str, name: str) -> None:
    row = f"5,2026-04-01 10:00:00,c1,A,10.00,1,2.00,5.00,17.00,{cells}"
    reading = reading_of(mapping_of(tmp_path), row)
    assert waiting(reading) == {name: ["5"]}
    assert "counted" not in reading.money


@pytest.mark.slow
@each(
    "item",
    ["Gift card 50", "Tip", "Geschenkgutschein", "2 year warranty", "Pfand", "Carte cadeau"],
)
def test_a_line_that_is_no_goods_waits_where_the_file_before_had_none(
    tmp_path: Path, item: str
) -> None:
    # A mug of 10 with a tax of 2 and shipping of 5 counts, and 50 beside it wait.
    reading = reading_of(
        mapping_of(tmp_path),
        "5,2026-04-01 10:00:00,c1,MUG,10.00,1,2.00,5.00,17.00,paid,no",
        f"6,2026-04-01 10:00:00,c1,{item},50.00,1,0.00,0.00,50.00,paid,no",
    )
    assert waiting(reading) == {
        "no SKU is a gift card, a tip, a deposit, a warranty or shipping": ["6"]
    }
    assert reading.money["refused"].amount == Decimal(50)
    assert reading.money["counted"].amount == Decimal(10)


def test_what_was_answered_of_gift_cards_holds_for_later_files(tmp_path: Path) -> None:
    card = "5,2026-03-02 13:00:00,c3,Gift card 25,25.00,1,0.00,0.00,25.00,paid,no"
    mapping = mapping_of(tmp_path, (*MARCH, card))
    assert not [name for name in load(OrderMapping, str(mapping)).holds if "gift card" in name]
    later = "6,2026-04-01 10:00:00,c1,Gift card 50,50.00,1,0.00,0.00,50.00,paid,no"
    reading = reading_of(mapping, later, later.replace("6,", "7,", 1).replace("Gift card", "MUG"))
    assert reading.rows_json["rejected"] == {"left_out": 1}
    assert reading.money["counted"].amount == Decimal(50)


def test_a_new_state_is_said_as_before(tmp_path: Path) -> None:
    row = "5,2026-04-01 10:00:00,c1,A,10.00,1,2.00,5.00,17.00,charged back,no"
    reading = reading_of(mapping_of(tmp_path), row)
    assert reading.rows_json["rejected"] == {"unknown_status": 1}


def test_a_day_of_cancellation_that_no_row_had_waits(tmp_path: Path) -> None:
    head = HEAD.replace("Cancelled", "Cancelled at")
    march = tuple(line.removesuffix("no") for line in MARCH)
    mapping = mapping_of(tmp_path, march, head)
    row = "5,2026-04-01 10:00:00,c1,A,10.00,1,2.00,5.00,17.00,paid,"
    reading = reading_of(mapping, row, f"{row.replace('5,', '6,', 1)}2026-04-03", head=head)
    assert waiting(reading) == {"Cancelled at is empty": ["6"]}
    assert reading.money["counted"].amount == Decimal(10)


def test_the_amount_of_an_order_that_differs_among_its_rows_waits(tmp_path: Path) -> None:
    head = "Order,Date,Customer,SKU,Qty,Order total"
    march = tuple(
        f"{order},2026-03-0{order} 10:00:00,c{order},{sku},1,{total}"
        for order, total in ((1, "30.00"), (2, "50.00"), (3, "70.00"))
        for sku in "AB"
    )
    mapping = mapping_of(tmp_path, march, head)
    april = ("4,2026-04-01 10:00:00,c4,A,1,20.00", "4,2026-04-01 10:00:00,c4,B,1,30.00")
    reading = reading_of(mapping, *april, head=head)
    assert waiting(reading) == {"rows of one Order have one Order total": ["4", "4"]}


def test_a_line_that_a_file_has_twice_counts_once_and_two_of_one_number_wait(
    tmp_path: Path,
) -> None:
    mapping = written(
        tmp_path, {"each row has another Line": "{unique: [Line]}"}, id_="Line", amount="Net"
    )
    head = "Line,Date,Customer,SKU,Net"
    line = "L1,2026-04-01 10:00:00,c1,A,10.00"
    copies = reading_of(mapping, line, line, head=head)
    assert copies.rows_json["rejected"] == {"duplicate": 1}
    assert copies.money["counted"].amount == Decimal(10)
    other = "L1,2026-04-01 10:00:00,c1,B,20.00"
    reading = reading_of(mapping, line, other, head=head)
    assert reading.rows_json["rejected"] == {"broken_proof": 2}
    assert reading.money["refused"].amount == Decimal(30)


def written(folder: Path, holds: Mapping[str, str], *, id_: str, amount: str) -> Path:
    """Return a mapping that somebody writes by hand."""
    lines = [
        "fields:",
        f"  uniq_id: {id_}",
        "  date_time: Date",
        "  customer_id: Customer",
        "  item_id: SKU",
        "  quantity: {constant: 1}",
        f"  payment_amount: {amount}",
        "other_columns: ignore",
        "holds:",
        *(f'  "{name}": {proof}' for name, proof in holds.items()),
    ]
    return write(folder / "own.yaml", "\n".join([*lines, ""]))


@each(
    "proof, sentence",
    [
        ("{amount: Total}", "give `amount` and `equals`, or `unique`, or `column` with one of"),
        ("{column: Type}", "give `amount` and `equals`, or `unique`, or `column` with one of"),
        ("{column: Type, in: [a], one_per: SKU}", "one of `in`, `one_per` and `not_like`"),
        ("{column: Type, not_like: '(tip'}", "cannot be computed"),
        ("{uniqe: [Nr]}", "unknown key 'uniqe' under `holds.proof` (did you mean 'unique'?)"),
        ("{amount: Total, equals: {expression: 'Net +'}}", "is not an SQL expression"),
    ],
)
def test_a_proof_that_is_none_is_refused_with_what_may_be_written(
    tmp_path: Path, proof: str, sentence: str
) -> None:
    mapping = written(tmp_path, {"proof": proof}, id_="Line", amount="Net")
    with pytest.raises(MappingError, match=r"own(\.yaml)?'?: .*") as raised:
        reading_of(mapping, "1,2026-04-01,c1,A,1.00,a", head="Line,Date,Customer,SKU,Net,Type")
    assert sentence in str(raised.value)


def test_a_file_without_a_column_of_a_sum_is_refused_by_the_sum(tmp_path: Path) -> None:
    holds = {"Total = Net": "{amount: Total, equals: Net}"}
    mapping = written(tmp_path, holds, id_="Line", amount="Net")
    with pytest.raises(MappingError, match=r"has no column 'Total', .* expects for holds\.Total ="):
        reading_of(mapping, "1,2026-04-01,c1,A,1.00", head="Line,Date,Customer,SKU,Net")


def drafted_list(kind: MappingKind, folder: Path, *lines: str, **said: str) -> Path:
    """Return the mapping that is drafted of a list of a kind."""
    march = write(folder / "march.csv", "\n".join([*lines, ""]))
    search = MappingSearch([str(march)], Settings(home=folder / "home"), kind)
    answers = search.accepted(said, OWN)[0]
    return write(folder / "march.yaml", search.proposal(answers, OWN).text)


def read_list(kind: MappingKind, mapping: Path, *lines: str) -> Reading:
    """Return a later list as a mapping reads it."""
    april = write(mapping.parent / "april.csv", "\n".join([*lines, ""]))
    settings = Settings(home=mapping.parent / "home", currency="EUR")
    return feeds()[kind].read([str(april)], str(mapping), settings)


def what_waits(reading: Reading) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return why rows do not count, and what does not hold of those that break a proof."""
    broken = next((why.broken for why in reading.not_clean if why.reason == "broken_proof"), ())
    return reading.rows_json["rejected"], broken


def test_a_second_cost_of_an_item_waits_where_each_had_one(tmp_path: Path) -> None:
    mapping = drafted_list(
        MappingKind.COSTS, tmp_path, "SKU,Cost", "A,4.00", "B,5.00", "C,6.00", currency="EUR"
    )
    name = "each row has another SKU"
    assert [*load(CostMapping, str(mapping)).holds] == [name]
    again = read_list(MappingKind.COSTS, mapping, "SKU,Cost", "A,4.10", "B,5.00")
    assert what_waits(again) == ({}, ())
    # Of A there is a cost of one piece and one of a box of ten: which is which, nobody has said.
    reading = read_list(MappingKind.COSTS, mapping, "SKU,Cost", "A,4.10", "A,41.00", "B,5.00")
    assert what_waits(reading) == ({"broken_proof": 2}, (f"{name} (2 rows)",))
    assert reading.rows_json["counted"] == 1


def test_a_cost_that_waits_leaves_the_one_before_it(tmp_path: Path) -> None:
    mapping = drafted_list(
        MappingKind.COSTS, tmp_path, "SKU,Cost", "A,4.00", "B,5.00", "C,6.00", currency="EUR"
    )
    folder = tmp_path / "costs"
    folder.mkdir()
    write(folder / "1.csv", "SKU,Cost\nA,4.00\nB,5.00\n")
    write(folder / "2.csv", "SKU,Cost\nA,4.10\nA,41.00\n")
    reading = CostFileReading.open([str(folder)], str(mapping), Settings(currency="EUR"))
    raw = temporary(reading.files.reader, "received", reading.files.received_sql)
    versions = rows_of(cost_versions(raw))
    assert {row["item_id"]: row["unit_cost_amount"] for row in versions} == {"A": 4, "B": 5}


STOCK_HEAD = "SKU,On hand,Committed,Available"


def test_stock_waits_whose_numbers_do_not_add_up_as_before(tmp_path: Path) -> None:
    march = ("A,10,3,7", "B,8,2,6", "C,5,1,4", "D,9,9,0")
    mapping = drafted_list(MappingKind.STOCK, tmp_path, STOCK_HEAD, *march)
    added = "Available = On hand - Committed"
    assert [*load(StockMapping, str(mapping)).holds] == ["each row has another SKU", added]
    # Of B, 3 are damaged from April on, which are neither committed nor available.
    reading = read_list(MappingKind.STOCK, mapping, STOCK_HEAD, "A,9,3,6", "B,8,2,3", "C,5,0,5")
    assert what_waits(reading) == ({"broken_proof": 1}, (f"{added} (1 row)",))
    assert isinstance(reading, StockFileReading)
    stock = {line["product_id"]: line["stock_count"] for line in reading.lines}
    assert stock == {"A": 6, "B": None, "C": 5}, "what a line says that waits is not known"


def test_a_location_that_waits_makes_the_stock_of_its_product_unknown(tmp_path: Path) -> None:
    mapping = write(
        tmp_path / "own.yaml",
        "fields: {line_id: {hash_of: [SKU, At, Free]}, product_id: SKU, stock: Free, "
        "location: At}\nholds: {'Free = All': {amount: Free, equals: All}}\n"
        "leave_out: {demo: {column: At, in: [Showroom]}}\n",
    )
    lines = ("A,Ulm,4,4", "A,Bonn,5,6", "B,Ulm,2,2", "B,Bonn,1,1", "B,Showroom,9,9")
    reading = read_list(MappingKind.STOCK, mapping, "SKU,At,Free,All", *lines)
    assert isinstance(reading, StockFileReading)
    listed = stock_values(reading.totals, date(2026, 4, 1), "file")
    by_reason = {(row["product_id"], row["reject_reason"], row["stock_count"]) for row in listed}
    assert by_reason == {("A", "broken_proof", None), ("B", "left_out", None), ("B", None, 3)}


def test_a_second_row_of_a_campaign_s_day_waits(tmp_path: Path) -> None:
    head = "Day,Campaign,Cost"
    said = {"platform": "meta", "account_id": "one account", "currency": "EUR"}
    march = ("2026-03-01,Brand,10.00", "2026-03-02,Brand,12.00", "2026-03-02,Sale,5.00")
    mapping = drafted_list(MappingKind.AD_SPEND, tmp_path, head, *march, **said)
    name = "each row has another Day and Campaign"
    assert [*load(AdSpendMapping, str(mapping)).holds] == [name]
    # Brand is listed for each country and for both.
    april = ("2026-04-01,Brand,4.00", "2026-04-01,Brand,6.00", "2026-04-01,Brand,10.00")
    reading = read_list(MappingKind.AD_SPEND, mapping, head, *april, "2026-04-01,Sale,1.00")
    assert what_waits(reading) == ({"broken_proof": 3}, (f"{name} (3 rows)",))


def test_events_have_no_proofs(tmp_path: Path) -> None:
    text = "fields: {event_id: a, event_type: b, event_timestamp: c, user_id: d}\n"
    path = write(tmp_path / "events.yaml", f"{text}holds: {{d: {{unique: [a]}}}}\n")
    with pytest.raises(MappingError, match="`holds` is for order lines, costs, ad spend and stock"):
        load(EventMapping, str(path))
