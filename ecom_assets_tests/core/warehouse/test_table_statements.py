"""Statements that are found before anything is built: they are those that building would write."""

import sqlite3
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.computed import KeptRows
from ecom_assets.core.tables.days import Days, clock_hour, day_start, day_table
from ecom_assets.core.tables.portable import conform, count_of, rows_of
from ecom_assets.core.warehouse import kept_rows, table_statements
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.core.warehouse.kept_rows import KeepsStatements
from ecom_assets.core.warehouse.local import connect
from ecom_assets.core.warehouse.statements import NoShapeError
from ecom_assets.core.warehouse.table_statements import TableStatements, forget_user_statements
from ecom_assets.orchestration.rules import rules
from ecom_assets_tests.builders import received
from ecom_assets_tests.platform import Platform
from ecom_assets_tests.postgres_server import fresh_database

FIRST = date(2026, 3, 20)
"""Clocks in Berlin go forward on March 29."""
COUNT = 30
CALLS: list[str] = []


def of_days(visits: ir.Table, days: Days) -> ir.Table:
    CALLS.append("of_days")
    return visits.filter(days.contain(visits.visited_date))


def around_days(visits: ir.Table, days: Days) -> ir.Table:
    return visits.filter(days.widened(before=2, after=1).contain(visits.visited_date))


def since_days(visits: ir.Table, days: Days) -> ir.Table:
    return visits.filter(days.from_first(visits.visited_date))


def until_days(visits: ir.Table, days: Days) -> ir.Table:
    return visits.filter(days.before_end(visits.visited_date))


def after_the_first(visits: ir.Table, days: Days) -> ir.Table:
    return visits.filter(visits.visited_date > days.first)


def at_a_beginning(visits: ir.Table, days: Days) -> ir.Table:
    return visits.filter(days.widened(before=1).begin_on(visits.visited_date))


def near_days(visits: ir.Table, days: Days) -> ir.Table:
    following = (visits.visited_date + ibis.interval(days=2)).cast("date")
    return visits.filter(days.reached_by(visits.visited_date, following))


def on_listed_days(visits: ir.Table, days: Days) -> ir.Table:
    return visits.semi_join(day_table(days), visits.visited_date == day_table(days).day)


def in_berlin(visits: ir.Table, days: Days) -> ir.Table:
    near = visits.filter(days.contain(visits.visited_date))
    return near.mutate(
        starts_at=day_start(near.visited_date, days, "Europe/Berlin"),
        hour=clock_hour(near.visited_at, days.widened(before=1, after=1), "Europe/Berlin"),
    )


def as_many_as_days(visits: ir.Table, days: Days) -> ir.Table:
    return visits.mutate(day_count=len(days.dates))


FUNCTIONS = (
    of_days,
    around_days,
    since_days,
    until_days,
    at_a_beginning,
    near_days,
    on_listed_days,
    after_the_first,
    in_berlin,
    as_many_as_days,
)


def counted_first(visits: ir.Table, days: Days) -> ir.Table:
    CALLS.append("counted_first")
    return visits.filter(days.contain(visits.visited_date)).mutate(of=count_of(visits))


def of_user(visits: ir.Table, days: Days) -> ir.Table:
    CALLS.append("of_user")
    return visits.filter(days.contain(visits.visited_date)).select("user_id")


DAYS_OF = {"duckdb": "range(30) AS r(n)", "postgres": "generate_series(0, 29) AS r(n)"}


@pytest.fixture(scope="module", params=DAYS_OF)
def con(request: pytest.FixtureRequest) -> Iterator[KeepsStatements]:
    """A table with one visit at noon of each of thirty days, on an engine."""
    opened: KeepsStatements = connect()
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
        opened = PostgresEngine(Settings(warehouse=fresh_database(server))).open().con
    opened.raw_sql("CREATE SCHEMA mart")
    opened.raw_sql(
        "CREATE TABLE mart.visits AS SELECT CAST(DATE '2026-03-20' + n::INTEGER AS DATE) AS "
        "visited_date, TIMESTAMP '2026-03-20 12:00:00' + n * INTERVAL '1 day' AS visited_at, "
        f"'user ' || n AS user_id FROM {DAYS_OF[request.param]}"
    )
    yield opened
    opened.disconnect()


