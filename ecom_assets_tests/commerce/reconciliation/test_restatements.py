"""Published numbers that change are logged once, with what they were and why,
in the transaction that changes them.

Other engines than DuckDB: `warehouse/engines/test_restatements.py`.
"""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from ecom_assets.commerce.reconciliation import restatements
from ecom_assets.commerce.reconciliation.checks import (
    each_restatement_begins_where_the_last_ended,
)
from ecom_assets.commerce.reconciliation.contracts import PublishedDays, Restatements
from ecom_assets.commerce.reconciliation.restatements import (
    Movement,
    StateComparison,
)
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.local import connect, in_memory
from ecom_assets_tests.builders import Row
from ecom_assets_tests.commerce.reconciliation.changed_numbers import changed_numbers
from ecom_assets_tests.each import each
from ecom_assets_tests.published_numbers import (
    FRIDAY,
    MONDAY,
    TUESDAY,
    DailyNumbers,
    PublishedShop,
    number,
)

pytestmark = pytest.mark.xdist_group("restatements")


@pytest.fixture(scope="module")
def opened() -> Iterator[PublishedShop]:
    engine = DuckDBEngine(Path("memory"))
    engine.con = connect()
    engine.con.raw_sql("SET threads = 1")
    yield PublishedShop(engine)
    engine.close()


@pytest.fixture
def shop(opened: PublishedShop) -> PublishedShop:
    opened.clear()
    return opened


def test_the_first_publication_of_a_day_is_no_restatement(shop: PublishedShop) -> None:
    shop.arrive(("e1", MONDAY, MONDAY))
    shop.publish("run 1", (MONDAY,), number(MONDAY, 10))
    assert shop.restatements() == []


def test_a_changed_number_is_logged_with_before_after_and_the_late_row(shop: PublishedShop) -> None:
    shop.arrive(("e1", MONDAY, MONDAY))
    shop.publish("run 1", (MONDAY,), number(MONDAY, 10))
    shop.arrive(("e1", MONDAY, MONDAY), ("e2", MONDAY, TUESDAY), ("e3", MONDAY, TUESDAY))
    shop.publish("run 2", (MONDAY, TUESDAY), number(MONDAY, 12))
    (row,) = shop.rows(Restatements)
    assert (row["restated_date"], row["table_name"], row["row_key"]) == (
        MONDAY,
        "mart.daily_numbers",
        '{"city": "all"}',
    )
    assert (row["column_name"], row["before_value"], row["after_value"], row["difference"]) == (
        "visits",
        10,
        12,
        2,
    )
    assert (row["cause"], row["late_row_count"], json.loads(row["late_row_ids"])) == (
        "late_rows",
        2,
        ["e2", "e3"],
    )
    assert (row["published_run_id"], row["run_id"], row["restatement_number"]) == (
        "run 1",
        "run 2",
        1,
    )


def test_the_second_run_adds_nothing_and_a_third_change_continues(shop: PublishedShop) -> None:
    shop.publish("run 1", (MONDAY,), number(MONDAY, 10))
    for run in ("run 2", "run 3"):
        shop.publish(run, (MONDAY,), number(MONDAY, 12))
    before = shop.rows(PublishedDays)
    shop.publish("run 4", (MONDAY,), number(MONDAY, 12))
    assert shop.rows(PublishedDays) == before, "nor does the note of the day change"
    shop.publish("run 5", (MONDAY,), number(MONDAY, 9))
    assert shop.restatements() == [(MONDAY, 1, "all", 10, 12, 2), (MONDAY, 2, "all", 12, 9, -3)]
    assert [row["published_run_id"] for row in shop.rows(Restatements)] == ["run 1", "run 2"]


def test_rows_that_appear_and_vanish_on_a_published_day_are_restatements(
    shop: PublishedShop,
) -> None:
    shop.publish("run 1", (MONDAY, TUESDAY), number(MONDAY, 10, "Rome"))
    shop.publish("run 2", (MONDAY, TUESDAY), number(MONDAY, 4, "Oslo"), number(TUESDAY, 3))
    assert shop.restatements() == [
        (MONDAY, 1, "Oslo", None, 4, 4),
        (MONDAY, 1, "Rome", 10, None, -10),
        (TUESDAY, 1, "all", None, 3, 3),
    ]


def test_a_new_row_of_zeros_changes_no_count_but_a_share_that_becomes_known_does(
    shop: PublishedShop,
) -> None:
    shop.publish("run 1", (MONDAY,), number(MONDAY, 10, share=None))
    shop.publish("run 2", (MONDAY,), number(MONDAY, 10, share=0.0), number(MONDAY, 0, "Oslo", None))
    assert [
        (row["column_name"], row["before_value"], row["after_value"])
        for row in shop.rows(Restatements)
    ] == [("share", None, 0.0)]
    assert [row["difference"] for row in shop.rows(Restatements)] == [None]


