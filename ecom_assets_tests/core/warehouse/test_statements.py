"""Statements that are written once for all days are those of a new compilation;
what is too complex is so to Ibis.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.behaviour.sessions.sessions import session_events
from ecom_assets.core.tables.days import LAST_DATE, Days
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.tables.queries import Period, with_previous
from ecom_assets.core.warehouse import statements as module
from ecom_assets.core.warehouse.engines.postgres.engine import PortablePostgresCompiler
from ecom_assets.core.warehouse.local import (
    OF_IBIS,
    PortableDuckDBCompiler,
    complexity,
    connect,
)
from ecom_assets.core.warehouse.statements import Statements, Write
from ecom_assets.core.warehouse.table_statements import TABLE_STATEMENTS
from ecom_assets_tests.builders import received
from ecom_assets_tests.each import each
from ecom_assets_tests.platform import Platform

VISITS = ibis.table({"day": "date", "visitor": "string", "at": "timestamp(6)"}, name="visits")
MONDAY, TUESDAY, FRIDAY = date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 6)


def written(statements: Statements, rows: ir.Table, count: "Counter[str] | None" = None) -> str:
    """The statement, with how often one was written."""

    def write(answer: ir.Table) -> str:
        if count is not None:
            count["written"] += 1
        return template(answer, "duckdb")

    return statements.sql(rows, "test", write)


COMPILERS: dict[str, Any] = {
    "duckdb": PortableDuckDBCompiler(),
    "postgres": PortablePostgresCompiler(),
}


def template(rows: ir.Table, dialect: str) -> str:
    """The statement as our compilers write it, laid out as Ibis does."""
    return str(COMPILERS[dialect].to_sqlglot(rows).sql(dialect=dialect, pretty=True))


def compiled_again(rows: ir.Table) -> str:
    """The statement as Ibis writes it."""
    return str(ibis.to_sql(rows, dialect="duckdb"))


def between(first: date, end: date) -> ir.Table:
    """Rows of some days."""
    return VISITS.filter(VISITS.day >= ibis.literal(first), VISITS.day < ibis.literal(end))


def test_one_statement_is_written_for_all_days() -> None:
    statements, count = Statements(), Counter[str]()
    for first, end in (
        (MONDAY, TUESDAY),
        (TUESDAY, FRIDAY),
        (date(1900, 1, 1), date(2200, 12, 31)),
    ):
        assert written(statements, between(first, end), count) == compiled_again(
            between(first, end)
        )
    assert count["written"] == 1


def test_days_that_are_the_same_twice_are_another_statement_than_two_days() -> None:
    def either(first: date, second: date) -> ir.Table:
        return VISITS.filter(
            (VISITS.day == ibis.literal(first)) | (VISITS.day == ibis.literal(second))
        )

    statements = Statements()
    for pair in ((MONDAY, TUESDAY), (MONDAY, MONDAY), (FRIDAY, TUESDAY), (TUESDAY, TUESDAY)):
        assert written(statements, either(*pair)) == compiled_again(either(*pair))


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(lambda n: VISITS.filter(VISITS.visitor == f"anna {n}"), id="text"),
        pytest.param(VISITS.limit, id="limit"),
        pytest.param(lambda n: VISITS.filter(VISITS.at < datetime(2026, 3, n)), id="instant"),  # noqa: DTZ001 (UTC without saying so)
        pytest.param(lambda n: VISITS.select(**{f"visitor_{n}": "visitor"}), id="name of a column"),
        pytest.param(
            lambda n: ibis.table({"day": "date"}, name=f"visits_{n}"), id="name of a table"
        ),
        pytest.param(
            lambda n: VISITS.mutate(day=ibis.literal([date(2026, 3, n)])), id="days in a list"
        ),
        pytest.param(
            lambda n: VISITS.mutate(share=ibis.literal(1, f"decimal(18, {n})")), id="type"
        ),
        pytest.param(lambda n: VISITS.order_by(ibis.desc("day") if n % 2 else "day"), id="order"),
        pytest.param(lambda n: ibis.union(VISITS, VISITS, distinct=bool(n % 2)), id="flag"),
    ],
)
def test_all_but_days_is_part_of_the_shape(rows: Callable[[int], ir.Table]) -> None:
    statements = Statements()
    answer = [written(statements, rows(n)) for n in (1, 2, 1, 2)]
    assert answer == [compiled_again(rows(n)) for n in (1, 2, 1, 2)]
    assert answer[0] != answer[1]


def test_functions_of_the_engine_are_kept_by_their_name() -> None:
    def keyed(name: str) -> ir.Table:
        function = ibis.udf.scalar.builtin(_function, name=name, signature=(("string",), "uint64"))
        return VISITS.mutate(key=function(VISITS.visitor))

    statements, count = Statements(), Counter[str]()
    for name in ("hash", "hash", "md5_number"):  # Ibis makes two functions of one name
        assert written(statements, keyed(name), count) == compiled_again(keyed(name))
    assert count["written"] == len({"hash", "md5_number"})


def test_functions_over_lists_are_kept_without_anything_of_this_process() -> None:
    def later(number: ir.IntegerValue, place: ir.IntegerValue) -> ir.BooleanValue:
        return (number > 1) & (place > 0)

    def of_days(end: date) -> ir.Table:
        return between(MONDAY, end).select(later=ibis.array([1, 2, 3]).filter(later))

    statements, count = Statements(), Counter[str]()
    for day in (TUESDAY, FRIDAY):
        assert "LAMBDA" in written(statements, of_days(day), count)
    assert count["written"] == 1
    assert " at 0x" not in module.Shape(of_days(FRIDAY).op(), {}).text


def test_functions_of_python_are_not_kept() -> None:
    rows = VISITS.mutate(
        key=ibis.udf.scalar.python(_function, signature=(("string",), "int64"))(VISITS.visitor)
    )
    statements, count = Statements(), Counter[str]()
    for _ in range(2):
        written(statements, rows, count)
    assert count["written"] == 2


def _function(visitor: str) -> int:
    return len(visitor)


@pytest.mark.parametrize("text", ["{date_0}", "{date_0             }", "MAKE_DATE(2026, 3, 2)"])
def test_a_text_or_a_name_that_looks_like_a_date_stays_what_it_is(text: str) -> None:
    statements, days = Statements(), between(MONDAY, FRIDAY)
    for rows in (
        days.filter(VISITS.visitor == text),
        days.mutate(**{text: VISITS.visitor}),
        ibis.table({text: "date"}, name=text).filter(ibis._[text] > ibis.literal(MONDAY)),
        days.mutate(bytes=ibis.literal(text.encode(), "binary")),
    ):
        for _ in range(2):
            assert written(statements, rows) == compiled_again(rows)


def test_the_last_day_of_all_is_kept_as_any_other() -> None:
    statements, count = Statements(), Counter[str]()
    for end in (FRIDAY, date(9000, 1, 1), date.max):
        rows = between(date.min, end)
        assert written(statements, rows, count) == compiled_again(rows)
    assert count["written"] == 1


def test_days_by_which_nothing_is_sorted_are_left_out_as_literals_are() -> None:
    """Ibis drops literals from what rows are sorted by: a date that is left open is one, too."""
    statements, count = Statements(), Counter[str]()
    for day in (MONDAY, FRIDAY):
        in_order = ibis.window(order_by=[ibis.literal(day), "at"])
        rows = VISITS.mutate(number=ibis.row_number().over(in_order), since=ibis.literal(day))
        assert written(statements, rows, count) == compiled_again(rows)
    assert count["written"] == 1


def test_rows_in_memory_are_not_kept() -> None:
    con = connect()
    for number in (1, 2):
        assert con.to_pyarrow(ibis.memtable(pa.table({"number": [number]}))).to_pylist() == [
            {"number": number}
        ]


def test_another_process_finds_the_statements_in_the_file(tmp_path: Path) -> None:
    first, second, count = Statements(), Statements(), Counter[str]()
    for statements, day in ((first, TUESDAY), (second, FRIDAY)):
        statements.keep_in(tmp_path / "statements.sqlite")
        assert written(statements, between(MONDAY, day), count) == compiled_again(
            between(MONDAY, day)
        )
    assert count["written"] == 1


def test_a_question_that_stores_rows_is_written_once_for_all_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in the API, where each question has a connection: what it stores
    has the same name on each.
    """
    statements, count = Statements(), Counter[str]()
    plain = statements.sql

    def counted(rows: ir.Table, kind: str, write: Write) -> str:
        count["asked"] += 1
        return plain(rows, kind, lambda answer: count.update(written=1) or write(answer))

    monkeypatch.setattr(statements, "sql", counted)
    monkeypatch.setattr("ecom_assets.core.warehouse.local.STATEMENTS", statements)
    for first in (1, 100):
        con = connect()
        con.raw_sql(f"CREATE TABLE numbers AS SELECT unnest([{first}, 8, 9]) AS number")
        numbers = con.table("numbers")
        with (
            numbers.filter(numbers.number > 1).cache() as large,
            large.mutate(twice=large.number * 2).cache() as both,
        ):
            assert [large.op().name, both.op().name] == ["cached_0", "cached_1"]
            assert sorted(both.twice.to_pyarrow().to_pylist()) == [16, 18, 200][: 2 + (first > 1)]
        with numbers.cache() as again:
            assert again.op().name == "cached_0", "its number is free"
            assert again.count().to_pyarrow().as_py() == 3
        assert [name for name in con.list_tables() if name.startswith("cached")] == []
    assert count == {"asked": 10, "written": 5}