@pytest.fixture(autouse=True)
def _of_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep statements of the functions in this file."""
    monkeypatch.setattr(table_statements, "PACKAGE", "ecom_assets_tests")
    CALLS.clear()


def visits_in(con: KeepsStatements) -> ir.Table:
    return con.table("visits", database="mart")


def march(*days: int) -> Days:
    return Days.from_dates(date(2026, 3, day) for day in days)


def test_a_statement_is_for_all_days_of_its_form(con: KeepsStatements) -> None:
    statements = TableStatements()

    def seen_on(days: Days) -> list[int]:
        rows = statements.rows(con, of_days, {"visits": visits_in(con), "days": days}, None)
        assert isinstance(rows.op(), KeptRows)
        return sorted(row["visited_date"].day for row in rows_of(rows))

    assert seen_on(march(20)) == [20]
    assert seen_on(march(27)) == [27]
    assert seen_on(march(24, 25, 26)) == [24, 25, 26]
    assert CALLS == ["of_days"]  # one range of days is one statement, however long
    assert seen_on(march(21, 25)) == [21, 25]
    assert seen_on(march(22, 30)) == [22, 30]
    assert CALLS == ["of_days"] * 2


def test_what_days_are_asked_beside_conditions_is_a_part_of_the_key(con: KeepsStatements) -> None:
    statements, visits = TableStatements(), visits_in(con)

    def starts(day: int) -> str:
        asked = {"visits": visits, "days": march(day)}
        (row,) = rows_of(statements.rows(con, in_berlin, asked, None))
        return f"{row['starts_at']:%d %H:%M}, {row['hour']} o'clock"

    # The day begins in UTC an hour before midnight in winter, and two hours before it in summer.
    assert starts(24) == "23 23:00, 13 o'clock"
    assert starts(25) == "24 23:00, 13 o'clock"
    winter = len(statements.store)
    assert starts(31) == "30 22:00, 14 o'clock"
    assert len(statements.store) == winter + 1
    assert starts(30) == "29 22:00, 14 o'clock"
    assert starts(26) == "25 23:00, 13 o'clock"


SOME_DAYS = st.sets(st.integers(0, COUNT - 1), min_size=1, max_size=6).map(
    lambda numbers: Days.from_dates(FIRST + timedelta(days=n) for n in numbers)
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(function=st.sampled_from(FUNCTIONS), asked=st.lists(SOME_DAYS, min_size=2, max_size=5))
def test_kept_rows_are_those_that_the_function_builds(
    con: KeepsStatements, function: Callable[..., ir.Table], asked: list[Days]
) -> None:
    statements, visits = TableStatements(), visits_in(con)
    for days in asked:
        kept = statements.rows(con, function, {"visits": visits, "days": days}, None)
        assert isinstance(kept.op(), KeptRows)
        assert in_order(kept) == in_order(function(visits=visits, days=days))


def in_order(rows: ir.Table) -> list[dict[str, Any]]:
    return sorted(rows_of(rows), key=lambda row: str(row["visited_date"]))


def test_a_function_that_reads_data_is_called_each_time(con: KeepsStatements) -> None:
    statements = TableStatements()
    for days in (march(20), march(21)):
        rows = statements.rows(con, counted_first, {"visits": visits_in(con), "days": days}, None)
        assert not isinstance(rows.op(), KeptRows)
        assert [row["of"] for row in rows_of(rows)] == [COUNT]
    assert CALLS == ["counted_first"] * 3  # once in vain


def test_what_a_question_names_is_kept_nowhere(con: KeepsStatements, tmp_path: Path) -> None:
    statements = TableStatements()
    statements.store.keep_in(tmp_path / "statements.sqlite")
    visits = visits_in(con)
    of_one = visits.filter(visits.user_id == "user 4711")
    rows = statements.rows(con, of_user, {"visits": of_one, "days": march(20)}, None)
    assert not isinstance(rows.op(), KeptRows)
    assert len(statements.store) == 0


def test_a_column_more_is_another_statement(con: KeepsStatements) -> None:
    statements, days = TableStatements(), march(20)
    wider = visits_in(con).mutate(is_new=visits_in(con).user_id.isnull())
    for visits in (visits_in(con), wider, visits_in(con)):
        rows = statements.rows(con, of_days, {"visits": visits, "days": days}, None)
        assert rows.columns == visits.columns
    assert CALLS == ["of_days"] * 2


def variants(value: Any) -> Iterator[Any]:  # noqa: C901, PLR0912 (a branch for each kind of value)
    """Yield values that differ from one in one place, at any depth."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float | Decimal):
        yield value + 1
    elif isinstance(value, str):
        yield f"{value}x"
    elif isinstance(value, date):
        yield value + timedelta(days=1)
    elif value is None:
        yield 4711
    elif isinstance(value, Mapping):
        yield {**value, "another": 1}
        for key, part in [*value.items()][:20]:
            yield from ({**value, key: other} for other in variants(part))
    elif isinstance(value, tuple | list):
        yield type(value)([*value, 1])
        for place, part in enumerate(value[:20]):
            for other in variants(part):
                yield type(value)([*value[:place], other, *value[place + 1 :]])
    elif isinstance(value, frozenset | set):
        yield type(value)({*value, "another"})
    elif is_dataclass(value) and not isinstance(value, type):
        for entry in fields(value):
            if entry.init:
                for other in variants(getattr(value, entry.name)):
                    yield _replaced(value, entry.name, other)


