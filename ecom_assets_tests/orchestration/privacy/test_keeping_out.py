"""Erased people stay out: their rows are left out of whatever comes,
by keyed hashes that nobody can read ids from.
"""

import json
import os
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import quote

import ibis.expr.types as ir
import psycopg
import pyarrow as pa
import pytest
from pydantic import SecretStr

from ecom_assets.behaviour.events.contracts import RawEvents
from ecom_assets.behaviour.sessions.contracts import SessionDays
from ecom_assets.commerce.customers.contracts import CustomerSegments, RawCustomers
from ecom_assets.commerce.orders.contracts import RawUserOrderLog
from ecom_assets.core.errors import DeliveryError, SettingError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import DEVICE, SESSION, USER, Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources import erased_people
from ecom_assets.ingestion.sources.erased_people import (
    ErasedPeople,
    open_key,
)
from ecom_assets.orchestration.privacy.checks import absence_checks
from ecom_assets.orchestration.registry import ALL
from ecom_assets_tests.command import HEADER, ecom
from ecom_assets_tests.outputs.serving.conftest import real_time

DAY = date(2026, 1, 1)
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def settings(home: Path) -> Settings:
    """Settings of a home from which the user 7 was erased, with session s1 and device d1."""
    settings = Settings(home=home)
    assert erased_people.add(settings, {USER: ["7"], SESSION: ["s1"], DEVICE: ["d1"]}) == 3
    return settings


def rows(contract: type[Table], *values: dict[str, object]) -> ir.Table:
    kinds = schema_of(contract).to_pyarrow()
    kinds = pa.schema([pa.field(kind.name, kind.type) for kind in kinds])
    con = connect()
    same = (
        {"received_date": DAY, "source_file": "a.csv"}
        if "source_file" in contract.columns
        else {"received_date": DAY}
    )
    same = {name: value for name, value in same.items() if name in contract.columns}
    table = pa.Table.from_pylist(
        [{**dict.fromkeys(contract.columns), **same, **row} for row in values], schema=kinds
    )
    con.con.register("given", table)
    return con.table("given")


def kept(
    settings: Settings, contract: type[Table], table: ir.Table, column: str
) -> tuple[list[object], object]:
    left, counts = ErasedPeople(settings).left_out(contract, table)
    return left.order_by(column)[column].to_pyarrow().to_pylist(), counts


def test_events_of_erased_users_sessions_and_devices_are_left_out_and_counted(
    settings: Settings,
) -> None:
    table = rows(
        RawEvents,
        {"event_id": "1", "user_id": "7"},
        {"event_id": "2", "session_id": "s1"},
        {"event_id": "3", "anonymous_id": "d1"},
        {"event_id": "4", "malformed_row": 'e9,"7",page_view'},
        {
            "event_id": "5",
            "user_id": "8",
            "session_id": "s1",
            "anonymous_id": "d1",
        },  # somebody else, later
        {"event_id": "6", "user_id": "77"},
        {"event_id": "7", "malformed_row": "e9,77,page_view"},
    )
    assert kept(settings, RawEvents, table, "event_id") == (["5", "6", "7"], {("a.csv", DAY): 4})


def test_order_lines_and_customers_are_left_out_too(settings: Settings) -> None:
    orders = rows(
        RawUserOrderLog, {"uniq_id": "1", "customer_id": "7"}, {"uniq_id": "2", "customer_id": "8"}
    )
    assert kept(settings, RawUserOrderLog, orders, "uniq_id") == (["2"], {("a.csv", DAY): 1})
    customers = rows(
        RawCustomers,
        {"record_number": 1, "customer_id": "7", "payload": '{"id": 7}'},
        {"record_number": 2, "payload": '{"id": 7, "email": []}'},
        {"record_number": 3, "customer_id": "8", "payload": '{"id": 8, "age": 7}'},
    )
    assert kept(settings, RawCustomers, customers, "record_number") == ([3], {("a.csv", DAY): 2})


