"""Exports in which a name alone would take the wrong amount, and the rows themselves say it:
what is left after refunds, what stands on the first line of an order, what a discount leaves.
"""

from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import MappingSearch
from ecom_assets_tests.ingestion.sources.conftest import write
from ecom_assets_tests.ingestion.sources.test_drafts_add_up import asked, search_of, sold_and_back
from ecom_assets_tests.ingestion.sources.test_proposed_exports import ANSWERS, money, searched


def counted(path: Path, lines: list[str], answers: dict[str, str] | None = None) -> Decimal | None:
    write(path, "\n".join([*lines, ""]))
    settings = Settings(home=path.parent / "home")
    search = MappingSearch([str(path)], settings, MappingKind.ORDERS)
    return money(search, search.proposal(ANSWERS | (answers or {}))).get("counted")


WIX = (
    "Order number,Date created,Contact email,SKU,Qty,Payment status,Total,Refunded amount,"
    "Net amount"
)


@pytest.mark.slow
def test_what_is_left_after_refunds_is_not_lowered_twice(tmp_path: Path) -> None:
    # Wix: 28.99 stays, 24.99 goes back, of 36.00 goes 12.00 back: 52.99 in all.
    lines = [
        WIX,
        "1,2026-03-14 09:15:22,ann@x.com,MUG,2,Paid,28.99,0,28.99",
        "2,2026-03-14 13:02:03,bob@x.com,PLATE,1,Fully refunded,24.99,24.99,0",
        "3,2026-03-15 10:00:00,cat@x.com,MUG,3,Partially refunded,36.00,12.00,24.00",
    ]
    assert counted(tmp_path / "wix.csv", lines) == Decimal("52.99")


SQUARESPACE = (
    "Order ID,Email,Financial Status,Fulfillment Status,Currency,Subtotal,Amount Refunded,Total,"
    "Created at,Lineitem quantity,Lineitem price,Lineitem sku"
)


@pytest.mark.slow
def test_what_the_first_line_of_an_order_says_holds_for_all_of_its_lines(tmp_path: Path) -> None:
    # Squarespace: 2 x 20 + 10 stay; 20 + 3 x 10 are cancelled, on the first line only; 20 + 10 go
    # back, and 5 of shipping, which was no revenue. Subtotal and Total are the order's, though the
    # first line has them.
    lines = [
        SQUARESPACE,
        "21,ann@x.com,PAID,FULFILLED,USD,50.00,0.00,55.00,2026-03-14 10:00:00,2,20.00,TEE",
        "21,,,,,,,,,1,10.00,CAP",
        "22,dan@x.com,PAID,CANCELED,USD,50.00,0.00,50.00,2026-03-15 11:00:00,1,20.00,TEE",
        "22,,,,,,,,,3,10.00,CAP",
        "23,eve@x.com,REFUNDED,FULFILLED,USD,30.00,35.00,35.00,2026-03-16 10:00:00,1,20.00,TEE",
        "23,,,,,,,,,1,10.00,CAP",
    ]
    search = searched(tmp_path / "squarespace.csv", lines)
    read = money(search, search.proposal(ANSWERS))
    assert read == {"counted": Decimal(50 + 30 - 30), "left_out": Decimal(50)}


@pytest.mark.slow
def test_a_discount_is_taken_off_where_a_column_shows_it(tmp_path: Path) -> None:
    # A bicycle of 899 for 799, two bells of 9.95; `Total incl. VAT` is no tax.
    header = "Date,Sale number,Item,Quantity,Unit price,Discount,Total incl. VAT,Customer"
    lines = [
        header,
        "2026-03-14 09:10,1,Bicycle,1,899.00,100.00,799.00,Jan",
        "2026-03-14 09:10,1,Bell,2,9.95,0.00,19.90,Jan",
        "2026-03-15 12:30,2,Bell,1,9.95,0.00,9.95,Piet",
    ]
    assert counted(tmp_path / "till.csv", lines) == Decimal("828.85")
    renamed = [lines[0].replace("Total incl. VAT", "Worth"), *lines[1:]]
    assert counted(tmp_path / "renamed.csv", renamed) == Decimal("828.85")


@pytest.mark.slow
def test_a_discount_that_no_column_shows_is_asked(tmp_path: Path) -> None:
    # A bicycle of 899 and a bell of 9.95, 908.95, less 100 or not.
    lines = [
        "Date,Sale number,Item,Quantity,Unit price,Discount,Customer",
        "2026-03-14 09:10,1,Bicycle,1,899.00,100.00,Jan",
        "2026-03-15 12:30,2,Bell,1,9.95,0.00,Piet",
    ]
    search = searched(tmp_path / "till.csv", lines)
    [asked] = [one for one in search.proposal(ANSWERS).questions if one.key == "amount_parts"]
    assert "less Discount (808.95) or Unit price times Quantity (908.95)" in asked.sentence
    sums = [
        money(search, search.proposal({**ANSWERS, "amount_parts": choice}))["counted"]
        for choice in asked.choices
    ]
    assert sums == [Decimal("808.95"), Decimal("908.95")]


