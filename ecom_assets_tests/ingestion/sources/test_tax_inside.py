"""A tax in the prices of lines is taken off, and one beside them is not, however the file says it:
by the tax of the order, by its amount without tax, or by a rate; and each line is rounded alone.
"""

import random
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from ecom_assets.ingestion.sources.proposal.proposal import OWN, open_questions
from ecom_assets_tests.ingestion.sources.test_drafts_add_up import (
    ZONE,
    asked,
    search_of,
    sold_and_back,
)

NET, GROSS = "net", "gross"
FORMS = ("tax of the order", "net of the order", "percent", "fraction")
HEADS = {
    "tax of the order": ("Tax total", ""),
    "net of the order": ("Net total", ""),
    "percent": ("", "VAT rate"),
    "fraction": ("", "VAT rate"),
}


def rounded(number: Decimal) -> Decimal:
    return number.quantize(Decimal("0.01"), ROUND_HALF_UP)


def shop(form: str, prices: str, seed: int) -> tuple[list[str], Decimal, Decimal]:
    """Return a list of lines, and what their goods cost with prices as they are and without tax."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    of_order, of_line = HEADS[form]
    head = ["Order", "Date", "Customer", "Item", "Qty", "Price", "Shipping", "Total"]
    rows = [",".join([*head, *filter(None, (of_order, of_line))])]
    as_they_are = without = Decimal()
    for number in range(20):
        rate = Decimal(rng.choice((19, 19, 7)))
        part = 1 + rate / 100
        lines = [
            (f"S{rng.randrange(9)}-{n}", rng.randint(1, 4), Decimal(rng.randint(150, 9900)) / 100)
            for n in range(rng.randint(1, 3))
        ]
        goods = sum((count * price for _, count, price in lines), Decimal())
        postage = Decimal(rng.choice(("0.00", "4.90", "8.90")))
        listed = goods + postage
        total = listed if prices == GROSS else rounded(listed * part)
        net = rounded(total / part) if prices == GROSS else listed
        said = {
            "tax of the order": total - net,
            "net of the order": net,
            "percent": rate,
            "fraction": rate / 100,
        }[form]
        for item, count, price in lines:
            cells = [number + 1, f"2026-03-{number + 1:02d} 10:00:00", f"c{number % 7}", item]
            rows.append(",".join(map(str, [*cells, count, price, postage, total, said])))
            as_they_are += count * price
            without += rounded(count * price / part)
    return rows, as_they_are, without


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("form", FORMS)
def test_a_tax_in_the_prices_of_lines_is_taken_off_or_asked(
    tmp_path: Path, form: str, seed: int
) -> None:
    rows, _, without = shop(form, GROSS, seed)
    search = search_of(tmp_path / "orders.csv", rows)
    sentence = asked(search, {}).get("amount_parts", "")
    [answer] = [
        choice
        for question in open_questions(search.proposal(ZONE, OWN), ZONE)
        if question.key == "amount_parts"
        for choice in question.choices
        if " without " in choice
    ] or [""]
    assert answer in sentence
    sold, _ = sold_and_back(search, {"amount_parts": answer} if answer else {})
    # The net of an order is rounded once, that of its lines line by line.
    assert abs(sold - without) <= Decimal("0.02") * (len(rows) - 1)
    assert abs(sold / without - 1) < Decimal("0.001")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("form", ["tax of the order", "percent"])
def test_a_tax_beside_the_prices_of_lines_is_not(tmp_path: Path, form: str, seed: int) -> None:
    rows, as_they_are, _ = shop(form, NET, seed)
    search = search_of(tmp_path / "orders.csv", rows)
    questions = open_questions(search.proposal(ZONE, OWN), ZONE)
    choices = [choice for question in questions for choice in question.choices]
    answers = {"amount_parts": "Price times Qty"} if "Price times Qty" in choices else {}
    assert sold_and_back(search, answers) == (as_they_are, 0)


@pytest.mark.slow
def test_a_name_that_says_net_is_not_asked_about_a_rate(tmp_path: Path) -> None:
    # 40.00 + 60.00 without tax: `Net unit price` has none in it, whatever its rate.
    rows = [f"{n},2026-03-0{n} 10:00:00,c{n},S{n},2,{n}0.00,19" for n in (2, 3)]
    path = tmp_path / "orders.csv"
    head = "Order,Date,Customer,Item,Qty,Net unit price,VAT rate"
    search = search_of(path, [head, *rows])
    assert {*asked(search, {})} == {"payment_amount"}
    said = {"payment_amount": "Net unit price times Qty"}
    assert asked(search, said) == {}
    assert sold_and_back(search, said) == (100, 0)


RATED = {"amount_parts": "price times qty without the tax of VAT %"}
WITH_REFUNDS = {
    "refunds of orders": (
        """\
