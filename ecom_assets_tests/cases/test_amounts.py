"""Cases of exports in which a name alone takes the wrong amount, time or order: sums of the rows
decide, and what they do not decide is asked with its money.
"""

import csv
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.reading import FileReading
from ecom_assets_tests.builders import Row
from ecom_assets_tests.cases.case import Case


class Money(NamedTuple):
    """What was sold and paid back, in how many orders."""

    sold: Decimal | int
    paid_back: Decimal | int
    orders: int


def drafted(case: Case, file: str, zone: str, *answers: str, options: tuple[str, ...] = ()) -> str:
    """Let a mapping of orders be written with some answers, and return what is said of it."""
    given = [part for answer in answers for part in ("--answer", answer)]
    kind = () if "--stock" in options else ("--orders",)
    return case.ecom(
        "mapping", "init", file, *kind, "--timezone", zone, "--out", "m.yaml", *given, *options
    ).out


def clean_rows(
    case: Case, file: str, settings: Settings | None = None, mapping: str = ""
) -> list[Row]:
    """Return the rows that count as a shipped mapping reads them, or that of the case."""
    reading = FileReading.open(
        [str(case.folder / file)],
        mapping or str(case.folder / "m.yaml"),
        is_events=False,
        settings=settings or Settings(home=case.home),
    )
    rows: list[Row] = reading.files.classified().to_pyarrow().to_pylist()
    return [row for row in rows if row["reject_reason"] is None]


def money(rows: list[Row]) -> Money:
    """Return what rows come to."""
    sums = {
        status: sum((row["payment_amount"] for row in rows if row["status"] == status), Decimal())
        for status in ("shipped", "refunded")
    }
    return Money(sums["shipped"], sums["refunded"], len({row["order_id"] for row in rows}))


@pytest.mark.slow
@pytest.mark.parametrize("case", ["101"], indirect=True)
def test_amounts_of_several_kinds_in_one_column_are_asked_by_kind(case: Case) -> None:
    """Goods of 441.00 less promotions of 15.00, of which 63.50 went back: 362.50 in all."""
    drafted(case, "settlement.txt", "America/Los_Angeles", "customer_id=order-id")
    assert clean_rows(case, "settlement.txt") == [], "nothing counts before somebody has said it"
    text = (case.folder / "m.yaml").read_text()
    assert "'Order / ItemPrice / Principal'" in text
    assert "(14 rows, together 441.00)" in text
    kinds = {
        "Order / ItemPrice / Principal": "shipped",
        "Order / Promotion / Principal": "shipped",
        "Refund / ItemPrice / Principal": "refunded",
    }
    said = [
        f"  {line.split(':')[0].strip()}: {kinds[name]}"
        if (name := line.split('"')[1] if line.startswith('  "') else "") in kinds
        else line
        for line in text.splitlines()
    ]
    (case.folder / "m.yaml").write_text("\n".join(said))
    read = money(clean_rows(case, "settlement.txt"))
    assert (read.sold - read.paid_back, read.orders) == (Decimal("362.50"), 14)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["102"], indirect=True)
def test_shipping_is_taken_off_no_price_that_does_not_hold_it(case: Case) -> None:
    said = drafted(
        case, "all_orders.txt", "America/Los_Angeles", "customer_id=amazon-order-id", FIRST_102
    )
    assert "shipping-price is not taken off item-price" in said
    assert money(clean_rows(case, "all_orders.txt")) == (Decimal("1339.50"), 0, 33)


FIRST_102 = "amount_parts=item-price less item-promotion-discount"


@pytest.mark.slow
@pytest.mark.parametrize("case", ["104"], indirect=True)
def test_what_a_row_of_paypal_is_is_asked_by_its_type(case: Case) -> None:
    settings = Settings(home=case.home, currency="EUR", rates=case.folder / "rates.csv")
    drafted(case, "paypal.csv", "Europe/Berlin")
    assert clean_rows(case, "paypal.csv", settings) == []
    answers = ["sale", "no sale", "no sale", "no sale", "refund", "no sale", "no sale"]
    (case.folder / "m.yaml").unlink()
    drafted(
        case,
        "paypal.csv",
        "Europe/Berlin",
        *(f"state_{number}={answer}" for number, answer in enumerate(answers, start=1)),
    )
    assert '"Gross"' in (case.folder / "m.yaml").read_text(), "Net is what PayPal leaves of it"
    assert money(clean_rows(case, "paypal.csv", settings))[:2] == (1404, 136)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["105"], indirect=True)
