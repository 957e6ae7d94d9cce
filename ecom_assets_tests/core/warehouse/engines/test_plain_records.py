"""Every engine refuses and counts the same rows of a kind of record that is its contracts alone:
what was received is what counts, what is refused, and further rows about a record.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.plain_records import PlainRecords
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.plain_assets import plain_check
from ecom_assets_tests.builders import as_table
from ecom_assets_tests.core.warehouse.engines.warehouses import (
    ALL_ENGINES,
    on_one_worker_each,
    opened,
    settings_of,
)
from ecom_assets_tests.recipes.subscriptions.contracts import (
    QuarantinedSubscriptions,
    RawSubscriptions,
    Subscriptions,
)

MARCH = Days.between(date(2026, 3, 1), date(2026, 3, 31))
TABLES = PlainRecords(RawSubscriptions, QuarantinedSubscriptions, Subscriptions)


def row(name: str | None, amount: str | None = "10", day: int = 1, **more: Any) -> dict[str, Any]:
    """Return a received row about a subscription."""
    is_number = (amount or "").isdecimal()
    return {
        "subscription_id": name,
        "customer_id": "ann",
        "received_monthly_amount": amount,
        "monthly_amount": Decimal(amount or 0) if is_number else None,
        "currency": "EUR",
        "received_date": date(2026, 3, day),
        "source": "landed",
        "source_file": "march.csv",
        **more,
    }


ROWS = [
    row("older", "10", 1),
    row("older", "12", 2),
    row("at once", "20", received_at=datetime(2026, 3, 1, 9)),  # noqa: DTZ001 (as tables have it)
    row("at once", "21"),  # a row that says when it arrived goes before one that does not
    row("of two files", "30"),
    row("of two files", "31", source_file="april.csv"),
    row("copy"),
    row("copy"),
    row("begun", received_started_date="2026-02-01", started_date=date(2026, 2, 1)),
    row(None),
    row(" "),
    row("of nobody", customer_id=None),
    row("without amount", None),
    row("for free", "free"),
    row("of soon", received_started_date="soon"),
    row("in dollars", currency="USD", unrated_currency="USD"),
    row("left out", left_out="test"),
    row(None, None, malformed_row='"half a line'),
]
COUNTED = [
    ("at once", 20),
    ("begun", 10),
    ("copy", 10),
    ("of two files", 30),
    ("older", 12),
]
REFUSED = {
    "missing_subscription_id": 2,
    "missing_customer_id": 1,
    "missing_monthly_amount": 1,
    "unparseable_monthly_amount": 1,
    "unparseable_started_date": 1,
    "currency_without_rate": 1,
    "left_out": 1,
    "malformed_row": 1,
}


@pytest.fixture(scope="module", params=on_one_worker_each(ALL_ENGINES))
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    engine = opened(settings_of(request.param, request, tmp_path_factory.mktemp(request.param)))
    outside = connect()
    outside.con.register("received", as_table(ROWS, RawSubscriptions))
    engine.replace(RawSubscriptions, outside.table("received"), MARCH)
    for contract, rows in (
        (Subscriptions, TABLES.counted(engine.table(RawSubscriptions))),
        (QuarantinedSubscriptions, TABLES.refused(engine.table(RawSubscriptions))),
    ):
        engine.ensure(contract)
        engine.replace(contract, rows, None)
    yield engine
    engine.close()


def test_the_newest_row_about_each_record_counts(engine: Engine) -> None:
    rows = engine.rows_of(engine.table(Subscriptions))
    counted = sorted((row["subscription_id"], int(row["monthly_amount"])) for row in rows)
    assert counted == COUNTED


def test_a_row_is_refused_for_the_first_thing_that_it_lacks(engine: Engine) -> None:
    rows = engine.rows_of(engine.table(QuarantinedSubscriptions))
    assert Counter(row["reject_reason"] for row in rows) == REFUSED


def test_what_was_received_is_counted_refused_or_one_more(engine: Engine) -> None:
    surplus = engine.rows_of(TABLES.surplus(engine.table(RawSubscriptions)))
    assert len(ROWS) == len(COUNTED) + sum(REFUSED.values()) + len(surplus) == 5 + 9 + 4
    check = plain_check(TABLES)
    result = check.evaluate(None, *(engine.table(contract) for contract in check.tables))
    assert (result.broken_count, result.looked_at_count) == (0, 18)
    nothing = engine.table(Subscriptions).limit(0)
    others = (engine.table(contract) for contract in check.tables[1:])
    assert check.evaluate(None, nothing, *others).broken_count == 1
