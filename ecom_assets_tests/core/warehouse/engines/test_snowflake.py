"""Snowflake as the warehouse, on a stand-in: names, types, whole slices or none,
and faults as sentences.
"""

import threading
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from ecom_assets.behaviour.events.robots import is_robot, is_robot_text
from ecom_assets.core.errors import ConnectionLostError, SettingError, WarehouseError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Table, amount, count, day, flag, instant, seconds, text
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import value_of
from ecom_assets.core.warehouse import local as embedded
from ecom_assets.core.warehouse.engines.snowflake.connection import SnowflakeAddress
from ecom_assets.core.warehouse.engines.snowflake.engine import SnowflakeEngine
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.core.warehouse.lineage import column_lineage
from ecom_assets_tests.core.warehouse.engines.snowflake_server import (
    HASTY_S,
    fresh_database,
    options,
    plan_fault,
)
from ecom_assets_tests.each import each

ONE, TWO, THREE = (date(2026, 3, day_number) for day_number in (1, 2, 3))


@pytest.fixture
def snowflake_url(snowflake_server_port: int) -> str:
    """Address of an empty database whose answers are not waited for, since some never come."""
    return fresh_database(snowflake_server_port, HASTY_S)


class Visits(Table):
    """One row per visitor and day, with a column of every kind."""

    layer = "mart"
    key = ("visit_date", "visitor_id")
    day_column = "visit_date"

    visit_date = day("The day of the visit")
    visitor_id = text("Who came")
    started_at = instant("When", nullable=True)
    spent_amount = amount("How much they spent", nullable=True)
    page_count = count("Pages seen")
    length_s = seconds("How long they stayed", nullable=True)
    is_bot = flag("Whether a robot")
    properties = text("Further values, as JSON text", nullable=True)


KINDS = [
    pa.date32(),
    pa.string(),
    pa.timestamp("us"),
    pa.decimal128(18, 4),
    pa.int64(),
    pa.float64(),
    pa.bool_(),
    pa.string(),
]
SCHEMA = pa.schema(list(zip(Visits.columns, KINDS, strict=True)))


@pytest.fixture
def engine(snowflake_url: str) -> Iterator[SnowflakeEngine]:
    opened = opened_at(snowflake_url)
    yield opened
    opened.close()


def opened_at(url: str) -> SnowflakeEngine:
    engine = new_engine(Settings(warehouse=url))
    assert isinstance(engine, SnowflakeEngine)
    return engine.open()


def visit(a_day: date, who: str | None, **more: Any) -> dict[str, Any]:
    return {"visit_date": a_day, "visitor_id": who, "page_count": 1, "is_bot": False, **more}


def visits(*rows: dict[str, Any]) -> ir.Table:
    """Return rows of visits as a table of another database, as sources give them."""
    con = embedded.connect()
    full = [dict.fromkeys(Visits.columns) | row for row in rows]
    return con.create_table("visits", pa.Table.from_pylist(full, schema=SCHEMA))


def stored(engine: SnowflakeEngine) -> list[tuple[date, str]]:
    rows = engine.table(Visits).select("visit_date", "visitor_id").to_pyarrow().to_pylist()
    return sorted(tuple(row.values()) for row in rows)


