"""`ecom copy` and `ecom migrate` as a person meets them; Postgres stands for any other engine."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from ecom_assets.behaviour.events.contracts import RawEvents
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse import migration as copying
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.orchestration.registry import ALL, NOTES
from ecom_assets_tests.command import (
    FEW_SALES,
    FEW_TABLES,
    CommandResult,
    ecom,
    page_views,
    small_shop,
)

pytestmark = pytest.mark.xdist_group("cli_copy_migrate")

OF_ASSETS = {contract.qualified_name() for contract in ALL}
"""The tables that each run leaves; those of notes are made when there is something to note."""
COPIED = OF_ASSETS | {contract.qualified_name() for contract in NOTES}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose embedded warehouse has sessions and sales of a small shop."""
    home = tmp_path_factory.mktemp("shop") / "home"
    small_shop(home)
    assert ecom("run", "--select", f"{FEW_TABLES[1]} or {FEW_SALES[1]}", home=home).exit_code == 0
    return home


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose embedded warehouse has three received events."""
    home = tmp_path_factory.mktemp("small") / "home"
    events = page_views(home.with_name("clicks.csv"), "2026-01-01", "2026-01-02", "2026-01-03")
    assert ecom("run", "--events", events, "--select", 'key:"raw/events"', home=home).exit_code == 0
    return home


@pytest.fixture(scope="module")
def stored(home: Path) -> dict[str, int]:
    """The tables that the embedded warehouse has of those that are copied, with their rows."""
    tables = tables_of(home)
    assert tables >= OF_ASSETS
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        counts = {name: con.execute(f"SELECT count(*) FROM {name}").fetchall() for name in tables}
    return {name: count for name, ((count,),) in counts.items()}


def tables_of(home: Path) -> set[str]:
    """Return the tables of an embedded warehouse that are copied."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        names = con.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables()")
        return {name for (name,) in names.fetchall()} & COPIED


def received(warehouse: Path) -> int:
    """Return the number of received events."""
    with duckdb.connect(str(warehouse), read_only=True) as con:
        return int(con.execute("SELECT count(*) FROM raw.events").fetchall()[0][0])


def embedded(home: Path) -> str:
    return f"duckdb://{home}/warehouse.duckdb"


def copied(home: Path, origin: str, to: str, *more: str) -> CommandResult:
    return ecom("copy", "--from", origin, "--to", to, *more, home=home)


@pytest.mark.slow
def test_a_warehouse_copied_there_and_back_has_equal_checksums(
    home: Path, stored: dict[str, int], postgres_url: str, tmp_path: Path
) -> None:
    tables = copied(home, embedded(home), postgres_url, "--json").json
    back = copied(home, postgres_url, f"duckdb://{tmp_path}/back.duckdb", "--json").json
    assert {row["table"]: row["row_count"] for row in tables} == stored
    assert back == tables
    assert all(set(row) == {"table", "row_count", "checksum"} for row in tables)
    assert stored["raw.events"] > 1000
    status = ecom("status", "--json", home=home, env={"ECOM_WAREHOUSE": postgres_url}).json
    assert {row["table"]: row["rows"] for row in status} == {
        name: count for name, count in stored.items() if name in OF_ASSETS
    }


