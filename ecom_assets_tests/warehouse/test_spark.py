"""What Spark does by itself: files that others can read, faults in a sentence, one start per process, its own SQL.

Not here: what every engine promises (`engines/`), the log of which files count (`test_slice_log.py`).
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir
import pytest
from pyspark import SparkContext

from ecom_assets.contracts.table import count, instant, text
from ecom_assets.errors import SettingError, WarehouseError
from ecom_assets.settings import Settings
from ecom_assets.transforms.days import Days, day_start
from ecom_assets.warehouse import engine as engines
from ecom_assets.warehouse import spark_catalog, spark_session
from ecom_assets.warehouse.duckdb import connect
from ecom_assets.warehouse.spark import SparkEngine
from ecom_assets.warehouse.spark_session import SparkAddress, parse_conf, session_for
from ecom_assets_tests.command import ecom_process, small_shop
from ecom_assets_tests.engines.visits_table import (
    ONE,
    THREE,
    TWO,
    Arrivals,
    Visits,
    from_outside,
    from_within,
    grown,
    stored,
)

DAY = Days((ONE,))
HOME = Path("/never/written")


@pytest.fixture
def settings(spark: None, tmp_path: Path) -> Settings:  # noqa: ARG001 (it ends Spark)
    return Settings(home=tmp_path, warehouse=f"spark://local[2]{tmp_path / 'spark'}")


@pytest.fixture
def engine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[SparkEngine]:
    monkeypatch.setattr(engines, "RETRY_PAUSES_S", (0.0, 0.0))
    opened = SparkEngine(settings).open()
    yield opened
    opened.close()


def live_files(engine: SparkEngine) -> list[Path]:
    """Return the files of visits as any program finds them: those of the manifest with the highest number."""
    folder = engine.where_spark_is.folder / "mart" / "visits"
    newest = max((folder / "_log").glob("*.json"))
    slices = json.loads(newest.read_text())["slices"]
    return [folder / name for part in slices.values() for name in part["files"]]


def test_spark_starts_once_however_often_it_is_opened(settings: Settings, engine: SparkEngine) -> None:
    first = SparkContext._gateway.proc.pid  # noqa: SLF001 (it knows the process)
    engine.close()
    again = SparkEngine(settings).open()
    again.replace(Visits, from_outside((ONE, "ann")), DAY)
    assert SparkContext._gateway.proc.pid == first  # noqa: SLF001 (likewise)
    assert stored(engine) == [(ONE, "ann")], "a session that was there sees what another one committed"


def test_any_program_finds_the_live_files_in_the_newest_manifest(engine: SparkEngine) -> None:
    engine.replace(Visits, from_within(engine, (ONE, "ann"), (TWO, "bob")), Days((ONE, TWO)))
    engine.replace(Visits, from_within(engine, (TWO, "eva")), Days((TWO,)))
    files = [str(path) for path in live_files(engine)]
    assert len(files) == 2, "one file a day"
    found = duckdb.sql(
        "SELECT visit_date, visitor_id FROM read_parquet($files, hive_partitioning = true) ORDER BY ALL",
        params={"files": files},
    )
    assert found.fetchall() == [(ONE, "ann"), (TWO, "eva")]


def test_columns_stay_in_the_order_of_the_contract_and_a_day_reads_its_own_files(engine: SparkEngine) -> None:
    wider = grown(city=text("Where from", nullable=True))
    rows = from_within(engine, (ONE, "ann"), (TWO, "bob")).mutate(city=ibis.literal("Riga"))
    engine.replace(wider, rows, Days((ONE, TWO)))
    table = engine.table(wider)
    assert engine.query(f"SELECT * FROM {engine.name_of(wider)} ORDER BY 1")[0] == {
        "visit_date": ONE,
        "visitor_id": "ann",
        "city": "Riga",
    }
    plan = engine.query(f"EXPLAIN {engine.compile(table.filter(DAY.contain(table.visit_date)))}")[0]["plan"]
    assert "PartitionFilters: [isnotnull(visit_date" in plan


def test_rows_of_another_day_are_refused_and_the_old_rows_stay(engine: SparkEngine) -> None:
    engine.replace(Visits, from_outside((ONE, "ann"), (TWO, "bob")), Days((ONE, TWO)))
    with pytest.raises(engines.ContractError, match="some are of 2026-03-02, which is none of the days to replace"):
        engine.replace(Visits, from_within(engine, (ONE, "eva"), (TWO, "eva")), DAY)
    assert stored(engine) == [(ONE, "ann"), (TWO, "bob")]


def test_tables_are_emptied_together(engine: SparkEngine) -> None:
    for contract in (Visits, Arrivals):
        engine.replace(contract, from_outside((ONE, "ann")), None)
    engine.clear([Visits, Arrivals])
    assert [engine.row_count(contract) for contract in (Visits, Arrivals)] == [0, 0]
    assert stored(engine) == []


def test_a_writer_that_was_overtaken_computes_its_slice_anew(settings: Settings, engine: SparkEngine) -> None:
    rows = from_within(engine, (ONE, "ann"))
    engine.replace(Visits, rows, DAY)
    other = SparkEngine(settings).open()
    steps: list[str] = []

    def overtake(step: str) -> None:
        steps.append(step)
        if steps == ["slice_begun", "slice_written"]:
            other.replace(Arrivals, from_outside((ONE, "eva"), (ONE, "kim")), None)
            other.replace(Visits, from_outside((ONE, "stale")), DAY)

    engine.on_step = overtake
    assert engine.replace(Visits, rows, DAY).row_count == 2
    assert steps == ["slice_begun", "slice_written", "slice_begun", "slice_written", "committed"]
    assert stored(engine) == [(ONE, "eva"), (ONE, "kim")], "from the rows that there are now"


def test_a_failing_task_is_one_sentence_and_the_old_rows_stay(engine: SparkEngine) -> None:
    numbered = grown(visitor_id=count("Which visitor"))
    engine.replace(numbered, from_outside((ONE, "7")).mutate(visitor_id=7), DAY)
    with pytest.raises(WarehouseError, match=r"CAST_INVALID_INPUT.*nothing was changed") as told:
        engine.replace(numbered, from_within(engine, (ONE, "8"), (ONE, "nine")), DAY)
    assert "\n" not in str(told.value)
    assert stored(engine, numbered) == [(ONE, 7)]
    engine.replace(numbered, from_within(engine, (ONE, "8")), DAY)
    assert stored(engine, numbered) == [(ONE, 8)]


@pytest.mark.parametrize("damage", ["cut short", "removed"])
def test_a_damaged_file_is_named_and_its_day_can_be_written_again(engine: SparkEngine, damage: str) -> None:
    engine.replace(Visits, from_within(engine, (ONE, "ann"), (TWO, "bob")), Days((ONE, TWO)))
    path = next(path for path in live_files(engine) if "visit_date=2026-03-01" in path.parts)
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(WarehouseError, match=r"2026-03-01.*parquet is damaged or missing.*again for that day"):
        stored(engine)
    engine.replace(Visits, from_outside((ONE, "eva")), DAY)
    assert stored(engine) == [(ONE, "eva"), (TWO, "bob")]


def test_a_spark_that_dies_is_started_anew_and_the_slice_written(engine: SparkEngine) -> None:
    rows = from_within(engine, (ONE, "ann"))
    engine.replace(Visits, from_outside((TWO, "kim")), None)
    handed_out = engine.table(Visits)
    steps: list[str] = []

    def kill(step: str) -> None:
        steps.append(step)
        if steps == ["slice_begun"]:
            os.kill(SparkContext._gateway.proc.pid, signal.SIGKILL)  # noqa: SLF001 (it knows the process)
            SparkContext._gateway.proc.wait()  # noqa: SLF001 (likewise)

    engine.on_step = kill
    assert engine.replace(Visits, rows, DAY).row_count == 1
    assert handed_out.count().to_pyarrow().as_py() == 2
    assert stored(engine) == [(ONE, "ann"), (TWO, "kim")]


SCRIPT = """
import sys
from pathlib import Path
from ecom_assets.settings import Settings
from ecom_assets.transforms.days import Days
from ecom_assets.warehouse.spark import SparkEngine
from ecom_assets_tests.engines.visits_table import ONE, Visits, from_outside, from_within, stored
engine = SparkEngine(Settings(home=Path("home"), warehouse="spark://local[1]" + sys.argv[1])).open()
rows = from_within(engine, (ONE, "eva"))
"""
KILLED_WHEN_WRITTEN = """
import os, signal
engine.on_step = lambda step: os.kill(os.getpid(), signal.SIGKILL) if step == "slice_written" else None
engine.replace(Visits, rows, Days((ONE,)))
"""
QUIET = """
engine.replace(Visits, rows, Days((ONE,)))
assert stored(engine) == [(ONE, "eva")]
engine.close()
"""


def in_a_process(script: str, folder: Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run a script in an interpreter of its own, in which warnings are errors."""
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(folder)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_killed_process_leaves_the_old_slice_and_is_in_nobodys_way(engine: SparkEngine, tmp_path: Path) -> None:
    engine.replace(Visits, from_outside((ONE, "ann")), DAY)
    done = in_a_process(SCRIPT + KILLED_WHEN_WRITTEN, engine.where_spark_is.folder, tmp_path)
    assert done.returncode == -signal.SIGKILL, done.stderr
    written = list(engine.where_spark_is.folder.rglob("mart/visits/version=*/*/*.parquet"))
    assert len(written) == 2, "the new file is there, and counts for nothing"
    assert stored(engine) == [(ONE, "ann")]
    engine.replace(Visits, from_outside((ONE, "kim")), DAY)
    assert stored(engine) == [(ONE, "kim")]


