"""What a materialization shows in Dagster: counts, columns, lineage, SQL,
a preview without personal data, days.
"""

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import RANGE_END, RANGE_START
from ecom_assets.core.warehouse.io_manager import PREVIEW_ROWS
from ecom_assets.definitions import build_definitions
from ecom_assets.orchestration.registry import BY_KEY as ALL_BY_KEY
from ecom_assets_tests.command import small_shop

pytestmark = pytest.mark.xdist_group("io_manager")

REPORTED = ("user_activity_log", "customer_research", "price_log")
BY_KEY = {key: contract for key, contract in ALL_BY_KEY.items() if contract.name not in REPORTED}
"""The tables of a shop without an order report's other files."""
STAGED = ("duplicate_events", "quarantined_events", "events")
FEW = [dg.AssetKey(["raw", "events"]), *(dg.AssetKey(["staging", name]) for name in STAGED)]
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")
Materialized = dict[str, list[dg.AssetMaterialization]]
Rows = dict[str, tuple[int, int]]
"""The rows of tables, of all days and of the newest that was written."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("io_manager") / "home"


@pytest.fixture(scope="module")
def materialized(home: Path) -> Materialized:
    """Every materialization of one run over three days, by table."""
    small_shop(home, visitors=300)
    segments = home / "visitor_segments.yaml"  # without one, their tables are not materialized
    segments.write_text("viewers: {did: page_view, within: 2d}\n")
    job = build_definitions(Settings(home=home, visitor_segments=segments)).resolve_job_def(
        "everything"
    )
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            instance=instance, tags={RANGE_START: DAYS[0], RANGE_END: DAYS[-1]}
        )
    assert result.success
    actual: Materialized = {}
    for event in result.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        actual.setdefault(materialization.asset_key.to_user_string(), []).append(materialization)
    return actual


@pytest.fixture(scope="module")
def stored(home: Path, materialized: Materialized) -> Rows:
    """What the warehouse has after that run, counted by DuckDB alone."""
    counts: Rows = {}
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        for key in sorted(materialized.keys() & BY_KEY.keys()):
            contract = BY_KEY[key]
            # Some are written on days after those of the run, too.
            newest = metadata(materialized, key).get("days_written", DAYS[-1])[-len(DAYS[-1]) :]
            is_newest = f"{contract.day_column} = '{newest}'" if contract.day_column else "true"
            counted = f"SELECT count(*), count(*) FILTER ({is_newest}) FROM {key.replace('/', '.')}"
            (counts[key],) = con.execute(counted).fetchall()
    # A shop in which nothing is broken, late or changed leaves some without a row.
    assert sum(rows > 0 for rows, _ in counts.values()) > 0.8 * len(BY_KEY)
    return counts


def metadata(materialized: Materialized, key: str) -> dict[str, Any]:
    """Return what a table's last materialization shows."""
    return {name: value.value for name, value in materialized[key][-1].metadata.items()}


@pytest.mark.slow
def test_a_range_in_one_run_materializes_each_of_its_days(materialized: Materialized) -> None:
    """Also of tables that are not cut by day: every asset has days, so that no run is without."""
    for key in BY_KEY:
        days = [materialization.partition for materialization in materialized[key]]
        assert days == list(DAYS), key


@pytest.mark.slow
def test_every_table_has_rows_columns_lineage_sql_preview_and_seconds(
    materialized: Materialized, stored: Rows
) -> None:
    for key in BY_KEY:
        shown = metadata(materialized, key)
        assert shown["dagster/row_count"] == stored[key][0], key
        assert shown["dagster/table_name"] == key.replace("/", ".")
        assert shown["sql"].startswith("```sql\n")
        assert "SELECT" in shown["sql"]
        assert shown["preview"].startswith("| ")
        assert shown["seconds"] >= 0


@pytest.mark.slow
def test_every_day_has_its_counts_and_the_newest_alone_what_is_of_the_run(
    materialized: Materialized,
) -> None:
    counts = {"dagster/row_count"}
    explanation = {
        "sql",
        "preview",
        "dagster/column_lineage",
        "rows_written",
        "days_written",
        "seconds",
    }
    for key, days in materialized.items():
        if key in BY_KEY:
            assert all(counts <= day.metadata.keys() for day in days), key
            assert [bool(explanation & day.metadata.keys()) for day in days] == [False] * (
                len(days) - 1
            ) + [True], key


@pytest.mark.slow
def test_columns_are_those_of_the_contract(materialized: Materialized) -> None:
    for key, contract in BY_KEY.items():
        columns = metadata(materialized, key)["dagster/column_schema"].columns
        assert [column.name for column in columns] == list(contract.columns)
        assert [column.type for column in columns] == [
            column.type for column in contract.columns.values()
        ]


