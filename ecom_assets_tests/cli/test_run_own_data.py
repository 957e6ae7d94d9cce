"""`ecom run` over a shop's own files: real ones, and small ones that show one rule each."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ecom_assets_tests.builders import Row
from ecom_assets_tests.command import FEW_TABLES, ecom, page_views, real_file, small_shop
from ecom_assets_tests.each import each
from ecom_assets_tests.services import people
from ecom_sandbox.services.pages import CustomerService


@pytest.mark.slow
def test_rees46_gives_the_counts_of_its_readme(home: Path) -> None:
    result = ecom(
        "run",
        "--json",
        "--events",
        real_file("rees46_2019_10_01.csv"),
        "--events-mapping",
        "rees46",
        home=home,
    )
    assert result.exit_code == 0, result.err
    assert result.json["days"] == {"from": "2019-10-01", "to": "2019-10-01"}
    # 17,434 rows, 5 of them exact duplicates.
    assert result.json["tables"]["raw.events"] == 17_434
    assert result.json["duplicates"] == 5
    assert result.json["tables"]["staging.events"] == 17_429
    assert result.json["sessions"]["events"] == 17_429
    assert result.json["quarantined"] == {}
    funnel = result.json["funnel"]["visitor"]
    assert [step["event_type"] for step in funnel] == ["product_view", "add_to_cart", "purchase"]


@pytest.mark.slow
def test_otto_gives_its_862_events(home: Path) -> None:
    arguments = (
        "run",
        "--json",
        "--events",
        real_file("otto_sessions.jsonl"),
        "--events-mapping",
        "otto",
    )
    result = ecom(*arguments, *FEW_TABLES, home=home)
    assert result.exit_code == 0, result.err
    assert result.json["tables"]["raw.events"] == 862
    assert result.json["sessions"]["events"] == 862 - result.json["duplicates"]
    assert result.json["sessions"]["visitors"] == 20


@pytest.mark.slow
def test_only_the_days_asked_for_are_materialized(home: Path, tmp_path: Path) -> None:
    events = page_views(tmp_path / "own.csv", "2026-01-01", "2026-01-02", "2026-01-03")
    arguments = ("run", "--json", "--events", events, *FEW_TABLES)
    result = ecom(*arguments, "--from", "2026-01-02", "--to", "2026-01-02", home=home)
    assert result.exit_code == 0
    assert result.json["days"] == {"from": "2026-01-02", "to": "2026-01-02"}
    assert result.json["tables"]["staging.events"] == 1
    rest = ecom(*arguments, "--from", "2026-01-03", home=home)
    assert rest.json["days"] == {"from": "2026-01-03", "to": "2026-01-03"}
    assert rest.json["tables"]["staging.events"] == 2


@pytest.mark.slow
def test_only_the_tables_selected_are_materialized(home: Path, tmp_path: Path) -> None:
    events = page_views(tmp_path / "own.csv", "2026-01-01")
    with events.open("a") as file:
        file.write("e-9,,page_view,2026-01-01T10:00:00Z,,,,,,\n")
    result = ecom(
        "run", "--json", "--events", events, "--select", '+key:"staging/events"', home=home
    )
    assert result.exit_code == 0
    made = {name: rows for name, rows in result.json["tables"].items() if rows}
    upstream = {"raw.events": 2, "staging.identity_links": 1}  # her session is linked to Ann
    assert made == {**upstream, "staging.events": 1, "staging.quarantined_events": 1}
    rest = ecom("run", "--json", "--events", events, "--select", "mart/session_events", home=home)
    assert rest.json["tables"]["mart.session_events"] == 1
    assert rest.json["tables"]["mart.sessions"] == 0


@pytest.mark.slow
def test_days_to_come_are_left_out_and_said(home: Path, tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    events = page_views(tmp_path / "own.csv", str(today))
    result = ecom(
        "run", "--events", events, "--to", str(today + timedelta(days=3)), *FEW_TABLES, home=home
    )
    assert result.exit_code == 0
    assert f"Days after today, {today}, have no partition yet and are left out." in result.err
    assert f"\n{today} to {today}\n" in result.out


@pytest.mark.slow
def test_one_row_from_a_clock_that_was_never_set_keeps_nothing_out(
    home: Path, tmp_path: Path
) -> None:
    events = page_views(tmp_path / "own.csv", "1970-01-01", "2026-01-01")
    result = ecom("run", "--json", "--events", events, *FEW_TABLES, home=home)
    assert result.exit_code == 0
    assert result.json["days"] == {"from": "2026-01-01", "to": "2026-01-01"}
    assert (result.json["tables"]["raw.events"], result.json["quarantined"]) == (2, {"too_late": 1})


@each(
    "arguments, sentence",
    [
        (
            ("--from", "2026-01-02", "--to", "2026-01-01"),
            "--from 2026-01-02 is after --to 2026-01-01; swap them.",
        ),
        (
            ("--from", "2009-11-30"),
            "2009-11-30 is before the first partition; set ECOM_FIRST_DAY=2009-11-30 or",
        ),
        (
            ("--to", "2009-11-30"),
            "2009-11-30 is before the first partition; set ECOM_FIRST_DAY=2009-11-30 or",
        ),
        (("--from", "2099-01-01"), "2099-01-01 is after today"),
        (
            ("--from", "2026-02-01"),
            "The data cover 2026-01-01 to 2026-01-01, none of the requested days",
        ),
        (
            ("--to", "2025-12-31"),
            "The data cover 2026-01-01 to 2026-01-01, none of the requested days",
        ),
        (
            ("--from", "2026-02-30"),
            "--from '2026-02-30' is not a date; use YYYY-MM-DD, such as 2026-01-31.",
        ),
    ],
)
def test_impossible_days_are_refused_at_once(
    home: Path, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    result = ecom(
        "run",
        "--events",
        page_views(tmp_path / "own.csv", "2026-01-01"),
        *arguments,
        *FEW_TABLES,
        home=home,
    )
    assert result.exit_code == 2
    assert result.sentence.startswith(sentence)
    assert not home.exists()


@pytest.mark.slow
def test_data_from_before_the_first_day_are_taken_once_the_setting_allows_them(
    home: Path, tmp_path: Path
) -> None:
    events = page_views(tmp_path / "own.csv", "2008-05-01")
    refused = ecom("run", "--events", events, home=home)
    assert (refused.exit_code, refused.sentence) == (
        2,
        (
            "2008-05-01 is before the first partition; set ECOM_FIRST_DAY=2008-05-01 or an earlier "
            "day."
        ),
    )
    assert (
        ecom(
            "run", "--events", events, *FEW_TABLES, home=home, env={"ECOM_FIRST_DAY": "2008-05-01"}
        ).exit_code
        == 0
    )


@pytest.mark.slow
@pytest.mark.xdist_group("cli_origin")
def test_own_data_clear_the_sandbox_and_the_sandbox_is_refused_after_them(
    home: Path, tmp_path: Path
) -> None:
    small_shop(home, days=1, visitors=100)
    assert ecom("run", *FEW_TABLES, home=home).exit_code == 0
    events = page_views(tmp_path / "own.csv", "2026-01-01")
    broken = tmp_path / "broken.csv"
    broken.write_text("event_id\n1\n")
    assert ecom("run", "--events", broken, home=home).exit_code == 2
    kept = _rows(home)
    assert kept["staging.events"] > 1, "files that do not fit clear nothing"
    result = ecom("run", "--events", events, *FEW_TABLES, home=home)
    assert (
        "The sandbox shop's tables were cleared: this warehouse now holds your own events."
        in result.err
    )
    assert _rows(home)["staging.events"] == 1
    refused = ecom("run", home=home)
    assert refused.exit_code == 2
    assert refused.sentence.startswith(
        f"This warehouse holds your own events, from {events}: name them again"
    )
    assert _rows(home)["staging.events"] == 1


def _rows(home: Path) -> Row:
    return {row["table"]: row["rows"] for row in ecom("status", "--json", home=home).json}


@pytest.mark.slow
def test_own_data_without_a_customer_api_leave_the_customer_tables_out_and_say_so(
    home: Path, tmp_path: Path
) -> None:
    events = page_views(tmp_path / "own.csv", "2026-01-01")
    result = ecom("run", "--events", events, home=home)
    assert result.exit_code == 0
    assert "No customers were given: their tables are skipped." in result.err
    assert "raw.customers  " not in result.err
    assert "Customers at the end" not in result.out
    refused = ecom("run", "--events", events, "--select", "raw/customers", home=home)
    assert refused.exit_code == 2
    assert refused.sentence.startswith(
        "--select 'raw/customers' selects no table that has data; there are "
    )


@pytest.mark.slow
def test_own_customers_are_fetched_for_today_only(home: Path, tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    yesterday = str(today - timedelta(days=1))
    events = page_views(tmp_path / "own.csv", yesterday)
    with CustomerService(people(*range(1, 7))) as api:
        env = {"ECOM_CUSTOMER_API_URL": api.api_url, "ECOM_CUSTOMER_API_KEY": api.key}
        arguments = ("run", "--events", events, "--select", '+key:"staging/customers"')
        result = ecom(*arguments, home=home, env=env)
        assert (
            f"Customers are fetched for today, {today}, only; to fetch them add --to {today}."
            in result.err
        )
        assert (result.exit_code, _rows(home)["staging.customers"]) == (0, 0)
        result = ecom(*arguments, "--from", yesterday, "--to", str(today), home=home, env=env)
    assert result.exit_code == 0
    assert (
        f"Customers at the end of {today}: 6\n  tiers          basic 6, premium 0, enterprise 0"
        in result.out
    )


@pytest.mark.slow
def test_an_api_that_refuses_fails_its_tables_and_no_others(home: Path, tmp_path: Path) -> None:
    today = str(datetime.now(UTC).date())
    events = page_views(tmp_path / "own.csv", today)
    with CustomerService(people(1)) as api:
        env = {"ECOM_CUSTOMER_API_URL": api.api_url, "ECOM_CUSTOMER_API_KEY": "wrong-secret"}
        result = ecom(
            "run", "--events", events, "--select", '+key:"staging/customers"', home=home, env=env
        )
    assert result.exit_code == 1
    assert result.sentence.startswith("raw/customers: The customer API at ")
    assert "wrong-secret" not in result.out + result.err
    assert _rows(home)["staging.events"] == 1
