"""A new customer is one thing, wherever customers are counted: whose first paid order is on the
days that are asked about, and no renewal. Each count of a random shop is that of plain Python.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Final, NamedTuple

import ibis
import ibis.expr.types as ir
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.sessions.contracts import SessionEvents
from ecom_assets.commerce.attribution.contracts import Conversions, OrderVisits
from ecom_assets.commerce.attribution.touches import conversions
from ecom_assets.commerce.costs.profit import with_customer_type, with_order
from ecom_assets.commerce.customers.queries import customers
from ecom_assets.commerce.marketing.campaigns import of_sold_unit
from ecom_assets.commerce.marketing.cohorts import first_customers
from ecom_assets.commerce.marketing.performance import new_customers
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.orders.refunds import refund_parts
from ecom_assets.commerce.sales import dimensions
from ecom_assets.commerce.sales.contracts import City, Customer, PurchaseRevenueDaily, Sales
from ecom_assets.commerce.sales.queries import customers_of_period
from ecom_assets.commerce.sales.sales import sales_of_lines
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets.core.tables.portable import no_rows, rows_of
from ecom_assets.core.tables.queries import KnownDays, Period, StateRow, read_only
from ecom_assets.core.warehouse.local import in_memory
from ecom_assets.interfaces.weeks.weekly import customer_counts
from ecom_assets_tests.builders import Row
from ecom_assets_tests.hypothesis_settings import examples

FIRST: Final = date(2026, 3, 2)
DAYS: Final = 8
KNOWN: Final = KnownDays(FIRST - timedelta(days=30), FIRST + timedelta(days=DAYS))


class Line(NamedTuple):
    """An order line: of an order by its number, on a day from `FIRST` on, at an hour."""

    order: str
    customer: str
    day: int
    hour: int
    paid: int
    is_refund: bool
    is_renewal: bool | None

    @property
    def at(self) -> datetime:
        """Return when it was ordered, or paid back."""
        return datetime.combine(FIRST, time(self.hour)) + timedelta(days=self.day)

    @property
    def date(self) -> date:
        """Return its day."""
        return self.at.date()


LINES: Final = st.lists(
    st.builds(
        Line,
        order=st.sampled_from(("9", "10", "11", "12")),
        customer=st.sampled_from(("anna", "ben", "carl", UNKNOWN_CUSTOMER)),
        day=st.integers(0, DAYS - 1),
        hour=st.sampled_from((9, 9, 18)),
        paid=st.sampled_from((0, 0, 5, 20)),
        is_refund=st.sampled_from((False, False, False, True)),
        is_renewal=st.sampled_from((None, None, False, True)),
    ),
    max_size=9,
)
STORY: Final = (
    Line("9", "anna", 0, 9, 0, is_refund=False, is_renewal=None),  # a free sample
    Line("10", "anna", 2, 9, 20, is_refund=False, is_renewal=None),  # the first that she pays,
    Line("10", "anna", 3, 9, 20, is_refund=True, is_renewal=None),  # all of which goes back
    Line("11", "ben", 1, 9, 20, is_refund=False, is_renewal=True),  # a renewal first
    Line("12", "ben", 4, 9, 20, is_refund=False, is_renewal=False),
    Line("8", "carl", 5, 9, 20, is_refund=False, is_renewal=True),  # two orders at one instant:
    Line("7", "carl", 5, 9, 5, is_refund=False, is_renewal=None),  # the first number counts
)


class Counts(NamedTuple):
    """How many customers ordered on some days, and how many of these are what."""

    all: int
    new: int
    returning: int


@dataclass(frozen=True)
class PlainCustomers:
    """Who is new, by the definition and nothing else."""

    lines: tuple[Line, ...]

    @cached_property
    def first_paid(self) -> dict[str, tuple[date, bool]]:
        """Return the day of each customer's first paid order, and whether that is a renewal."""
        renewals = {line.order for line in self.lines if line.is_renewal}
        orders: dict[tuple[str, str, date], list[Line]] = defaultdict(list)
        for line in self.lines:
            if not line.is_refund and line.customer != UNKNOWN_CUSTOMER:
                orders[line.customer, line.order, line.date].append(line)
        paid = sorted(
            (min(line.at for line in own), order, customer)
            for (customer, order, _), own in orders.items()
            if sum(line.paid for line in own) > 0
        )
        firsts: dict[str, tuple[date, bool]] = {}
        for at, order, customer in paid:
            firsts.setdefault(customer, (at.date(), order in renewals))
        return firsts

    def counts(self, first: date, last: date) -> Counts:
        """Count the customers of some days."""
        who = {
            line.customer
            for line in self.lines
            if not line.is_refund
            and line.customer != UNKNOWN_CUSTOMER
            and first <= line.date <= last
        }
        types = Counter(self._type_of(customer, first, last) for customer in who)
        return Counts(len(who), types["new"], types["returning"])

    def type_on(self, customer: str, day: date) -> str:
        """Return what the customer of an order of a day is."""
        return "unknown" if customer == UNKNOWN_CUSTOMER else self._type_of(customer, day, day)

    def _type_of(self, customer: str, first: date, last: date) -> str:
        day, is_renewal = self.first_paid.get(customer, (date.max, False))
        if is_renewal or day < first:
            return "returning"
        return "new" if day <= last else "unpaid"


