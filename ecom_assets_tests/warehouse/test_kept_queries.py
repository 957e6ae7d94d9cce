"""Statements that are kept by the functions that write them: never one of another question, table, type or code."""

import sqlite3
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import ibis.expr.types as ir
import pytest

from ecom_assets.tables.conditions import where_from
from ecom_assets.tables.days import Days
from ecom_assets.tables.query_runner import QueryRunner, binds_dates
from ecom_assets.trends.definition import Series, Trend
from ecom_assets.trends.trend import events_of, needed, top_values, values, within
from ecom_assets.warehouse import kept_queries
from ecom_assets.warehouse.duckdb_settings import plain_connection
from ecom_assets.warehouse.kept_queries import KeptQueryRunner
from ecom_assets.warehouse.kept_statements import KeptStatements
from ecom_assets.warehouse.local import adopted

MONDAY, TUESDAY, FRIDAY = date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 6)
EVENTS = "event_id VARCHAR, visitor_id VARCHAR, event_type VARCHAR, event_at TIMESTAMP, event_date DATE, city VARCHAR"
ROWS = """('1', 'ann', 'view', '2026-03-02 10:00', '2026-03-02', 'Rome'), ('2', 'bob', 'view', '2026-03-03 10:00',
    '2026-03-03', 'Oslo'), ('3', 'ann', 'buy', '2026-03-06 10:00', '2026-03-06', 'Rome')"""


class Counted(KeptQueryRunner):
    """Counts the statements that Ibis writes."""

    written = 0

    def _written(self, *args: Any, **named: Any) -> str:
        Counted.written += 1
        return super()._written(*args, **named)


def opened(columns: str = EVENTS, rows: str = ROWS) -> duckdb.DuckDBPyConnection:
    con = plain_connection(None)
    con.execute(f"CREATE TEMP TABLE events ({columns})")
    if rows:
        con.execute(f"INSERT INTO events VALUES {rows}")
    return con


def rows_of(con: duckdb.DuckDBPyConnection, statements: KeptStatements, function: Any, *given: Any) -> tuple[Any, int]:
    """The rows of a function of the events, and how many statements were written for it."""
    before = Counted.written
    runner = Counted(con, statements)
    rows = runner.rows(function, runner.temp_table("events"), *given)
    return sorted(rows, key=str), Counted.written - before


def count_by(events: ir.Table, column: str) -> ir.Table:
    return events.group_by(column).agg(n=events.count())


def since(events: ir.Table, day: date) -> ir.Table:
    return events.filter(events.event_date >= day)


def test_rows_are_those_of_ibis_and_written_once_for_all_days_and_processes(tmp_path: Path) -> None:
    def answer(runner: QueryRunner, events: Any, first: date) -> tuple[list[dict[str, Any]], ...]:
        trend = Trend((Series("view"), Series(None, "visitors")), by="city", where=where_from("city != Bonn"))
        rows = runner.table(events_of, runner.table(within, events, first, FRIDAY), trend)
        stored = runner.stored("stored_events", needed, rows, trend)
        by_value = [runner.rows(values, stored, one, by_period=True) for one in trend.series]
        return *(sorted(some, key=str) for some in by_value), runner.rows(top_values, stored, "breakdown", 1)

    for number, first in enumerate((MONDAY, TUESDAY, MONDAY)):
        statements = KeptStatements()
        statements.keep_in(tmp_path / "statements.sqlite")
        kept, before = Counted(con := opened(), statements), Counted.written
        expected = answer(QueryRunner(backend := adopted(opened())), backend.table("events"), first)
        assert answer(kept, kept.temp_table("events"), first) == expected
        assert Counted.written - before == (0 if number else 4), "the days alone make no other statement"
        assert con.execute("SELECT count(*) FROM stored_events").fetchall() == [(3 if first == MONDAY else 2,)]
        assert [column for column, *_ in con.execute("DESCRIBE stored_events").fetchall()][:2] == [
            column for column, *_ in backend.con.execute("DESCRIBE stored_events").fetchall()
        ][:2]
    assert [one["value"] for one in expected[0]] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("columns", "function", "given"),
    [
        (EVENTS, count_by, ["visitor_id"]),
        (EVENTS.replace("city VARCHAR", "city INTEGER"), count_by, ["city"]),
        (f"{EVENTS}, age INTEGER", count_by, ["city"]),
        (EVENTS, since, [MONDAY]),
        (EVENTS, events_of, [Trend((Series("view"),))]),
    ],
)
def test_another_argument_type_column_or_function_is_another_statement(
    columns: str, function: Callable[..., ir.Table], given: list[Any]
) -> None:
    statements = KeptStatements()
    assert rows_of(opened(), statements, count_by, "city") == (
        [{"city": "Oslo", "n": 1}, {"city": "Rome", "n": 2}],
        1,
    )
    assert rows_of(opened(), statements, count_by, "city")[1] == 0
    assert rows_of(opened(columns, ""), statements, function, *given)[1] == 1