def test_spark_says_nothing_and_leaves_nothing_in_the_working_folder(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    done = in_a_process(SCRIPT + QUIET, tmp_path / "spark", work)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(work.iterdir()) == []


def test_a_command_without_java_says_what_to_install(tmp_path: Path) -> None:
    home = tmp_path / "home"
    small_shop(home)
    said = ecom_process("run", home=home, env={"ECOM_WAREHOUSE": "spark://local", "JAVA_HOME": str(tmp_path)})
    assert said.exit_code == 1
    assert said.sentence == (
        f"spark://local{home}/spark needs Java and none was found; install Java 17 or 21, or set JAVA_HOME to one."
    )


def test_a_folder_that_cannot_be_written_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    elsewhere = SparkEngine(settings.model_copy(update={"warehouse": f"spark://local[2]{tmp_path}/file/spark"})).open()
    with pytest.raises(WarehouseError, match=r"/file/spark.*: Not a directory; nothing was changed"):
        elsewhere.replace(Visits, from_outside((ONE, "ann")), DAY)


@pytest.mark.parametrize(
    ("url", "master", "folder"),
    [
        ("spark://local", "local[*]", "/home/spark"),
        ("spark://local[2]/data/shop%201", "local[2]", "/data/shop 1"),
        ("spark://node:7077/data", "spark://node:7077", "/data"),
        ("spark://node:15002/data?connect=true", "sc://node:15002/", "/data"),
        ("spark://ann:s%2Fc@node:15002?connect=true", "sc://node:15002/;user_id=ann;token=s%2Fc", "/home/spark"),
    ],
)
def test_addresses(url: str, master: str, folder: str) -> None:
    address = SparkAddress.parse(url, Path("/home"))
    assert (address.master, address.folder) == (master, Path(folder))
    assert "s%2Fc" not in address.shown
    assert "ann" not in address.shown


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("spark://", "names no Spark"),
        ("spark://node", "names no Spark"),
        ("spark://local[two]", "names no Spark"),
        ("spark://local/data[1]", "as a pattern"),
        ("spark://node:7077/data?conect=true", "takes only"),
        ("spark://local?connect=true", "takes only"),
    ],
)
def test_a_wrong_address_is_refused(url: str, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        SparkAddress.parse(url, Path("/home"))


@pytest.mark.parametrize("url", ["spark://127.0.0.1:9/data", "spark://127.0.0.1:9/data?connect=true"])
def test_a_spark_that_does_not_answer_is_said_at_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_session, "_RUNNING", [])
    monkeypatch.setattr(SparkContext, "_gateway", None)
    settings = Settings(home=HOME, warehouse=url)
    with pytest.raises(WarehouseError, match=r"nothing answers at 127.0.0.1:9 \(Connection refused\)"):
        session_for(SparkAddress.parse(url, HOME), settings.model_copy(update={"home": HOME}))


