"""Exports of orders as shops have them: `ecom mapping init` counts what a
few lines of Python count.
"""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.proposal.proposal import (
    MappingProposal,
    MappingSearch,
    open_questions,
    read_by,
)
from ecom_assets.ingestion.sources.reading import FileReading
from ecom_assets_tests.ingestion.sources.conftest import write

ANSWERS = {"timezone": "UTC"}
SALE, NO_SALE, REFUND, ASKED = "sale", "no sale", "refund", "asked"
MEANINGS = (SALE, SALE, NO_SALE, ASKED, REFUND, ASKED, ASKED, ASKED)
"""What the eight states of each language are, in their order."""
HEADERS = {
    "English": "Order ID,Customer,Order Date,SKU,Qty,Line Total,Order Status",
    "German": "Bestellnummer,Kunde,Bestelldatum,Artikelnr,Menge,Gesamtpreis,Bestellstatus",
    "French": "N° commande,Client,Date commande,Article,Quantité,Montant,État",
    "Spanish": "Número de pedido,Cliente,Fecha,Producto,Cantidad,Importe,Estado",
    "Italian": "Numero ordine,Cliente,Data,Articolo,Quantità,Importo,Stato",
    "Dutch": "Bestelnummer,Klant,Datum,Artikel,Aantal,Bedrag,Status",
    "Ukrainian": "Номер замовлення,Клієнт,Дата,Товар,Кількість,Сума,Статус",
}
STATES = {
    "English": (
        "Completed,Shipped,Cancelled,Pending,Refunded,Partially refunded,Incomplete,Awaiting "
        "payment"
    ),
    "German": (
        "Abgeschlossen,Versendet,Storniert,Ausstehend,Erstattet,Teilweise "
        "erstattet,Unvollständig,Zahlung ausstehend"
    ),
    "French": "Terminée,Expédiée,Annulée,En attente,Remboursée,Partiellement remboursée,Incomplète,"
    "En attente de paiement",
    "Spanish": (
        "Completado,Enviado,Cancelado,Pendiente,Reembolsado,Parcialmente "
        "reembolsado,Incompleto,Pendiente de pago"
    ),
    "Italian": (
        "Completato,Spedito,Annullato,In attesa,Rimborsato,Parzialmente "
        "rimborsato,Incompleto,In attesa di pagamento"
    ),
    "Dutch": (
        "Voltooid,Verzonden,Geannuleerd,In behandeling,Terugbetaald,Gedeeltelijk "
        "terugbetaald,Onvolledig,Wacht op betaling"
    ),
    "Ukrainian": (
        "Виконано,Відправлено,Скасовано,Очікує,Повернено,Частково "
        "повернено,Незавершено,Очікує оплати"
    ),
}


def searched(path: Path, lines: Sequence[str]) -> MappingSearch:
    write(path, "\n".join([*lines, ""]))
    return MappingSearch([str(path)], Settings(home=path.parent / "home"))


def money(search: MappingSearch, proposal: MappingProposal) -> dict[str, Decimal | None]:
    with read_by(search, proposal) as reading:
        assert isinstance(reading, FileReading)
        return {fate: read.amount for fate, read in reading.money.items()}


def line(number: int, amount: str, quantity: int = 1) -> str:
    return (
        f"{1000 + number},K{number % 20},2026-03-{1 + number % 28:02d} "
        f"10:00:00,S{number % 5},{quantity},{amount}"
    )