class LinesReading:
    """Order lines, and what follows of them, as queries read them."""

    newest_date = FIRST + timedelta(days=DAYS)
    timezone, currency = "Europe/Berlin", "EUR"
    not_recorded: frozenset[str] = frozenset()

    def __init__(self, lines: Iterable[Line]) -> None:
        """Read some lines."""
        self.known: Mapping[str, KnownDays] = {"orders": KNOWN}
        self.log = in_memory([cells(line, n) for n, line in enumerate(lines)], UserOrderLog)
        bought = no_rows(SessionEvents, self.log), self.log, no_rows(OrderVisits, self.log)
        unset = self.log.mutate(channel=ibis.literal("(none)"))
        self.tables = {
            Sales: sales_of_lines(unset, refund_parts(self.log, self.log)),
            Customer: dimensions.customer(self.log),
            Conversions: conversions(*bought),
        }

    def table(self, contract: type[Table]) -> ir.Table:
        """Return a whole table; one that nothing here is about has no row."""
        made = self.tables.get(contract)
        return no_rows(contract, self.log) if made is None else made

    def events(self) -> ir.Table:
        """Return no event: nothing here is about them."""
        return no_rows(CleanEvents, self.log)

    def rows(self, question: ir.Table, period: Period | None = None) -> list[Row]:
        """Return the rows of a result, with the days of a period."""
        return rows_of(question, period.parameters if period else None)

    def state(self, question: ir.Table) -> tuple[StateRow, ...]:
        """Return the rows of a result without a period."""
        return read_only(self.rows(question))


def cells(line: Line, number: int) -> Row:
    """Return a line as a row of `UserOrderLog`."""
    return {
        **dict.fromkeys(UserOrderLog.columns),
        "uniq_id": f"line {number}",
        "order_id": line.order,
        "customer_id": line.customer,
        "ordered_at": line.at,
        "order_date": line.date,
        "received_date": line.date,
        "source_file": "orders.csv",
        "city_id": "1",
        "item_id": "hat",
        "item_category": "hats",
        "sales_channel": "(none)",
        "status": "refunded" if line.is_refund else "shipped",
        "quantity": Decimal(1),
        "payment_amount": Decimal(line.paid),
        "is_renewal": line.is_renewal,
    }


def spans() -> Iterator[tuple[date, date]]:
    """Yield days that are asked about: some, one, all, and none that anything was ordered on."""
    for start, end in ((2, 4), (3, 3), (0, DAYS - 1), (5, 7)):
        yield FIRST + timedelta(days=start), FIRST + timedelta(days=end)


