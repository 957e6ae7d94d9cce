"""The simulated shop as files: the same bytes each time, whole or not at all,
and nothing else overwritten.
"""

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

import ecom_sandbox
from ecom_assets.commerce.attribution.touches import acquisition_channel
from ecom_assets.core.errors import UsageError
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.sandbox.shop_recount import TYPES, Recount
from ecom_sandbox.shop import faults as f
from ecom_sandbox.shop import shop
from ecom_sandbox.shop.shop import FIRST_DAY, Shop, cast_of, generate


def digests(out: Path) -> dict[str, str]:
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


@pytest.mark.slow
def test_the_default_shop_is_big_enough_to_look_at(tmp_path: Path) -> None:
    truth: dict[str, Any] = generate(tmp_path / "shop")
    assert 90_000 < truth["events"]["rows"] < 300_000


@pytest.mark.slow
def test_the_same_settings_give_the_same_bytes_and_another_seed_gives_others(
    tmp_path: Path,
) -> None:
    for name, seed in (("once", 3), ("again", 3), ("other", 4)):
        generate(tmp_path / name, days=12, visitors=150, seed=seed)
    once = digests(tmp_path / "once")
    assert once == digests(tmp_path / "again")
    other = digests(tmp_path / "other")
    assert not {name for name in once if once[name] == other.get(name)}
    assert {"truth.json", "orders.parquet", "catalogue.parquet"} < set(once)


@pytest.mark.slow
def test_the_size_of_batches_does_not_change_what_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Recount(tmp_path / "whole", days=3, visitors=300)
    monkeypatch.setattr(shop, "VISITS_AT_ONCE", 40)
    parts = Recount(tmp_path / "parts", days=3, visitors=300)
    assert len(list((tmp_path / "parts").glob("events/received_date=2026-01-01/*"))) > 1
    sessions = """
        select session_id,
            string_agg(event_type || event_timestamp, ' ' order by event_timestamp, event_type)
        from clean where user_agent not like '%bot%' group by 1"""
    assert whole.pairs(sessions) == parts.pairs(sessions)


def test_truth_is_written_beside_the_data_with_its_settings(tmp_path: Path) -> None:
    truth = generate(tmp_path / "shop", days=2, visitors=20, seed=11, first_day=date(2025, 12, 31))
    assert json.loads((tmp_path / "shop" / "truth.json").read_text()) == truth
    assert truth["settings"] == {
        "seed": 11,
        "days": 2,
        "visitors": 20,
        "first_day": "2025-12-31",
        "late_days": 7,
    }
    assert [p.name for p in sorted((tmp_path / "shop" / "events").iterdir())] == [
        "received_date=2025-12-31",
        "received_date=2026-01-01",
    ]


@pytest.mark.slow
def test_visits_come_to_the_website_by_the_app_and_by_mail(tmp_path: Path) -> None:
    """A third of phones, so a fifth of visits, have the app; mails are opened in it, too."""
    small = Recount(tmp_path / "shop", days=3, visitors=200)
    columns = "page_url, referrer_url, user_agent"
    pages = small.con.sql(f"select {columns} from clean where event_type = 'page_view'")
    opened = connect().create_table("opened", pages.to_arrow_table())
    channel = acquisition_channel(opened.page_url, opened.referrer_url, opened.user_agent)
    found = {row["channel"] for row in rows_of(opened.select(channel=channel).distinct())}
    assert found == {"website", "mobile_app", "email_campaign"}


