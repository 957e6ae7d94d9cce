"""Loading uploads and taking them back: a shop's weekly exports, in which a later one has newer
versions, and runs that fail or are killed.
"""

import errno
import os
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Final

import dagster as dg
import duckdb
import pytest

from ecom_assets.core.operations.requests import Requests
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import choose_shop, shop_problem
from ecom_assets.definitions import build_definitions
from ecom_assets.ingestion.sources.proposal.questions import LEFT_OUT, NO_CUSTOMER
from ecom_assets.ingestion.uploads import landed
from ecom_assets.ingestion.uploads.asking import (
    READS_FILES,
    ask_load,
    ask_shop,
    ask_undo,
    progress_of,
    waiting_requests,
)
from ecom_assets.ingestion.uploads.look import Chosen
from ecom_assets.ingestion.uploads.store import Upload, Uploads
from ecom_assets.ingestion.uploads.zones import files_of_zone
from ecom_assets.orchestration.automation.upload_runs import RunEnd, UploadRun
from ecom_assets.orchestration.empty_home import emptied
from ecom_assets_tests.command import FEW_SALES, ecom
from ecom_assets_tests.ingestion.uploads.shop_exports import (
    WEEK_1,
    WEEK_2,
    WEEK_3,
    Order,
    chosen,
    export,
    revenue_of,
    sent,
    settings_of,
)
from ecom_assets_tests.orchestration.automation.test_upload_changes import as_costs, landed_rows


def run_few_tables(settings: Settings, first: date, last: date | None) -> RunEnd:
    """Compute the tables of revenue in this process."""
    days = ("--from", str(first), *(("--to", str(last)) if last else ()))
    done = ecom("run", *days, "--json", *FEW_SALES, home=settings.home)
    return RunEnd(done.exit_code == 0, done.err)


def work_off(home: Path) -> list[str]:
    return UploadRun(home, "a-run", run_few_tables, emptied).do(waiting_requests(home))


