"""Proposed mappings of files as strangers' shops export them; the right money is
added up in plain Python.
"""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.files.mapping_content import OPEN
from ecom_assets.ingestion.sources.mapping_file import usual_event_types
from ecom_assets.ingestion.sources.proposal.proposal import (
    OWN,
    MappingProposal,
    MappingSearch,
    read_by,
)
from ecom_assets.ingestion.sources.reading import FileReading


@dataclass(frozen=True)
class Sale:
    """An order of one item: 40 of them, by 17 customers, on the days of March."""

    position: int

    @property
    def number(self) -> int:
        """Return the number of the order."""
        return 1001 + self.position

    @property
    def at(self) -> datetime:
        """Return when it was placed."""
        return datetime(
            2026, 3, 1 + self.position % 28, 9 + self.position % 12, 5, self.position, tzinfo=UTC
        )

    @property
    def customer(self) -> str:
        """Return the address of the customer."""
        return f"c{self.position % 17}@example.com"

    @property
    def sku(self) -> str:
        """Return what was bought."""
        return f"A{self.position % 5}"

    @property
    def quantity(self) -> int:
        """Return how many."""
        return 1 + self.position % 3

    @property
    def price(self) -> Decimal:
        """Return the price of one."""
        return Decimal(1000 + self.position * 735 % 15000) / 100

    @property
    def total(self) -> Decimal:
        """Return the amount of the order."""
        return self.price * self.quantity


SALES = [Sale(position) for position in range(40)]
TOTAL = sum(sale.total for sale in SALES)
Columns = dict[str, Callable[[Sale], Any]]
LINE: Columns = {
    "order_id": lambda sale: sale.number,
    "date": lambda sale: sale.at.strftime("%Y-%m-%dT%H:%M:%S"),
    "customer_email": lambda sale: sale.customer,
    "sku": lambda sale: sale.sku,
    "qty": lambda sale: sale.quantity,
    "price": lambda sale: sale.price,
}


