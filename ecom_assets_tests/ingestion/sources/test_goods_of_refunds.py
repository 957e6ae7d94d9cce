"""What was paid back of orders by chance, however their file says it: for goods alone or with tax
and postage, per order or per line. What their goods are is added up here in plain Python.
"""

import csv
import io
import json
import random
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ecom_assets.ingestion.sources.proposal.proposal import (
    OWN,
    MappingProposal,
    open_questions,
    read_by,
)
from ecom_assets.ingestion.sources.proposal.questions import BACK, LIST, PARTS, ZONE
from ecom_assets_tests.each import each
from ecom_assets_tests.ingestion.sources.conftest import write
from ecom_assets_tests.ingestion.sources.test_vendor_files import kept, search_of

RATE = Decimal("0.19")
CENT = Decimal("0.01")


class Form(NamedTuple):
    """How a file says what was paid back."""

    grain: str
    """Rows are orders, lines, or orders with a list of lines."""
    of: str
    """What was paid back is of an order, or of a line."""
    is_gross: bool
    """Whether it has the tax in it, and the postage of orders."""
    is_tax_beside: bool
    """Whether prices are without tax."""
    is_postage_back: bool
    """Whether postage goes back with a part of the goods; with all of them it always does."""
    says_parts: bool
    """Whether columns say what tax and postage went back."""


def forms() -> Iterator[Form]:
    flags = product((True, False), repeat=4)
    grains = [("orders", "order"), ("lines", "order"), ("list", "order")]
    grains += [("lines", "line"), ("list", "line")]
    for (grain, of), (gross, beside, postage, says) in product(grains, [*flags]):
        is_told_apart = gross and of == "order"
        if (postage or says) and not is_told_apart:
            continue
        if postage and not says:
            continue  # nothing in the file says how much of it was postage
        yield Form(grain, of, gross, beside, postage, says)


def cents(money: Decimal) -> Decimal:
    return money.quantize(CENT, ROUND_HALF_UP)


class Orders:
    """Orders by chance: some of which a part went back, of some all."""

    def __init__(self, seed: int, form: Form) -> None:
        rng, self.form = random.Random(seed), form  # noqa: S311 (files by chance)
        self.rows: list[dict[str, Any]] = []
        self.back: dict[str, Decimal] = {}
        for n in range(24):
            self._add(f"R{rng.randrange(10**6):06}-{n}", n, rng)

    def _add(self, number: str, n: int, rng: random.Random) -> None:
        form = self.form
        fate = ("none", "part", "none", "all")[n % 4]
        postage = Decimal(rng.choice(["0.00", "4.90", "6.90"])) if n % 4 != 1 else Decimal("4.90")
        lines: list[dict[str, Any]] = []
        goods_back, gross_back = Decimal(), Decimal()
        for m in range(rng.choice((1, 2, 2, 3)) if fate != "part" else 2):
            pieces, each = rng.randint(1, 4) * 2, Decimal(rng.randint(500, 9000)) / 100
            row = pieces * each
            tax = cents(row * RATE) if form.is_tax_beside else cents(row * RATE / (1 + RATE))
            net, gross = (row, row + tax) if form.is_tax_beside else (row - tax, row)
            share = {"none": 0, "part": Decimal("0.5") if m == 0 else 0, "all": 1}[fate]
            net_back, all_back = cents(net * share), cents(gross * share)
            lines.append(
                {
                    "sku": f"S{rng.randint(1, 9)}",
                    "qty": pieces,
                    "price": each,
                    "row_total": row,
                    "tax_amount": tax,
                    **(
                        {"row_refunded": all_back if form.is_gross else net_back}
                        if form.of == "line"
                        else {}
                    ),
                }
            )
            goods_back += net_back
            gross_back += all_back
        taxes = sum((line["tax_amount"] for line in lines), Decimal())
        subtotal = sum((line["row_total"] for line in lines), Decimal())
        total = subtotal + postage + (taxes if form.is_tax_beside else 0)
        with_postage = fate == "all" or (fate == "part" and form.is_postage_back)
        order: dict[str, Any] = {
            "order_number": number,
            "created_at": f"2026-03-{n + 1:02} 10:15:00",
            "email": f"c{n % 7}@x.example",
            "subtotal": subtotal,
            "shipping_amount": postage,
            "total_tax": taxes,
            "grand_total": total,
        }
        if form.of == "order":
            beside = postage if with_postage and form.is_gross else Decimal()
            order["total_refunded"] = (gross_back if form.is_gross else goods_back) + beside
            if form.says_parts:
                order["tax_refunded"] = gross_back - goods_back
                order["shipping_refunded"] = beside
        self.back[number] = goods_back
        if form.grain == "orders":
            self.rows.append(order)
        elif form.grain == "list":
            self.rows.append({**order, "items": lines})
        else:
            self.rows += [{**order, **line} for line in lines]

    def written_in(self, folder: Path) -> Path:
        """Write the orders to a file."""
        if self.form.grain == "list":
            return write(folder / "orders.json", json.dumps(self.rows, default=float))
        text = io.StringIO()
        table = csv.DictWriter(text, [*self.rows[0]])
        table.writeheader()
        table.writerows(self.rows)
        return write(folder / "orders.csv", text.getvalue())