def _replaced(value: Any, name: str, other: Any) -> Any:
    """Return a copy whose field is another one, whatever the class would refuse."""
    try:
        return replace(value, **{name: other})
    except Exception:  # noqa: BLE001 (a rule checks its values)
        copy = replace(value)
        object.__setattr__(copy, name, other)
        return copy


NOT_AS_TEXT = {"clock", "order_gate", "places", "requests"}
"""Rules that are functions or have some: what asks for one is built each time."""


def test_each_value_of_each_rule_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_statements, "PACKAGE", "ecom_assets")
    same: list[str] = []
    not_as_text = set()
    for name, rule in rules(Settings(home=Path("never written"))).items():
        texts = table_statements._Texts()  # noqa: SLF001 (what keys are made of)
        try:
            text = texts.of(rule)
        except NoShapeError:
            not_as_text.add(name)
            continue
        for number, other in enumerate(variants(rule)):
            with suppress(NoShapeError):
                if table_statements._Texts().of(other) == text:  # noqa: SLF001 (as above)
                    same.append(f"{name}: variant {number}")
    assert not same
    assert not_as_text == NOT_AS_TEXT


def test_functions_that_differ_in_a_value_are_others(con: KeepsStatements) -> None:
    statements, visits = TableStatements(), visits_in(con)

    def later_than(number: int) -> Callable[..., ir.Table]:
        def later(visits: ir.Table) -> ir.Table:
            return visits.filter(visits.visited_date > date(2026, 3, number))

        return later

    counts = [
        len(rows_of(statements.rows(con, function, {"visits": visits}, None)))
        for function in (later_than(20), later_than(30), later_than(20))
    ]
    assert counts == [29, 19, 29]
    given_day = partial(later_than_day, 25)
    kept = statements.rows(con, given_day, {"visits": visits}, None)
    assert isinstance(kept.op(), KeptRows)
    assert len(rows_of(kept)) == 24


def later_than_day(number: int, visits: ir.Table) -> ir.Table:
    return visits.filter(visits.visited_date > date(2026, 3, number))