def revenue(home: Path) -> Mapping[str, int]:
    """Return what the mart says of each day, without days that come to nothing."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        rows = con.execute(
            "SELECT order_date, sum(revenue_amount) FROM mart.revenue_daily "
            "WHERE channel = '(all)' AND city_id = '(all)' AND item_category = '(all)' "
            "AND sales_channel = '(all)' GROUP BY 1 ORDER BY 1"
        ).fetchall()
    return {str(day): int(amount) for day, amount in rows if amount}


def states(home: Path) -> list[str]:
    return [upload.state for upload in reversed(Uploads(home).every())]


@pytest.fixture(scope="module")
def three_weeks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Upload]]:
    """A home into which the exports of three weeks were loaded, the first one alone."""
    folder = tmp_path_factory.mktemp("three_weeks")
    home = folder / "home"
    first = chosen(home, export(folder / "week1.csv", WEEK_1))
    ask_load(home, first, "ann")
    assert work_off(home) == []
    assert (
        revenue(home)
        == revenue_of(WEEK_1)
        == {
            "2026-03-02": 100,
            "2026-03-03": 80,
            "2026-03-08": 30,
        }
    )
    for number, orders in enumerate((WEEK_2, WEEK_3), 2):
        ask_load(home, chosen(home, export(folder / f"week{number}.csv", orders)), "ann")
    assert work_off(home) == []
    return home, list(reversed(Uploads(home).every()))


@pytest.mark.slow
def test_a_later_upload_replaces_versions_and_never_days(
    three_weeks: tuple[Path, list[Upload]],
) -> None:
    home, uploads = three_weeks
    assert [upload.state for upload in uploads] == ["loaded"] * 3
    assert [(str(each.first_day), str(each.last_day)) for each in uploads] == [
        ("2026-03-02", "2026-03-08"),
        ("2026-03-08", "2026-03-10"),
        ("2026-03-17", "2026-03-17"),
    ]
    assert [upload.amount for upload in uploads] == [210, 70, 60]
    assert [upload.replaced_uploads for upload in uploads] == [(), (1,), ()]
    assert revenue_of(WEEK_1, WEEK_2, WEEK_3) == {
        "2026-03-02": 100,
        "2026-03-03": 80,
        "2026-03-10": 70,
        "2026-03-17": 60,
    }
    assert Requests(home).waiting() == []


@pytest.mark.slow
def test_what_is_taken_back_lets_older_versions_count_again(
    three_weeks: tuple[Path, list[Upload]],
) -> None:
    home, (first, second, third) = three_weeks
    assert revenue(home) == revenue_of(WEEK_1, WEEK_2, WEEK_3)
    # The newest: the run is over a day that has no line then.
    ask_undo(home, third, "ann")
    assert work_off(home) == []
    assert revenue(home) == revenue_of(WEEK_1, WEEK_2)
    ask_load(home, Uploads(home).numbered(third.number), "ann")
    assert work_off(home) == []
    assert revenue(home) == revenue_of(WEEK_1, WEEK_2, WEEK_3)
    ask_undo(home, second, "ann")
    assert work_off(home) == []
    assert revenue(home) == revenue_of(WEEK_1, WEEK_3)
    assert states(home) == ["loaded", "undone", "loaded"]
    # The first of three, not the last: days that no other file has are without rows.
    ask_undo(home, first, "ann")
    assert work_off(home) == []
    assert revenue(home) == revenue_of(WEEK_3) == {"2026-03-17": 60}
    # What was taken back can be loaded again, as its file is still kept.
    ask_load(home, Uploads(home).numbered(second.number), "ann")
    assert work_off(home) == []
    assert revenue(home) == revenue_of(WEEK_2, WEEK_3)
    for upload in (second, third):
        ask_undo(home, Uploads(home).numbered(upload.number), "ann")
    assert work_off(home) == []
    assert (revenue(home), states(home)) == ({}, ["undone"] * 3)
    assert not settings_of(home).has_own_data, "the home is empty, as before the first upload"


RETAIL_HEADER: Final = (
    "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country"
)
WINTER: Final = (
    "1001,L1,LAMP,2,2009-12-01 08:45:00,10.0,13085.0,United Kingdom",
    "1002,S1,SHADE,3,2009-12-10 09:00:00,5.0,13086.0,United Kingdom",
    "C1003,S1,SHADE,-1,2009-12-10 12:00:00,5.0,13086.0,United Kingdom",
    "1004,S1,SHADE,1,2010-04-29 10:00:00,2.0,,United Kingdom",
)
"""20.00 on 1 December; 15.00 less 5.00 on the 10th; and months later, in a run of its own, a line
without a customer, which is refused.
"""


def retail(path: Path, lines: Iterable[str]) -> Path:
    """Write an export in the layout of Online Retail II."""
    path.write_text("\n".join([RETAIL_HEADER, *lines]) + "\n")
    return path


def clean_amounts(home: Path) -> Mapping[str, int]:
    """Return what the clean order lines of each day come to, sold less paid back."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        rows = con.execute(
            "SELECT order_date, sum(if(status = 'refunded', -payment_amount, payment_amount)) "
            "FROM staging.user_order_log GROUP BY 1"
        ).fetchall()
    return {str(day): int(amount) for day, amount in sorted(rows)}