def test_a_change_says_which_rows_went_or_that_others_days_came_or_that_nothing_did(
    shop: PublishedShop,
) -> None:
    shop.arrive(("e1", MONDAY, MONDAY), ("e2", MONDAY, MONDAY))
    shop.publish("run 1", (MONDAY,), number(MONDAY, 2))
    shop.arrive(("e1", MONDAY, MONDAY))
    shop.publish("run 2", (MONDAY,), number(MONDAY, 1))
    shop.arrive(("e1", MONDAY, MONDAY), ("e9", TUESDAY, TUESDAY))
    shop.publish("run 3", (TUESDAY,), number(MONDAY, 3), number(TUESDAY, 1), days=(MONDAY, TUESDAY))
    shop.publish("run 4", (MONDAY,), number(MONDAY, 7))
    causes = [
        (row["cause"], row["late_row_count"], row["withdrawn_row_count"])
        for row in shop.rows(Restatements)
    ]
    assert causes == [
        ("withdrawn_rows", 0, 1),
        ("rows_of_other_days", 0, 0),
        ("definition_changed", 0, 0),
    ]
    assert {row["late_row_ids"] for row in shop.rows(Restatements)} == {None}


def test_no_more_ids_are_named_than_five(shop: PublishedShop) -> None:
    shop.publish("run 1", (MONDAY,), number(MONDAY, 0))
    shop.arrive(*((f"e{n}", MONDAY, FRIDAY) for n in range(9)))
    shop.publish("run 2", (MONDAY,), number(MONDAY, 9))
    (row,) = shop.rows(Restatements)
    assert (row["late_row_count"], json.loads(row["late_row_ids"])) == (
        9,
        ["e0", "e1", "e2", "e3", "e4"],
    )


def test_a_neighbour_that_was_never_run_is_published_once_it_has_rows(shop: PublishedShop) -> None:
    shop.publish(
        "run 1", (TUESDAY,), number(MONDAY, 1), number(TUESDAY, 1), days=(MONDAY, TUESDAY, FRIDAY)
    )
    shop.publish(
        "run 2", (TUESDAY,), number(MONDAY, 2), number(TUESDAY, 1), number(FRIDAY, 5), days=ALL
    )
    assert shop.restatements() == [(MONDAY, 1, "all", 1, 2, 1)], "Friday had neither run nor rows"


ALL = (MONDAY, TUESDAY, FRIDAY)


def test_what_something_else_than_a_run_changed_is_published_again(shop: PublishedShop) -> None:
    shop.publish("run 1", (MONDAY,), number(MONDAY, 10))
    shop.empty_numbers()
    shop.publish("run 2", (MONDAY,), number(MONDAY, 10))
    assert shop.restatements() == []


@pytest.mark.slow
def test_several_tables_keep_their_notes_of_one_day_apart(shop: PublishedShop) -> None:
    shop.publish("run 1", (MONDAY,), number(MONDAY, 10))
    shop.publish_others("run 1", (MONDAY,), 5)
    shop.publish("run 2", (MONDAY,), number(MONDAY, 11))
    shop.publish_others("run 2", (MONDAY,), 6)
    assert [(row["table_name"], row["restatement_number"]) for row in shop.rows(Restatements)] == [
        ("mart.daily_numbers", 1),
        ("mart.other_numbers", 1),
    ]


@pytest.mark.parametrize("step", ["slice_begun", "slice_written"])
def test_what_fails_before_the_commit_is_logged_once_by_the_next(
    shop: PublishedShop, step: str
) -> None:
    shop.publish("run 1", (MONDAY,), number(MONDAY, 10))
    shop.fail_at(step)
    with pytest.raises(KeyboardInterrupt):
        shop.publish("run 2", (MONDAY,), number(MONDAY, 12))
    assert (shop.restatements(), shop.numbers()) == ([], [(MONDAY, "all", 10)])
    shop.fail_at("")
    for run in ("run 3", "run 4"):
        shop.publish(run, (MONDAY,), number(MONDAY, 12))
    assert shop.restatements() == [(MONDAY, 1, "all", 10, 12, 2)]


def test_what_is_killed_after_the_commit_is_logged_already(shop: PublishedShop) -> None:
    shop.publish("run 1", (MONDAY,), number(MONDAY, 10))
    shop.fail_at("committed")
    with pytest.raises(KeyboardInterrupt):
        shop.publish("run 2", (MONDAY,), number(MONDAY, 12))
    shop.fail_at("")
    shop.publish("run 3", (MONDAY,), number(MONDAY, 12))
    assert shop.restatements() == [(MONDAY, 1, "all", 10, 12, 2)]