def test_a_discount_beside_the_amount_is_asked_with_both_totals(case: Case) -> None:
    said = drafted(case, "EtsySoldOrderItems2026-3.csv", "America/Chicago")
    assert "Item Total less Discount Amount (852.40) or Item Total (865.00)" in said
    assert "--answer amount_parts=" in said
    (case.folder / "m.yaml").unlink()
    for answer, sold in (("Item Total less Discount Amount", "852.40"), ("Item Total", "865.00")):
        (case.folder / "m.yaml").unlink(missing_ok=True)
        drafted(case, "EtsySoldOrderItems2026-3.csv", "America/Chicago", f"amount_parts={answer}")
        read = money(clean_rows(case, "EtsySoldOrderItems2026-3.csv"))
        assert read == (Decimal(sold), 0, 26)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["106"], indirect=True)
def test_rows_that_sum_up_an_order_are_left_out(case: Case) -> None:
    """The line of commas above the header is taken away here: that is the reader's."""
    file = case.folder / "eBay-OrdersReport.csv"
    file.write_text(file.read_text().partition("\n")[2])
    drafted(case, file.name, "America/Chicago")
    assert money(clean_rows(case, file.name)) == (767, 0, 22)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["112"], indirect=True)
def test_a_charge_that_was_refunded_was_sold_before(case: Case) -> None:
    case.ecom("mapping", "init", "charges.csv", "--timezone", "UTC", "--out", "m.yaml")
    assert money(clean_rows(case, "charges.csv")) == (630, 68, 20)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["125"], indirect=True)
def test_the_time_of_a_loader_is_no_order_s(case: Case) -> None:
    file = "2026_03_20_1710000000000_0.jsonl"
    drafted(case, file, "Europe/Berlin")
    rows = clean_rows(case, file)
    assert money(rows) == (453, 0, 18)
    assert {row["ordered_at"].date().isoformat() for row in rows} == {
        f"2026-03-{day:02d}" for day in range(2, 13)
    }


@pytest.mark.slow
@pytest.mark.parametrize("case", ["128"], indirect=True)
def test_net_after_fees_is_no_price_and_a_part_is_no_whole(case: Case) -> None:
    drafted(case, "sales.csv", "UTC")
    assert money(clean_rows(case, "sales.csv")) == (710, 30, 32)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["133"], indirect=True)
def test_gross_less_tax_is_net(case: Case) -> None:
    drafted(case, "rechnungen.csv", "Europe/Berlin")
    assert money(clean_rows(case, "rechnungen.csv")) == (Decimal("1132.50"), 0, 30)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["135"], indirect=True)
def test_items_in_a_cell_are_lines(case: Case) -> None:
    """Counted by splitting the cells of the 23 orders that are not cancelled."""
    said = drafted(case, "orders_export.csv", "Europe/Berlin")
    assert "each element of line_items is an order line" in said
    rows = clean_rows(case, "orders_export.csv")
    assert money(rows) == (1033, 0, 23)
    pieces: Counter[str] = Counter()
    for row in rows:
        pieces[row["item_id"]] += int(row["quantity"])
    assert pieces == split_pieces(case.folder / "orders_export.csv")


def split_pieces(file: Path) -> Counter[str]:
    """Return the pieces of each product in the cells of orders that are not cancelled."""
    pieces: Counter[str] = Counter()
    for order in csv.DictReader(file.read_text().splitlines()):
        if order["status"] != "cancelled":
            for item in order["line_items"].split(";"):
                members = dict(member.split(":") for member in item.split("|"))
                pieces[members["sku"]] += int(members["quantity"])
    return pieces