@pytest.mark.slow
def test_a_run_whose_lines_are_of_no_customer_does_not_stop_what_a_person_sent(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    choose_shop(home, {"timezone": "Europe/London", "currency": "GBP"})
    # One row in four has no customer, which is asked: the person says to leave such rows out.
    refused = Chosen(answers={NO_CUSTOMER: LEFT_OUT})
    ask_load(home, chosen(home, retail(tmp_path / "winter.csv", WINTER), refused), "ann")

    def run_lines(settings: Settings, first: date, last: date | None) -> RunEnd:
        days = ("--from", str(first), *(("--to", str(last)) if last else ()))
        lines = ("--select", '+key:"staging/user_order_log"')
        done = ecom("run", *days, "--json", *lines, home=settings.home)
        return RunEnd(done.exit_code == 0, done.err)

    assert UploadRun(home, "a-run", run_lines, emptied).do(waiting_requests(home)) == []
    assert clean_amounts(home) == {"2009-12-01": 20, "2009-12-10": 10}
    [upload] = Uploads(home).every()
    assert (upload.state, upload.row_count, upload.counted_count) == ("loaded", 4, 3)


@pytest.mark.slow
def test_a_run_that_fails_leaves_nothing_loaded_and_says_why(tmp_path: Path) -> None:
    home = tmp_path / "home"
    upload = chosen(home, export(tmp_path / "week1.csv", WEEK_1))
    ask_load(home, upload, "ann")
    full = RunEnd(is_published=False, sentence="The disk is full.")
    failing = UploadRun(home, "a-run", lambda *_days: full, emptied)
    assert failing.do(waiting_requests(home)) == ["The disk is full."]
    failed = Uploads(home).numbered(upload.number)
    assert (failed.state, failed.sentence) == ("failed", "The disk is full.")
    assert not list((home / "uploads" / "orders").rglob("*.parquet"))
    assert waiting_requests(home) == [], "who wants it again asks again"


def disk_is_full(_upload: object, staged: Path, _copies: Path) -> None:
    """Write the first rows, in the child that reads the file, and find no place for the next."""
    staged.mkdir(parents=True, exist_ok=True)
    (staged / "part.parquet").touch()
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.slow
def test_a_disk_that_fills_up_while_rows_are_written_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    ask_load(home, chosen(home, export(tmp_path / "week1.csv", WEEK_1)), "ann")

    monkeypatch.setattr(landed, "write_rows", disk_is_full)
    [sentence] = work_off(home)
    assert "The rows of week1.csv cannot be written (No space left on device)" in sentence
    assert states(home) == ["failed"]
    assert not list((home / "uploads").rglob("*.parquet"))


@pytest.mark.slow
def test_a_run_that_is_killed_in_the_middle_is_begun_anew(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ask_load(home, chosen(home, export(tmp_path / "week1.csv", WEEK_1)), "ann")

    def killed(settings: Settings, first: date, last: date | None) -> RunEnd:
        run_few_tables(settings, first, last)  # its tables are written when it happens
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        UploadRun(home, "killed", killed, emptied).do(waiting_requests(home))
    assert states(home) == ["loading"]
    assert work_off(home) == []
    assert (states(home), revenue(home)) == (["loaded"], revenue_of(WEEK_1))
    ask_undo(home, Uploads(home).numbered(1), "ann")
    ask_load(home, chosen(home, export(tmp_path / "week2.csv", WEEK_2)), "ann")
    with pytest.raises(KeyboardInterrupt):
        UploadRun(home, "killed", killed, emptied).do(waiting_requests(home))
    assert work_off(home) == []
    assert (states(home), revenue(home)) == (["undone", "loaded"], revenue_of(WEEK_2))


@pytest.mark.slow
def test_a_file_that_is_said_to_be_something_else_leaves_no_row_in_the_tables(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    for number, orders in enumerate((WEEK_1, WEEK_3), 1):
        ask_load(home, chosen(home, export(tmp_path / f"week{number}.csv", orders)), "ann")
    assert work_off(home) == []
    assert revenue(home) == revenue_of(WEEK_1, WEEK_3)
    as_costs(home, 1)
    ask_undo(home, Uploads(home).numbered(1), "root")
    assert work_off(home) == []
    assert revenue(home) == revenue_of(WEEK_3)
    # As orders again, and then as costs in their place: its orders go out of the tables.
    [week_3, week_1] = Uploads(home).every()
    named = Uploads(home).choose(
        week_1, kind="orders", mapping=week_3.mapping, answers=week_3.answers
    )
    ask_load(home, named, "root")
    assert work_off(home) == []
    assert revenue(home) == revenue_of(WEEK_1, WEEK_3)
    ask_load(home, as_costs(home, 1), "root")
    assert work_off(home) == []
    assert revenue(home) == revenue_of(WEEK_3)
    assert landed_rows(home) == {"orders": 1, "costs": 3}


def night_orders(path: Path) -> Path:
    """Orders at 23:30 UTC of 2 March and at noon of 3 March, in Shopify's layout, which says UTC;
    the days of another file say no zone.
    """
    export(path, [Order(1001, "2026-03-02", 100), Order(1002, "2026-03-03", 80)])
    path.write_text(path.read_text().replace("2026-03-02 10:00:00", "2026-03-02 23:30:00"))
    return path


@pytest.mark.slow
def test_another_zone_moves_an_order_at_half_past_eleven_to_the_next_day(tmp_path: Path) -> None:
    home = tmp_path / "home"
    choose_shop(home, {"timezone": "UTC", "currency": "EUR"})
    own = tmp_path / "own.csv"
    own.write_text(
        "order_id,order_date,customer_email,item,quantity,amount\n"
        "A1,2026-03-05 23:30,ann@shop.example,lamp,1,10.00\n"
        "A2,2026-03-06 09:00,bob@shop.example,lamp,1,20.00\n"
    )
    for path in (night_orders(tmp_path / "night.csv"), own):
        ask_load(home, chosen(home, path), "ann")
    assert work_off(home) == []
    in_utc = {"2026-03-02": 100, "2026-03-03": 80, "2026-03-05": 10, "2026-03-06": 20}
    assert revenue(home) == in_utc
    [night, without_zone] = reversed(Uploads(home).every())
    of_zone = files_of_zone(Uploads(home), "UTC")
    assert [upload.name for upload in of_zone.kept] == ["own.csv"]
    # Berlin is an hour ahead. The file without a zone stays as it was read, or is read anew.
    ask_shop(home, {"timezone": "Europe/Berlin"}, "ann")
    assert work_off(home) == []
    assert revenue(home) == {"2026-03-03": 180, "2026-03-06": 30}
    moved = Uploads(home).numbered(night.number)
    assert (str(moved.first_day), str(moved.last_day)) == ("2026-03-03", "2026-03-03")
    ask_shop(home, {"timezone": "UTC"}, "ann")
    assert work_off(home) == []
    assert revenue(home) == in_utc, "there and back is where it began"
    ask_shop(home, {"timezone": "Europe/Berlin", READS_FILES: "yes"}, "ann")
    assert work_off(home) == []
    assert revenue(home) == {"2026-03-03": 180, "2026-03-05": 10, "2026-03-06": 20}
    assert Uploads(home).numbered(without_zone.number).answers["timezone"] == "Europe/Berlin"
    # A run that fails leaves all as it was, and says why; one that is killed is begun anew.
    ask_shop(home, {"timezone": "America/New_York", READS_FILES: "yes"}, "ann")
    ends = iter([RunEnd(is_published=False, sentence="The disk is full.")])

    def fails_once(settings: Settings, first: date, last: date | None) -> RunEnd:
        done = run_few_tables(settings, first, last)
        return next(ends, done)

    run = UploadRun(home, "a-run", fails_once, emptied)
    assert run.do(waiting_requests(home)) == ["The disk is full."]
    assert shop_problem(home) == "The disk is full."
    assert settings_of(home).timezone == "Europe/Berlin"
    assert revenue(home) == {"2026-03-03": 180, "2026-03-05": 10, "2026-03-06": 20}

    def killed(settings: Settings, first: date, last: date | None) -> RunEnd:
        run_few_tables(settings, first, last)
        raise KeyboardInterrupt

    ask_shop(home, {"timezone": "America/New_York"}, "ann")
    with pytest.raises(KeyboardInterrupt):
        UploadRun(home, "killed", killed, emptied).do(waiting_requests(home))
    assert work_off(home) == []
    # 23:30 UTC is 18:30 in New York; 23:30 in Berlin is 17:30; 09:00 in Berlin is 03:00.
    assert revenue(home) == in_utc
    assert settings_of(home).timezone == "America/New_York"


VIEWS = (
    "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
    "2019-10-01 00:00:00 UTC,view,1,10,furniture.lamp,x,19.90,11,s1\n"
    "2019-10-01 00:01:00 UTC,cart,1,10,furniture.lamp,x,19.90,11,s1\n"
    "2019-10-01 00:02:00 UTC,purchase,1,10,furniture.lamp,x,19.90,11,s1\n"
    "2019-10-02 09:00:00 UTC,view,2,10,furniture.lamp,x,24.50,12,s2\n"
    "2019-10-02 09:01:00 UTC,view\n"
)
"""Events in the layout of REES46, the last of which is cut off."""
SAME: Final = {
    "orders": ("shopify", '+key:"mart/revenue_daily" or +key:"mart/order_accounting_daily"'),
    "events": ("rees46", '+key:"mart/funnel_daily" or +key:"mart/event_accounting_daily"'),
}
"""Kinds, each with the mapping of its file and the tables that are compared."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", SAME)
def test_marts_are_those_of_the_same_file_without_an_upload(tmp_path: Path, kind: str) -> None:
    mapping, tables = SAME[kind]
    path = tmp_path / f"{kind}.csv"
    if kind == "orders":
        export(path, [*WEEK_1, *WEEK_3])
    else:
        path.write_text(VIEWS)
    uploaded, plain = tmp_path / "uploaded", tmp_path / "plain"
    ask_load(uploaded, chosen(uploaded, path), "ann")

    def run(settings: Settings, first: date, last: date | None) -> RunEnd:
        days = ("--from", str(first), *(("--to", str(last)) if last else ()))
        done = ecom("run", *days, "--json", "--select", tables, home=settings.home)
        return RunEnd(done.exit_code == 0, done.err)

    assert UploadRun(uploaded, "a-run", run, emptied).do(waiting_requests(uploaded)) == []
    files = (f"--{kind}", path, f"--{kind}-mapping", mapping)
    plainly = ecom("run", *files, "--json", "--select", tables, home=plain)
    assert plainly.exit_code == 0, plainly.err
    ours, theirs = marts(uploaded), marts(plain)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert any(theirs.values())


def marts(home: Path) -> Mapping[str, list[str]]:
    """Return the rows of every mart that has no run in it, as text."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        names = con.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'mart' "
            "AND table_name <> 'published_days'"
        ).fetchall()
        return {
            name: sorted(map(str, con.execute(f"SELECT * FROM mart.{name}").fetchall()))
            for (name,) in names
        }


def test_the_sensor_starts_one_run_for_all_that_is_asked_for(tmp_path: Path) -> None:
    home = tmp_path / "home"
    uploads = Uploads(home)
    made = build_definitions(settings_of(home))
    sensor = made.resolve_sensor_def("uploads")

    def started(instance: dg.DagsterInstance) -> list[str]:
        context = dg.build_sensor_context(
            instance=instance, repository_def=made.get_repository_def()
        )
        return [str(run.run_key) for run in sensor.evaluate_tick(context).run_requests or []]

    with dg.DagsterInstance.ephemeral(str(tmp_path)) as instance:
        assert started(instance) == []
        for path in (export(tmp_path / "1.csv", WEEK_1), export(tmp_path / "2.csv", WEEK_2)):
            upload = sent(home, path)
            ask_load(
                home, uploads.choose(upload, kind="orders", mapping="shopify", answers={}), "ann"
            )
        assert started(instance) == ["1,2-0"]
        job = made.resolve_job_def("uploads")
        for number in range(3):  # each of the runs is killed
            run = instance.create_run_for_job(job, tags={"ecom/uploads": "1,2"})
            assert started(instance) == [], f"run {number} is at them"
            assert progress_of(home, uploads.numbered(1)).waits_for == run.run_id
            instance.report_run_canceling(run)
            assert started(instance) == [], f"run {number} has not let go of them"
            instance.report_run_failed(run)
            assert started(instance) == ([f"1,2-{number + 1}"] if number < 2 else [])
    assert states(home) == ["failed", "failed"]
    assert "ended from outside" in uploads.numbered(1).sentence
    assert waiting_requests(home) == []