@pytest.mark.slow
def test_a_run_over_one_more_day_builds_no_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `ecom run` over a file that grows by a day: all of its days are those of the run."""
    monkeypatch.setattr(table_statements, "PACKAGE", "ecom_assets")
    built: list[str] = []

    class Noting(TableStatements):
        def _build(self, con: Any, call: Any, contract: Any) -> Any:
            statement = super()._build(con, call, contract)  # raises for what reads data
            built.append(str(call.function))
            return statement

    monkeypatch.setattr(kept_rows, "TABLE_STATEMENTS", Noting())
    platform = Platform()
    every_day = Days.between(date(2026, 2, 20), date(2026, 3, 5))
    platform.receive(
        [
            received(f"{kind} {day}", datetime(day.year, day.month, day.day, 12), event_type=kind)  # noqa: DTZ001 (in UTC)
            for day in every_day.dates
            for kind in ("view", "purchase")
        ],
        every_day,
    )
    for count in (11, 12, 13):
        built.clear()
        platform.run(Days(every_day.dates[:count]))
        platform.state()  # a table is computed when it is read
        if count == 11:
            assert len(built) > 20
    platform.close()
    assert built == []


@pytest.mark.slow
def test_every_kept_statement_of_a_shop_is_the_one_that_would_be_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two days with a purchase each, computed one after the other."""
    monkeypatch.setattr(table_statements, "PACKAGE", "ecom_assets")
    statements, counts = TableStatements(), Counter[str]()

    def compared(con: Any, function: Any, arguments: Mapping[str, Any], contract: Any) -> Any:
        rows = statements.rows(con, function, arguments, contract)
        if isinstance(rows, ir.Table) and isinstance(rows.op(), KeptRows):
            counts["kept"] += 1
            built = function(**arguments)
            built = conform(built, contract) if contract else built
            if rows.op().query == con.write_streaming(built):
                counts["same"] += 1
            else:
                assert sorted(map(repr, rows_of(rows))) == sorted(map(repr, rows_of(built)))
        return rows

    class Compared:
        rows = staticmethod(compared)

    monkeypatch.setattr(kept_rows, "TABLE_STATEMENTS", Compared)
    platform = Platform()
    days = Days.between(date(2026, 2, 28), date(2026, 3, 2))
    platform.receive(
        [
            received(f"{kind} {day}", datetime(day.year, day.month, day.day, 12), event_type=kind)  # noqa: DTZ001 (in UTC)
            for day in days.dates
            for kind in ("view", "purchase")
        ],
        days,
    )
    for day in days.dates:
        platform.run(Days((day,)))
        platform.state()  # a table is computed when it is read
    platform.close()
    assert counts["kept"] > 2 * 25
    # Where two dates are equal by chance, building writes one, and a kept statement two.
    assert counts["same"] > counts["kept"] / 2


def test_the_file_is_the_user_s_own_and_no_link_is_followed(
    con: KeepsStatements, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / "ecom_assets" / table_statements.FILE
    asked = {"visits": visits_in(con), "days": march(20)}

    def kept_by_another_process() -> bool:
        CALLS.clear()
        statements = TableStatements()
        TableStatements.keep_statements(statements, is_on=True)
        assert len(rows_of(statements.rows(con, of_days, asked, None))) == 1
        return not CALLS

    assert not kept_by_another_process()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert kept_by_another_process()
    # A statement of somebody else is not run: it has no seal.
    with sqlite3.connect(path) as file:
        file.execute("UPDATE statement SET sql = replace(sql, 'visits', 'secrets')")
    assert not kept_by_another_process()
    assert forget_user_statements() != []
    assert not path.exists()
    elsewhere = tmp_path / "elsewhere.sqlite"
    elsewhere.touch()
    path.symlink_to(elsewhere)
    assert not kept_by_another_process()
    assert not kept_by_another_process()
    assert elsewhere.stat().st_size == 0


def test_nothing_is_kept_where_the_cache_is_off(
    con: KeepsStatements, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    statements = TableStatements()
    TableStatements.keep_statements(statements, is_on=False)
    for _ in range(2):
        statements.rows(con, of_days, {"visits": visits_in(con), "days": march(20)}, None)
    assert CALLS == ["of_days"] * 2
    assert [*tmp_path.iterdir()] == []
