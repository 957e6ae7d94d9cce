"""Every row that is read from a file is in raw, on a day that is computed, and clean,
quarantined or surplus there.
"""

import os
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from ecom_assets_tests.command import FEW_SALES, FEW_TABLES, SMALL, CommandResult, ecom
from ecom_assets_tests.ingestion.sources.conftest import SHOP, Read, csv_text, write

LONG_AGO, NEVER = "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"


def event(
    number: int, at: str = "2026-01-02T10:00:00Z", received: str = "2026-01-02T10:00:05Z"
) -> dict[str, str]:
    return {**SHOP[0], "event_id": f"e{number}", "event_timestamp": at, "received_at": received}


def run_events(tmp_path: Path, events: Path, *arguments: str) -> CommandResult:
    result = ecom(
        "run",
        "--json",
        "--events",
        events,
        *FEW_TABLES,
        *arguments,
        home=tmp_path / "home",
        env=SMALL,
    )
    assert result.exit_code == 0, result.err
    return result


@pytest.mark.slow
def test_rows_with_dates_that_cannot_be_are_in_raw_and_quarantined(tmp_path: Path) -> None:
    # 12 rows in, 12 in raw, 2 of them clean; the run is over the one day of the first. Clocks that
    # lost their power begin again with 2000: received then, happened then, or both.
    old = "2000-01-01T00:00:00Z"
    odd = [
        event(2, received=LONG_AGO),
        event(3, received="9999-12-29T23:00:00Z"),
        event(4, at=LONG_AGO, received=LONG_AGO),
        event(5, at=LONG_AGO, received=""),
        event(6, at="2998-01-01T00:00:00Z", received=""),
        event(7, at=NEVER, received=""),
        event(
            8, received=NEVER
        ),  # an arrival that cannot be read at all is not known, which is not a fault
        event(9, received=old),
        event(10, at=old, received=old),
        event(11, at=old, received=""),
        event(12, at=old),
    ]
    result = run_events(tmp_path, write(tmp_path / "e.csv", csv_text([event(1), *odd])))
    tables = result.json["tables"]
    assert "left out" not in result.err
    assert result.json["days"] == {"from": "2026-01-02", "to": "2026-01-02"}
    assert (
        tables["raw.events"],
        tables["staging.events"],
        tables["staging.quarantined_events"],
    ) == (12, 2, 10)
    assert result.json["quarantined"] == {
        "implausible_date": 5,
        "too_late": 3,
        "future_timestamp": 1,
        "unparseable_timestamp": 1,
    }


def a_year_from_now() -> date:
    return datetime.now().date() + timedelta(days=365)  # noqa: DTZ005 (years)


@pytest.mark.slow
def test_rows_from_before_a_first_day_that_was_set_are_not_asked_for_and_counted(
    tmp_path: Path,
) -> None:
    days = [event(n, f"2026-01-0{n}T10:00:00Z", f"2026-01-0{n}T10:00:05Z") for n in (1, 2, 3, 4)]
    events = write(
        tmp_path / "e.csv", csv_text([*days, event(5, "2026-01-02T11:00:00Z", LONG_AGO)])
    )
    env = {**SMALL, "ECOM_FIRST_DAY": "2026-01-03"}
    result = ecom("run", "--events", events, *FEW_TABLES, home=tmp_path / "home", env=env)
    assert result.exit_code == 0, result.err
    # e1, e2, and e5, which arrived on the day that it happened on.
    assert (
        "3 rows of days before ECOM_FIRST_DAY=2026-01-03 are left out; set an earlier day to take "
        "them in." in result.err
    )
    tables = ecom("status", "--json", home=tmp_path / "home", env=env).json
    assert {row["table"]: row["rows"] for row in tables}["raw.events"] == 2


@pytest.mark.slow
def test_a_first_day_before_the_usual_one_is_believed(tmp_path: Path) -> None:
    old = "2005-01-01T00:00:00Z"
    events = write(tmp_path / "e.csv", csv_text([event(1, at=old, received=old)]))
    refused = ecom("run", "--events", events, *FEW_TABLES, home=tmp_path / "home", env=SMALL)
    assert refused.sentence == (
        "2005-01-01 is before the first partition; set ECOM_FIRST_DAY=2005-01-01 or an earlier day."
    )
    env = {**SMALL, "ECOM_FIRST_DAY": "2005-01-01"}
    result = ecom("run", "--json", "--events", events, *FEW_TABLES, home=tmp_path / "home", env=env)
    assert (result.exit_code, result.json["tables"]["staging.events"]) == (0, 1)


