"""`ecom retain` removes what is older than the limit, and changes no number.

The limit is 100 days before today, and two late days make it 7 more: of visits 120, 105 and 1 days
ago, the first goes.
"""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ecom_assets_tests.command import HEADER, ecom
from ecom_assets_tests.orchestration.privacy.test_erase import query

ENV = {"ECOM_RETENTION_DAYS": "100", "ECOM_LATE_DAYS": "2"}
SELECT = ("--select", '+key:"mart/sessions"')
COUNTS = "SELECT started_date, count(*) FROM mart.sessions GROUP BY 1 ORDER BY 1"


def days_ago(number: int) -> date:
    return datetime.now(UTC).date() - timedelta(days=number)


def land(folder: Path, *days: date) -> Path:
    for day in days:
        partition = folder / f"received_date={day}"
        partition.mkdir(parents=True)
        row = f"e{day},ann,page_view,{day}T10:00:00Z,,,s{day},https://shop.example/,,"
        (partition / "events.csv").write_text(f"{HEADER}\n{row}\n")
    return folder


@pytest.mark.slow
def test_old_events_leave_and_numbers_stay(home: Path, tmp_path: Path) -> None:
    old, kept, new = days_ago(120), days_ago(105), days_ago(1)
    landing = land(tmp_path / "landing", old, kept, new)
    env = {"ECOM_LATE_DAYS": "2"}
    assert ecom("run", "--events", landing, *SELECT, home=home, env=env).exit_code == 0
    before = query(home, COUNTS)
    assert [day for day, _ in before] == [old, kept, new]

    shown = ecom("retain", "--dry-run", "--json", home=home, env=ENV).json
    assert (shown["rows"]["raw.events"], len(shown["files"])) == (1, 1)
    assert ecom("retain", home=home, env=ENV).exit_code == 2
    done = ecom("retain", "--yes", home=home, env=ENV)
    assert done.out.splitlines() == [
        "1 rows of raw.events were removed.",
        "0 rows of staging.quarantined_events were removed.",
        "0 rows of mart.quarantined_event_samples were removed.",
        "1 landing files were removed.",
        f"Kept from {days_ago(100)} on.",
    ]
    assert query(home, "SELECT received_date FROM raw.events ORDER BY 1") == [(kept,), (new,)]
    assert not (landing / f"received_date={old}").exists()

    again = ecom("run", "--events", landing, *SELECT, home=home, env=ENV)
    assert again.exit_code == 0, again.err
    assert query(home, COUNTS) == before, "no run computes days whose rows are gone"
    assert ecom("retain", "--dry-run", "--json", home=home, env=ENV).json["files"] == []


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["landing", "landing/*/*.csv"])
def test_rows_leave_when_no_landing_file_is_left(home: Path, tmp_path: Path, pattern: str) -> None:
    land(tmp_path / "landing", days_ago(120), days_ago(1))
    env = {"ECOM_EVENTS": str(tmp_path / pattern)}
    assert ecom("run", "--select", 'key:"raw/events"', home=home, env=env).exit_code == 0
    for file in (tmp_path / "landing").glob("*/*"):
        file.unlink()
        file.parent.rmdir()
    done = ecom("retain", "--yes", home=home, env=ENV | env)
    assert (done.exit_code, done.out.splitlines()[0]) == (0, "1 rows of raw.events were removed.")
    again = ecom("retain", "--yes", home=home, env=ENV | env)
    assert (again.exit_code, again.out.splitlines()[0]) == (0, "0 rows of raw.events were removed.")


def test_without_a_limit_nothing_is_removed(home: Path) -> None:
    refused = ecom("retain", "--yes", home=home)
    assert refused.exit_code == 2
    assert "set ECOM_RETENTION_DAYS to a number of days." in refused.sentence
