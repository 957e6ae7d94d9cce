"""`ecom run`, `ecom status` and `ecom doctor` with a Postgres that the marts are published to."""

from pathlib import Path

import dagster as dg
import duckdb
import psycopg
import pytest

from ecom_assets.commerce.customers.contracts import EmailConsents
from ecom_assets.core.errors import SettingError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import PUBLICATION
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.core.warehouse.migration import content_of
from ecom_assets.definitions import build_definitions
from ecom_assets.orchestration.registry import MARTS
from ecom_assets_tests.command import FEW_TABLES, CommandResult, ecom, page_views, small_shop

pytestmark = pytest.mark.xdist_group("cli_publishing")

FEW_PUBLISHED = ("--select", f'{FEW_TABLES[1]} or key:"serving/postgres_marts"')
"""Words by which a run makes some tables and publishes."""
NOWHERE = "postgres://shop:s3cret@127.0.0.1:9/shop"


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return page_views(tmp_path / "events.csv", "2026-03-01", "2026-03-02")


def run(
    home: Path, events: Path, postgres: str, *arguments: str, cache: str = "on"
) -> CommandResult:
    return ecom(
        "run",
        "--events",
        events,
        *(arguments or FEW_PUBLISHED),
        home=home,
        env={"ECOM_POSTGRES_URL": postgres, "ECOM_CACHE": cache},
    )


def publications(postgres_url: str) -> list[tuple[int, int]]:
    """Return number and written rows of each publication."""
    with psycopg.connect(postgres_url) as con:
        actual = con.execute(
            "SELECT publication_number, written_row_count FROM mart.publication ORDER BY 1"
        ).fetchall()
    return [(number, written) for number, written in actual]


@pytest.mark.slow
def test_a_run_ends_with_the_marts_in_postgres_equal_row_for_row(
    home: Path, postgres_url: str
) -> None:
    small_shop(home)
    result = ecom("run", "--json", home=home, env={"ECOM_POSTGRES_URL": postgres_url})
    assert result.exit_code == 0
    rows = {
        name: count for name, count in result.json["tables"].items() if name.startswith("mart.")
    }
    answer = result.json["published"]
    assert answer["rows_by_table"] == rows
    written = {name: count for name, count in answer["rows_written_by_table"].items() if count}
    assert written == {name: count for name, count in rows.items() if count}
    assert answer["row_count"] == answer["rows_written"] == sum(rows.values())
    warehouse = new_engine(Settings(home=home)).open()
    published = new_engine(Settings(warehouse=postgres_url)).open()
    for contract in MARTS:
        assert content_of(warehouse, contract) == content_of(published, contract)
    with psycopg.connect(postgres_url) as con:
        schemas = con.execute(
            "SELECT DISTINCT schemaname FROM pg_tables WHERE tableowner = current_user"
        ).fetchall()
    assert {name for (name,) in schemas} == {
        "mart",
        "delivery_ledger",
        "pg_catalog",
        "information_schema",
    }
    warehouse.close()
    published.close()


@pytest.mark.slow
def test_running_again_publishes_nothing_and_another_day_its_own(
    home: Path, events: Path, postgres_url: str
) -> None:
    first = run(home, events, postgres_url)
    assert "Published in postgres" in first.out
    assert "serving.postgres_marts" in first.err
    assert ", 0 of them new" in run(home, events, postgres_url).out
    ((_, written),) = publications(postgres_url)
    page_views(events, "2026-03-01", "2026-03-02", "2026-03-09")
    run(home, events, postgres_url)
    assert [number for number, _ in publications(postgres_url)] == [1, 2]
    assert publications(postgres_url)[1][1] < written


@pytest.mark.slow
def test_a_selection_without_the_publication_does_not_publish(
    home: Path, events: Path, postgres_url: str
) -> None:
    result = run(home, events, postgres_url, "--select", "raw/events", "--json")
    assert result.json["published"] is None


@pytest.mark.slow
def test_marts_that_break_their_contract_are_not_published(
    home: Path, events: Path, postgres_url: str
) -> None:
    assert run(home, events, postgres_url).exit_code == 0
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        con.execute("UPDATE mart.session_days SET event_count = -1")
    # Nobody noted that, so that nothing would be computed from it.
    result = run(home, events, postgres_url, "--select", 'key:"mart/sessions"+', cache="off")
    assert result.exit_code == 1
    with psycopg.connect(postgres_url) as con:
        assert con.execute("SELECT min(event_count) FROM mart.sessions").fetchone() == (1,)
    assert len(publications(postgres_url)) == 1