@pytest.mark.slow
def test_lineage_names_columns_of_other_tables(materialized: Materialized) -> None:
    lineage = metadata(materialized, "staging/events")["dagster/column_lineage"].deps_by_column
    assert lineage["page_url"] == [dg.TableColumnDep(dg.AssetKey(["raw", "events"]), "page_url")]
    assert set(lineage) == set(BY_KEY["staging/events"].columns)


@pytest.mark.slow
def test_previews_hide_what_could_name_a_person(materialized: Materialized, stored: Rows) -> None:
    for key, contract in BY_KEY.items():
        head, _, *rows = metadata(materialized, key)["preview"].splitlines()
        assert cells(head) == list(contract.columns)
        assert len(rows) == min(stored[key][1], PREVIEW_ROWS), key
        for row in rows:
            shown = dict(zip(contract.columns, cells(row), strict=True))
            assert {shown[name] for name, column in contract.columns.items() if column.pii} <= {
                "•••"
            }, key


def cells(line: str) -> list[str]:
    """Return the cells of a Markdown table's line."""
    return line.removeprefix("| ").removesuffix(" |").split(" | ")


@pytest.mark.slow
def test_the_days_that_were_written_are_listed_where_they_are_more_than_the_run_s(
    materialized: Materialized,
) -> None:
    first, _, last = metadata(materialized, "mart/conversion_funnel")["days_written"].partition(
        " to "
    )
    assert date.fromisoformat(first) <= date.fromisoformat(DAYS[0])
    assert date.fromisoformat(last) >= date.fromisoformat(DAYS[-1])


@pytest.mark.slow
def test_materializing_a_day_twice_equals_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    truth = small_shop(home, days=1, visitors=100)
    job = build_definitions(Settings(home=home)).resolve_job_def("everything")
    for _ in range(2):
        with dg.DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(
                instance=instance,
                tags={RANGE_START: DAYS[0], RANGE_END: DAYS[0]},
                asset_selection=FEW,
            )
        last = result.asset_materializations_for_node("staging__events")[-1]
        assert last.metadata["dagster/row_count"].value == truth["events"]["clean"]


def run_over(home: Path, first: str, last: str, *keys: dg.AssetKey) -> dg.ExecuteInProcessResult:
    """Run some assets over some days of a home."""
    job = build_definitions(Settings(home=home)).resolve_job_def("everything")
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(
            instance=instance, tags={RANGE_START: first, RANGE_END: last}, asset_selection=[*keys]
        )


@pytest.mark.slow
def test_each_day_of_a_run_shows_its_own_number_of_rows_and_the_log_has_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    small_shop(home, visitors=60)
    result = run_over(home, DAYS[0], DAYS[-1], *FEW)
    of_days = {
        str(materialization.partition): int(
            str(materialization.metadata["dagster/partition_row_count"].value)
        )
        for materialization in result.asset_materializations_for_node("staging__events")
    }
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        stored = con.execute(
            "SELECT event_date::VARCHAR, count(*) FROM staging.events GROUP BY ALL"
        ).fetchall()
    assert of_days == dict(stored)
    assert len(set(of_days.values())) > 1
    logged = [line for line in capsys.readouterr().err.splitlines() if "- staging.events: " in line]
    assert len(logged) == 1
    assert f"{sum(of_days.values()):,} rows" in logged[0]


@pytest.mark.slow
def test_a_table_without_rows_says_which_tables_nothing_has_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    small_shop(home, days=1, visitors=20)
    result = run_over(home, DAYS[0], DAYS[0], dg.AssetKey(["mart", "sales"]))
    (materialization,) = result.asset_materializations_for_node("mart__sales")
    warning = str(materialization.metadata["warning"].value)
    assert "staging.user_order_log" in warning
    assert warning in capsys.readouterr().err, "in the run's log too"


@pytest.mark.slow
def test_a_day_that_was_never_loaded_is_left_as_it_was_with_a_warning(tmp_path: Path) -> None:
    home = tmp_path / "home"
    small_shop(home, days=2, visitors=20)
    run_over(home, DAYS[0], DAYS[0], *FEW)
    result = run_over(home, DAYS[0], DAYS[1], *FEW[1:], dg.AssetKey(["mart", "session_events"]))
    (*_, newest) = result.asset_materializations_for_node("mart__session_events")
    assert str(newest.metadata["warning"].value).startswith(
        f"mart.session_events: {DAYS[1]} left as before"
    )
    assert newest.metadata["days_written"].value == f"{DAYS[0]} to {DAYS[0]}"
