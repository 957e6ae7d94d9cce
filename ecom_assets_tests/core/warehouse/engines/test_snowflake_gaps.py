"""What the stand-in for Snowflake cannot show is looked at in the SQL, or the arguments,
that would be sent.
"""

from collections.abc import Callable
from typing import Any

import ibis
import pytest

from ecom_assets.behaviour.events.contracts import RawEvents
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.columns import text_of
from ecom_assets.core.warehouse.engines.snowflake.engine import PlainBackend, SnowflakeEngine
from ecom_assets_tests.core.warehouse.engines.snowflake_gaps import GAPS
from ecom_assets_tests.core.warehouse.engines.visits_table import ONE, Visits, from_outside

TESTS: dict[str, Callable[..., None]] = {}


def gap(test: Callable[..., None]) -> Callable[..., None]:
    """Note which gap a test is about, by its name."""
    TESTS[test.__name__.removeprefix("test_")] = test
    return test


@pytest.fixture
def engine() -> SnowflakeEngine:
    """An engine that is never opened, with a compiler."""
    engine = SnowflakeEngine(Settings(warehouse="snowflake://shop:pw@acme/SHOP?role=LOADER"))
    engine.con = PlainBackend()
    return engine


@pytest.fixture
def sent(engine: SnowflakeEngine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Statements that the engine would send."""
    statements: list[str] = []
    monkeypatch.setattr(engine, "execute", statements.append)
    return statements


def test_every_gap_is_covered_and_nothing_else() -> None:
    assert set(TESTS) == set(GAPS)


@pytest.mark.slow
@gap
def test_alter_session(engine: SnowflakeEngine) -> None:
    parameters: dict[str, Any] = engine.location.arguments()[
        "additional_snowflake_connection_args"
    ]["session_parameters"]
    assert parameters["TIMEZONE"] == "UTC"
    assert parameters["TIMESTAMP_TYPE_MAPPING"] == "TIMESTAMP_NTZ"
    assert parameters["LOCK_TIMEOUT"] == 600


@pytest.mark.slow
@gap
def test_logins(engine: SnowflakeEngine) -> None:
    arguments = engine.location.arguments()
    answer = {name: arguments[name] for name in ("account", "user", "password", "database", "role")}
    assert answer == {
        "account": "acme",
        "user": "shop",
        "password": "pw",
        "database": "SHOP",
        "role": "LOADER",
    }


@pytest.mark.slow
@gap
def test_clustering(engine: SnowflakeEngine) -> None:
    [statement] = engine.create_statements(RawEvents)
    assert statement.endswith('CLUSTER BY ("RECEIVED_DATE")')


@pytest.mark.slow
@gap
def test_quotients(engine: SnowflakeEngine) -> None:
    counts = ibis.table({"part": "int64", "whole": "int64"}, name="counts")
    assert 'CAST("t0"."part" AS DOUBLE) / "t0"."whole"' in engine.compile(
        counts.select(share=counts.part / counts.whole)
    )


@pytest.mark.slow
@gap
def test_swapped_tables(engine: SnowflakeEngine, sent: list[str]) -> None:
    fresh = type("Fresh", (Visits,), {"__doc__": "Another.", "name": "visits_fresh"})
    engine.put_in_place(fresh, Visits)
    assert sent[0].startswith("ALTER TABLE ")
    assert sent[0].endswith('"VISITS" SWAP WITH "MART"."VISITS_FRESH"')
    assert sent[1] == 'DROP TABLE IF EXISTS "MART"."VISITS_FRESH"'


@gap
def test_waiting_writers(engine: SnowflakeEngine, sent: list[str]) -> None:
    with engine.transaction():
        engine.begin_slice(Visits)
    assert sent == [
        "BEGIN",
        'UPDATE "ECOM_LOCKS"."MART_VISITS" SET WRITTEN_AT = SYSDATE()',
        "COMMIT",
    ]


@gap
def test_anti_joins(engine: SnowflakeEngine) -> None:
    left, right = (ibis.table({"key": "string"}, name=name) for name in ("one", "two"))
    for sql in (
        engine.compile(left.anti_join(right, "key")),
        engine.compile(left.semi_join(right, "key")),
    ):
        assert "EXISTS(" in sql
        assert "ANTI" not in sql
        assert "SEMI" not in sql


@pytest.mark.slow
@gap
def test_variants(engine: SnowflakeEngine) -> None:
    [view] = engine.view_statements(RawEvents)
    assert 'TRY_PARSE_JSON("PROPERTIES") AS "PROPERTIES"' in view
    [table] = engine.create_statements(RawEvents)
    assert '"PROPERTIES" VARCHAR' in table


@gap
def test_parquet_types(engine: SnowflakeEngine, sent: list[str]) -> None:
    engine.take_in(Visits, from_outside().to_pyarrow_batches())
    assert sent == [], "nothing is loaded where there is nothing"
    engine.take_in(Visits, from_outside((ONE, "ann")).to_pyarrow_batches())
    put, copy = sent
    assert put.startswith("PUT 'file://")
    assert "@mart.%visits/" in put
    assert (
        "FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE) MATCH_BY_COLUMN_NAME = "
        "CASE_INSENSITIVE" in copy
    )


@gap
def test_variant_values(engine: SnowflakeEngine) -> None:
    events = ibis.table({"properties": "string"}, name="events")
    sql = "".join(engine.compile(events.select(plan=text_of(events, "properties.plan"))).split())
    for kind in ("VARCHAR", "INTEGER", "DOUBLE", "BOOLEAN"):
        assert f"AS_{kind}(GET(TRY_PARSE_JSON(IFF(" in sql
