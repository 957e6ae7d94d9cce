"""Days that their source lost, a warehouse that was lost, and days that a stray row spans:
nothing goes silently.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from ecom_assets_tests.command import HEADER, CommandResult, copy_of_shop, ecom
from ecom_assets_tests.sandbox.vendors.audit import who_has_what
from ecom_sandbox.vendors.amplitude import AmplitudeReceiver
from ecom_sandbox.vendors.receiver import Setup

pytestmark = pytest.mark.xdist_group("cli_lost_days")

STAGED = '+key:"staging/events"'
SERVED = f'{STAGED} or key:"serving/marts"'
ORDER_HEADER = (
    "id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,"
    "quantity,payment_amount"
)
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")


def land(folder: Path, day: str, *, rows: int = 4) -> None:
    """Land so many page views of a day."""
    partition = folder / f"received_date={day}"
    partition.mkdir(parents=True, exist_ok=True)
    lines = [
        f"e-{day}-{n},u{n},page_view,{day}T10:00:00Z,,,s{n},https://shop.example/,,"
        for n in range(rows)
    ]
    (partition / "events.csv").write_text("\n".join([HEADER, *lines]) + "\n")


def take_away(folder: Path, day: str) -> None:
    (folder / f"received_date={day}" / "events.csv").unlink()
    (folder / f"received_date={day}").rmdir()


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    for day in DAYS:
        land(tmp_path / "landing", day)
    return tmp_path / "landing"


def run(landing: Path, home: Path, *arguments: str, select: str = STAGED) -> CommandResult:
    return ecom("run", "--json", "--events", landing, "--select", select, *arguments, home=home)


def clean_count(result: CommandResult) -> int:
    return int(result.json["tables"]["staging.events"])


class Shop:
    """A home, what lands there, and what the last run over it said; copied for each test."""

    def __init__(self, folder: Path, said: CommandResult) -> None:
        self.folder = folder
        self.said = said

    def copied(self, to: Path) -> tuple[Path, Path, CommandResult]:
        """Return the landing folder and the home of a copy, and what was said of the original."""
        copy_of_shop(self.folder, to)
        return to / "landing", to / "home", self.said


def shop_after_run(folder: Path, select: str = STAGED) -> Shop:
    for day in DAYS:
        land(folder / "landing", day)
    return Shop(folder, run(folder / "landing", folder / "home", select=select))


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return shop_after_run(tmp_path_factory.mktemp("staged"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop whose marts were published, too."""
    return shop_after_run(tmp_path_factory.mktemp("served"), SERVED)


