"""What Postgres does by itself: keys and indexes, locks, lost connections,
refusals in a sentence without a secret.
"""

from collections.abc import Iterator
from datetime import date, datetime
from itertools import pairwise

import ibis
import psycopg
import pytest
from pydantic import ValidationError

from ecom_assets.behaviour.events.contracts import CleanEvents, RawEvents
from ecom_assets.commerce.attribution.touches import ChannelRule, first_touches
from ecom_assets.core.errors import ConnectionLostError, ContractError, WarehouseError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.columns import text_of
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import union_all
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.site_lists import source_lists
from ecom_assets_tests.builders import as_table
from ecom_assets_tests.core.tables.json_numbers import SMALLEST, TEXTS
from ecom_assets_tests.core.warehouse.engines.visits_table import (
    ONE,
    TWO,
    Visits,
    from_outside,
    from_within,
    stored,
)

DAY = Days((ONE,))
NUMBERS = {**TEXTS, **SMALLEST}


@pytest.fixture
def engine(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresEngine]:
    monkeypatch.setattr("ecom_assets.core.retrying.CONNECTION_PAUSES_S", (0.0, 0.0))
    opened = PostgresEngine(Settings(warehouse=postgres_url)).open()
    yield opened
    opened.close()


def end_connection(postgres_url: str, of: PostgresEngine) -> None:
    """End the server's side of an engine's connection, as an administrator or a restart does."""
    with psycopg.connect(postgres_url, autocommit=True) as con:
        con.execute(
            "SELECT pg_terminate_backend(%s, 10000)", [of.con.con.info.backend_pid]
        )  # waits until it has ended


def test_keys_and_days_have_indexes(engine: PostgresEngine) -> None:
    for contract in (CleanEvents, RawEvents):
        engine.ensure(contract)
    actual = engine.query(
        "SELECT tablename, schemaname, indexdef FROM pg_indexes WHERE schemaname IN ('raw', "
        "'staging')"
    )
    columns = {f"{row['schemaname']}: {row['indexdef'].partition('(')[2]}" for row in actual}
    assert columns == {"staging: event_date, event_id)", "raw: received_date)"}


def test_a_second_row_of_one_key_is_refused_and_the_old_rows_stay(engine: PostgresEngine) -> None:
    engine.replace(Visits, from_outside((ONE, "ann")), DAY)
    with pytest.raises(
        ContractError, match=r"duplicate key value .*visits_pkey.*old rows were kept"
    ):
        engine.replace(Visits, from_outside((ONE, "bob"), (ONE, "bob")), DAY)
    assert stored(engine) == [(ONE, "ann")]


def test_a_number_in_a_document_is_the_same_text_as_on_duckdb(engine: PostgresEngine) -> None:
    midnight = datetime(2026, 3, 1)  # noqa: DTZ001 (as stored)
    same = {
        "event_at": midnight,
        "event_date": ONE,
        "received_date": ONE,
        "visitor_id": "ann",
        "session_device_id": "",
    }
    same |= {"event_type": "search", "is_bot": False, "source_file": ""}
    events = [
        dict.fromkeys(CleanEvents.columns)
        | same
        | {"event_id": f"e{n:02}", "properties": f'{{"n": {number}}}'}
        for n, number in enumerate(NUMBERS)
    ]
    engine.replace(
        CleanEvents, connect().create_table("events", as_table(events, CleanEvents)), None
    )
    rows = engine.table(CleanEvents)
    texts = (
        rows.order_by("event_id")
        .select(text=text_of(rows, "properties.n"))
        .to_pyarrow()["text"]
        .to_pylist()
    )
    assert dict(zip(NUMBERS, texts, strict=True)) == NUMBERS


@pytest.mark.parametrize("where", ["outside", "within"])
def test_a_connection_lost_midway_still_writes_the_slice(
    engine: PostgresEngine, postgres_url: str, where: str
) -> None:
    engine.replace(Visits, from_outside((TWO, "kim")), None)
    rows = from_outside((ONE, "ann")) if where == "outside" else from_within(engine, (ONE, "ann"))
    handed_out = engine.table(Visits)
    lost: list[str] = []

    def lose_once(step: str) -> None:
        if step == "slice_written" and not lost:
            lost.append(step)
            end_connection(postgres_url, engine)

    engine.on_step = lose_once
    engine.replace(Visits, rows, DAY)
    assert lost
    assert stored(engine) == [(ONE, "ann"), (TWO, "kim")]
    assert handed_out.count().to_pyarrow().as_py() == 2, (
        "tables that were handed out before the loss go on working"
    )