def answered(path: Path, form: Form, back: Decimal) -> tuple[MappingProposal, Any, list[str]]:
    """Return the proposal as somebody answers it who knows what went back, and what was asked."""
    search, given = search_of(path, "EUR"), {ZONE: "UTC", LIST: "items"}
    asked: list[str] = []
    while True:
        proposal = search.proposal(given, OWN)
        questions = open_questions(proposal, given)
        if not questions:
            return proposal, search, asked
        question = questions[0]
        asked.append(question.key)
        if question.key == PARTS:
            named = [c for c in question.choices if ("tax" in c) is not form.is_tax_beside]
            given[PARTS] = min(named, key=len)
            continue
        assert question.key == BACK, question.sentence
        sums = {
            choice: Decimal(
                question.sentence.split(f"{choice} (")[1].split(")")[0].replace(",", "")
            )
            for choice in question.choices
        }
        near = min(sums, key=lambda choice: abs(sums[choice] - back))
        assert abs(sums[near] - back) < Decimal("0.1"), (sums, back)
        given[BACK] = near


def check(folder: Path, form: Form, seed: int) -> None:
    orders = Orders(seed, form)
    whole = sum(orders.back.values(), Decimal())
    proposal, search, asked = answered(orders.written_in(folder), form, whole)
    assert len(asked) <= 2, asked
    with read_by(search, proposal) as reading:
        rows = [row for row in kept(reading) if row["status"] == "refunded"]
    back: dict[str, Decimal] = {}
    for row in rows:
        number = str(row["order_id"])
        back[number] = back.get(number, Decimal()) + Decimal(str(row["payment_amount"]))
    off = {n: (back.get(n, Decimal()), money) for n, money in orders.back.items()}
    # A tax is rounded: what it leaves of a part is known but for a cent.
    near = Decimal("0.011") if form.is_gross or not form.is_tax_beside else Decimal(0)
    assert not {n: pair for n, pair in off.items() if abs(pair[0] - pair[1]) > near}


TOTALS = {
    "postage": (("104.90", "204.90", "304.90", "64.90"), 2),
    "tax": (("119.00", "238.00", "357.00", "71.40"), 0),
}
"""What was paid for goods of 100, 200, 300 and 60, and of how many sums one is asked for."""


@pytest.mark.parametrize("beside", TOTALS)
def test_a_part_of_a_total_is_asked_about_where_what_is_beside_the_goods_is_no_tax(
    tmp_path: Path, beside: str
) -> None:
    """50.00 back of 104.90 are 50.00 for goods, or 47.66 if postage went back with them; of 119.00,
    which is 19 % more, they are 42.02.
    """
    totals, choice_count = TOTALS[beside]
    lines = ["Order No,Date,Email,Subtotal,Grand Total,Refunded"]
    goods = ("100.00", "200.00", "300.00", "60.00")
    back = ("50.00", "0.00", totals[2], "0.00")
    for n, row in enumerate(zip(goods, totals, back, strict=True), start=1):
        lines.append(f"R{n},2026-03-0{n} 10:00:00,c{n}@x.example,{','.join(row)}")
    path = write(tmp_path / "orders.csv", "\n".join([*lines, ""]))
    search = search_of(path, "EUR")
    questions = open_questions(search.proposal({ZONE: "UTC"}, OWN), {ZONE: "UTC"})
    choices = [choice for one in questions if one.key == BACK for choice in one.choices]
    assert len(choices) == choice_count
    assert {one.key for one in questions} <= {BACK}


@pytest.mark.slow
@each("seed, form", [*enumerate(forms())])
def test_what_went_back_for_goods_is_as_each_form_says(
    tmp_path_factory: pytest.TempPathFactory, seed: int, form: Form
) -> None:
    """Each form has orders of its own."""
    check(tmp_path_factory.mktemp("orders"), form, seed)