@pytest.mark.slow
def test_rows_of_a_landing_folder_of_no_day_that_can_be_have_their_own_days(
    tmp_path: Path, read: Read
) -> None:
    """Of a day to come, of one before the first, and of days that clocks begin or end with."""
    days = (a_year_from_now(), "2005-01-01", "1970-01-01", "2999-01-01", "2026-01-02")
    for number, day in enumerate(days):
        folder = tmp_path / "in" / f"received_date={day}"
        write(folder / "e.csv", csv_text([event(number)]))
    arrived = [f"{row['received_date']}" for row in read(tmp_path / "in")]
    assert arrived == ["2026-01-02", "2005-01-01", *["2026-01-02"] * 3], "of 2005 it may have been"
    result = run_events(tmp_path, tmp_path / "in")
    assert "left out" not in result.err
    assert result.json["days"] == {"from": "2026-01-02", "to": "2026-01-02"}
    assert (result.json["tables"]["raw.events"], result.json["tables"]["staging.events"]) == (5, 5)


def test_a_file_that_was_written_in_the_future_is_of_the_day_it_came_here(
    tmp_path: Path, read: Read
) -> None:
    later = datetime.combine(a_year_from_now(), datetime.min.time())
    received = f"{a_year_from_now()}T00:00:00Z"
    file = write(
        tmp_path / "e.csv",
        csv_text([event(1, received=received), event(2, at=received, received="")]),
    )
    os.utime(file, (later.timestamp(), later.timestamp()))
    assert [row["received_date"] for row in read(file)] == [date(2026, 1, 2)] * 2


@pytest.mark.slow
def test_the_answer_is_the_same_in_whatever_order_the_days_are_run(tmp_path: Path) -> None:
    rows = [
        event(1),
        event(2, "2026-01-03T10:00:00Z", "2026-01-03T10:00:01Z"),
        event(3, received=LONG_AGO),
    ]
    rows.append(event(4, at=LONG_AGO, received=""))
    events = write(tmp_path / "e.csv", csv_text(rows))
    names = ("raw.events", "staging.events", "staging.quarantined_events")
    for day in ("2026-01-03", "2026-01-02"):
        result = run_events(tmp_path, events, "--from", day, "--to", day)
    assert [result.json["tables"][name] for name in names] == [4, 2, 2], "as in one run over both"


def test_a_file_from_an_archive_without_times_keeps_the_days_of_its_rows(
    tmp_path: Path, read: Read
) -> None:
    file = write(tmp_path / "e.csv", csv_text([event(1), event(2, received="")]))
    os.utime(file, (0, 0))
    assert [row["received_date"] for row in read(file)] == [date(2026, 1, 2)] * 2


@pytest.mark.slow
def test_an_order_of_1970_is_in_raw_and_quarantined(tmp_path: Path) -> None:
    header = (
        "id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,quantity,"
        "payment_amount"
    )
    lines = [
        f"1,l{n},{at},1,Bern,c1,Ann,A,i1,Lamp,1,19.90"
        for n, at in ((1, "2026-01-01T10:00:00Z"), (2, LONG_AGO))
    ]
    orders = write(tmp_path / "o.csv", "\n".join([header, *lines]))
    result = ecom(
        "run", "--json", "--orders", orders, *FEW_SALES, home=tmp_path / "home", env=SMALL
    )
    assert result.exit_code == 0, result.err
    tables = result.json["tables"]
    counts = [
        tables[name]
        for name in ("raw.user_order_log", "staging.user_order_log", "staging.quarantined_orders")
    ]
    assert counts == [2, 1, 1]


def test_a_row_received_after_its_file_came_here_arrives_on_its_own_day(
    tmp_path: Path, read: Read
) -> None:
    later = f"{datetime.now().year + 5}-01-01T00:00:00Z"  # noqa: DTZ005 (years)
    [row] = read(write(tmp_path / "e.csv", csv_text([event(1, received=later)])))
    assert row["received_date"] == date(2026, 1, 2)