def test_rows_of_own_tables_never_leave_the_account(
    engine: SnowflakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.replace(Visits, visits(visit(ONE, "ann")), Days((ONE,)))
    monkeypatch.setattr(engine, "take_in", lambda *_args: pytest.fail("rows left the account"))
    stored_visits = engine.table(Visits)
    written = engine.replace(
        Visits, stored_visits.mutate(visit_date=ibis.literal(TWO)), Days((TWO,))
    )
    assert written.row_count == 1
    assert stored(engine) == [(ONE, "ann"), (TWO, "ann")]


def test_every_kind_of_value_comes_back_as_it_went_in(engine: SnowflakeEngine) -> None:
    full = visit(
        ONE,
        "Zoë 日本 \\ ' \"",
        started_at=datetime(1969, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001 (instants are UTC without saying so)
        spent_amount=Decimal("99999999999999.9999"),
        page_count=2**63 - 1,
        length_s=0.1 + 0.2,
        is_bot=True,
        properties='{"b": 1,  "a": 2.50}',
    )
    empty = dict.fromkeys(Visits.columns) | visit(TWO, "nobody")
    engine.replace(Visits, visits(full, empty), None)
    actual = engine.table(Visits).order_by("visit_date").to_pyarrow().cast(SCHEMA).to_pylist()
    assert actual == [full, empty]


def test_a_batch_at_a_time_is_held_all_or_none_stay(
    engine: SnowflakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecom_assets.core.warehouse.engine.BATCH_ROWS", 2)
    many = visits(*(visit(ONE, f"v{n}") for n in range(5)))
    assert engine.replace(Visits, many, Days((ONE,))).row_count == 5
    assert len(stored(engine)) == 5


def test_names_are_upper_case_for_people_and_lower_case_for_transforms(
    engine: SnowflakeEngine,
) -> None:
    engine.replace(Visits, visits(visit(ONE, "ann")), None)
    assert engine.query("SELECT visitor_id FROM mart.visits") == [{"visitor_id": "ann"}]
    assert engine.query("SELECT VISITOR_ID FROM MART.VISITS") == [{"visitor_id": "ann"}]
    assert engine.some_rows(Visits, None, 1)[0]["visitor_id"] == "ann"
    lineage = column_lineage(engine.table(Visits).select(who="visitor_id"))
    assert lineage == {"who": {("mart", "visits", "visitor_id")}}


def test_types_and_clustering_are_those_of_the_contract(engine: SnowflakeEngine) -> None:
    [statement] = engine.create_statements(Visits)
    assert statement == (
        'CREATE TABLE IF NOT EXISTS "MART"."VISITS" (\n'
        '  "VISIT_DATE" DATE NOT NULL,\n'
        '  "VISITOR_ID" VARCHAR NOT NULL,\n'
        '  "STARTED_AT" TIMESTAMP_NTZ(6),\n'
        '  "SPENT_AMOUNT" NUMBER(38, 4),\n'
        '  "PAGE_COUNT" NUMBER(19, 0) NOT NULL,\n'
        '  "LENGTH_S" FLOAT,\n'
        '  "IS_BOT" BOOLEAN NOT NULL,\n'
        '  "PROPERTIES" VARCHAR\n'
        ')\nCLUSTER BY ("VISIT_DATE")'
    )


def test_json_text_is_beside_its_table_as_a_variant(engine: SnowflakeEngine) -> None:
    engine.replace(
        Visits, visits(visit(ONE, "ann", properties='{"colour": "red"}'), visit(TWO, "bob")), None
    )
    rows = engine.query(
        "SELECT visitor_id, properties:colour::VARCHAR AS colour FROM mart.visits_variant ORDER "
        "BY 1"
    )
    assert rows == [{"visitor_id": "ann", "colour": "red"}, {"visitor_id": "bob", "colour": None}]


def test_a_quotient_has_all_its_digits_as_on_other_engines(engine: SnowflakeEngine) -> None:
    third = ibis.literal(1, "int64") / ibis.literal(3, "int64")
    assert engine.compile(third.name("third").as_table()).count("CAST(1 AS DOUBLE) / 3") == 1


def test_of_no_row_none_is_a_robot_and_of_two_one(engine: SnowflakeEngine) -> None:
    engine.ensure(Visits)
    robots = engine.table(Visits).count(where=lambda visits: visits.is_bot)
    assert value_of(robots) == 0
    engine.replace(Visits, visits(visit(ONE, "ann"), visit(ONE, "bot", is_bot=True)), Days((ONE,)))
    assert value_of(robots) == 1


def test_a_pattern_of_alternatives_is_found_anywhere_in_a_text(engine: SnowflakeEngine) -> None:
    """REGEXP_LIKE takes whole texts: what stands around a pattern must be around
    each of its alternatives.
    """
    agents = [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "A6-Indexer",
        "the spider of somebody",
        "two lines\nwith a crawler in the second",
        "CUBOT phone",
        "Opera",
    ]
    engine.replace(Visits, visits(*(visit(ONE, agent) for agent in agents)), Days((ONE,)))
    rows = engine.table(Visits)
    found = rows.filter(is_robot(rows.visitor_id)).visitor_id.to_pyarrow().to_pylist()
    assert sorted(found) == sorted(filter(is_robot_text, agents))
    assert len(found) == 4


def test_a_column_that_the_contract_gained_is_added(
    engine: SnowflakeEngine, snowflake_url: str
) -> None:
    engine.replace(Visits, visits(visit(ONE, "ann")), None)
    wider = type(
        "Visits",
        (Visits,),
        {"__doc__": "Wider.", "name": "visits", "city": text("Where", nullable=True)},
    )
    again = opened_at(snowflake_url)
    again.replace(wider, visits(visit(ONE, "ann")).mutate(city=ibis.literal("Riga")), None)
    assert again.query("SELECT visitor_id, city FROM mart.visits_variant") == [
        {"visitor_id": "ann", "city": "Riga"}
    ]
    again.close()


@pytest.mark.parametrize(
    ("statement", "errno", "message", "advice"),
    [
        (
            "^DELETE",
            606,
            "No active warehouse selected in the current session.",
            r"resume the warehouse.*\?warehouse=",
        ),
        (
            "^INSERT",
            90073,
            "Warehouse 'SMALL' cannot be resumed.",
            r"resume the warehouse.*\?warehouse=",
        ),
        (
            "^INSERT",
            3001,
            "Insufficient privileges to operate on table 'VISITS'.",
            "grant the right to the role",
        ),
        ("^UPDATE", 625, "Statement has locked table 'MART_VISITS'.", "wait for it to end"),
        ("^COMMIT", 1234, "Something else.", "fix the error above"),
    ],
)
def test_a_refusal_is_one_sentence_and_the_old_slice_stays(  # noqa: PLR0913, PLR0917 (the cases)
    engine: SnowflakeEngine,
    snowflake_server_port: int,
    statement: str,
    errno: int,
    message: str,
    advice: str,
) -> None:
    engine.replace(Visits, visits(visit(ONE, "ann")), Days((ONE,)))
    plan_fault(snowflake_server_port, statement, errno=errno, sqlstate="57014", message=message)
    with pytest.raises(
        WarehouseError, match=rf"{message.rstrip('.')}; nothing was changed; .*{advice}"
    ) as refusal:
        engine.replace(
            Visits, engine.table(Visits).mutate(visitor_id=ibis.literal("bob")), Days((ONE,))
        )
    assert not isinstance(refusal.value, ConnectionLostError)
    assert "hunter2" not in str(refusal.value)
    assert stored(engine) == [(ONE, "ann")]


def test_a_wrong_password_is_refused_in_a_sentence_without_it(
    snowflake_url: str, snowflake_server_port: int
) -> None:
    plan_fault(
        snowflake_server_port,
        "LOGIN",
        errno=390100,
        message="Incorrect username or password was specified.",
    )
    with pytest.raises(
        WarehouseError, match=r"cannot be opened: .*Incorrect username.*ECOM_SNOWFLAKE_"
    ) as refusal:
        opened_at(snowflake_url)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.slow
def test_an_account_that_does_not_answer_is_refused_in_a_sentence() -> None:
    with pytest.raises(WarehouseError, match=r"snowflake://shop@standin/SHOP cannot be opened"):
        opened_at(f"snowflake://shop:hunter2@standin/SHOP?{options(1)}")


@pytest.mark.parametrize("statement", ["^DELETE", "^INSERT", "^COMMIT"])
def test_a_connection_that_breaks_off_is_mended_and_the_slice_written_once(
    engine: SnowflakeEngine,
    snowflake_server_port: int,
    monkeypatch: pytest.MonkeyPatch,
    statement: str,
) -> None:
    monkeypatch.setattr("ecom_assets.core.retrying.CONNECTION_PAUSES_S", (0.0, 0.0))
    engine.replace(Visits, visits(visit(ONE, "ann")), Days((ONE,)))
    handed_out = engine.table(Visits)
    plan_fault(snowflake_server_port, statement, gone=True)
    engine.replace(Visits, handed_out.mutate(visit_date=ibis.literal(TWO)), Days((TWO,)))
    assert stored(engine) == [(ONE, "ann"), (TWO, "ann")]
    assert handed_out.count().to_pyarrow().as_py() == 2


def test_a_connection_that_stays_lost_is_said(
    engine: SnowflakeEngine, snowflake_server_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecom_assets.core.retrying.CONNECTION_PAUSES_S", (0.0,))
    engine.replace(Visits, visits(visit(ONE, "ann")), Days((ONE,)))
    plan_fault(snowflake_server_port, "^DELETE", gone=True, times=2)
    with pytest.raises(
        ConnectionLostError, match=r"the connection was lost .*nothing was changed, run again"
    ):
        engine.replace(Visits, visits(visit(ONE, "bob")), Days((ONE,)))
    engine.reconnect()
    assert stored(engine) == [(ONE, "ann")]


def test_writers_of_different_tables_do_not_wait(
    engine: SnowflakeEngine, snowflake_url: str
) -> None:
    others = type("Others", (Visits,), {"__doc__": "Other visits."})
    engine.ensure(Visits)
    engine.ensure(others)
    second = opened_at(snowflake_url)
    done = threading.Event()

    def write_elsewhere(step: str) -> None:
        if step == "slice_begun":
            second.replace(others, visits(visit(ONE, "bob")), Days((ONE,)))
            done.set()

    engine.on_step = write_elsewhere
    engine.replace(Visits, visits(visit(ONE, "ann")), Days((ONE,)))
    assert done.is_set()
    second.close()


@each(
    "url, why",
    [
        ("snowflake://shop:pw@/SHOP", "lacks an account"),
        ("snowflake://acme/SHOP", "lacks a user"),
        ("snowflake://shop:pw@acme", "lacks a database"),
        ("snowflake://shop@acme/SHOP", "does not say how to log in; set ECOM_SNOWFLAKE_PASSWORD"),
        (
            "snowflake://shop:pw@acme/SHOP?warehose=x",
            "the option 'warehose': did you mean 'warehouse'",
        ),
    ],
)
def test_an_incomplete_address_is_refused_before_anything_runs(url: str, why: str) -> None:
    with pytest.raises(SettingError, match=f"ECOM_WAREHOUSE.*{why}"):
        new_engine(Settings(warehouse=url))


@each(
    "query, settings, expected",
    [
        ("", {"snowflake_password": "pw"}, {"password": "pw"}),
        ("", {"snowflake_token": "tok"}, {"authenticator": "oauth", "token": "tok"}),
        (
            "?private_key_path=/key.p8",
            {"snowflake_private_key_password": "pw"},
            {"private_key_path": "/key.p8", "private_key_password": "pw"},
        ),
        ("?authenticator=externalbrowser", {}, {"authenticator": "externalbrowser"}),
    ],
)
def test_there_are_four_ways_to_log_in(
    query: str, settings: dict[str, Any], expected: dict[str, str]
) -> None:
    address = SnowflakeAddress.parse(
        f"snowflake://shop@acme/SHOP{query}", Settings(**settings), "ECOM_WAREHOUSE"
    )
    arguments = address.arguments()
    answer = {**arguments, **arguments["additional_snowflake_connection_args"]}
    names = ("password", "authenticator", "token", "private_key_path", "private_key_password")
    assert {name: answer[name] for name in names if answer.get(name)} == expected
    assert "pw" not in repr(address)
    assert "tok" not in repr(address)


@pytest.mark.slow
def test_a_key_that_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path) -> None:
    missing, broken = tmp_path / "missing.p8", tmp_path / "broken.p8"
    broken.write_text("no key")
    for key in (missing, broken):
        engine = new_engine(
            Settings(warehouse=f"snowflake://shop@acme/SHOP?private_key_path={key}")
        )
        with pytest.raises(WarehouseError, match="snowflake://shop@acme/SHOP cannot be opened"):
            engine.open()