@pytest.mark.parametrize(
    "change",
    [{"week_start": "sunday"}, {"where": where_from("city = Rome")}, {"series": (Series("buy"),)}, {"by": "city"}],
)
def test_each_option_of_a_definition_is_another_statement(change: dict[str, Any]) -> None:
    statements, plain = KeptStatements(), {"series": (Series("view"),), "period": "week"}
    for given, written in ((plain, 1), (plain, 0), (plain | change, 1)):
        assert rows_of(opened(), statements, events_of, Trend(**given))[1] == written


def test_time_zones_and_days_that_decide_about_the_statement_are_in_its_key() -> None:
    """The hours of a day with a change of the clock are computed in another way, so that no day stands for another."""
    statements, hourly = KeptStatements(), Trend((Series("view"),), period="hour")
    days, changed = Days.of([MONDAY]), Days.of([date(2026, 3, 29)])
    for one, zone, written in ((days, "UTC", 1), (days, "Europe/Berlin", 1), (changed, "Europe/Berlin", 1)):
        assert rows_of(opened(), statements, events_of, hourly, one, zone)[1] == written
    assert [rows_of(opened(), statements, since, day)[1] for day in (MONDAY, FRIDAY)] == [1, 1]
    assert [rows_of(opened(), statements, binds_dates(since), day)[1] for day in (MONDAY, FRIDAY)] == [1, 0]
    del since.binds_dates  # type: ignore[attr-defined]
    late = [rows_of(opened(), statements, within, MONDAY, date(9000, 1, 1))[1] for _ in range(2)]
    assert late == [1, 1], "a day that stands for others is not kept"


def test_a_text_that_reads_like_the_place_of_a_date_stays_as_it_is() -> None:
    text, statements = "MAKE_DATE(9000, 1, 1)", KeptStatements()
    con = opened(rows=f"('1', 'ann', 'view', '2026-03-02 10:00', '2026-03-02', '{text}')")
    runner = KeptQueryRunner(con, statements)
    trend = Trend((Series("view"),), where=where_from({"city": text}))
    rows = runner.table(within, runner.temp_table("events"), MONDAY, FRIDAY)
    assert len(runner.rows(events_of, rows, trend)) == 1


def test_other_code_or_libraries_write_again(monkeypatch: pytest.MonkeyPatch) -> None:
    statements = KeptStatements()
    assert rows_of(opened(), statements, count_by, "city")[1] == 1
    monkeypatch.setattr(kept_queries, "written_by", lambda: ("other code",))
    assert rows_of(opened(), statements, count_by, "city")[1] == 1


def test_what_a_key_cannot_show_is_written_each_time() -> None:
    city, statements = "city", KeptStatements()

    def by_city(events: ir.Table) -> ir.Table:
        return count_by(events, city)

    assert [rows_of(opened(), statements, by_city)[1] for _ in range(2)] == [1, 1]
    assert [rows_of(opened(), statements, count_by, lambda one: one.city)[1] for _ in range(2)] == [1, 1]


def test_a_damaged_statement_is_written_again(tmp_path: Path) -> None:
    for written in (1, 0, 1, 0):
        statements = KeptStatements()
        statements.keep_in(tmp_path / "statements.sqlite")
        assert rows_of(opened(), statements, count_by, "city") == (
            [{"city": "Oslo", "n": 1}, {"city": "Rome", "n": 2}],
            written,
        )
        if Counted.written and not written:
            with sqlite3.connect(tmp_path / "statements.sqlite") as file:
                file.execute("UPDATE statement SET sql = replace(sql, 'COUNT', 'SUM')")


def test_an_asked_question_is_known_later(tmp_path: Path) -> None:
    trend = Trend((Series("view"),))
    for is_known in (False, True):
        statements = KeptStatements()
        statements.keep_in(tmp_path / "statements.sqlite")
        runner = KeptQueryRunner(opened(), statements)
        assert runner.has_answered(trend) is is_known
        assert not runner.has_answered([trend, datetime(2026, 1, 1, is_known)])  # noqa: DTZ001 (another question)
