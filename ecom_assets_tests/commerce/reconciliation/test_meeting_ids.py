"""A warning when customers and visitors, or orders and events, hardly have an id in common."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import ibis
import pytest

from ecom_assets.cli.summary.lines import check_lines
from ecom_assets.commerce.attribution.contracts import OrderVisits
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.reconciliation.checks import (
    customers_are_visitors,
    orders_have_their_events,
)
from ecom_assets.commerce.reconciliation.contracts import (
    OrderEventReconciliation,
    OrderEventReconciliationDaily,
)
from ecom_assets.core.tables.check import CheckResult
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets_tests.builders import Row, as_table, at, clean_events, received
from ecom_assets_tests.each import each

DAY = at("09:00").date()


def of_users(users: Sequence[str | None], event_type: str = "purchase") -> list[Row]:
    return [
        received(
            f"{event_type}-{number}",
            at("09:00"),
            event_type=event_type,
            user_id=user,
            session_id=f"s{number}",
        )
        for number, user in enumerate(users)
    ]


def customers_meet(
    events: list[Row], customers: Sequence[str], visited: Sequence[str] = ()
) -> CheckResult:
    lines = [customer_line(str(number), id_, DAY) for number, id_ in enumerate(customers)]
    return lines_meet(events, lines, visited)


def customer_line(uniq_id: str, customer: str, day: date) -> Row:
    row: Row = dict.fromkeys(UserOrderLog.columns)
    return row | {"uniq_id": uniq_id, "customer_id": customer, "order_date": day}


def lines_meet(events: list[Row], lines: list[Row], visited: Sequence[str] = ()) -> CheckResult:
    paired = [
        dict.fromkeys(OrderVisits.columns) | {"customer_id": id_, "order_date": DAY}
        for id_ in visited
    ]
    tables = [
        ibis.memtable(table)
        for table in (
            clean_events(events),
            as_table(lines, UserOrderLog),
            as_table(paired, OrderVisits),
        )
    ]
    result: CheckResult = customers_are_visitors.evaluate(None, *tables)
    return result


def names(form: str, count: int) -> list[str]:
    return [form.format(number) for number in range(count)]


def test_customers_of_whom_none_is_a_visitor_are_named_with_visitors() -> None:
    """Orders have addresses, events have numbers: 40 customers, 30 buyers."""
    result = customers_meet(of_users(names("{}", 30)), names("c{:02}@x.de", 40))
    assert (result.broken_count, result.looked_at_count) == (40, 40)
    sentence = result.metadata["sentence"]
    assert sentence.startswith(
        "0 of 40 customers of the orders is a visitor of the events: orders have 'c00@x.de', "
        "'c01@x.de', 'c02@x.de'; events have '0', '1', '10'. If these are the same, say what the "
        "key is in both mappings"
    )
    assert [row["side"] for row in result.examples] == ["orders"] * 3 + ["events"] * 3


def test_customers_whose_orders_events_name_are_visitors_by_any_id() -> None:
    """Of 40 customers by address, six bought what an event of a device names; 30 have events."""
    customers = names("c{:02}@x.de", 40)
    buyers = of_users(names("{}", 30))
    assert customers_meet(buyers, customers, customers[:6]).broken_count == 0
    assert customers_meet(buyers, customers, customers[:5]).broken_count == 35


def test_buyers_who_never_sign_in_are_told_apart_from_ids_that_are_spelled_otherwise() -> None:
    """Events know devices alone, as GA4's: 100 customers, 60 devices that bought."""
    guests = of_users(names("u{}", 40), "page_view") + of_users([None] * 60)
    result = customers_meet(guests, names("guest{}", 100))
    assert result.broken_count == 100
    assert result.metadata["sentence"] == (
        "0 of 100 customers of the orders is a visitor of the events, as no buyer has a user id: "
        "send the same id of the customer as orders have, or the number of the order, with each "
        "purchase event."
    )


def test_days_that_one_side_alone_knows_say_nothing() -> None:
    """Years of orders before the first event: 40 customers who never had a chance to be seen."""
    before = [customer_line(f"o{n}", f"c{n}", DAY - ONE_DAY) for n in range(40)]
    met = [customer_line(f"v{n}", f"v{n}", DAY) for n in range(10)]
    assert lines_meet(of_users(names("v{}", 20)), [*before, *met]).broken_count == 0
    alone = [customer_line(f"n{n}", f"c{n}", DAY) for n in range(60)]
    assert lines_meet(of_users(names("v{}", 80)), [*before, *met, *alone]).broken_count == 60