@pytest.fixture(scope="module")
def holding(staged: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop after a second run, before which the second day went and the third grew."""
    folder = tmp_path_factory.mktemp("holding")
    landing, home, _ = staged.copied(folder)
    take_away(landing, "2026-01-02")
    land(landing, "2026-01-03", rows=5)
    return Shop(folder, run(landing, home))


@pytest.mark.slow
def test_a_day_that_is_gone_is_kept_reported_and_listed_until_somebody_lets_it_go(
    staged: Shop, holding: Shop, tmp_path: Path
) -> None:
    assert clean_count(staged.said) == 12
    landing, home, held = holding.copied(tmp_path)
    assert (held.exit_code, clean_count(held)) == (1, 13)
    (failed,) = held.json["checks"]["failed"]
    assert failed["name"] == "no_day_lost_its_rows"
    assert failed["sentence"] == (
        "The source of events has 0 of the 4 rows that raw.events has of 2026-01-02, which were "
        "kept; put them back, or let them go with `ecom run --from 2026-01-02 --to 2026-01-02 "
        "--allow-withdrawal`."
    )
    listed = ecom("status", home=home)
    assert "raw.events keeps 4 rows of 2026-01-02, of which its source has 0 since " in listed.out
    states = {row["table"]: row["lost_days"] for row in ecom("status", "--json", home=home).json}
    assert {table: days for table, days in states.items() if days} == {"raw.events": ["2026-01-02"]}

    allowed = run(landing, home, "--from", "2026-01-02", "--to", "2026-01-02", "--allow-withdrawal")
    assert (allowed.exit_code, clean_count(allowed)) == (0, 9)
    assert "keeps" not in ecom("status", home=home).out


@pytest.mark.slow
def test_a_day_that_comes_back_ends_it_by_itself(holding: Shop, tmp_path: Path) -> None:
    landing, home, held = holding.copied(tmp_path)
    assert held.exit_code == 1
    land(landing, "2026-01-02", rows=5)
    back = run(landing, home)
    assert (back.exit_code, clean_count(back)) == (0, 14)


@pytest.mark.slow
def test_a_day_without_rows_is_withdrawn_where_the_source_says_it_is_whole(
    staged: Shop, tmp_path: Path
) -> None:
    landing, home, _ = staged.copied(tmp_path)
    take_away(landing, "2026-01-02")
    (landing / "received_date=2026-01-02").mkdir()
    (landing / "received_date=2026-01-02" / "_SUCCESS").touch()
    whole = run(landing, home)
    assert (whole.exit_code, clean_count(whole)) == (0, 8)


def land_orders(folder: Path, day: str) -> None:
    lines = [f"{n},{day}-{n},{day}T00:00:00,1,Berlin,{n},,,7,Hat,1,10" for n in range(4)]
    (folder / f"increment_date={day}").mkdir(parents=True)
    (folder / f"increment_date={day}" / "orders.csv").write_text(
        "\n".join([ORDER_HEADER, *lines]) + "\n"
    )


@pytest.mark.slow
def test_a_day_of_orders_that_is_gone_is_kept_and_its_neighbours_go_on(
    tmp_path: Path, home: Path
) -> None:
    for day in DAYS:
        land_orders(tmp_path / "orders", day)
    arguments = (
        "run",
        "--json",
        "--orders",
        tmp_path / "orders",
        "--select",
        '+key:"staging/user_order_log"',
    )
    assert ecom(*arguments, home=home).json["tables"]["staging.user_order_log"] == 12
    (tmp_path / "orders" / "increment_date=2026-01-02" / "orders.csv").unlink()
    held = ecom(*arguments, home=home)
    assert (held.exit_code, held.json["tables"]["staging.user_order_log"]) == (1, 12)
    assert (
        "The source of orders has 0 of the 4 rows that raw.user_order_log has of 2026-01-02"
        in held.err
    )
    allowed = ecom(
        *arguments, "--from", "2026-01-02", "--to", "2026-01-03", "--allow-withdrawal", home=home
    )
    assert allowed.json["tables"]["staging.user_order_log"] == 8
    assert "no_day_lost_its_rows" not in {row["name"] for row in allowed.json["checks"]["failed"]}


@pytest.mark.slow
def test_reports_of_ads_that_are_given_one_after_the_other_on_a_day_all_count(
    tmp_path: Path, home: Path
) -> None:
    """January's report, and an hour later February's first day: both arrive today. A campaign that
    January's report lacks in its next version is gone.
    """
    land_orders(tmp_path / "orders", "2026-01-01")

    def spent(name: str, *rows: str, more: Sequence[str] = ()) -> int:
        header = "Customer ID,Day,Campaign,Campaign ID,Currency code,Cost,Impr.,Clicks"
        lines = [f"1,{row},EUR,1.00,9,1" for row in rows]
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *lines]) + "\n")
        sources = (
            "--orders",
            tmp_path / "orders",
            "--ad-spend",
            f"google_ads={tmp_path}/{name}.csv",
        )
        result = ecom("run", *sources, *more, "--select", '+key:"staging/ad_spend"', home=home)
        assert result.exit_code == 0, result.err
        with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as tables:
            return len(tables.execute("FROM staging.ad_spend").fetchall())

    month = [f"2026-01-{day:02},Brand,7" for day in range(1, 11)]
    assert spent("january", *month, "2026-01-10,Video,8") == 11
    assert spent("february", "2026-02-01,Brand,7") == 12
    assert spent("january", *month) == 11
    assert spent("february", "2026-02-01,Brand,7", more=["--allow-withdrawal"]) == 1


@pytest.mark.slow
def test_a_source_that_begins_months_later_stops_no_run_that_is_cut_at_the_gap(
    tmp_path: Path, home: Path
) -> None:
    land(tmp_path / "events", "2026-01-01")
    land_orders(tmp_path / "orders", "2025-10-01")
    land_orders(tmp_path / "orders", "2026-01-01")
    arguments = ("--orders", tmp_path / "orders", "--events", tmp_path / "events")
    ran = ecom(
        "run",
        "--json",
        *arguments,
        "--select",
        f'{STAGED} or +key:"staging/user_order_log"',
        home=home,
    )
    assert ran.exit_code == 0, ran.err
    assert (ran.json["tables"]["staging.events"], ran.json["tables"]["staging.user_order_log"]) == (
        4,
        8,
    )


@pytest.mark.slow
def test_what_lies_before_a_gap_is_delivered_and_reported_too(
    landing: Path, home: Path, tmp_path: Path
) -> None:
    land(landing, "2026-06-01", rows=2)
    select = (
        '+key:"mart/engagement_daily" or key:"mart/restatements" or key:"export/amplitude_events"'
    )
    with AmplitudeReceiver(Setup(request_log=tmp_path / "amplitude.requests")) as receiver:
        env = {f"ECOM_{name.upper()}": value for name, value in receiver.settings().items()}
        env["ECOM_AMPLITUDE_MIN_ID_LENGTH"] = "1"
        arguments = ("run", "--json", "--events", landing, "--select", select)
        first = ecom(*arguments, home=home, env=env)
        assert first.exit_code == 0, first.err
        assert first.json["restatements"]["changed"] == 0
        sent = first.json["deliveries"]["amplitude_events"]
        assert (sent["due"], sent["delivered"]) == (3 * 4 + 2, 3 * 4 + 2)
        land(landing, "2026-01-02", rows=5)
        second = ecom(*arguments, home=home, env=env)
        assert (second.json["deliveries"]["amplitude_events"]["due"], second.exit_code) == (
            3 * 4 + 2 + 1,
            0,
        )
    assert second.json["restatements"]["changed"] > 0
    assert second.json["restatements"]["largest"]["day"] == "2026-01-02"
    taken = who_has_what(tmp_path / "amplitude.requests", "amplitude").taken
    assert set(taken.values()) == {1}
    assert len(taken) == 3 * 4 + 2 + 1


@pytest.mark.slow
def test_most_rows_of_a_source_refused_stop_what_is_built_on_them_in_one_sentence(
    tmp_path: Path, home: Path
) -> None:
    land(tmp_path / "landing", "2026-01-01", rows=3)
    events = tmp_path / "landing" / "received_date=2026-01-01" / "events.csv"
    events.write_text(events.read_text().replace("T10:00:00Z", " at ten"))
    result = run(tmp_path / "landing", home)
    assert result.exit_code == 1
    assert result.json["tables"]["raw.events"] == 3
    assert (
        "Of 3 rows of events, 3 (100%) were refused, "
        "more than ECOM_GATE_REFUSED_SHARE=0.5 allows; staging.quarantined_events has the reasons"
    ) in result.err


@pytest.mark.slow
@pytest.mark.parametrize("bad_day", ["2025-10-01", "2026-06-01"])
def test_one_bad_row_alone_in_its_file_and_far_from_all_others_fails_no_run(
    landing: Path, home: Path, bad_day: str
) -> None:
    land(landing, bad_day, rows=1)
    bad = landing / f"received_date={bad_day}" / "events.csv"
    bad.write_text(bad.read_text().replace(f"{bad_day}T10:00:00Z", "yesterday"))
    result = run(landing, home, select=f'{SERVED} or key:"mart/event_accounting_daily"')
    assert (result.exit_code, clean_count(result)) == (0, 12), result.err
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        counts = con.execute(
            "SELECT sum(received_count), sum(quarantined_count) FROM mart.event_accounting_daily"
        )
        assert counts.fetchone() == (13, 1)
    assert built_on(home)["raw.events"][0] == min([bad_day, bad_day], ["2026-01-01", "2026-01-03"])


def built_on(home: Path) -> dict[str, list[list[str]]]:
    actual: dict[str, list[list[str]]] = json.loads(
        (home / "serving" / "current.json").read_text()
    )["built_on"]
    return actual


def spoil(home: Path) -> None:
    (home / "warehouse.duckdb").write_bytes(b"no database at all" * 1000)


def remove(home: Path) -> None:
    (home / "warehouse.duckdb").unlink()


@pytest.mark.slow
@pytest.mark.parametrize("loss", [spoil, remove])
def test_a_lost_warehouse_is_built_whole_before_it_is_published(
    served: Shop, tmp_path: Path, loss: object
) -> None:
    assert callable(loss)
    landing, home, first = served.copied(tmp_path)
    assert first.exit_code == 0
    whole = {"raw.events": [["2026-01-01", "2026-01-03"]]}
    assert built_on(home) == whole
    loss(home)
    days = ("--from", "2026-01-03", "--to", "2026-01-03")
    refused = run(landing, home, *days, select=SERVED)
    assert refused.exit_code == 1
    assert (
        "lacks 3 days of what the last publication was built on (2026-01-01 to 2026-01-03)"
        in refused.err
    )
    assert "`ecom run --from 2026-01-01 --to 2026-01-03`" in refused.err
    assert built_on(home) == whole
    assert run(landing, home, select=SERVED).exit_code == 0
    assert built_on(home) == whole


@pytest.mark.slow
def test_a_fragment_is_published_if_it_is_meant(served: Shop, tmp_path: Path) -> None:
    landing, home, _ = served.copied(tmp_path)
    remove(home)
    meant = run(
        landing, home, "--from", "2026-01-03", "--to", "2026-01-03", "--rebuild", select=SERVED
    )
    assert meant.exit_code == 0, meant.err
    assert built_on(home) == {"raw.events": [["2026-01-03", "2026-01-03"]]}


@pytest.mark.slow
def test_a_publication_and_an_export_of_a_fragment_are_refused_by_themselves(
    served: Shop, tmp_path: Path
) -> None:
    landing, home, _ = served.copied(tmp_path)
    remove(home)
    assert run(landing, home, "--from", "2026-01-03", "--rebuild").exit_code == 0
    before = built_on(home)
    # As the daemon does: the publication alone, and an export, over a day that is there.
    published = run(landing, home, "--from", "2026-01-01", select='key:"serving/marts"')
    assert published.exit_code == 1
    assert "serving/marts: The warehouse" in published.err
    assert "so nothing was published" in published.err
    assert built_on(home) == before
    sent = ecom("export", "--to", "customers-json", home=home)
    assert sent.exit_code == 1
    assert "so no customers were written" in sent.err
    assert not (home / "exports" / "customers.json").exists()


@pytest.mark.slow
def test_days_that_were_let_go_are_missed_by_no_publication(served: Shop, tmp_path: Path) -> None:
    landing, home, _ = served.copied(tmp_path)
    take_away(landing, "2026-01-02")
    assert run(landing, home, "--allow-withdrawal").exit_code == 0
    assert run(landing, home, select=SERVED).exit_code == 0
    assert built_on(home) == {
        "raw.events": [["2026-01-01", "2026-01-01"], ["2026-01-03", "2026-01-03"]]
    }


@pytest.mark.slow
def test_a_confirmed_stray_row_costs_its_day_only(
    landing: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(landing, "2014-01-01", rows=1)
    refused = run(landing, home)
    assert refused.exit_code == 2
    assert refused.sentence.startswith(
        "The data span 4,386 days, from 2014-01-01 to 2026-01-03, more than 1,830: 1 row of "
        "received_date=2014-01-01/events.csv of 2014-01-01 is far from all others; "
    )
    assert not home.exists()
    meant = run(landing, home, "--from", "2014-01-01", "--to", "2026-01-03")
    assert (meant.exit_code, clean_count(meant)) == (0, 13)
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        assert instance.get_materialized_partitions(dg.AssetKey(["raw", "events"])) == {
            "2014-01-01",
            *DAYS,
        }