@pytest.mark.slow
@examples(60)
@given(LINES)
@example(list(STORY))
def test_whoever_counts_new_customers_counts_the_same(lines: list[Line]) -> None:
    reading, plain = LinesReading(lines), PlainCustomers(tuple(lines))
    credited = new_customers(of_sold_unit(reading.table(Conversions)))
    by_ads = Counter(row["order_date"] for row in rows_of(credited))
    sold, known = reading.table(Sales), reading.table(Customer)
    by_value = Counter(
        row["first_date"] for row in rows_of(first_customers(sold, no_rows(City, reading.log)))
    )
    typed = with_customer_type(with_order(sold), known)
    by_profit = {
        (row["customer_id"], row["order_date"])
        for row in rows_of(typed.filter(typed.customer_type == "new", typed.status == "shipped"))
    }
    for first, last in spans():
        expected, period = plain.counts(first, last), Period("custom", first, last, reading.known)
        answer, before = customers(reading, period), period.previous
        assert counts_in(answer["customers"]) == expected
        assert counts_in(answer["previous"]) == plain.counts(before.start_date, before.end_date)
        week = customers_of_period(reading, period)
        names = ("customers_count", "new_customers_count", "returning_customers_count")
        assert Counts(*(week[name] for name in names)) == expected
        within = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        assert sum(by_ads[day] for day in within) == expected.new
        assert sum(by_value[day] for day in within) == expected.new
        assert len({who for who, day in by_profit if first <= day <= last}) == expected.new


def test_nobody_is_new_or_returning_in_data_from_before_it_was_stored_who_paid() -> None:
    """Three people ordered: how many of them were new is not known, and not none."""
    reading = LinesReading(STORY)
    not_stored = {
        "first_paid_date": ibis.null("date"),
        "is_first_paid_renewal": ibis.null("boolean"),
    }
    reading.tables[Customer] = reading.table(Customer).mutate(**not_stored)
    period = Period("custom", FIRST, FIRST + timedelta(days=DAYS - 1), reading.known)
    numbers = customers(reading, period)["customers"]
    expected = {
        "customer_count": 3,
        "new_customer_count": None,
        "returning_customer_count": None,
    }
    assert {name: numbers[name] for name in expected} == expected
    assert customer_counts(reading, period) == expected
    amounts = customers_of_period(reading, period)
    assert amounts["new_revenue_amount"] is None
    assert amounts["returning_revenue_amount"] is None


def counts_in(numbers: Mapping[str, Any]) -> Counts:
    """Return the counts of an answer."""
    return Counts(
        numbers["customer_count"],
        numbers["new_customer_count"],
        numbers["returning_customer_count"],
    )


def test_what_each_customer_of_a_story_is() -> None:
    """Anna is new with the order that she pays, which goes back; Ben never, and Carl by the smaller
    number of two orders at one instant.
    """
    reading = LinesReading(STORY)
    log = reading.table(Sales)
    typed = rows_of(with_customer_type(with_order(log), reading.table(Customer)))
    assert {(row["order_id"], row["status"]): row["customer_type"] for row in typed} == {
        ("9", "shipped"): "unpaid",
        ("10", "shipped"): "new",
        ("10", "refunded"): "new",
        ("11", "shipped"): "returning",
        ("12", "shipped"): "returning",
        ("7", "shipped"): "new",
        ("8", "shipped"): "new",
    }


def test_what_goes_back_of_an_order_from_before_the_data_is_of_a_returning_customer() -> None:
    reading = LinesReading([Line("9", "anna", 0, 9, 20, is_refund=True, is_renewal=None)])
    typed = with_customer_type(with_order(reading.table(Sales)), reading.table(Customer))
    assert [row["customer_type"] for row in rows_of(typed)] == ["returning"]


@pytest.mark.parametrize(("amount", "count"), [(None, 1), (Decimal(0), 0), (Decimal(5), 1)])
def test_a_purchase_event_of_an_unknown_amount_was_paid_for(
    amount: Decimal | None, count: int
) -> None:
    """Anna's events say when she bought, and in the first case not for how much."""
    reading = LinesReading([])
    reading.known = {}
    bought = dict.fromkeys(Conversions.columns) | {
        "unit": "purchase",
        "conversion_id": "e1",
        "visitor_id": "anna",
        "customer_id": "anna",
        "is_refund": False,
        "is_renewal": False,
        "converted_at": datetime.combine(FIRST, time(9)),
        "converted_date": FIRST,
        "revenue_amount": amount,
    }
    reading.tables[Conversions] = in_memory([bought], Conversions)
    reading.tables[PurchaseRevenueDaily] = in_memory([{"event_date": FIRST}], PurchaseRevenueDaily)
    period = Period("custom", FIRST, FIRST, {"events": KNOWN})
    assert counts_in(customers(reading, period)["customers"]) == (1, count, 0)
    assert len(rows_of(new_customers(of_sold_unit(reading.table(Conversions))))) == count
