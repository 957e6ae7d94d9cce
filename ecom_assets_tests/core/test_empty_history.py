"""Dagster's empty files, which are shipped as SQL: they are what Dagster makes."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from ecom_assets.core.settings import empty_history
from ecom_assets.core.settings.empty_history import RUN, begin_history, begin_run
from ecom_assets_tests.patience import PATIENCE_S

MADE = """
import sys, dagster as dg
with dg.DagsterInstance.local_temp(sys.argv[1]) as instance:
    instance.event_log_storage.get_logs_for_run("run")
"""


def contents(path: Path) -> dict[str, object]:
    """Return the tables and indexes of a file, and their rows without instants."""
    with closing(sqlite3.connect(path)) as file:
        declared = file.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        result: dict[str, object] = {name: " ".join(sql.split()) for name, sql in declared}
        for (table,) in file.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall():
            columns = file.execute(f"PRAGMA table_info({table})").fetchall()
            kept = [f'"{name}"' for _, name, kind, *_ in columns if kind != "DATETIME"]
            result[f"rows of {table}"] = file.execute(
                f"SELECT {', '.join(kept)} FROM {table} ORDER BY 1"
            ).fetchall()
        result["journal"] = file.execute("PRAGMA journal_mode").fetchone()
    return result


@pytest.mark.slow
def test_the_shipped_files_are_those_that_dagster_makes(tmp_path: Path) -> None:
    made, begun = tmp_path / "made", tmp_path / "begun"
    made.mkdir()
    begun.mkdir()
    subprocess.run([sys.executable, "-c", MADE, str(made)], check=True, timeout=PATIENCE_S)
    begin_history(begun)
    assert begin_run(begun / RUN)
    files = sorted(str(path.relative_to(made)) for path in made.rglob("*.db"))
    assert files == [
        "history/runs.db",
        "history/runs/index.db",
        "history/runs/run.db",
        "schedules/schedules.db",
    ]
    differing = [file for file in files if contents(made / file) != contents(begun / file)]
    assert differing == [], "run `make renew-history` after a new version of Dagster"


def test_dagster_leaves_the_files_as_they_are_and_a_history_that_is_there_stays(
    tmp_path: Path,
) -> None:
    begin_history(tmp_path)
    files = [tmp_path / name for name in empty_history.shipped_files() if name != RUN]
    before = [path.read_bytes() for path in files]
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert instance.get_runs_count() == 0
    assert [path.read_bytes() for path in files] == before
    (tmp_path / "history" / "runs.db").write_text("somebody's")
    begin_history(tmp_path)
    assert (tmp_path / "history" / "runs.db").read_text() == "somebody's"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history", "schedules"]


def test_with_another_version_dagster_makes_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.sql"
    text = empty_history.SHIPPED.read_text(encoding="utf-8")
    other.write_text(text.replace("-- Dagster 1.", "-- Dagster 0.", 1), encoding="utf-8")
    monkeypatch.setattr(empty_history, "SHIPPED", other)
    empty_history.shipped_files.cache_clear()
    try:
        begin_history(tmp_path)
        assert not (tmp_path / "history").exists()
        assert not begin_run(tmp_path / "run.db")
        assert not (tmp_path / "run.db").exists()
    finally:
        empty_history.shipped_files.cache_clear()


def test_a_run_s_file_that_is_not_whole_is_left_to_dagster(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    path.touch()  # as SQLite leaves it before the first write
    assert not begin_run(path)
    path.unlink()
    assert begin_run(path)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("DELETE FROM alembic_version")
    assert not begin_run(path)
    assert [each.name for each in tmp_path.iterdir()] == ["run.db"]
