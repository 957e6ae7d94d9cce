"""What order lines say beside what was paid: prices before discounts, discounts and their codes,
taxes in prices, costs and fees.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.commerce.orders.orders import PROFIT_FIELDS
from ecom_assets_tests.builders import Row
from ecom_assets_tests.ingestion.sources.test_order_files import HEADER, read

COLUMNS = f"{HEADER},status,currency,{','.join(PROFIT_FIELDS)}"
PARSED = ("payment_amount", "tax_amount", *PROFIT_FIELDS)


def line(number: int, quantity: int, paid: str, status: str = "shipped", **said: str) -> str:
    """Return a line of the native layout that says more than what was paid."""
    more = ",".join(f'"{said.get(name, "")}"' for name in PROFIT_FIELDS)
    order = f"{number},{number},2026-05-20T12:00:00,1,Berlin,ann,,,hat,Hat,{quantity},{paid}"
    return f"{order},{status},EUR,{more}"


def lines_of(tmp_path: Path, *lines: str) -> list[Row]:
    file = tmp_path / "orders.csv"
    file.write_text("\n".join([COLUMNS, *lines]) + "\n", encoding="utf-8")
    return sorted(read(file), key=lambda row: int(row["uniq_id"]))


def test_prices_with_tax_come_out_without_it(tmp_path: Path) -> None:
    """Example 1: 2 at 119.00 with 19 % tax and a code of 10 %, and one of them goes back."""
    sale, refund = lines_of(
        tmp_path,
        line(
            1,
            2,
            "214.20",
            gross_amount="238.00",
            discount_amount="-23.80",
            discount_codes="vip;Summer10, vip",
            tax_rate="19 %",
            is_tax_included="yes",
            unit_cost_amount="60.1234567",
            payment_method="paypal",
            payment_fee_amount="4.50",
            shipping_cost_amount="3.90",
        ),
        line(
            2, 1, "107.10", "refunded", tax_rate="0.19", is_tax_included="true", is_restocked="no"
        ),
    )
    assert {name: sale[name] for name in PARSED} == {
        "payment_amount": Decimal("180.0000"),
        "tax_amount": Decimal("34.2000"),
        "gross_amount": Decimal("200.0000"),
        "discount_amount": Decimal("20.0000"),
        "discount_codes": "SUMMER10, VIP",
        "tax_rate": Decimal("0.190000"),
        "is_tax_included": True,
        "unit_cost_amount": Decimal("60.123457"),
        "payment_method": "paypal",
        "payment_fee_amount": Decimal("4.5000"),
        "shipping_cost_amount": Decimal("3.9000"),
        "is_restocked": None,
    }
    assert sale["received_payment_amount"] == "214.20", "as it came"
    assert (refund["payment_amount"], refund["tax_amount"]) == (Decimal(90), Decimal("17.1"))
    assert refund["is_restocked"] is False


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("tax_rate", "7", Decimal("0.07")),
        ("tax_rate", "0.5 %", Decimal("0.005")),
        ("tax_rate", "0", Decimal(0)),
        ("tax_rate", "100", None),
        ("tax_rate", "-0.19", None),
        ("tax_rate", "reduced", None),
        ("unit_cost_amount", "0.000123", Decimal("0.000123")),
        ("unit_cost_amount", "0", Decimal(0)),
        ("unit_cost_amount", "-3", None),
        ("is_tax_included", "Ja", True),
        ("is_tax_included", "0", False),
        ("is_restocked", "perhaps", None),
        ("discount_codes", "['x']|Y", "'X', Y"),
        ("discount_codes", '[""B"", ""a""]', "A, B"),
        ("discount_codes", " , none", None),
        ("payment_fee_amount", "-0.35", Decimal("-0.35")),
        ("gross_amount", "ten", None),
    ],
)
def test_each_field_is_read_or_unknown(
    tmp_path: Path, field: str, text: str, expected: Any
) -> None:
    [row] = lines_of(tmp_path, line(1, 1, "10.00", **{field: text}))
    assert row[field] == expected
    assert row["payment_amount"] == 10, "the line counts with its money"


def test_prices_stay_as_they_are_where_the_rate_of_their_tax_is_not_known(tmp_path: Path) -> None:
    [row] = lines_of(tmp_path, line(1, 1, "119.00", is_tax_included="yes"))
    assert (row["payment_amount"], row["tax_amount"]) == (119, None)


def test_a_file_without_any_of_them_reads_as_before(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(f"{HEADER}\n1,1,2026-05-20T12:00:00,1,Berlin,ann,,,hat,Hat,2,20.00\n")
    [row] = read(file)
    assert row["payment_amount"] == 20
    assert {row[name] for name in PROFIT_FIELDS} == {None}