@pytest.mark.slow
@pytest.mark.parametrize("language", HEADERS)
def test_states_of_a_language_are_read_or_asked(tmp_path: Path, language: str) -> None:
    states = STATES[language].split(",")
    amounts = {
        state: [10 + n for n in range(80) if n % 8 == place] for place, state in enumerate(states)
    }
    lines = [f"{line(n, str(10 + n))},{states[n % 8]}" for n in range(80)]
    search = searched(tmp_path / "orders.csv", [HEADERS[language], *lines])
    proposal = search.proposal(ANSWERS)
    asked = {question.subject for question in open_questions(proposal, ANSWERS)}
    assert asked == {
        state for state, meaning in zip(states, MEANINGS, strict=True) if meaning == ASKED
    }
    sums = {
        meaning: sum(
            sum(amounts[state])
            for state, each in zip(states, MEANINGS, strict=True)
            if each == meaning
        )
        for meaning in MEANINGS
    }
    # What was paid back was sold before, so it comes to nothing.
    assert money(search, search.proposal(search.guesses(ANSWERS))) == {
        "counted": sums[SALE],
        "refused": sums[ASKED],
        "left_out": sums[NO_SALE],
    }


@pytest.mark.slow
def test_what_states_come_to_is_asked_in_the_digits_of_each_currency(tmp_path: Path) -> None:
    """Of 60 pending lines, 30 of 0.125 KWD are 3.750, and 30 of 1,500 JPY are 45,000."""
    paid = [("0.125", "KWD"), ("1500", "JPY")]
    states = ("Completed", "Pending")
    lines = [f"{line(n, paid[n % 2][0])},{states[n // 60]},{paid[n % 2][1]}" for n in range(120)]
    search = searched(tmp_path / "orders.csv", [f"{HEADERS['English']},Currency", *lines])
    [question] = [
        asked for asked in search.proposal(ANSWERS).questions if asked.subject == "Pending"
    ]
    assert "(60 rows, together 45,000 JPY and 3.750 KWD)" in question.sentence
    signs = [f"{line(n, f'₩{1500 + n}')},{states[n // 60]}" for n in range(120)]
    search = searched(tmp_path / "signs.csv", [HEADERS["English"], *signs])
    [question] = [
        asked for asked in search.proposal(ANSWERS).questions if asked.subject == "Pending"
    ]
    total = sum(1500 + n for n in range(60, 120))
    assert f"(60 rows, together {total:,} KRW)" in question.sentence


@pytest.mark.slow
def test_the_total_of_an_order_on_each_of_its_rows_counts_once(tmp_path: Path) -> None:
    """Nothing but `order_total` says an amount: the order's, though two or three rows have it."""
    totals = {1000 + n: 30 + n for n in range(30)}
    lines = [
        f"{order},K{order % 20},2026-03-{1 + order % 28:02d} 10:00:00,S{row},1,{total}.00"
        for order, total in totals.items()
        for row in range(1 + order % 3)
    ]
    search = searched(
        tmp_path / "orders.csv",
        ["order_id,customer_id,order_date,sku,quantity,order_total", *lines],
    )
    assert money(search, search.proposal(ANSWERS)) == {"counted": sum(totals.values())}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["-${}", "$-{}", "(${})", "${}-"])
def test_lines_below_zero_went_back_wherever_the_minus_is(tmp_path: Path, form: str) -> None:
    amounts = [10 + n for n in range(40)]
    lines = [
        line(n, form.format(f"{amount}.00"), -1) if n % 5 == 4 else line(n, f"${amount}.00")
        for n, amount in enumerate(amounts)
    ]
    search = searched(tmp_path / "orders.csv", ["Order No,Customer,Date,SKU,Qty,Amount", *lines])
    sold = sum(-amount if n % 5 == 4 else amount for n, amount in enumerate(amounts))
    assert money(search, search.proposal(ANSWERS)) == {"counted": sold}


@pytest.mark.slow
def test_a_second_date_dates_the_refund(tmp_path: Path) -> None:
    back = {n for n in range(60) if n % 10 == 0}
    lines = [
        f"{line(n, f'{10 + n}.00')},{'2026-04-02 09:00:00' if n in back else ''}" for n in range(60)
    ]
    search = searched(
        tmp_path / "orders.csv",
        ["order_id,customer_id,order_date,sku,quantity,line_total,returned_at", *lines],
    )
    proposal = search.proposal(ANSWERS)
    assert money(search, proposal) == {"counted": sum(10 + n for n in range(60) if n not in back)}
    assert 'refund: {first_of: ["returned_at", "order_date"]}' in proposal.text
