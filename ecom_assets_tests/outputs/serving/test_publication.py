"""Publishing tables in a real Postgres: what has changed, all of it at once,
and nobody else's things.

Not here: connections and processes that die (`test_publication_faults.py`), the asset and the
commands (`cli/test_publishing.py`).
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ibis
import pytest

from ecom_assets.core.errors import ContractError, SettingError, WarehouseError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import count, text
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.core.warehouse.migration import content_of
from ecom_assets.outputs.serving.places import newest_publication, publication_target
from ecom_assets.outputs.serving.postgres import publish
from ecom_assets_tests.core.warehouse.engines.visits_table import (
    ONE,
    THREE,
    TWO,
    Visits,
    from_outside,
    grown,
)
from ecom_assets_tests.markdown import ROOT
from ecom_assets_tests.outputs.serving.published_tables import (
    TABLES,
    Cities,
    fill,
    places,
    published,
    seen,
)
from ecom_assets_tests.postgres_server import fresh_database


@pytest.fixture
def source(tmp_path: Path) -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine(tmp_path / "warehouse.duckdb")
    engine.open()
    fill(engine, {ONE: ["ann", "bob"], TWO: ["eva"]}, "Riga", "Rom")
    yield engine
    engine.close()


FIRST = (1, "2026-03-01 ann, 2026-03-01 bob, 2026-03-02 eva", "Riga, Rom")


def test_the_first_publication_brings_and_counts_every_row(
    source: DuckDBEngine, target: PostgresEngine
) -> None:
    done = published(source, target)
    assert seen(target) == FIRST
    assert done.row_counts == done.written_row_counts == {"mart.visits": 3, "mart.cities": 2}
    newest = newest_publication(target)
    assert newest is not None
    assert (
        newest.pop("built_on"),
        newest.pop("held_days"),
        newest.pop("published_at") is None,
    ) == ("{}", "{}", False)
    assert newest == {
        "publication_number": 1,
        "run_id": "run-1",
        "data_version": done.data_version,
        "row_count": 5,
        "written_row_count": 5,
        "table_row_counts": '{"mart.visits": 3, "mart.cities": 2}',
        "source_days": (
            '{"events": [null, null, []], "orders": [null, null, []], "stock": [null, null, []]}'
        ),
    }
    for table in TABLES:
        assert content_of(source, table) == content_of(target, table)


def test_keys_and_indexes_are_those_of_the_contracts(
    source: DuckDBEngine, target: PostgresEngine
) -> None:
    published(source, target)
    actual = target.query(
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'mart' AND tablename IN ('visits', "
        "'cities')"
    )
    assert {row["indexdef"].rpartition("(")[2] for row in actual} == {
        "visit_date, visitor_id)",
        "city)",
    }
    with pytest.raises(ContractError, match="duplicate key"):
        target.execute("INSERT INTO mart.cities VALUES ('Riga')")


def test_publishing_again_changes_no_row(source: DuckDBEngine, target: PostgresEngine) -> None:
    first = published(source, target)
    before = places(target)
    second = published(source, target)
    assert places(target) == before
    assert (second.data_version, second.row_counts) == (first.data_version, first.row_counts)
    assert second.written == 0


def test_rows_that_were_recomputed_alike_are_not_written_again(
    source: DuckDBEngine, target: PostgresEngine
) -> None:
    published(source, target)
    before = places(target)
    fill(source, {TWO: ["eva"], ONE: ["bob", "ann"]}, "Rom", "Riga")
    published(source, target)
    assert places(target) == before


def test_a_changed_day_is_written_and_others_are_left_alone(
    source: DuckDBEngine, target: PostgresEngine
) -> None:
    published(source, target)
    before = places(target)
    fill(source, {TWO: ["kim"], THREE: ["lea"]}, "Riga", "Rom")
    done = published(source, target)
    assert done.written_row_counts == {"mart.visits": 2}
    assert seen(target) == (
        2,
        "2026-03-01 ann, 2026-03-01 bob, 2026-03-02 kim, 2026-03-03 lea",
        "Riga, Rom",
    )
    after = places(target)
    assert after["cities"] == before["cities"]
    assert len(set(after["visits"]) & set(before["visits"])) == 2, (
        "the rows of the first day lie where they lay"
    )
    assert len(set(after["published_slices"]) & set(before["published_slices"])) == 2, (
        "and so do its notes"
    )


def test_a_day_that_is_gone_goes_and_a_table_may_become_empty(
    source: DuckDBEngine, target: PostgresEngine
) -> None:
    published(source, target)
    fill(source, {ONE: []}, "Rom")
    assert published(source, target).written_row_counts == {"mart.visits": 0, "mart.cities": 1}
    assert seen(target) == (2, "2026-03-02 eva", "Rom")
    fill(source, {TWO: []})
    published(source, target)
    assert seen(target) == (3, None, None)


def test_versions_are_equal_where_tables_are_and_only_there(
    source: DuckDBEngine, target: PostgresEngine
) -> None:
    first = published(source, target).data_version
    fill(source, {ONE: ["ann"]}, "Riga", "Rom")
    second = published(source, target).data_version
    fill(source, {ONE: ["ann", "bob"]}, "Riga", "Rom")
    assert published(source, target).data_version == first != second


def test_what_a_person_has_made_in_the_schema_stays(
    source: DuckDBEngine, target: PostgresEngine
) -> None:
    target.execute("CREATE SCHEMA mart")
    target.execute("CREATE TABLE mart.my_notes AS SELECT 'mine' AS note")
    published(source, target)
    target.execute(
        "CREATE VIEW mart.visitors_by_day AS SELECT visit_date, count(*) AS n FROM mart.visits "
        "GROUP BY 1"
    )
    target.execute("CREATE INDEX mine ON mart.visits (visitor_id)")
    target.execute("CREATE ROLE reads_marts")
    target.execute("GRANT SELECT ON mart.visits TO reads_marts")
    try:
        fill(source, {ONE: ["kim"]}, "Riga")
        published(source, target)
        assert target.query("SELECT note FROM mart.my_notes") == [{"note": "mine"}]
        assert target.query("SELECT n FROM mart.visitors_by_day ORDER BY visit_date") == [
            {"n": 1},
            {"n": 1},
        ]
        assert target.query("SELECT count(*) AS n FROM pg_indexes WHERE indexname = 'mine'") == [
            {"n": 1}
        ]
        assert target.query(
            "SELECT has_table_privilege('reads_marts', 'mart.visits', 'SELECT') AS may"
        ) == [{"may": True}]
    finally:
        target.execute("DROP OWNED BY reads_marts")
        target.execute("DROP ROLE reads_marts")


def test_a_foreign_table_under_our_name_is_refused_and_left_alone(
    source: DuckDBEngine, target: PostgresEngine
) -> None:
    target.execute("CREATE SCHEMA mart")
    target.execute("CREATE TABLE mart.cities (city text)")
    target.execute("INSERT INTO mart.cities VALUES ('mine')")
    with pytest.raises(
        WarehouseError,
        match=r"has a table mart\.cities that was not published by ecom_assets, and it",
    ):
        published(source, target)
    assert target.query("SELECT city FROM mart.cities") == [{"city": "mine"}]
    assert not target.has(Visits), "all tables or none"


def test_a_table_that_somebody_dropped_comes_back(
    source: DuckDBEngine, target: PostgresEngine
) -> None:
    published(source, target)
    target.execute("DROP TABLE mart.visits")
    published(source, target)
    assert seen(target)[1:] == FIRST[1:]


def test_without_its_notes_a_publication_writes_all_again(
    source: DuckDBEngine, target: PostgresEngine
) -> None:
    published(source, target)
    target.execute("DROP TABLE mart.published_slices")
    fill(source, {TWO: []}, "Riga")
    published(source, target)
    assert seen(target)[1:] == ("2026-03-01 ann, 2026-03-01 bob", "Riga")


def test_a_column_that_a_contract_gained_is_added_and_filled(
    source: DuckDBEngine, target: PostgresEngine
) -> None:
    published(source, target)
    target.execute("CREATE VIEW mart.visitors AS SELECT visitor_id FROM mart.visits")
    wider = grown(city=text("Where from", nullable=True))
    source.drop(Visits)
    source.replace(
        wider, from_outside((ONE, "ann"), (TWO, "eva")).mutate(city=ibis.literal("Riga")), None
    )
    publish(source, target, (wider, Cities), "run-2")
    assert target.query("SELECT visitor_id, city FROM mart.visits ORDER BY 1") == [
        {"visitor_id": "ann", "city": "Riga"},
        {"visitor_id": "eva", "city": "Riga"},
    ]


def test_views_survive_when_a_table_of_another_type_is_replaced(
    source: DuckDBEngine, target: PostgresEngine
) -> None:
    published(source, target)
    numbered = grown(visitor_id=count("Which visitor"))
    source.drop(Visits)
    source.replace(numbered, from_outside((ONE, "7")), None)
    target.execute("CREATE VIEW mart.visitors AS SELECT visitor_id FROM mart.visits")
    target.execute(
        "CREATE MATERIALIZED VIEW mart.visitor_count AS SELECT count(*) AS n FROM mart.visitors"
    )
    target.execute("COMMENT ON VIEW mart.visitors IS 'Who came'")
    target.execute("GRANT SELECT ON mart.visitors TO PUBLIC")
    publish(source, target, (numbered, Cities), "run-2")
    assert target.query("SELECT visitor_id FROM mart.visitors") == [{"visitor_id": 7}]
    rights = "has_table_privilege('pg_monitor', 'mart.visitors', 'SELECT') AS may_read"
    comment = "obj_description('mart.visitors'::regclass, 'pg_class') AS comment"
    assert target.query(f"SELECT {rights}, {comment}") == [
        {"may_read": True, "comment": "Who came"}
    ]
    target.execute("REFRESH MATERIALIZED VIEW mart.visitor_count")
    assert target.query("SELECT n FROM mart.visitor_count") == [{"n": 1}]


def test_a_view_that_does_not_fit_a_changed_table_is_named_and_nothing_changes(
    source: DuckDBEngine, target: PostgresEngine
) -> None:
    published(source, target)
    numbered = grown(visitor_id=count("Which visitor"))
    source.drop(Visits)
    source.replace(numbered, from_outside((ONE, "7")), None)
    target.execute("CREATE VIEW mart.visitors AS SELECT upper(visitor_id) AS who FROM mart.visits")
    with pytest.raises(
        WarehouseError, match=r"The view mart\.visitors does not fit the changed tables"
    ):
        publish(source, target, (numbered, Cities), "run-2")
    assert seen(target) == FIRST


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (
            "postgres://shop:s3cret@127.0.0.1:9/shop",
            r"postgres://shop@127\.0\.0\.1:9/shop cannot be opened: .*refused",
        ),
    ],
)
def test_a_database_that_cannot_be_opened_is_named_without_its_password(url: str, why: str) -> None:
    with pytest.raises(WarehouseError, match=why) as refused:
        publication_target(Settings(postgres_url=url)).open()
    assert "s3cret" not in str(refused.value)
    assert "s3cret" not in repr(Settings(postgres_url=url))


def test_an_address_of_another_kind_is_refused() -> None:
    with pytest.raises(
        SettingError, match=r"ECOM_POSTGRES_URL is not an address of a Postgres"
    ) as refused:
        publication_target(Settings(postgres_url="mysql://shop:s3cret@db.example/shop"))
    assert "s3cret" not in str(refused.value)


def test_missing_rights_name_the_setting(
    source: DuckDBEngine, target: PostgresEngine, postgres_url: str
) -> None:
    published(source, target)
    target.execute("CREATE ROLE guest LOGIN")
    target.execute("GRANT USAGE ON SCHEMA mart TO guest")
    target.execute("GRANT SELECT ON ALL TABLES IN SCHEMA mart TO guest")
    fill(source, {ONE: ["kim"]}, "Riga")
    guest = publication_target(
        Settings(postgres_url=postgres_url.replace("postgres:@", "guest@"))
    ).open()
    try:
        with pytest.raises(
            WarehouseError,
            match=r"permission denied .*grant the right to the user of ECOM_POSTGRES_URL",
        ):
            published(source, guest)
    finally:
        guest.close()
        target.execute("DROP OWNED BY guest")
        target.execute("DROP ROLE guest")
    assert seen(target) == FIRST


# From another Postgres


@pytest.fixture
def postgres_source(postgres_server: str) -> Iterator[PostgresEngine]:
    engine = PostgresEngine(Settings(warehouse=fresh_database(postgres_server))).open()
    fill(engine, {ONE: ["ann", "bob"], TWO: ["eva"]}, "Riga", "Rom")
    yield engine
    engine.close()


def test_another_postgres_is_published_if_changed(
    postgres_source: PostgresEngine, target: PostgresEngine
) -> None:
    published(postgres_source, target)
    assert seen(target) == FIRST
    fill(postgres_source, {TWO: ["kim"]}, "Riga", "Rom")
    assert published(postgres_source, target).written_row_counts == {"mart.visits": 1}
    assert published(postgres_source, target).written == 0


def test_tables_that_change_now_are_published_whole(
    postgres_source: PostgresEngine, target: PostgresEngine
) -> None:
    published(postgres_source, target)
    fill(postgres_source, {ONE: ["kim"]}, "Riga")

    def change(step: str) -> None:
        if step == "table_written":
            fill(postgres_source, {TWO: ["lea"]}, "Riga")

    target.on_step = change
    with pytest.raises(
        WarehouseError,
        match=r"Another run changed tables of .* while they were published, so nothing",
    ):
        published(postgres_source, target)
    assert seen(target) == FIRST
    target.on_step = lambda _step: None
    published(postgres_source, target)
    assert seen(target) == (2, "2026-03-01 kim, 2026-03-02 lea", "Riga")


def test_the_warehouse_s_own_database_is_recognised_however_its_address_is_spelled(
    source: DuckDBEngine, postgres_source: PostgresEngine, target: PostgresEngine, postgres_url: str
) -> None:
    spelled = PostgresEngine(Settings(warehouse=f"{postgres_url}&application_name=other")).open()
    assert target.is_same_database(spelled)
    assert not target.is_same_database(postgres_source)
    assert not target.is_same_database(source)
    spelled.close()


MANY_ROWS = """
import json, resource, sys
from contextlib import closing
from pathlib import Path
from ecom_assets.outputs.serving.snapshot import publish_snapshot
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.migration import content_of
from ecom_assets_tests.core.warehouse.engines.visits_table import Visits

peaks = []
def note_peak(): peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)

folder = Path(sys.argv[1])
with closing(DuckDBEngine(folder / "shop.duckdb", memory_limit="150MB").open()) as shop:
    shop.ensure(Visits)
    rows = (
        "SELECT DATE '2026-03-01' + (n // 40000)::INT, repeat('v', 200) || n "
        "FROM range(3000000) AS r(n)"
    )
    shop.execute(f"INSERT INTO mart.visits {rows}")
    note_peak()
    publish_snapshot(shop, folder / "serving", [Visits], {}, "run", memory_limit="150MB")
    note_peak()
    content_of(shop, Visits)
    note_peak()
print(json.dumps(peaks))
"""
"""Publishes 3 million rows of 200 bytes, then reads them as `ecom copy` does;
prints the peak of memory in MB.
"""


@pytest.mark.slow
def test_more_rows_than_memory_are_published_and_copied(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MANY_ROWS, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    filled, published_mb, read_mb = json.loads(done.stdout)
    assert published_mb - filled < 300, (
        "600 MB of rows went through Python, or past the memory limit"
    )
    assert read_mb - filled < 300, "all rows were in memory at once"
