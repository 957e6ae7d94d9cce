"""What follows from the declaration of measures: aggregates, sums over days, ratios,
and words for a shop's owner.
"""

import re
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec

import ibis
import pyarrow as pa
import pytest

from ecom_assets.behaviour.sessions.answer import SessionsAnswer
from ecom_assets.behaviour.sessions.measures import SessionMeasures
from ecom_assets.core.tables.contract import Aggregate, Column, Ratio, amount, count, per_unit, rate
from ecom_assets.core.tables.measures import (
    aggregates,
    completed,
    measures_of,
    summable,
    summed,
    sums,
)
from ecom_assets.interfaces.dashboard.formats import formatted
from ecom_assets.interfaces.watching.rule import ValueFormat
from ecom_assets.interfaces.weeks import wording
from ecom_assets.orchestration.registry import SUBJECTS
from ecom_assets_tests.each import each

PAID, BACK = {"status": "shipped"}, {"status": "refunded"}


class Numbers:
    """The measures of these tests."""

    order_count = count("How many orders", "Orders", Aggregate("order", PAID), unit="orders")
    customer_count = count(
        "How many customers", "Customers", Aggregate("who"), unit="customers", is_additive=False
    )
    item_count = count(
        "How many were paid back",
        "Back",
        Aggregate("items", BACK, is_sum=True, sign=-1),
        unit="items",
    )
    paid_amount = amount("What was paid", "Paid", Aggregate("money", PAID, is_sum=True))
    mean_amount = per_unit(
        "Paid divided by orders",
        "Mean",
        Ratio("paid_amount", "order_count"),
        unit="",
        format="money",
    )
    rest_rate = rate(
        "The share that is not back", "Rest", Ratio("item_count", "order_count", is_rest=True)
    )
    per_customer = per_unit(
        "Orders divided by customers", "Each", Ratio("order_count", "customer_count"), unit="orders"
    )


def aggregated(*lines: tuple[str, str, str, int, str | None]) -> dict[str, object]:
    names = ("order", "who", "status", "items", "money")
    schema = {
        "order": "string",
        "who": "string",
        "status": "string",
        "items": "int64",
        "money": "decimal(18, 2)",
    }
    rows = [
        dict(zip(names, (*line[:4], None if line[4] is None else Decimal(line[4])), strict=True))
        for line in lines
    ]
    table = ibis.memtable(pa.Table.from_pylist(rows, schema=ibis.schema(schema).to_pyarrow()))
    row: dict[str, object]
    (row,) = ibis.duckdb.connect().to_pyarrow(table.agg(**aggregates(table, Numbers))).to_pylist()
    return row


def test_an_aggregate_counts_the_rows_that_it_says() -> None:
    two_lines_of_one_order = ("a", "ann", "shipped", 1, "10.00"), ("a", "ann", "shipped", 2, "5.50")
    row = aggregated(*two_lines_of_one_order, ("b", "bob", "refunded", -3, "-4.00"))
    assert row == {
        "order_count": 1,
        "customer_count": 2,
        "item_count": 3,
        "paid_amount": Decimal("15.50"),
    }


def test_a_sum_is_unknown_if_no_row_has_a_value_and_zero_without_rows() -> None:
    assert aggregated(("a", "ann", "shipped", 1, None))["paid_amount"] is None
    assert aggregated(("a", "ann", "refunded", -1, "-4.00"))["paid_amount"] == 0


def test_days_are_added_up_before_they_are_divided() -> None:
    days = [
        {"order_count": 10, "item_count": 2, "paid_amount": Decimal("100.00")},
        {"order_count": 1, "item_count": 0, "paid_amount": Decimal("50.00")},
    ]
    # 150 in 11 orders, where the mean of the days' means would be 30; 2 of 11 items came back.
    assert summed(days, Numbers) == {
        "order_count": 11,
        "item_count": 2,
        "paid_amount": Decimal("150.00"),
        "mean_amount": Decimal(150) / 11,  # rounded where it is shown
        "rest_rate": pytest.approx(9 / 11, abs=1e-6),
    }


def test_an_unknown_part_makes_a_ratio_unknown_and_no_row_makes_zeros() -> None:
    nothing = completed({"order_count": None, "item_count": None, "paid_amount": None}, Numbers)
    assert (nothing["mean_amount"], nothing["rest_rate"]) == (None, None)
    assert completed(None, Numbers)["paid_amount"] == 0


def test_what_does_not_add_up_is_not_added_up_nor_what_is_divided_by_it() -> None:
    assert measures_of(Numbers).keys() - summable(Numbers).keys() == {
        "customer_count",
        "per_customer",
    }


def declared() -> list[tuple[str, Column]]:
    """Return every measure of the package with where it stands."""
    modules = [
        import_module(f"{name}.measures") for name in SUBJECTS if find_spec(f"{name}.measures")
    ]
    return [
        (f"{owner.__module__}.{name}", measure)
        for module in modules
        for owner in vars(module).values()
        if isinstance(owner, type) and owner.__module__ == module.__name__
        for name, measure in measures_of(owner).items()
    ]


def test_every_measure_is_named_and_explained_in_a_shop_owner_s_words() -> None:
    measures = declared()
    assert len(measures) > 60
    for name, measure in measures:
        assert measure.label, name
        assert not re.search(r"\w_\w|[÷Σ`]", f"{measure.label} {measure.description}"), (
            f"{name}: no names of columns"
        )


@each("share", [0.0, 0.0284, 0.1, 0.293, 1.0])
def test_a_share_is_the_same_text_on_pages_in_the_report_and_in_alerts(share: float) -> None:
    texts = {
        formatted(share, "rate"),
        wording.number("bounce_rate", share),
        ValueFormat(is_rate=True)(share),
    }
    assert len(texts) == 1


def test_answers_of_files_call_numbers_what_the_measures_are_called() -> None:
    numbers = {
        "sessions": "session_count",
        "engaged_sessions": "engaged_session_count",
        "bounce_rate": "bounce_rate",
    }
    for field, name in numbers.items():
        measure = measures_of(SessionMeasures)[name]
        assert SessionsAnswer.model_fields[field].title == measure.label
        assert str(SessionsAnswer.model_fields[field].description).startswith(measure.description)


def test_a_day_of_which_engagement_is_unknown_makes_that_of_the_period_unknown() -> None:
    day: dict[str, int | None] = {
        "session_count": 4,
        "engaged_session_count": 1,
        "single_page_session_count": 3,
    }
    day |= {"purchase_session_count": 2, "bot_session_count": 0}
    unknown = day | {"engaged_session_count": None, "single_page_session_count": None}
    columns = ibis.schema(dict.fromkeys(day, "int64"))
    cases: list[tuple[list[dict[str, int | None]], float | None]] = [
        ([day, day], 0.75),
        ([day, unknown], None),
        ([unknown], None),
    ]
    for rows, bounce_rate in cases:
        total = summed(rows, SessionMeasures)
        stored = ibis.memtable([[row[name] for name in day] for row in rows], schema=columns)
        (added,) = stored.agg(**sums(stored, SessionMeasures)).to_pyarrow().to_pylist()
        assert completed(added, SessionMeasures) == total, "in an engine as in Python"
        assert (total["session_count"], total["bounce_rate"]) == (4 * len(rows), bounce_rate)
        assert total["session_conversion_rate"] == 0.5