WEEKS = (
    Period("custom", date(2026, 3, 2), date(2026, 3, 8)),
    Period("custom", date(1900, 1, 1), date(1900, 1, 7)),
    Period("custom", date(2200, 12, 25), LAST_DATE),
)


@each("period", WEEKS)
@each("dialect", ["duckdb", "postgres"])
def test_one_statement_is_written_for_all_days_of_the_parameters(
    period: Period, dialect: str
) -> None:
    statements, count, question = Statements(), Counter[str](), with_previous(VISITS, "day")

    def write(rows: ir.Table) -> str:
        count["written"] += 1
        return template(rows, dialect)

    for other in (*WEEKS, period):
        answer = statements.sql(question, dialect, write, other.parameters)
    assert answer == ibis.to_sql(question, dialect=dialect, params=period.parameters)
    assert (
        f"MAKE_DATE({period.start_date.year}, {period.start_date.month}, {period.start_date.day})"
        in answer
    )
    assert count["written"] == 1
    text = "{date_0}"
    assert f"'{text}'" in statements.sql(
        question.filter(question.visitor == text), dialect, write, period.parameters
    )


def test_a_connection_that_keeps_statements_itself_writes_those_with_open_dates() -> None:
    """As the API asks: `compile` of DuckDB is called for the template of a question with days."""
    statements, question, con = Statements(), with_previous(VISITS, "day"), connect()
    for period in WEEKS:
        sql = statements.sql(
            question, "api", lambda rows: str(con.compile(rows)), period.parameters
        )
        expected = ibis.to_sql(question, dialect="duckdb", params=period.parameters, pretty=False)
        assert "{date" not in sql
        assert sql == str(expected)