def test_the_summary_shows_the_sentence() -> None:
    result = customers_meet(of_users(names("{}", 30)), names("c{:02}@x.de", 40))
    check = {"table": "mart.x", "name": "customers_are_visitors", **result.metadata}
    assert check_lines({"passed": 1, "failed": [], "warned": [check], "not_evaluated": []}) == [
        "Checks: 1 passed, 0 failed, 1 warned",
        f"  WARNING mart.x customers_are_visitors: {result.metadata['sentence']}",
    ]


@pytest.mark.parametrize(("shared", "warns"), [(9, True), (10, False)])
def test_one_in_five_is_enough(shared: int, warns: bool) -> None:  # noqa: FBT001 (a case)
    customers = [*names("v{}", shared), *names("c{}", 50 - shared)]
    assert bool(customers_meet(of_users(names("v{}", 60)), customers).broken_count) is warns


@pytest.mark.parametrize(
    ("events", "customers"),
    [
        pytest.param(
            of_users([*names("c{}", 14), "other"]), names("c{}", 1_000), id="few visitors signed in"
        ),
        pytest.param(of_users(names("v{}", 9)), names("c{}", 100), id="nine buyers"),
        pytest.param(of_users(names("v{}", 100)), names("c{}", 9), id="nine customers"),
        pytest.param(
            of_users(names("v{}", 20)), [UNKNOWN_CUSTOMER] * 100, id="customers are not known"
        ),
        pytest.param([], names("c{}", 100), id="no events"),
    ],
)
def test_what_says_nothing_of_spellings_gives_no_warning(
    events: list[Row], customers: list[str]
) -> None:
    assert customers_meet(events, customers).broken_count == 0


def test_events_that_do_not_say_who_bought_are_compared_by_all_users() -> None:
    assert (
        customers_meet(of_users(names("{}", 30), "page_view"), names("c{}", 40)).broken_count == 40
    )


def orders_meet(
    orders: int, events: int, matched: int, *, are_named: bool = True, run: Days | None = None
) -> CheckResult:
    """Return the result for a day with so many orders and events, of which some belong together."""
    daily: Row = dict.fromkeys(OrderEventReconciliationDaily.columns, 0)
    daily |= {"reconciled_date": DAY, "sent_sums": ""}
    daily |= {"order_count": orders, "event_count": events, "missing_event_count": orders - matched}
    empty: Row = dict.fromkeys(OrderEventReconciliation.columns)
    empty |= {"reconciled_date": DAY}
    rows: list[Row] = [
        {**empty, "record_id": f"o{n}", "order_id": f"A-{n:04}", "cause": "missing_event"}
        for n in range(orders - matched)
    ]
    rows += [
        {
            **empty,
            "record_id": f"e{n}",
            "event_id": f"e{n:04}",
            "named_order_id": f"{n}" if are_named else None,
            "cause": "missing_order",
        }
        for n in range(events - matched)
    ]
    tables: list[Any] = [
        ibis.memtable(as_table([daily], OrderEventReconciliationDaily)),
        ibis.memtable(as_table(rows, OrderEventReconciliation)),
    ]
    result: CheckResult = orders_have_their_events.evaluate(run, *tables)
    return result


def test_orders_of_which_hardly_any_has_its_event_are_named_with_events() -> None:
    result = orders_meet(200, 150, 1)
    assert (result.broken_count, result.looked_at_count) == (199, 200)
    assert result.metadata["sentence"].startswith(
        "1 of 200 orders has its event: orders have 'A-0000', 'A-0001', 'A-0002'; events have "
        "'0', '1', '10'."
    )
    other_day = Days((DAY + ONE_DAY,))
    assert orders_meet(200, 150, 1, run=other_day).broken_count == 199, "whatever days a run has"


def test_orders_that_no_event_names_have_no_ids_to_compare() -> None:
    assert orders_meet(200, 150, 0, are_named=False).metadata["sentence"] == (
        "0 of 200 orders has its event, as no purchase event names an order: send the number of "
        "the order with each, in GA4 as transaction_id."
    )


@each(
    "orders, events, matched",
    [(200, 150, 30), (1_000, 15, 14), (9, 100, 0), (100, 9, 0), (100, 0, 0), (0, 0, 0)],
)
def test_orders_that_have_events_or_too_few_to_say_give_no_warning(
    orders: int, events: int, matched: int
) -> None:
    assert orders_meet(orders, events, matched).broken_count == 0