@pytest.mark.slow
def test_people_of_one_name_are_told_apart_by_the_name_that_they_log_in_with(
    tmp_path: Path,
) -> None:
    lines = [
        "Order Number,Buyer Name,Buyer Username,Sale Date,Item Number,Quantity,Total Price",
        "1,Ann Lee,ann_1,2026-03-14,A,1,10.00",
        "2,Ann Lee,lee_2,2026-03-15,A,1,20.00",
    ]
    proposal = searched(tmp_path / "ebay.csv", lines).proposal(ANSWERS)
    assert '  customer_id: "Buyer Username"' in proposal.text


def test_credit_notes_are_rows_of_their_own(tmp_path: Path) -> None:
    # Invoices of 100 and 50, and a credit note of 100 with a number of its own: 50 in all.
    lines = [
        "Invoice,Date,Customer,Item,Qty,Amount,Type",
        "1001,2026-03-14 10:00:00,C1,A,1,100.00,INV",
        "1002,2026-03-15 10:00:00,C2,B,2,50.00,INV",
        "1003,2026-03-16 10:00:00,C1,A,1,100.00,CRN",
    ]
    assert counted(tmp_path / "invoices.csv", lines) == Decimal(50)


def test_a_part_of_a_line_goes_back_on_its_own_day(tmp_path: Path) -> None:
    # 20 stay, of 30 go 10 back, 10 go back: 40 in all.
    lines = [
        "order_id,order_date,customer,sku,qty,amount,return_date,return_amount",
        "1,2026-03-14 10:00:00,c1,A,2,20.00,,",
        "2,2026-03-14 11:00:00,c2,B,3,30.00,2026-03-20 09:00:00,10.00",
        "3,2026-03-15 11:00:00,c1,A,1,10.00,2026-03-21 09:00:00,10.00",
    ]
    assert counted(tmp_path / "returns.csv", lines) == Decimal(40)


def test_tax_is_taken_off_no_net_amount(tmp_path: Path) -> None:
    lines = [
        "Date,Transaction ID,Customer ID,SKU,Qty,Net Sales,Tax",
        "2026-03-01 09:14:05,T1,C1,LATTE,2,10.00,0.80",
        "2026-03-01 09:20:11,T2,C2,ESPRESSO,1,3.00,0.24",
    ]
    answers = {"payment_amount": "Net Sales"}
    assert counted(tmp_path / "till.csv", lines, answers) == Decimal(13)


@pytest.mark.slow
@pytest.mark.parametrize("is_inside", [True, False])
def test_a_tax_is_of_what_is_left_after_discounts(tmp_path: Path, *, is_inside: bool) -> None:
    """Of prices with tax it is in what was paid, whose sums show no tax; of others beside it."""
    lines, expected = ["number,ordered_at,customer,goods,rebate,tax,shipping,total"], Decimal()
    for n in range(24):
        goods, off = Decimal(2390 + 731 * n) / 100, Decimal((n % 3) * 155) / 100
        share = Decimal("0.19") / (Decimal("1.19") if is_inside else 1)
        tax = ((goods - off) * share).quantize(Decimal("0.01"))
        shipping = Decimal("4.90") if n % 2 else Decimal()
        total = goods - off + shipping + (0 if is_inside else tax)
        lines.append(
            f"A{n},2026-03-{n + 1:02d} 10:00:00,c{n % 5},{goods},{off},{tax},{shipping},{total}"
        )
        expected += goods - off - (tax if is_inside else 0)
    search = search_of(tmp_path / "orders.csv", lines)
    assert asked(search, {}) == {}
    assert sold_and_back(search, {}) == (expected, 0)


@pytest.mark.slow
@pytest.mark.parametrize("goods_name", ["Subtotal", "Zwischensumme"])
@pytest.mark.parametrize("is_charged", [True, False])
def test_a_fee_that_goods_and_total_have_both_is_kept_and_not_charged(
    tmp_path: Path, goods_name: str, *, is_charged: bool
) -> None:
    """What is left of the total without the fee has a name that no list knows."""
    lines = [f"number,ordered_at,customer,{goods_name},VAT,Fee,Total,Zufluss"]
    expected = Decimal()
    for n in range(24):
        goods = Decimal(2390 + 731 * n) / 100
        tax = (goods * Decimal("0.19")).quantize(Decimal("0.01"))
        fee = (goods * Decimal("0.081")).quantize(Decimal("0.01"))
        total = goods + tax + (fee if is_charged else 0)
        lines.append(
            f"A{n},2026-03-{n + 1:02d} 10:00:00,c{n % 5},{goods},{tax},{fee},{total},{total - fee}"
        )
        expected += goods
    search = search_of(tmp_path / "orders.csv", lines)
    assert asked(search, {}) == {}
    assert sold_and_back(search, {}) == (expected, 0)