def test_a_connection_that_stays_lost_ends_in_a_sentence(
    engine: PostgresEngine, postgres_url: str
) -> None:
    engine.replace(Visits, from_outside((ONE, "ann")), DAY)
    engine.on_step = lambda step: (
        end_connection(postgres_url, engine) if step == "slice_begun" else None
    )
    with pytest.raises(
        ConnectionLostError,
        match=r"the connection was lost \(.*\); nothing was changed, run again when",
    ):
        engine.replace(Visits, from_outside((ONE, "bob")), DAY)
    engine.on_step = lambda _step: None
    engine.reconnect()
    assert stored(engine) == [(ONE, "ann")]


def test_a_table_without_rights_is_named_and_left_alone(
    engine: PostgresEngine, postgres_url: str
) -> None:
    engine.replace(Visits, from_outside((ONE, "ann")), DAY)
    engine.execute("CREATE ROLE reader_of_visits LOGIN")
    engine.execute("GRANT USAGE ON SCHEMA mart TO reader_of_visits")
    engine.execute("GRANT SELECT ON mart.visits TO reader_of_visits")
    reader = PostgresEngine(
        Settings(warehouse=postgres_url.replace("postgres:@", "reader_of_visits@"))
    ).open()
    try:
        with pytest.raises(
            WarehouseError, match=r"permission denied for table visits; nothing was changed; grant"
        ):
            reader.replace(Visits, from_outside((ONE, "bob")), DAY)
        assert stored(reader) == [(ONE, "ann")]
    finally:
        reader.close()
        engine.execute("DROP OWNED BY reader_of_visits")
        engine.execute("DROP ROLE reader_of_visits")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (
            "postgres://anna:s3cret@127.0.0.1:9/shop",
            r"postgres://anna@127\.0\.0\.1:9/shop cannot be opened: .*refused",
        ),
        (
            "{url}&user=nobody_here&password=s3cret",
            r'cannot be opened: .*role "nobody_here" does not exist',
        ),
        ("{other}", r'cannot be opened: .*database "no_such_shop" does not exist'),
    ],
    ids=["no server", "no user", "no database"],
)
def test_what_cannot_be_opened_is_reported_without_the_password(
    postgres_url: str, address: str, why: str
) -> None:
    other = postgres_url.replace("/test_", "/no_such_shop?was=").partition("?was=")[0]
    other += "?" + postgres_url.partition("?")[2]
    with pytest.raises(WarehouseError, match=why) as refused:
        PostgresEngine(Settings(warehouse=address.format(url=postgres_url, other=other))).open()
    assert "s3cret" not in str(refused.value)
    assert str(refused.value).endswith("correct ECOM_WAREHOUSE, or start the server.")


@pytest.mark.parametrize(
    "address", ["postgres://anna:s3cret@127.0.0.1:one/shop", "postgres://anna:s3cret@[::1/shop"]
)
def test_an_address_without_a_port_or_host_is_refused_without_the_password(address: str) -> None:
    with pytest.raises(
        ValidationError, match="login cannot be distinguished from its host"
    ) as refused:
        Settings(warehouse=address)
    assert "s3cret" not in str(refused.value)


def test_the_one_character_that_postgres_cannot_hold_is_replaced(engine: PostgresEngine) -> None:
    engine.replace(Visits, from_outside((ONE, "an\x00n")), DAY)
    assert stored(engine) == [(date(2026, 3, 1), "an\ufffdn")]


def test_patterns_look_at_distinct_texts_and_nothing_is_joined_row_by_row(
    engine: PostgresEngine,
) -> None:
    """A pattern of 180,000 user agents took minutes, of which ten differed; so did joins of
    thousands of rows where one was expected.
    """
    engine.ensure(CleanEvents)
    statement = engine.con.compile(
        first_touches(engine.table(CleanEvents), ChannelRule(source_lists()))
    )
    plan = [row["QUERY PLAN"] for row in engine.query(f"EXPLAIN VERBOSE {statement}")]
    of_events = [
        read
        for line, read in pairwise(plan)
        if "Scan on staging.events" in line or "CTE Scan on t1 " in line
    ]
    assert of_events
    assert not any("regexp_match(" in read for read in of_events)
    assert any("regexp_match(" in line for line in plan)
    assert any("Unique" in line for line in plan)
    assert not any("Nested Loop" in line for line in plan)


def test_texts_are_joined_in_the_order_of_their_bytes(engine: PostgresEngine) -> None:
    """Whatever the order of the database: in most of them, `apple` comes before `Banana`."""
    names = ["zebra", "apple", "Banana", "Äpfel", "\N{GRINNING FACE}", "10", "9"]
    rows = union_all(*(ibis.literal(name).name("name").as_table() for name in names))
    joined = rows.agg(text=rows.name.group_concat(", ", order_by=rows.name))
    assert engine.con.to_pyarrow(joined).to_pylist() == [{"text": ", ".join(sorted(names))}]
    assert 'COLLATE "C"' in engine.compile(joined), "or the database's own order would count"