def saved_csv(path: Path, columns: Columns) -> Path:
    """Write the sales as a CSV file with some columns."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([of(sale) for of in columns.values()] for sale in SALES)
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def proposed(path: Path, **answers: str) -> tuple[MappingSearch, MappingProposal]:
    """Return the proposal for a file by the names and values of its columns."""
    search = MappingSearch([str(path)], Settings(home=path.parent))
    return search, search.proposal({"timezone": "UTC", **answers}, OWN)


def counted(path: Path, **answers: str) -> tuple[Decimal | None, int | None]:
    """Return the money and the orders that a proposal counts."""
    search, proposal = proposed(path, **answers)
    assert f'"{OPEN}"' not in proposal.text, proposal.text
    with read_by(search, proposal) as reading:
        assert isinstance(reading, FileReading), proposal.text
        money = reading.money["counted"]
        return money.amount, money.order_count


@pytest.mark.slow
@pytest.mark.parametrize("empty", ["", "0000-00-00 00:00:00"])
def test_a_day_of_cancellation_says_that_an_order_was_none(tmp_path: Path, empty: str) -> None:
    def cancelled_at(sale: Sale) -> str:
        return empty if sale.position % 4 else "2026-03-29T10:00:00"

    path = saved_csv(tmp_path / "orders.csv", {**LINE, "cancelled_at": cancelled_at})
    assert counted(path) == (sum(sale.total for sale in SALES if sale.position % 4), 30)


@pytest.mark.slow
def test_each_column_of_yes_and_no_leaves_its_rows_out(tmp_path: Path) -> None:
    columns: Columns = {
        **LINE,
        "is_cancelled": lambda sale: str(sale.position % 4 == 0).lower(),
        "is_test": lambda sale: str(sale.position % 10 == 1).lower(),
    }
    kept = [sale for sale in SALES if sale.position % 4 and sale.position % 10 != 1]
    assert counted(saved_csv(tmp_path / "orders.csv", columns)) == (
        sum(sale.total for sale in kept),
        len(kept),
    )


@pytest.mark.slow
def test_a_column_of_yes_beside_a_state_pays_lines_back(tmp_path: Path) -> None:
    columns: Columns = {
        **LINE,
        "status": lambda _: "paid",
        "returned": lambda sale: "yes" if sale.position % 4 == 0 else "no",
    }
    money, orders = counted(saved_csv(tmp_path / "orders.csv", columns))
    assert (money, orders) == (sum(sale.total for sale in SALES if sale.position % 4), 40)


@pytest.mark.slow
def test_what_was_paid_back_is_that_amount_beside_prices_too(tmp_path: Path) -> None:
    columns: Columns = {
        **LINE,
        "refunded_amount": lambda sale: "5.00" if sale.position % 4 == 0 else "",
    }
    assert counted(saved_csv(tmp_path / "orders.csv", columns)) == (TOTAL - 50, 40)


@pytest.mark.slow
def test_a_quantity_that_cannot_be_read_is_asked(tmp_path: Path) -> None:
    path = saved_csv(tmp_path / "orders.csv", {**LINE, "qty": lambda sale: f"{sale.quantity} Stk"})
    _, proposal = proposed(path)
    assert '  quantity: "?"' in proposal.text
    (question,) = [question for question in proposal.questions if question.key == "quantity"]
    assert "qty, such as 1 Stk" in question.sentence
    assert counted(path, quantity="none") == (sum(sale.price for sale in SALES), 40)


NAMES = [
    ("N° de commande", "Date de commande", "Client", "Référence", "Quantité", "Prix unitaire"),
    ("Número de pedido", "Fecha de pedido", "Cliente", "Referencia", "Unidades", "Precio unitario"),
    ("Número do pedido", "Data do pedido", "Cliente", "Produto", "Quantidade", "Preço unitário"),
    ("Numero ordine", "Data ordine", "Cliente", "Prodotto", "Quantità", "Prezzo unitario"),
    ("Bestelnummer", "Besteldatum", "Klant", "Artikelcode", "Aantal", "Stukprijs"),
    ("Numer zamówienia", "Data zamówienia", "Klient", "Produkt", "Ilość", "Cena jednostkowa"),
    ("Номер заказа", "Дата заказа", "Покупатель", "Номенклатура", "Количество", "Цена"),
    ("注文番号", "注文日時", "メールアドレス", "商品コード", "数量", "単価"),
]


@pytest.mark.slow
@pytest.mark.parametrize("names", NAMES, ids=[names[0] for names in NAMES])
def test_usual_names_of_columns_are_known(tmp_path: Path, names: Sequence[str]) -> None:
    path = saved_csv(tmp_path / "orders.csv", dict(zip(names, LINE.values(), strict=True)))
    search, proposal = proposed(path)
    with read_by(search, proposal) as reading:
        assert isinstance(reading, FileReading)
        rows = reading.files.classified().to_pyarrow().to_pylist()
    read = sorted((row["order_id"], row["customer_id"], row["item_id"]) for row in rows)
    assert read == [(str(sale.number), sale.customer, sale.sku) for sale in SALES]
    assert counted(path) == (TOTAL, 40)


@pytest.mark.slow
def test_a_table_of_orders_is_not_one_of_customers(tmp_path: Path) -> None:
    columns: Columns = {
        "id": lambda sale: sale.number,
        "created_at": LINE["date"],
        "email": LINE["customer_email"],
        "total": lambda sale: sale.total,
        "status": lambda _: "paid",
    }
    path = saved_csv(tmp_path / "orders.csv", columns)
    _, proposal = proposed(path)
    assert proposal.kind == "orders"
    assert counted(path) == (TOTAL, 40)


def test_customers_with_what_they_spent_stay_customers(tmp_path: Path) -> None:
    columns: Columns = {
        "id": lambda sale: sale.number,
        "created_at": LINE["date"],
        "email": lambda sale: f"{sale.number}@example.com",
        "total": lambda sale: sale.total,
    }
    assert proposed(saved_csv(tmp_path / "customers.csv", columns))[1].kind == "customers"


@pytest.mark.slow
def test_the_total_of_an_order_is_the_amount_of_its_only_row(tmp_path: Path) -> None:
    columns: Columns = {
        "order_id": lambda sale: sale.number,
        "date": LINE["date"],
        "customer_email": LINE["customer_email"],
        "order_total": lambda sale: sale.total,
        "item1_qty": lambda sale: sale.quantity,
    }
    assert counted(saved_csv(tmp_path / "orders.csv", columns)) == (TOTAL, 40)


def cents(amount: Decimal) -> int:
    """Return an amount in cents."""
    return int(amount * 100)


def square(sale: Sale) -> dict[str, Any]:
    """Return an order of Square's Orders API: amounts are in the smallest units,
    which nothing in it says.
    """
    return {
        "id": f"sq{sale.number}",
        "location_id": "L1",
        "created_at": f"{sale.at:%Y-%m-%dT%H:%M:%S}Z",
        "state": "COMPLETED",
        "customer_id": sale.customer,
        "line_items": [
            {
                "uid": f"u{sale.number}",
                "catalog_object_id": sale.sku,
                "quantity": str(sale.quantity),
                "base_price_money": {"amount": cents(sale.price), "currency": "USD"},
                "total_money": {"amount": cents(sale.total), "currency": "USD"},
            }
        ],
        "total_money": {"amount": cents(sale.total), "currency": "USD"},
    }


def medusa(sale: Sale) -> dict[str, Any]:
    """Return an order of Medusa's API, version 1: amounts are in the smallest units."""
    return {
        "id": f"order_{sale.number}",
        "display_id": sale.number,
        "created_at": f"{sale.at:%Y-%m-%dT%H:%M:%S}Z",
        "email": sale.customer,
        "status": "completed",
        "currency_code": "eur",
        "total": cents(sale.total),
        "items": [
            {
                "id": f"it{sale.number}",
                "variant_id": sale.sku,
                "quantity": sale.quantity,
                "unit_price": cents(sale.price),
            }
        ],
    }


