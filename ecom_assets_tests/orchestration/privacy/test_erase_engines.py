"""A person leaves the tables of every engine, and the published marts;
what deleted rows leave behind is removed.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, time
from pathlib import Path

import ibis.expr.types as ir
import pyarrow as pa
import pytest

from ecom_assets.behaviour.events.clean import CleaningRule
from ecom_assets.behaviour.events.contracts import DuplicateEvents, RawEvents
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.state.ledger_store import PostgresStore, create_tables
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.warehouse.day_notes import Withdrawals, notes_of
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.erased_people import KeyedHashes
from ecom_assets.orchestration.privacy.deliveries import LedgerPerson, hash_records
from ecom_assets.orchestration.privacy.person import Person
from ecom_assets.orchestration.privacy.warehouse_rows import (
    delete_left_rows,
    delete_raw_rows,
    mentions,
    raw_rows,
    record_ids,
    tables_with,
)
from ecom_assets_tests.command import HEADER, ecom
from ecom_assets_tests.core.warehouse.engines.warehouses import FEW_ROWS_ON_SPARK

ONE, TWO = date(2026, 1, 1), date(2026, 1, 2)
DAYS = Days((ONE, TWO))
ODD = "o'neil\\4711"
"""An id that SQL must quote."""
ENGINES = [
    "duckdb",
    pytest.param("postgres", marks=pytest.mark.xdist_group("postgres")),
    pytest.param("snowflake", marks=pytest.mark.slow),
    pytest.param("spark", marks=pytest.mark.slow),
]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty warehouse."""
    urls = {"postgres": "postgres_url", "snowflake": "snowflake_url", "spark": "spark_warehouse"}
    name = urls.get(request.param)
    url = str(request.getfixturevalue(name)) if name else f"duckdb://{tmp_path / 'w.duckdb'}"
    settings = Settings(warehouse=url, home=tmp_path, spark_conf=FEW_ROWS_ON_SPARK)
    with closing(new_engine(settings).open()) as opened:
        yield opened


def events(*entries: tuple[int, date, str | None, str]) -> ir.Table:
    kinds = schema_of(RawEvents).to_pyarrow()
    kinds = pa.schema([pa.field(kind.name, kind.type) for kind in kinds])
    rows = [
        {
            **dict.fromkeys(RawEvents.columns),
            "event_id": f"e{number}",
            "received_date": day,
            "event_date": day,
            "event_at": datetime.combine(day, time(9)),
            "user_id": user,
            "session_id": session,
            "source": "x",
            "source_file": "a.csv",
            "page_url": f"/u/{ODD}/x" if user == "bob" else f"/u/{ODD}x",
        }
        for number, day, user, session in entries
    ]
    con = connect()
    con.con.register("given", pa.Table.from_pylist(rows, schema=kinds))
    return con.table("given")


def test_a_person_s_rows_leave_and_all_others_stay(engine: Engine) -> None:
    entries = [
        (1, ONE, ODD, "s1"),
        (2, ONE, None, "s1"),
        (3, ONE, "bob", "s2"),
        (4, ONE, None, "s3"),
        (5, TWO, ODD, "s4"),
    ]
    engine.replace(RawEvents, events(*entries), DAYS)
    person = Person(users=(ODD,)).completed(engine)
    assert person.sessions == ("s1", "s4")
    actual = raw_rows(engine, RawEvents, person)
    assert (actual.row_count, actual.days) == (3, DAYS)
    assert tables_with(engine, person) == {"raw.events": 3}
    assert delete_raw_rows(engine, RawEvents, person, "test", CleaningRule()) == 3
    assert tables_with(engine, person) == {}
    assert mentions(engine, person) == {"raw.events.page_url": 1}, (
        "Bob's page; the other one names somebody else"
    )
    assert sorted(row["event_id"] for row in engine.some_rows(RawEvents, None, 10)) == ["e3", "e4"]
    assert [row["received_date"] for row in notes_of(engine, Withdrawals, "raw.events")] == [TWO], (
        "a day that is empty now"
    )
    engine.purge([RawEvents])
    assert engine.row_count(RawEvents) == 2
    assert delete_raw_rows(engine, RawEvents, person, "test", CleaningRule()) == 0


