"""Exports with the state of the order and that of the payment, as Shopware, Wix and Ecwid write
them: a cancelled order is no sale and what went back is no revenue, whichever column says it.
"""

from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.ingestion.sources.test_proposed_exports import ANSWERS, money, searched

HEADERS = {
    "German": "Bestellnummer,Bestelldatum,Bestellstatus,Zahlungsstatus,Kundennummer,Artikelnummer,"
    "Menge,Gesamtpreis",
    "English": "Order number,Order date,Payment status,Order status,Customer,SKU,Quantity,Total",
}
COMPLETED, CANCELLED, PAID, REFUNDED = "completed", "cancelled", "paid", "refunded"
WORDS = {
    "German": {
        COMPLETED: "Abgeschlossen",
        CANCELLED: "Storniert",
        PAID: "Bezahlt",
        REFUNDED: "Erstattet",
    },
    "English": {
        COMPLETED: "Completed",
        CANCELLED: "Cancelled",
        PAID: "Paid",
        REFUNDED: "Refunded",
    },
}


class Ordered(NamedTuple):
    """An order: its own state, that of its payment, and its amount."""

    order: str
    payment: str
    cents: int


ORDERED = st.builds(
    Ordered,
    st.sampled_from([COMPLETED, COMPLETED, CANCELLED]),
    st.sampled_from([PAID, PAID, REFUNDED]),
    st.integers(1, 1_000_000),
)


def lines_of(ordered: list[Ordered], language: str) -> list[str]:
    words = WORDS[language]
    lines = [HEADERS[language]]
    for number, row in enumerate(ordered):
        order, payment = words[row.order], words[row.payment]
        states = f"{order},{payment}" if language == "German" else f"{payment},{order}"
        moment = f"2026-03-{1 + number % 28:02d} 10:00:00"
        amount = f"{row.cents // 100}.{row.cents % 100:02d}"
        lines.append(f"{1000 + number},{moment},{states},K{number % 3},S{number % 4},1,{amount}")
    return lines


@pytest.mark.slow
def test_what_the_payment_says_went_back_is_no_revenue(tmp_path: Path) -> None:
    # 10 that stays, 20 that was cancelled, 40 that went back, 80 that was cancelled and went back.
    ordered = [
        Ordered(COMPLETED, PAID, 1000),
        Ordered(CANCELLED, PAID, 2000),
        Ordered(COMPLETED, REFUNDED, 4000),
        Ordered(CANCELLED, REFUNDED, 8000),
    ]
    search = searched(tmp_path / "orders.csv", lines_of(ordered, "German"))
    proposal = search.proposal(ANSWERS)
    assert money(search, proposal)["counted"] == Decimal(10)
    assert "1 rows, Storniert; check this" in proposal.text


@pytest.mark.slow
@pytest.mark.parametrize("language", HEADERS)
@given(ordered=st.lists(ORDERED, min_size=4, max_size=12))
@examples(10)
def test_any_two_states_come_to_what_python_adds_up(
    tmp_path_factory: pytest.TempPathFactory, language: str, ordered: list[Ordered]
) -> None:
    path = tmp_path_factory.mktemp("two", numbered=True) / "orders.csv"
    search = searched(path, lines_of(ordered, language))
    kept = [row.cents for row in ordered if (row.order, row.payment) == (COMPLETED, PAID)]
    counted = money(search, search.proposal(ANSWERS)).get("counted") or Decimal(0)
    assert counted * 100 == sum(kept)


@pytest.mark.slow
def test_what_the_other_column_leaves_in_doubt_is_said(tmp_path: Path) -> None:
    # The order's state says twice that money went back, the payment's once that a part did.
    lines = [
        "Order number,Order date,Order status,Payment status,Customer,SKU,Quantity,Total",
        "1,2026-03-01 10:00:00,Refunded,Paid,K1,S1,1,10.00",
        "2,2026-03-02 10:00:00,Refunded,Paid,K1,S1,1,10.00",
        "3,2026-03-03 10:00:00,Completed,Partially refunded,K2,S1,1,30.00",
        "4,2026-03-04 10:00:00,Completed,Pending,K3,S1,1,40.00",
        "5,2026-03-05 10:00:00,Completed,Paid,K3,S1,1,50.00",
    ]
    search = searched(tmp_path / "orders.csv", lines)
    (question,) = (one for one in search.proposal(ANSWERS).questions if one.subject)
    assert (question.key, question.subject) == ("state_1", "Partially refunded")
    proposal = search.proposal({**ANSWERS, "state_1": "part of a refund"})
    assert (
        "Payment status does not say for sure that these are sales: Partially refunded (1 row), "
        "Pending (1 row); they count as Order status says"
    ) in proposal.text.replace("\n#", "")