def test_no_statement_has_an_id_or_the_key(settings: Settings) -> None:
    table = rows(
        RawEvents, {"event_id": "1", "user_id": "7"}, {"event_id": "2", "user_id": "eight"}
    )
    erased_people.add(settings, {USER: ["eight"]})
    left, _ = ErasedPeople(settings).left_out(RawEvents, table)
    sql = str(left.get_backend().compile(left))
    assert "eight" not in sql
    key = open_key(settings, create=False)
    assert key is not None
    assert key.key.hex() not in sql


def test_nothing_is_looked_at_while_nobody_was_erased(home: Path) -> None:
    table = rows(RawEvents, {"event_id": "1", "user_id": "7"})
    left, counts = ErasedPeople(Settings(home=home)).left_out(RawEvents, table)
    assert left is table
    assert counts == {}
    assert not home.exists()


def test_neither_key_nor_list_reveals_an_id_and_only_the_owner_reads_the_key(
    settings: Settings,
) -> None:
    key = settings.home / "erasure.key"
    assert key.stat().st_mode & 0o777 == 0o600
    erased_people.add(settings, {USER: ["anna.smith"]})
    assert all(b"anna.smith" not in path.read_bytes() for path in settings.home.iterdir())
    assert erased_people.add(settings, {USER: ["anna.smith"]}) == 0, "adding twice is adding once"


def test_without_the_key_no_row_comes_in(settings: Settings) -> None:
    table = rows(RawEvents, {"event_id": "1", "user_id": "8"})
    (settings.home / "erasure.key").unlink()
    with pytest.raises(
        SettingError, match=r"could be loaded again; put the file erasure\.key back"
    ):
        ErasedPeople(settings).left_out(RawEvents, table)
    other = settings.model_copy(update={"erasure_key": Settings(erasure_key="x" * 32).erasure_key})
    with pytest.raises(SettingError, match="or set ECOM_ERASURE_KEY to the earlier value"):
        ErasedPeople(other).left_out(RawEvents, table)


@pytest.mark.slow
def test_real_time_does_not_count_them(settings: Settings, tmp_path: Path) -> None:
    rows = [
        f"e{n},{user},page_view,{NOW.isoformat()},,,s{n},https://shop.example/,,"
        for n, user in enumerate("778")
    ]
    path = tmp_path / "landing" / "events.csv"
    path.parent.mkdir()
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    answer = settings.model_copy(update={"events": str(path.parent)})
    actual = real_time(answer, NOW, erased_people=ErasedPeople(settings))
    assert [(window["event_count"], window["visitor_count"]) for window in actual["windows"]] == [
        (1, 1)
    ] * 2
    assert real_time(answer, NOW)["windows"][0]["visitor_count"] == 2, (
        "without the list, there are two"
    )


def test_a_reader_of_the_list_in_postgres_writes_nothing_and_must_have_rights(
    home: Path, postgres_url: str
) -> None:
    settings = Settings(home=home, ledger_url=SecretStr(postgres_url))
    table = rows(RawEvents, {"user_id": "7"}, {"user_id": "8"})

    def seen(answer: Settings) -> list[object]:
        left, _ = ErasedPeople(answer, is_reader=True).left_out(RawEvents, table)
        result: list[object] = left.order_by("user_id").user_id.to_pyarrow().to_pylist()
        return result

    with psycopg.connect(postgres_url, autocommit=True) as con:
        schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'delivery_ledger'"
        assert seen(settings) == ["7", "8"], "nobody was erased"
        assert con.execute(schemas).fetchone() == (0,)
        erased_people.add(settings, {USER: ["7"]})
        assert seen(settings) == ["8"]
        con.execute("CREATE ROLE api_reader LOGIN")
        reader = psycopg.conninfo.conninfo_to_dict(postgres_url) | {"user": "api_reader"}
        host = quote(str(reader["host"]), safe="")
        as_reader = settings.model_copy(
            update={
                "ledger_url": SecretStr(f"postgresql://api_reader@/{reader['dbname']}?host={host}")
            }
        )
        with pytest.raises(DeliveryError, match=r"GRANT SELECT ON delivery_ledger[.]erased_ids"):
            seen(as_reader)
        con.execute("GRANT USAGE ON SCHEMA delivery_ledger TO api_reader")
        con.execute("GRANT SELECT ON delivery_ledger.erased_ids TO api_reader")
        assert seen(as_reader) == ["8"]


