"""Cases of exports of orders with taxes, postage, payments and refunds beside the goods: what was
sold and paid back, once the questions of the draft are answered by who knows the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets_tests.cases.case import Case
from ecom_assets_tests.cases.test_amounts import Money, clean_rows, money


@dataclass(frozen=True)
class Export:
    """What a file comes to, in a currency, and the answers that its draft needs."""

    comes_to: Money
    currency: str = "EUR"
    answers: Mapping[str, str] = field(default_factory=dict)
    file: str = "orders.csv"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "export"),
    [
        # 4,000 + 3,000 + 1,000 + 3,000
        ("309", Export(Money(11_000, 0, 3), "JPY")),
        # 100 + 20 + 50 + 60; with tax 273.70
        (
            "310",
            Export(
                Money(230, 0, 3), answers={"amount_parts": "totalPrice without tax by amountNet"}
            ),
        ),
        # without 10 % and 8 % of tax
        (
            "311",
            Export(
                Money(11_000, 0, 3),
                "JPY",
                {"amount_parts": "価格 times 数量 without the tax of 税率"},
            ),
        ),
        ("312", Export(Money(3500, 250, 3), "INR")),
        (
            "313",
            Export(
                Money(90, 10, 4),
                "NZD",
                {
                    "amount_parts": "Subtotal",
                    "state_1": "sale",
                    "state_2": "no sale",
                    "state_3": "no sale",
                },
            ),
        ),
        (
            "314",
            Export(
                Money(140, 70, 1),
                "USD",
                {
                    "amount_parts": "Total less Buyer shipping cost",
                    "refund_parts": "Refunded to buyer amount by the goods' part of Total "
                    "without Buyer shipping cost",
                },
            ),
        ),
        # 200 + 50 + 50 + 100
        (
            "315",
            Export(
                Money(400, 0, 4),
                answers={
                    "amount_parts": "Order total less VAT value at 19.00 % and VAT value at 7.00 %",
                },
            ),
        ),
        # 54.00 and 20.00 of goods paid back
        (
            "316",
            Export(
                Money(204, 74, 4),
                "USD",
                {"amount_parts": "Lineitem price times Lineitem quantity less Discount Amount"},
            ),
        ),
        # after a coupon of 10.00
        (
            "317",
            Export(
                Money(340, 0, 3),
                "CZK",
                {
                    "state_1": "sale",
                    "state_2": "no sale",
                    "state_3": "no sale",
                    "state_4": "sale",
                },
            ),
        ),
        (
            "318",
            Export(
                Money(350, 50, 3),
                answers={"payment_amount": "Amount Authorized", "state_1": "no sale"},
            ),
        ),
        # with tax 267.75
        (
            "319",
            Export(
                Money(225, 0, 3),
                answers={"amount_parts": "lines.price times lines.pieces without its part of tax"},
                file="orders.json",
            ),
        ),
        (
            "320",
            Export(
                Money(220, 20, 3),
                answers={"amount_parts": "Montant produits TTC without the tax of Taux TVA"},
            ),
        ),
    ],
    indirect=["case"],
)
def test_an_export_comes_to_what_was_sold(case: Case, export: Export) -> None:
    given = [part for said in export.answers.items() for part in ("--answer", "=".join(said))]
    command = ("mapping", "init", export.file, "--orders", "--timezone", "UTC", "--out", "m.yaml")
    case.ecom(*command, *given, env={"ECOM_CURRENCY": export.currency})
    text = (case.folder / "m.yaml").read_text(encoding="utf-8")
    assert "OPEN" not in text, text
    settings = Settings(home=case.home, currency=export.currency)
    assert money(clean_rows(case, export.file, settings)) == export.comes_to