def test_of_very_many_changed_rows_the_sums_of_each_day_are_logged() -> None:
    def state(*visits: int) -> pa.Table:
        rows = [number(MONDAY, n, city=str(index)) for index, n in enumerate(visits)]
        rows += [number(TUESDAY, 7)]
        return pa.Table.from_pylist(rows, schema=schema_of(DailyNumbers).to_pyarrow())

    before, after = state(1, 2, 3, 4), state(1, 5, 3, 40)
    each = changed_numbers(DailyNumbers, before, after, run_id="r1", most_rows=2)
    assert [(change.row_key, change.before, change.after) for change in each] == [
        ('{"city": "1"}', 2, 5),
        ('{"city": "3"}', 4, 40),
    ]
    (day,) = changed_numbers(DailyNumbers, before, after, run_id="r1", most_rows=1)
    assert (day.day, day.column, day.before, day.after, day.difference) == (
        MONDAY,
        "visits",
        6,
        45,
        39,
    )
    assert day.row_key == '{"sum_of_rows_changed_by": "r1"}'


@each("most_rows", [1, 3, 5, 99])
def test_days_that_are_compared_in_parts_change_as_all_at_once(most_rows: int) -> None:
    """Six rows differ, on two of three days; of more than may differ, sums are compared."""
    dates = (MONDAY, TUESDAY, FRIDAY)

    def states(*days: date) -> list[pa.Table]:
        schema = schema_of(DailyNumbers).to_pyarrow()
        cities = [(day, visits) for day in days for visits in range(3)]
        before = [number(day, visits, city=str(visits)) for day, visits in cities]
        after = [
            number(day, visits + 5 * (day != TUESDAY), city=str(visits)) for day, visits in cities
        ]
        return [pa.Table.from_pylist(rows, schema=schema) for rows in (before, after)]

    whole = changed_numbers(DailyNumbers, *states(*dates), run_id="r1", most_rows=most_rows)
    assert len(whole) == (6 if most_rows >= 6 else 2)
    parts = StateComparison(DailyNumbers, "r1", most_rows)
    for day in dates:
        parts.add(*states(day))
    assert parts.changes() == whole


def test_a_write_of_more_rows_than_are_compared_at_once_is_logged_whole(
    shop: PublishedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restatements, "ROWS_AT_ONCE", 1)
    shop.publish("run 1", (MONDAY, TUESDAY), number(MONDAY, 10), number(TUESDAY, 4))
    shop.publish("run 2", (MONDAY, TUESDAY), number(MONDAY, 12), number(TUESDAY, 5))
    assert shop.restatements() == [
        (MONDAY, 1, "all", 10, 12, 2),
        (TUESDAY, 1, "all", 4, 5, 1),
    ]


def test_movements_are_found_in_whatever_order_days_of_arrival_come() -> None:
    old = {"events": {"2026-03-02": 5, "2026-03-04": 2}}
    new = {
        "events": {"2026-03-02": 5, "2026-03-03": 4, "2026-03-04": 1},
        "orders": {"2026-03-02": 1},
    }
    actual = Movement.between(old, new)
    assert (actual.arrived, actual.withdrawn) == (5, 1)
    assert actual.arrived_on == {"events": ["2026-03-03"], "orders": ["2026-03-02"]}
    assert Movement.between(new, new) == Movement()


def test_days_are_days(shop: PublishedShop) -> None:
    shop.publish("run 1", (MONDAY,), number(MONDAY, 10))
    (row,) = shop.rows(PublishedDays)
    assert isinstance(row["published_date"], date)
    assert (row["row_count"], row["run_id"]) == (1, "run 1")


def entry(number: int, before: int, after: int, row_key: str = '{"city": "all"}') -> Row:
    """Return an entry about a Monday's visits."""
    return dict.fromkeys(Restatements.columns) | {
        "restated_date": MONDAY,
        "table_name": "mart.daily_numbers",
        "restatement_number": number,
        "row_key": row_key,
        "column_name": "visits",
        "before_value": float(before),
        "after_value": float(after),
    }


@each(
    "entries, broken_count",
    [
        ([entry(1, 5, 6), entry(2, 6, 9)], 0),
        ([entry(1, 5, 6), entry(2, 7, 9)], 1),
        # More rows changed than are logged: those of the sum have no entry of their own.
        ([entry(1, 5, 6), entry(2, 50, 70, '{"sum_of_rows_changed_by": "b"}'), entry(3, 7, 9)], 0),
        ([entry(1, 50, 70, '{"sum_of_rows_changed_by": "a"}'), entry(2, 5, 6), entry(3, 7, 9)], 1),
    ],
)
def test_an_entry_begins_where_the_last_one_of_its_row_ended(
    entries: list[Row], broken_count: int
) -> None:
    logged = in_memory(entries, Restatements)
    result = each_restatement_begins_where_the_last_ended.evaluate(None, logged)
    assert result.broken_count == broken_count