def test_no_more_statements_are_kept_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    statements = Statements()
    for number in range(10):
        assert f"'{number}'" in written(statements, VISITS.filter(VISITS.visitor == str(number)))
        assert len(statements) <= 3


def test_a_damaged_statement_is_written_again(tmp_path: Path) -> None:
    for expected in (1, 0, 1, 0):
        statements, count = Statements(), Counter[str]()
        statements.keep_in(tmp_path / "statements.sqlite")
        assert written(statements, between(MONDAY, FRIDAY), count) == compiled_again(
            between(MONDAY, FRIDAY)
        )
        assert count["written"] == expected
        if not expected:
            with sqlite3.connect(tmp_path / "statements.sqlite") as file:
                file.execute("UPDATE statement SET sql = replace(sql, 'visits', 'others')")


@pytest.mark.parametrize("content", [b"no database", None])
def test_a_file_that_cannot_be_used_is_done_without(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "statements.sqlite"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content * 200)
    statements = Statements()
    statements.keep_in(path)
    assert written(statements, between(MONDAY, FRIDAY)) == compiled_again(between(MONDAY, FRIDAY))
    if content is not None:  # a damaged file is made anew
        again, count = Statements(), Counter[str]()
        again.keep_in(path)
        assert written(again, between(MONDAY, FRIDAY), count)
        assert count["written"] == 0


@pytest.mark.slow
def test_every_table_is_computed_by_the_statement_that_would_be_written_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three days with a purchase each, computed one after another:
    most statements were kept on the first.
    """
    answer: Counter[str] = Counter()

    statements = Statements()  # none kept yet
    plain = statements.sql

    def compared(rows: ir.Table, kind: str, write: Write) -> str:
        def counted(question: ir.Table) -> str:
            answer["written"] += 1
            return write(question)

        actual = plain(rows, kind, counted)
        assert actual == write(rows)
        answer["asked"] += 1
        return actual

    monkeypatch.setattr(statements, "sql", compared)
    monkeypatch.setattr("ecom_assets.core.warehouse.local.STATEMENTS", statements)
    # or most of them would be found before their expression is built
    monkeypatch.setattr(TABLE_STATEMENTS, "keep_statements", lambda *, is_on: None)  # noqa: ARG005 (its name)
    monkeypatch.setattr(TABLE_STATEMENTS, "is_on", False)
    platform = Platform()
    days = Days.between(date(2026, 2, 27), date(2026, 3, 2))
    rows: list[dict[str, Any]] = [
        received(f"{kind} {day}", datetime(day.year, day.month, day.day, 12), event_type=kind)  # noqa: DTZ001 (as above)
        for day in days.dates
        for kind in ("view", "purchase")
    ]
    platform.receive(rows, days)
    for day in days.dates:
        platform.run(Days((day,)))
        platform.state()  # a table is computed when it is read
    platform.close()
    assert answer["asked"] > 3 * 25
    assert answer["written"] < answer["asked"] * 2 / 3


LINES = ibis.table({"id": "int64", "amount": "float64"}, name="lines")
DOUBLED = LINES.mutate(double=LINES.amount * 2)
QUERIES: dict[str, tuple[ir.Table, int | None]] = {
    "a table": (LINES, 1),
    "a random number": (LINES.mutate(chance=ibis.random()), None),
    "a value that is used twice": (DOUBLED.mutate(sum=DOUBLED.double + DOUBLED.double), None),
    "a self join": (DOUBLED.join(LINES.view(), "id"), None),
    "an asset": (
        session_events(ibis.table(schema_of(CleanEvents), name="events"), SessionRule()),
        None,
    ),
}


@each("name", QUERIES)
def test_a_query_is_as_complex_as_ibis_says(name: str) -> None:
    query, expected = QUERIES[name]
    assert complexity(query.op()) == OF_IBIS(query.op())
    assert expected is None or complexity(query.op()) == expected