def commercetools(sale: Sale) -> dict[str, Any]:
    """Return an order of commercetools' API: amounts are called `centAmount`."""

    def money(amount: Decimal) -> dict[str, Any]:
        return {
            "type": "centPrecision",
            "currencyCode": "EUR",
            "centAmount": cents(amount),
            "fractionDigits": 2,
        }

    return {
        "id": f"ct{sale.number}",
        "createdAt": f"{sale.at:%Y-%m-%dT%H:%M:%S}Z",
        "orderNumber": str(sale.number),
        "customerId": sale.customer,
        "orderState": "Complete",
        "totalPrice": money(sale.total),
        "lineItems": [
            {
                "id": f"l{sale.number}",
                "productId": sale.sku,
                "quantity": sale.quantity,
                "price": {"value": money(sale.price)},
                "totalPrice": money(sale.total),
            }
        ],
    }


@pytest.mark.slow
@pytest.mark.parametrize("order", [square, medusa])
def test_whole_amounts_of_an_api_may_be_cents_which_is_asked(
    tmp_path: Path, order: Callable[[Sale], dict[str, Any]]
) -> None:
    path = tmp_path / "orders.json"
    path.write_text(json.dumps({"orders": list(map(order, SALES))}), encoding="utf-8")
    assert '  payment_amount: "?"' in proposed(path)[1].text
    assert counted(path, units="cents") == (TOTAL, 40)
    assert counted(path, units="whole units") == (TOTAL * 100, 40)


@pytest.mark.slow
def test_amounts_that_are_called_cents_are_cents(tmp_path: Path) -> None:
    path = tmp_path / "orders.json"
    path.write_text(
        json.dumps({"count": 40, "results": list(map(commercetools, SALES))}), encoding="utf-8"
    )
    search = MappingSearch([str(path)], Settings(home=tmp_path))
    assert "event_type" not in search.proposal({"rows": "orders"}, OWN).text
    assert counted(path, rows="orders") == (TOTAL, 40)
    columns: Columns = {**LINE, "price_cents": lambda sale: cents(sale.price)}
    del columns["price"]
    assert counted(saved_csv(tmp_path / "orders.csv", columns)) == (TOTAL, 40)