# Questions to files, and the check of every table


@pytest.mark.slow
def test_a_question_to_an_old_file_leaves_erased_people_out(
    settings: Settings, tmp_path: Path
) -> None:
    lines = [
        f"e{n},{user},page_view,2026-01-01T10:00:00Z,,,s{n},https://shop.example/,,"
        for n, user in enumerate("789")
    ]
    old = tmp_path / "old.csv"
    old.write_text(
        "\n".join(
            [HEADER, *lines, "e9,,page_view,2026-01-01T10:00:00Z,,,s1,https://shop.example/,,"]
        )
        + "\n"
    )
    for answer in (
        ("funnel", "--steps", "page_view,purchase"),
        ("funnel", "--steps", "page_view,purchase", "--per", "session"),
    ):
        result = ecom(*answer, "--events", old, "--json", home=settings.home)
        assert json.loads(result.out)["steps"][0]["count"] == 2, (answer, result.err)
    assert ecom("sessions", "--events", old, "--json", home=settings.home).out.count("anon-s1") == 0


def checked(
    settings: Settings, contract: type[Table], table: ir.Table, days: Days | None = None
) -> tuple[int, int]:
    """Return how many rows or ids of erased people a table has by its check,
    and how many rows were looked at.
    """
    (check,) = absence_checks(settings, [contract])
    result = check.evaluate(days, table)
    return result.broken_count, result.looked_at_count


@pytest.mark.parametrize(
    ("contract", "good", "bad"),
    [
        (
            RawEvents,
            {"event_id": "1", "user_id": "8", "session_id": "s1"},
            {"event_id": "2", "session_id": "s1"},
        ),
        (
            RawUserOrderLog,
            {"uniq_id": "1", "customer_id": "77"},
            {"uniq_id": "2", "customer_id": "7"},
        ),
        (SessionDays, {"visitor_id": "anon-s2"}, {"visitor_id": "anon-s1"}),
        (SessionDays, {"visitor_id": "70"}, {"visitor_id": "7"}),
        (CustomerSegments, {"customer_id": "8"}, {"customer_id": "7"}),
    ],
)
def test_the_check_of_a_table_finds_people_who_were_erased_and_nobody_else(
    settings: Settings, contract: type[Table], good: dict[str, object], bad: dict[str, object]
) -> None:
    assert checked(settings, contract, rows(contract, good)) == (0, 1)
    assert checked(settings, contract, rows(contract, good, bad)) == (1, 2)


def test_the_check_looks_at_the_run_s_days_and_passes_before_any_erasure(
    settings: Settings, tmp_path: Path
) -> None:
    bad = rows(RawEvents, {"event_id": "1", "user_id": "7"})
    assert checked(settings, RawEvents, bad, Days.from_dates([DAY])) == (1, 1)
    assert checked(settings, RawEvents, bad, Days.from_dates([date(2026, 1, 2)])) == (0, 0)
    assert checked(Settings(home=tmp_path / "new"), RawEvents, bad) == (0, 1)


def test_every_table_that_names_people_has_the_check(settings: Settings) -> None:
    named = {check.contract.qualified_name() for check in absence_checks(settings, ALL)}
    assert {
        "raw.customers",
        "staging.events",
        "mart.sessions",
        "mart.sales",
        "mart.lifetime_value",
    } <= named
    personal = {"user_id", "customer_id", "visitor_id"}
    assert named == {
        table.qualified_name()
        for table in ALL
        if table.written_by == "asset" and personal & set(table.columns)
    }