def test_a_process_has_one_spark(engine: SparkEngine) -> None:
    assert engine.con.version.startswith("4.")
    with pytest.raises(WarehouseError, match=r"already uses Spark at local\[2\], and can use only one"):
        SparkEngine(Settings(home=HOME, warehouse="spark://local[1]/other")).open()


def test_settings_of_sparks_own_are_read_and_secrets_do_not_show() -> None:
    read = parse_conf("spark.jars=a.jar,b.jar, spark.hadoop.fs.s3a.secret.key=x=y")
    assert read == {"spark.jars": "a.jar,b.jar", "spark.hadoop.fs.s3a.secret.key": "x=y"}
    assert parse_conf("") == {}
    with pytest.raises(SettingError, match=r"ECOM_SPARK_CONF: part 1 is not spark.name=value; correct it.$"):
        parse_conf("jars=hush")
    assert "hush" not in repr(Settings(spark_conf="spark.password=hush"))  # type: ignore[arg-type]  # as it is read


class Instants(Visits):
    """One row per instant."""

    name = "instants"
    day_column = None
    key = ()

    at = instant("When")
    until = instant("Until when")


def test_sql_that_ibis_spells_otherwise_for_spark_gives_the_same_values(engine: SparkEngine) -> None:
    outside = from_outside((date(2026, 3, 29), "ann"), (date(2026, 3, 30), "zoë")).mutate(
        at=ibis.timestamp("2026-03-29 00:59:59.999999"), until=ibis.timestamp("2026-03-29 03:00:00.000001")
    )
    engine.replace(Instants, outside, None)

    def computed(table: ir.Table) -> list[dict[str, object]]:
        length_us = table.until.delta(table.at, unit="microsecond")
        days = Days.between(date(2026, 3, 28), date(2026, 4, 1))
        values = table.select(
            "visitor_id",
            length_us=length_us,
            length_s=length_us / 1e6,
            third=ibis.literal(1) / 3,
            second=table.at.truncate("s"),
            epoch_s=table.at.truncate("s").epoch_seconds().cast("int64"),
            microsecond=table.at.microsecond().cast("int64"),
            later=table.at + ibis.interval(days=1),
            starts_at=day_start(table.visit_date, days, "Europe/Berlin"),
            is_never=table.at > ibis.literal(datetime(1, 1, 1), "timestamp(6)"),  # noqa: DTZ001 (as stored)
            campaign=table.visitor_id.re_extract(r"z(o.)", 1),
        )
        found: list[dict[str, object]] = values.order_by("visitor_id").to_pyarrow().to_pylist()
        return found

    con = connect()
    con.create_table("instants", outside.to_pyarrow())
    assert computed(engine.table(Instants)) == computed(con.table("instants"))
    hashed = engine.table(Instants).visitor_id.hash()
    assert int(hashed.max().to_pyarrow().as_py()) > 2**32, "64 bits"