number;placed;state;mail;total;tax;shipping;refunded;sku;pieces;unit;line
10001;2026-03-02 10:15:00;completed;anna@x.de;147.70;23.58;4.90;0.00;SW1;2;59.50;119.00
10001;2026-03-02 10:15:00;completed;anna@x.de;147.70;23.58;4.90;0.00;SW2;1;23.80;23.80
10002;2026-03-03 11:15:00;completed;bob@x.de;64.40;10.28;4.90;64.40;SW1;1;59.50;59.50
10003;2026-03-04 12:15:00;cancelled;cora@x.de;64.40;10.28;4.90;0.00;SW1;1;59.50;59.50
10004;2026-03-05 13:15:00;completed;anna@x.de;76.30;12.18;4.90;23.80;SW2;3;23.80;71.40
10005;2026-03-06 13:15:00;completed;dan@x.de;88.20;14.08;4.90;0.00;SW2;1;23.80;23.80
10005;2026-03-06 13:15:00;completed;dan@x.de;88.20;14.08;4.90;0.00;SW1;1;59.50;59.50
""",
        {},
        (300, 70),
    ),
    "refunds of lines": (
        """\
order,date,customer,sku,qty,price,VAT %,refunded
1,2026-03-02 10:00:00,ann,L,2,59.50,19,0.00
1,2026-03-02 10:00:00,ann,B,1,10.70,7,10.70
2,2026-03-03 10:00:00,bob,L,1,59.50,19,0.00
3,2026-03-04 10:00:00,cyd,B,3,10.70,7,10.70
4,2026-03-05 10:00:00,ann,K,1,23.80,19,23.80
""",
        RATED,
        (210, 40),
    ),
    "states": (
        """\
order,date,customer,sku,qty,price,VAT %,status
1,2026-03-02 10:00:00,ann,L,2,59.50,19,completed
1,2026-03-02 10:00:00,ann,B,1,10.70,7,completed
2,2026-03-03 10:00:00,bob,L,1,59.50,19,refunded
3,2026-03-04 10:00:00,cyd,B,3,10.70,7,completed
4,2026-03-05 10:00:00,ann,K,1,23.80,19,cancelled
""",
        RATED,
        (190, 50),
    ),
    "lines below zero": (
        """\
order,date,customer,sku,qty,price,VAT %
1,2026-03-02 10:00:00,ann,L,2,59.50,19
1,2026-03-02 10:00:00,ann,B,1,10.70,7
2,2026-03-03 10:00:00,bob,L,1,59.50,19
3,2026-03-04 10:00:00,bob,L,-1,59.50,19
4,2026-03-05 10:00:00,ann,K,1,23.80,19
""",
        RATED,
        (180, 50),
    ),
    "a discount of the order": (
        """\
order,date,customer,sku,qty,price,VAT %,discount,total
1,2026-03-02 10:00:00,ann,L,2,59.50,19,11.90,130.90
1,2026-03-02 10:00:00,ann,B,1,23.80,19,11.90,130.90
2,2026-03-03 10:00:00,bob,L,1,59.50,19,0.00,59.50
3,2026-03-04 10:00:00,cyd,B,3,23.80,19,11.90,59.50
4,2026-03-05 10:00:00,ann,K,1,23.80,19,0.00,23.80
5,2026-03-06 10:00:00,ann,K,1,23.80,19,2.38,45.22
5,2026-03-06 10:00:00,ann,B,1,23.80,19,2.38,45.22
6,2026-03-07 10:00:00,ann,K,1,23.80,19,4.76,78.54
6,2026-03-07 10:00:00,ann,L,1,59.50,19,4.76,78.54
""",
        {"amount_parts": "total without the tax of VAT %"},
        (334, 0),
    ),
}
"""Prices with 19 % or 7 % of tax, whose goods cost whole amounts without it."""


@pytest.mark.slow
@pytest.mark.parametrize("form", WITH_REFUNDS)
def test_what_went_back_has_no_tax_in_it_either(tmp_path: Path, form: str) -> None:
    content, answers, comes_to = WITH_REFUNDS[form]
    search = search_of(tmp_path / "orders.csv", content.splitlines())
    assert sold_and_back(search, answers) == comes_to