@pytest.mark.slow
@pytest.mark.parametrize("case", ["138"], indirect=True)
def test_pieces_that_went_back_are_paid_back_at_their_price(case: Case) -> None:
    """The second column of a name gets another one here: that is the reader's."""
    file = case.folder / "orders.csv"
    header, _, rows = file.read_text().partition("\n")
    for name in ("Delivery country", "Delivery city"):
        first, _, second = header.partition(name)
        header = f"{first}{name}{second.replace(name, f'{name} 2', 1)}"
    file.write_text(f"{header}\n{rows}")
    drafted(case, file.name, "America/Chicago")
    assert money(clean_rows(case, file.name)) == (Decimal("993.50"), 103, 22)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["144"], indirect=True)
def test_the_id_of_a_record_is_the_number_of_its_order(case: Case) -> None:
    """In a draft of the newest file as in one of the folder, over which a run counts."""
    fields = []
    for file in ("in/received_date=2026-03-16/orders.csv", "in"):
        (case.folder / "m.yaml").unlink(missing_ok=True)
        drafted(case, file, "Europe/Berlin")
        fields.append(yaml.safe_load((case.folder / "m.yaml").read_text())["fields"])
    assert fields[0] == fields[1]
    sales = case.sales("--orders", "in", "--orders-mapping", "m.yaml")
    read = sales["orders"], sales["shipped_amount"], sales["refunded_amount"]
    assert read == (30, "755.00", "-39.50")


@pytest.mark.slow
@pytest.mark.parametrize("case", ["304"], indirect=True)
def test_returns_are_lines_below_zero_of_both_numbers(case: Case) -> None:
    drafted(case, "orders.csv", "UTC")
    assert money(clean_rows(case, "orders.csv"))[:2] == (600, 30)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["307"], indirect=True)
def test_sales_without_a_customer_are_nobody_s(case: Case) -> None:
    said = drafted(case, "caisse.csv", "Europe/Paris")
    assert "what becomes of 20 rows without Client" in said
    (case.folder / "m.yaml").unlink()
    drafted(case, "caisse.csv", "Europe/Paris", "no_customer=nobody")
    assert case.counts("caisse.csv").startswith("1,662.00, ")
    read = ("--orders", "caisse.csv", "--orders-mapping", "m.yaml")
    case.run(*read, "--select", '+key:"mart/customer_segments"')
    most = case.rows("SELECT max(order_count), count(*) FROM mart.customer_segments")
    assert most == [(2, 20)], "20 customers, and nobody"


@pytest.mark.slow
@pytest.mark.parametrize("case", ["110"], indirect=True)
def test_a_gift_card_is_no_sale_of_shopify(case: Case) -> None:
    """27 orders of goods, and 3 cards of 50.00 that are spent on orders of them."""
    mapping = case.folder / "m.yaml"
    mapping.write_text("extends: shopify\n")
    rows = clean_rows(case, "orders_export.csv")
    assert money(rows) == (Decimal("679.50"), 0, 27)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["119"], indirect=True)
def test_what_is_promised_to_customers_is_no_stock(case: Case) -> None:
    said = drafted(case, "inventory_export.csv", "UTC", options=("--stock",))
    assert "product_id=MUG, product_name=Mug, received_stock=-2" in said, "7 less 9"
    assert "product_id=VASE, product_name=Vase, received_stock=20" in said, "27 less 3 less 4"


@pytest.mark.slow
@pytest.mark.parametrize("case", ["306"], indirect=True)
def test_stock_of_several_places_adds_up(case: Case) -> None:
    env = {"ECOM_CATALOGUE": str(case.folder / "catalogue.csv")}
    case.run("--orders", "orders.csv", "--select", '+key:"mart/inventory_alerts"', env=env)
    alerts = case.rows(
        "SELECT product_id, alert, stock_count FROM mart.inventory_alerts ORDER BY product_id"
    )
    assert [(item, str(alert), float(count)) for item, alert, count in alerts] == [
        ("BOWL", "out_of_stock", 0),
        ("TRAY", "low", 9),
    ]
