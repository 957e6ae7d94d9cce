"""What stood in the way of an erasure, or let it say too early that nothing is left: each obstacle,
with few tables.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.collector.segments import segments_folder
from ecom_assets.orchestration.privacy import erasure, warehouse_rows
from ecom_assets.orchestration.privacy.pending import pending_files
from ecom_assets_tests.command import FEW_TABLES, HEADER, CommandResult, ecom
from ecom_assets_tests.orchestration.privacy.test_erase import files_with, query

ANN, BOB, CID = "ann-4711", "bob-4712", "cid-4713"
PAGE = "https://shop.example/u/ann-4711/wishlist"
Shop = Callable[..., Path]


def erase(home: Path, who: str, *options: str, warehouse: Path | None = None) -> CommandResult:
    env = {"ECOM_WAREHOUSE": f"duckdb://{warehouse}"} if warehouse else {}
    return ecom("erase", "--visitor", who, "--json", *(options or ("--yes",)), home=home, env=env)


@pytest.fixture
def shop(tmp_path: Path, home: Path) -> Shop:
    """Run the platform over events of one day: who did it, on which page."""

    def run(*events: tuple[str, str], **env: str) -> Path:
        lines = [
            f"e{n},{who},page_view,2026-01-01T10:0{n}:00Z,,,s{n},{page},,"
            for n, (who, page) in enumerate(events)
        ]
        (tmp_path / "events.csv").write_text("\n".join([HEADER, *lines]) + "\n")
        ran = ecom("run", "--events", tmp_path / "events.csv", *FEW_TABLES, home=home, env=env)
        assert ran.exit_code == 0, ran.err
        return home

    return run


@pytest.mark.slow
def test_an_address_that_another_person_visited_is_kept_and_listed(shop: Shop) -> None:
    home = shop((ANN, "https://shop.example/"), (BOB, PAGE))
    result = erase(home, ANN)
    assert result.exit_code == 0, result.err
    assert result.json["verified"]["left"] == {"tables": {}, "files": {}, "other_files": []}
    kept = result.json["verified"]["kept"]["rows"]
    assert kept["raw.events.page_url"] == kept["mart.sessions.entry_page_url"] == 1
    assert query(home, "SELECT user_id, page_url FROM raw.events") == [(BOB, PAGE)]
    checked = ecom("erase", "--visitor", ANN, "--verify", home=home)
    assert checked.exit_code == 0
    assert checked.out.splitlines()[:2] == [
        "Nothing of the person is left.",
        "Kept: 1 rows of others with an id of the person in raw.events.page_url.",
    ]


@pytest.mark.slow
def test_what_a_collector_left_keeps_nobody_from_being_erased_where_nothing_lands(
    shop: Shop,
) -> None:
    home = shop(
        (ANN, "https://shop.example/"), (BOB, "https://shop.example/")
    )  # of a file: nothing lands beside it
    segment = segments_folder(home) / "received_date=2026-01-01" / "killed-1.ecommerce.ndjson"
    segment.parent.mkdir(parents=True)
    segment.write_text(
        json.dumps({"event_id": "late", "user_id": ANN, "event_type": "page_view"}) + "\n"
    )
    result = erase(home, ANN)
    assert result.exit_code == 0, result.err
    assert result.json["verified"]["kept"]["files"] == [str(segment)]
    assert query(home, "SELECT user_id FROM raw.events") == [(BOB,)]


@pytest.mark.slow
def test_an_id_with_spaces_is_the_same_person_s(shop: Shop, tmp_path: Path) -> None:
    home = shop(
        (f" {ANN} ", "https://shop.example/"),
        (ANN, "https://shop.example/"),
        (BOB, "https://shop.example/"),
    )
    result = erase(home, f"{ANN} ")
    assert result.exit_code == 0, result.err
    assert query(home, "SELECT user_id FROM raw.events") == [(BOB,)]
    assert files_with(ANN, home, tmp_path / "events.csv") == []
    assert ANN not in (tmp_path / "events.csv").read_text()
    shop((f"  {ANN}", "https://shop.example/"), (BOB, "https://shop.example/"))
    assert query(home, "SELECT user_id FROM raw.events") == [(BOB,)], (
        "she is kept out in any spelling"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["home/warehouse.duckdb", "elsewhere/shop.duckdb"])
def test_damaged_warehouses_and_left_overs_of_killed_runs_are_removed(
    shop: Shop, tmp_path: Path, name: str
) -> None:
    warehouse = tmp_path / name
    home = shop(
        (ANN, "https://shop.example/"),
        (BOB, "https://shop.example/"),
        ECOM_WAREHOUSE=f"duckdb://{warehouse}",
    )
    # As DuckDB's dictionary pages store values: one directly after the other, which no search for
    # words finds.
    set_aside = warehouse.with_name(f"{warehouse.name}.damaged-20260101T000000000000")
    set_aside.write_bytes(b"bob-4712ann-4711cid-4713")
    spilled = Path(f"{warehouse}.tmp") / "duckdb_temp_storage_DEFAULT-0.tmp"
    spilled.parent.mkdir(exist_ok=True)
    spilled.write_bytes(b" ann-4711 ")
    before = erase(home, ANN, "--verify", warehouse=warehouse)
    assert (before.exit_code, before.json["left"]["other_files"]) == (
        1,
        sorted(map(str, (set_aside, spilled))),
    )
    result = erase(home, ANN, warehouse=warehouse)
    assert result.exit_code == 0, result.err
    assert not set_aside.exists()
    assert not spilled.exists()
    assert erase(home, ANN, "--verify", warehouse=warehouse).json["is_absent"]


@pytest.mark.slow
def test_an_erasure_that_was_not_finished_keeps_no_other_from_ending(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = shop(
        (ANN, "https://shop.example/"),
        (BOB, "https://shop.example/"),
        (CID, "https://shop.example/"),
    )
    with monkeypatch.context() as patch:
        patch.setattr(erasure, "hash_records", lambda *_: 1 / 0)
        patch.setattr(warehouse_rows, "delete_raw_rows", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            erase(home, ANN)
    (interrupted,) = pending_files(Settings(home=home))
    assert interrupted.stat().st_mode & 0o077 == 0
    damaged = interrupted.with_name("pending-0.json")
    damaged.write_text("[" * 9)
    other = erase(home, BOB)
    assert other.exit_code == 0
    assert "An erasure of another person" in other.err
    assert f"{damaged} is damaged" in other.err
    assert query(home, "SELECT user_id FROM raw.events ORDER BY 1") == [(ANN,), (CID,)]
    resumed = erase(home, ANN)
    assert (resumed.exit_code, pending_files(Settings(home=home))) == (0, [damaged])
    assert query(home, "SELECT user_id FROM raw.events") == [(CID,)]


@pytest.mark.slow
def test_a_file_that_is_not_the_platform_s_is_named_and_left(shop: Shop) -> None:
    home = shop((ANN, "https://shop.example/"), (BOB, "https://shop.example/"))
    (home / "notes.txt").write_text("call ann-4711 back\n")
    (home / "api.log").write_text('{"user": "ann-4711"}\n{"user": "bob-4712"}\n')
    result = erase(home, ANN)
    assert result.exit_code == 0, result.err
    assert result.json["verified"]["kept"]["files"] == [str(home / "notes.txt")]
    assert json.loads((home / "api.log").read_text()) == {"user": "bob-4712"}