@pytest.mark.slow
def test_a_postgres_that_is_away_fails_the_publication_only(
    home: Path, events: Path, postgres_url: str
) -> None:
    own_ledger = {
        "ECOM_POSTGRES_URL": NOWHERE,
        "ECOM_LEDGER_URL": f"sqlite:///{home}/ledger.sqlite",
    }
    result = ecom("run", "--events", events, *FEW_PUBLISHED, home=home, env=own_ledger)
    assert result.exit_code == 1
    assert (
        "serving/postgres_marts: postgres://shop@127.0.0.1:9/shop cannot be opened: "
        in result.sentence
    )
    assert result.sentence.endswith("correct ECOM_POSTGRES_URL, or start the server.")
    assert "s3cret" not in result.out + result.err
    rows = {row["table"]: row["rows"] for row in ecom("status", "--json", home=home).json}
    assert rows["mart.engagement_daily"] == 2
    again = run(home, events, postgres_url, "--select", "serving/postgres_marts")
    assert again.exit_code == 0
    assert "0 of them new" not in again.out


@pytest.mark.slow
def test_where_the_list_of_erased_people_cannot_be_read_no_rows_are_loaded(
    home: Path, events: Path
) -> None:
    result = run(home, events, NOWHERE)
    assert result.exit_code == 1
    assert (
        "raw/events: The list of erased people is with the ledger in "
        "postgres://shop@127.0.0.1:9/shop" in result.err
    )
    assert "s3cret" not in result.out + result.err
    rows = {row["table"]: row["rows"] for row in ecom("status", "--json", home=home).json}
    assert not rows.get("raw.events")


@pytest.mark.slow
def test_a_warehouse_that_is_the_same_postgres_is_said_and_skipped(
    home: Path, events: Path, postgres_url: str
) -> None:
    other = f"{postgres_url}&application_name=reader"
    env = {"ECOM_WAREHOUSE": postgres_url, "ECOM_POSTGRES_URL": other}
    result = ecom("run", "--events", events, *FEW_PUBLISHED, home=home, env=env)
    assert result.exit_code == 0
    assert (
        "ECOM_POSTGRES_URL is the warehouse itself, which has the marts already: nothing was "
        "published." in result.out
    )
    actual = finding(home, **env)
    assert actual == (True, "ECOM_POSTGRES_URL is the warehouse itself: nothing to publish.")


def finding(home: Path, **env: str) -> tuple[bool, str]:
    (actual,) = [
        row
        for row in ecom("doctor", "--json", home=home, env=env).json
        if row["subject"] == "publishing"
    ]
    return actual["ok"], actual["found"]


@pytest.mark.slow
def test_doctor_and_status_know_what_is_published(
    home: Path, events: Path, postgres_url: str
) -> None:
    assert finding(home) == (True, "none set; the marts stay in the warehouse")
    ok, actual = finding(home, ECOM_POSTGRES_URL=postgres_url)
    assert (ok, actual.endswith(" opens; nothing is published there yet.")) == (True, True)
    ok, actual = finding(home, ECOM_POSTGRES_URL=NOWHERE)
    assert (ok, "postgres://shop@127.0.0.1:9/shop cannot be opened" in actual) == (False, True)
    run(home, events, postgres_url)
    env = {"ECOM_POSTGRES_URL": postgres_url}
    states = {
        row["table"]: row["published_rows"]
        for row in ecom("status", "--json", home=home, env=env).json
    }
    assert states["mart.sessions"] == 2
    assert states["staging.events"] is None
    shown = ecom("status", home=home, env=env).out.splitlines()[-1]
    assert shown.startswith("Published in postgres")
    assert shown == finding(home, **env)[1]
    assert "cannot be opened" in ecom("status", home=home, env={"ECOM_POSTGRES_URL": NOWHERE}).out


@pytest.mark.slow
def test_the_asset_is_there_where_it_is_set_after_every_mart_and_takes_its_turn() -> None:
    made = build_definitions(Settings(home=Path("never written"), postgres_url=NOWHERE))
    node = made.resolve_asset_graph().get(PUBLICATION)
    # The file of addresses to write to is published beside the marts.
    published: tuple[type[Table], ...] = (*MARTS, EmailConsents)
    assert node.parent_keys == {
        dg.AssetKey([contract.layer, contract.name]) for contract in published
    }
    assert node.pools == {"embedded_warehouse"}
    without = build_definitions(Settings(home=Path("never written")))
    assert PUBLICATION not in without.resolve_asset_graph().get_all_asset_keys()


def test_a_wrong_address_is_refused_at_start() -> None:
    with pytest.raises(SettingError, match="ECOM_POSTGRES_URL is not an address of a Postgres"):
        build_definitions(
            Settings(home=Path("never written"), postgres_url="mysql://shop:s3cret@db.example/shop")
        )