@pytest.mark.slow
def test_a_target_with_rows_is_replaced_only_when_asked(small: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.duckdb"
    shutil.copy(small / "warehouse.duckdb", target)
    with duckdb.connect(str(target)) as con:
        con.execute("DELETE FROM raw.events WHERE received_date > '2026-01-01'")
    refused = copied(small, embedded(small), f"duckdb://{target}")
    assert refused.exit_code == 2
    assert "has rows in raw.events, " in refused.sentence
    assert refused.sentence.endswith("give --overwrite to replace them.")
    assert received(target) == 1
    asked = copied(small, embedded(small), f"duckdb://{target}", "--overwrite")
    assert f" {len(tables_of(small))} tables copied" in f" {asked.out}"
    assert received(target) == 3


@pytest.mark.slow
def test_a_copy_that_differs_is_noticed(
    small: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content_of = copying.content_of

    def after_somebody_wrote(engine: Engine, contract: type[RawEvents]) -> copying.Content:
        if engine.address.startswith("postgres"):
            engine.execute(
                "UPDATE raw.events SET product_id = 'p?' WHERE ctid = (SELECT min(ctid) FROM "
                "raw.events)"
            )
        return content_of(engine, contract)

    monkeypatch.setattr(copying, "content_of", after_somebody_wrote)
    result = copied(small, embedded(small), postgres_url)
    assert result.exit_code == 1
    assert result.sentence.startswith("raw.events is not the same after copying: ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("origin", "to", "why"),
    [
        ("{embedded}", "{embedded}", "--from and --to are the same warehouse; name two."),
        (
            "duckdb:////nowhere/x.duckdb",
            "{embedded}",
            "There is no warehouse at duckdb:///nowhere/x.duckdb; correct",
        ),
        (
            "oracle://u:s3cret@h/x",
            "{embedded}",
            "ECOM_WAREHOUSE='oracle://u@h/x' is not an address of a warehouse",
        ),
        (
            "{postgres}",
            "{embedded}",
            "has none of the platform's tables; run `ecom run` on it first.",
        ),
    ],
)
def test_what_cannot_be_copied_is_refused(
    small: Path, postgres_url: str, origin: str, to: str, why: str
) -> None:
    names = {"embedded": embedded(small), "postgres": postgres_url}
    result = copied(small, origin.format(**names), to.format(**names))
    assert result.exit_code == 2
    assert why in result.sentence
    assert "s3cret" not in result.err


@pytest.mark.slow
def test_the_plan_of_a_migration_is_shown_before_anything_is_done(
    home: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old.duckdb"
    shutil.copy(home / "warehouse.duckdb", old)
    env = {"ECOM_WAREHOUSE": f"duckdb://{old}"}
    assert "is as its contract says" in ecom("migrate", home=home, env=env).out
    with duckdb.connect(str(old)) as con:
        con.execute("ALTER TABLE mart.sessions ADD COLUMN mood VARCHAR")
        con.execute("ALTER TABLE mart.sessions ALTER COLUMN event_count TYPE VARCHAR")
        con.execute("ALTER TABLE mart.engagement_daily DROP COLUMN session_count")
    refused = ecom("run", home=home, env=env)
    assert refused.exit_code == 1
    assert "run `ecom migrate` to see the changes" in refused.err

    plan = ecom("migrate", home=home, env=env).out
    assert "mart.sessions.mood: dropped, with its values" in plan
    assert "mart.sessions.event_count: int64 instead of string, values cast" in plan
    assert "mart.engagement_daily.session_count: added, never null, so the table is emptied" in plan
    assert "Nothing was changed yet; `ecom migrate --yes` does it" in plan
    assert plan == ecom("migrate", home=home, env=env).out

    done = ecom("migrate", "--yes", "--json", home=home, env=env).json
    assert done["done"]
    assert {change["table"] for change in done["changes"]} == {
        "mart.sessions",
        "mart.engagement_daily",
    }
    assert ecom("migrate", "--json", home=home, env=env).json == {"changes": [], "done": False}
    kept = {row["table"]: row["rows"] for row in ecom("status", "--json", home=home, env=env).json}
    assert kept["mart.sessions"] > 100
    assert kept["mart.engagement_daily"] == 0


@pytest.mark.slow
def test_doctor_says_that_tables_of_an_older_version_need_a_migration(
    small: Path, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(small, tmp_path / "home"))
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        con.execute("ALTER TABLE raw.events ALTER COLUMN cart_amount TYPE DECIMAL(18, 2)")
        con.execute("ALTER TABLE raw.events DROP COLUMN sent_by")
    findings = json.loads(ecom("doctor", "--json", home=home).out)
    (warehouse,) = (finding for finding in findings if finding["subject"] == "warehouse")
    assert not warehouse["ok"]
    assert warehouse["found"] == (
        "tables are of an older version, such as raw.events (cart_amount: decimal(18, 4) instead "
        "of decimal(18, 2), values cast)"
    )
    assert "`ecom migrate --yes` does it" in warehouse["fix"]


def test_a_warehouse_that_is_not_there_needs_no_migration(tmp_path: Path) -> None:
    result = ecom("migrate", home=tmp_path / "home")
    assert result.exit_code == 0
    assert "There is no warehouse yet" in result.out
    assert not new_engine(Settings(home=tmp_path / "home")).exists()