CITIES = grown(city=text("Where from", nullable=True))


def test_catalogs_get_statements_that_replace_a_slice_at_once(engine: SparkEngine) -> None:
    replaced = spark_catalog.replace_statement(CITIES, Days((ONE, THREE)), "new_rows")
    assert replaced == (
        "INSERT INTO `mart`.`visits` REPLACE WHERE "
        "(`visit_date` >= DATE '2026-03-01' AND `visit_date` < DATE '2026-03-02') OR "
        "(`visit_date` >= DATE '2026-03-03' AND `visit_date` < DATE '2026-03-04') SELECT "
        "CAST(COALESCE(`visit_date`, RAISE_ERROR('visit_date is missing in some rows')) AS DATE) AS `visit_date`, "
        "CAST(COALESCE(`visitor_id`, RAISE_ERROR('visitor_id is missing in some rows')) AS STRING) AS `visitor_id`, "
        "CAST(`city` AS STRING) AS `city` FROM `new_rows`"
    )
    created = spark_catalog.create_statement(CITIES, "iceberg")
    assert created == (
        "CREATE TABLE IF NOT EXISTS `mart`.`visits` (`visit_date` DATE, `visitor_id` STRING, `city` STRING) "
        "USING iceberg PARTITIONED BY (`visit_date`)"
    )
    assert spark_catalog.condition(CITIES, None) == "TRUE"
    assert spark_catalog.condition(CITIES, Days(())) == "FALSE"
    parser = engine.con.session._jsparkSession.sessionState().sqlParser()  # noqa: SLF001 (Spark's grammar is the judge)
    for statement in (replaced, created, spark_catalog.replace_table_statement(Visits, CITIES, "delta")):
        assert parser.parsePlan(statement).toString()