@pytest.mark.slow
def test_what_went_back_of_a_whole_order_is_shared_among_its_lines(tmp_path: Path) -> None:
    def ecwid(sale: Sale) -> dict[str, Any]:
        state, back = [("PAID", 0), ("PARTIALLY_REFUNDED", 3)][sale.position % 2]
        item = {
            "productId": sale.position % 5,
            "price": float(sale.price),
            "quantity": sale.quantity,
        }
        return {
            "orderNumber": sale.number,
            "email": sale.customer,
            "createDate": f"{sale.at:%Y-%m-%d %H:%M:%S} +0000",
            "paymentStatus": state,
            "refundedAmount": back,
            "items": [item, item],
        }

    path = tmp_path / "orders.json"
    path.write_text(json.dumps({"total": 40, "items": list(map(ecwid, SALES))}), encoding="utf-8")
    # Each order has its item twice, and 3.00 of every other one of 40 went back.
    assert counted(path) == (2 * TOTAL - 20 * 3, 40)


FORMS = {
    "%a, %d %b %Y %H:%M:%S +0000": 0,
    "%a, %d %b %Y %H:%M:%S +0200": 2,
    "%a, %d %b %Y %H:%M:%S GMT": 0,
    "%d/%b/%Y:%H:%M:%S +0200": 2,
    "%a %b %d %H:%M:%S UTC %Y": 0,
    "%b-%d-%y": 0,
}
"""Forms of times, and how many hours their clock is ahead of UTC."""


@pytest.mark.slow
@pytest.mark.parametrize(("form", "hours"), FORMS.items())
def test_times_of_mails_logs_and_ebay_are_read(tmp_path: Path, form: str, hours: int) -> None:
    path = saved_csv(tmp_path / "orders.csv", {**LINE, "date": lambda sale: sale.at.strftime(form)})
    search, proposal = proposed(path)
    with read_by(search, proposal) as reading:
        assert isinstance(reading, FileReading)
        rows = reading.files.classified().to_pyarrow().to_pylist()
    times = {row["order_id"]: row["ordered_at"].replace(tzinfo=UTC) for row in rows}
    written = {str(sale.number): sale.at - timedelta(hours=hours) for sale in SALES}
    if "%H" not in form:
        written = {number: at.replace(hour=0, minute=0, second=0) for number, at in written.items()}
    assert times == written
    assert counted(path) == (TOTAL, 40)


OF_ORDERS = ("purchase", "refund")
ORDER_NAMES = {name: kind for name, kind in usual_event_types().items() if kind in OF_ORDERS}
"""All names of orders and of refunds in all spellings, such as
`Order Completed` and `orderRefunded`.
"""


@pytest.mark.slow
@pytest.mark.parametrize("mapping", ["segment", "rudderstack"])
def test_an_order_of_segment_is_worth_its_products_where_no_revenue_is_said(
    tmp_path: Path, mapping: str
) -> None:
    def call(position: int, event: str, **properties: Any) -> dict[str, Any]:
        products = [
            {"product_id": "p1", "price": 10, "quantity": 2},
            {"product_id": "p2", "price": "5.5"},
        ]
        return {
            "type": "track",
            "messageId": f"m{position}",
            "anonymousId": "a",
            "event": event,
            "timestamp": f"2026-03-02T10:{position:02}:00Z",
            "properties": {"products": products, **properties},
        }

    spellings = {
        "Order Completed",
        "order completed",
        "order_completed",
        "orderCompleted",
        "OrderCompleted",
    }
    assert spellings < ORDER_NAMES.keys()
    names = {**ORDER_NAMES, **{kind: kind for kind in OF_ORDERS}}
    calls = [call(position, name) for position, name in enumerate(names)]
    calls += [
        call(len(names), "Order Completed", revenue=30),
        call(len(names) + 1, "Product List Viewed"),
    ]
    path = tmp_path / "events.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in calls), encoding="utf-8")
    reading = FileReading.open(
        [str(path)], mapping, is_events=True, settings=Settings(home=tmp_path)
    )
    rows = {row["event_id"]: row for row in reading.files.classified().to_pyarrow().to_pylist()}
    read = [
        (rows[line["messageId"]]["event_type"], rows[line["messageId"]]["cart_value"])
        for line in calls
    ]
    amounts = [None if amount is None else Decimal(str(amount)) for _, amount in read]
    assert dict(zip(names, amounts, strict=False)) == dict.fromkeys(names, Decimal("25.5"))
    assert amounts[len(names) :] == [30, None]
    assert [event_type for event_type, _ in read] == [*names.values(), "purchase", "category_view"]