def test_progress_counts_the_days(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    generate(
        tmp_path / "shop", days=3, visitors=5, progress=lambda done, of: calls.append((done, of))
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_an_earlier_shop_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    generate(tmp_path / "shop", days=4, visitors=10)
    generate(tmp_path / "shop", days=2, visitors=10)
    assert len(list((tmp_path / "shop" / "events").iterdir())) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["shop"]


def test_a_run_that_fails_leaves_the_earlier_shop_as_it_was(tmp_path: Path) -> None:
    generate(tmp_path / "shop", days=2, visitors=10)
    before = digests(tmp_path / "shop")

    def stop(_done: int, _of: int) -> None:
        raise RuntimeError("the lights went out")

    with pytest.raises(RuntimeError, match="lights"):
        generate(tmp_path / "shop", days=3, visitors=10, progress=stop)
    assert digests(tmp_path / "shop") == before
    assert [p.name for p in tmp_path.iterdir()] == ["shop"]


def test_a_killed_run_leaves_nothing_and_the_next_one_clears_up(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from ecom_sandbox.shop.shop import generate\n"
        "wait = lambda done, of: (print(done, flush=True), time.sleep(30))\n"
        "generate(Path(sys.argv[1]), days=9, visitors=50, progress=wait)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "shop")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"1\n"
        with pytest.raises(UsageError, match="Another run is writing"):
            generate(tmp_path / "shop", days=1, visitors=1)
        os.kill(run.pid, signal.SIGKILL)
    assert not (tmp_path / "shop").exists()
    generate(tmp_path / "shop", days=1, visitors=1)
    assert [p.name for p in tmp_path.iterdir()] == ["shop"]


def test_a_folder_with_something_else_in_it_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="not a simulated shop"):
        generate(tmp_path, days=1, visitors=1)
    assert (tmp_path / "thesis.txt").read_text() == "mine"
    with pytest.raises(UsageError, match="not a folder"):
        generate(tmp_path / "thesis.txt", days=1, visitors=1)


def test_somebody_elses_truth_file_does_not_make_a_folder_ours(tmp_path: Path) -> None:
    for content in ('{"generator": "another"}', "[]", "no json"):
        (tmp_path / "truth.json").write_text(content)
        with pytest.raises(UsageError, match="not a simulated shop"):
            generate(tmp_path, days=1, visitors=1)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    generate(tmp_path / "shop", days=1, visitors=1)
    assert (tmp_path / "shop" / "truth.json").is_file()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"days": 0}, "days"),
        ({"days": -1}, "days"),
        ({"days": 3_661}, "days"),
        ({"visitors": 0}, "visitors"),
        ({"visitors": 20_000_001}, "visitors"),
        ({"seed": -1}, "seed"),
        ({"first_day": date(1999, 12, 31)}, "first_day"),
    ],
)
def test_settings_that_make_no_shop_are_refused_by_name(
    tmp_path: Path, settings: dict[str, Any], word: str
) -> None:
    with pytest.raises(UsageError, match=f"`{word}` is") as refusal:
        generate(tmp_path / "shop", **settings)
    assert str(refusal.value).endswith(".")
    assert not list(tmp_path.iterdir())


SAMPLE_COLUMNS = (
    "event_id",
    "user_id",
    "event_type",
    "event_timestamp",
    "product_id",
    "product_category",
    "session_id",
    "page_url",
    "referrer_url",
    "cart_value",
)
SAMPLE_ROWS = 200
SAMPLE_FLAWS = (f.NO_TIME, f.NO_TYPE, f.NO_ID)


def write_sample(path: Path) -> None:
    """Write `sample_event_data.csv`: the first events of a small shop, `SAMPLE_ROWS` rows,
    three of them broken.
    """
    made = Shop(7, cast_of(1, 400, 7, FIRST_DAY))
    rows = made.people(0, int(made.schedule.first_of_day[1]))[0]
    rows = rows[np.lexsort((rows["number"], rows["at"]))][: SAMPLE_ROWS - len(SAMPLE_FLAWS)]
    flaw = np.array(SAMPLE_FLAWS, np.int64)
    twins = f.break_rows(made.world.dice, rows[40 + 50 * np.arange(len(flaw))], flaw, 10**6 + flaw)
    rows = np.concatenate([rows, twins])
    rows = rows[np.lexsort((rows["number"], rows["received"]))]
    table = made.columns.table(rows).select(SAMPLE_COLUMNS)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.column_names)
        writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))


def test_the_shipped_sample_is_what_the_generator_makes(tmp_path: Path) -> None:
    shipped = Path(ecom_sandbox.__file__).with_name("sample_event_data.csv")
    write_sample(tmp_path / "sample.csv")
    assert shipped.read_bytes() == (tmp_path / "sample.csv").read_bytes()


def test_the_sample_holds_whole_purchases_and_three_broken_rows() -> None:
    shipped = Path(ecom_sandbox.__file__).with_name("sample_event_data.csv")
    rows = f"read_csv('{shipped}', all_varchar = true)"
    con = duckdb.connect()
    assert con.execute(f"select count(*) from {rows}").fetchall() == [(200,)]
    assert (
        con.execute(f"select count(*) from {rows} where event_type = 'purchase'").fetchall()[0][0]
        > 0
    )
    broken = f"""
        select count(*) from {rows} where try_cast(event_timestamp as timestamp) is null
        or event_type is null or event_type not in {tuple(TYPES)}
        or coalesce(event_id, '') = ''"""
    assert con.execute(broken).fetchall() == [(3,)]


def test_the_simulator_loads_neither_dagster_nor_the_command_line() -> None:
    program = (
        "import sys, ecom_sandbox.shop.shop; print({'dagster', 'typer', 'ibis'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "set()\n"