def test_rows_of_others_in_a_session_that_was_named_stay(engine: Engine) -> None:
    engine.replace(RawEvents, events((1, ONE, None, "s1"), (2, ONE, "bob", "s1")), DAYS)
    engine.ensure(DuplicateEvents)  # that is joined with the raw rows
    person = Person(sessions=("s1",)).completed(engine)
    assert person.known_as == ("bob",)
    # Also of the record by which Mixpanel's Original ID Merge knows who signed in.
    assert set(record_ids(engine, person, CleaningRule())) == {f"e1@{ONE}", f"identify:e1@{ONE}"}
    assert delete_left_rows(engine, person, record_ids(engine, person, CleaningRule())) == {
        "raw.events": 1
    }
    assert [row["event_id"] for row in engine.some_rows(RawEvents, None, 10)] == ["e2"]


@pytest.mark.slow
@pytest.mark.xdist_group("postgres")
def test_a_shop_in_postgres_forgets_her_everywhere(
    tmp_path: Path, postgres_url: str, postgres_warehouse: str
) -> None:
    rows = [
        f"e{n}-{k},{who},{step},2026-01-0{k}T10:0{n}:00Z,p1,hats,s-{who}-{k},https://shop.example/,,20.00"
        for who, first in (("ann-4711", 0), ("bob-4712", 3))
        for k in (1, 2)
        for n, step in enumerate(("product_view", "add_to_cart", "purchase"), start=first)
    ]
    (tmp_path / "events.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    env = {"ECOM_WAREHOUSE": postgres_warehouse, "ECOM_POSTGRES_URL": postgres_url}
    ran = ecom("run", "--events", tmp_path / "events.csv", home=tmp_path / "home", env=env)
    assert ran.exit_code == 0, ran.err
    assert (
        visitors(postgres_warehouse, "mart.sessions")
        == visitors(postgres_url, "mart.sessions")
        == {
            "ann-4711",
            "bob-4712",
        }
    )
    result = ecom(
        "erase", "--visitor", "ann-4711", "--yes", "--json", home=tmp_path / "home", env=env
    )
    assert result.exit_code == 0, result.err
    assert (
        visitors(postgres_warehouse, "mart.sessions")
        == visitors(postgres_url, "mart.sessions")
        == {"bob-4712"}
    )
    named = [sentence for sentence in result.json["to_confirm"] if "archived WAL" in sentence]
    assert len(named) == 2, (
        "the warehouse, with the ledger in it, and the Postgres of published marts"
    )


def visitors(url: str, table: str) -> set[str]:
    with closing(new_engine(Settings(warehouse=url)).open()) as engine:
        return {
            row["visitor_id"] for row in engine.query(f"SELECT DISTINCT visitor_id FROM {table}")
        }


@pytest.mark.xdist_group("postgres")
def test_nothing_of_her_is_in_the_data_files_of_the_ledger_s_postgres(postgres_url: str) -> None:
    """Neither in dead rows, nor in the statistics of most common values, old ones included."""
    with closing(PostgresStore(postgres_url)) as store:
        create_tables(store)
        store.count(
            "INSERT INTO destinations (name, account, token, is_free) VALUES ('heap_users', 'a', "
            "1, 1)"
        )
        batch = (
            "INSERT INTO batches (destination_id, day, token, record_count, byte_count, "
            "record_ids, payload_hashes, intended_at, attempts) VALUES (1, '2026-01-01', 1, 1, 1, "
            "?, ?, '', 1)"
        )
        store.many(batch, [('["ann-4711"]', bytes(8))] * 50)
        store.count("ANALYZE batches")
        assert bytes_with(store, b"ann-4711"), "the same search finds her before"
        person = LedgerPerson({}, frozenset({"ann-4711"}))
        assert hash_records(store, person, KeyedHashes(b"key")) == 50
        assert "VACUUM FULL pg_catalog.pg_statistic" in store.purge()
        assert not bytes_with(store, b"ann-4711")


def bytes_with(store: PostgresStore, word: bytes) -> list[str]:
    """Return the database's files that contain a word; the write-ahead log is named in receipts."""
    store.count("CHECKPOINT")
    ((folder, database),) = store.rows(
        "SELECT current_setting('data_directory'), oid FROM pg_database WHERE datname = "
        "current_database()"
    )
    files = [path for path in (Path(folder) / "base" / str(database)).iterdir() if path.is_file()]
    return [str(path) for path in files if word in path.read_bytes()]
