"""`ecom init` in a folder with a shop's files: the same questions as on the page, in a terminal."""

import io
from datetime import date
from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.uploads.store import Uploads
from ecom_assets.orchestration.automation.upload_runs import RunEnd
from ecom_assets_tests.command import FEW_SALES, ecom

# 100 on Monday, 60 on Tuesday; what "Reserved" is nobody knows: 70.
ORDERS = """Order ID,Order Date,Customer Email,Product,Quantity,Total,Currency,Order Status
1,2026-03-02 10:00:00,ann@shop.example,Lamp,1,100.00,EUR,Completed
2,2026-03-03 10:00:00,bob@shop.example,Lamp,1,40.00,EUR,Completed
3,2026-03-03 11:00:00,cid@shop.example,Chair,1,20.00,EUR,Completed
4,2026-03-03 12:00:00,cid@shop.example,Chair,1,70.00,EUR,Reserved
"""

TOTALS = '{"settings": {"days": 40, "first_day": "2026-01-01"}, "orders": 3, "revenue": "160.00"}'
"""What a program wrote beside the orders, and no record of the shop."""


def typed(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    """Let somebody type answers at a terminal."""
    typing = io.StringIO("".join(f"{answer}\n" for answer in answers))
    typing.isatty = lambda: True  # type: ignore[method-assign]  # a terminal
    monkeypatch.setattr("sys.stdin", typing)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an export, a picture, and a folder that is not looked into."""
    (tmp_path / "orders.csv").write_text(ORDERS)
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "orders.csv").write_text(ORDERS)
    return tmp_path


@pytest.mark.slow
def test_without_a_terminal_what_is_open_is_named(folder: Path, home: Path) -> None:
    result = ecom("init", home=home, cwd=folder)
    assert result.exit_code == 2
    assert "3 of 4 rows would be counted: €160.00 in 3 orders" in result.out
    assert result.sentence.startswith(
        "Open: orders.csv: State Reserved; orders.csv: Time zone; the shop's timezone."
    )
    assert Uploads(home).every() == [], "nothing is kept of what was not loaded"
    kept = ecom("init", "--timezone", "Europe/Berlin", home=home, cwd=folder)
    assert (kept.exit_code, "orders.csv" in kept.out) == (0, False), "options are kept, no more"
    result = ecom("init", home=home, cwd=folder)
    assert result.sentence.startswith("Open: orders.csv: State Reserved. ")


@pytest.mark.slow
def test_a_currency_that_files_need_is_asked_until_there_is_one(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ORDERS.replace(",Currency", "").replace(",EUR", "")
    (folder / "orders.csv").write_text(plain)
    typed(monkeypatch, "", "SEK")
    result = ecom("init", home=home, cwd=folder)
    assert "The files have amounts, and none says of which currency." in result.err
    assert result.err.count("Time zone in which days begin") == 1, "the next question"
    assert result.exit_code != 0, "nobody types on"


@pytest.mark.slow
def test_what_another_currency_is_worth_is_asked_until_it_is_a_number(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 CHF at 1.05 are 42: 100 + 42 + 20, and nothing is loaded without a yes."""
    in_two = ORDERS.replace("40.00,EUR", "40.00,CHF").replace("Reserved", "Completed")
    (folder / "orders.csv").write_text(in_two.rpartition("4,2026")[0])
    assert "What is 1 CHF worth in EUR?" in ecom("init", home=home, cwd=folder).sentence
    typed(monkeypatch, "", "Berlin", "", "", "much", "1,05", "n")
    result = ecom("init", home=home, cwd=folder)
    assert "'much' is not what money is worth" in result.err
    assert "CHF 40.00 in 1 line" in result.out
    assert "3 of 3 rows would be counted: €162.00 in 3 orders" in result.out
    assert Uploads(home).every() == []


@pytest.mark.slow
def test_what_was_said_of_a_month_holds_for_the_next_and_a_new_state_is_asked(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That "Reserved" is no sale holds in April, too; what "Parked" is, only April asks."""
    april = ORDERS.replace("2026-03", "2026-04").replace("70.00", "75.00")
    parked = "5,2026-04-04 12:00:00,cid@shop.example,Chair,1,30.00,EUR,Parked\n"
    (folder / "orders_april.csv").write_text(april.replace("\n1,", "\n11,") + parked)
    typed(monkeypatch, "", "Berlin", "", "Lampen", "2", "1", "n")
    result = ecom("init", home=home, cwd=folder)
    assert result.err.count("What are orders that are “Reserved”?") == 1
    assert result.err.count("What are orders that are “Parked”?") == 1
    assert "orders_april.csv: State Reserved: Not a sale: leave it out, as for" in result.out
    assert "4 of 5 rows would be counted: €190.00 in 4 orders" in result.out
    assert "1 row would be left out: €75.00 in 1 order" in result.out


@pytest.mark.slow
def test_a_terminal_is_asked_what_the_page_asks_and_loads(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecom_assets.cli import init_files  # noqa: PLC0415 (loads Dagster)

    def few_tables(settings: Settings, first: date, last: date | None) -> RunEnd:
        days = ("--from", str(first), "--to", str(last))
        done = ecom("run", *days, "--json", *FEW_SALES, home=settings.home, cwd=folder)
        return RunEnd(done.exit_code == 0, done.err)

    monkeypatch.setattr(init_files, "run_days", few_tables)
    (folder / "totals.json").write_text(TOTALS)
    # The currency is known by the file; a city is a zone; the second choice is "not a sale".
    typed(monkeypatch, "", "Berlin", "", "Lampen", "2", "skip", "y")
    result = ecom("init", home=home, cwd=folder)
    assert result.exit_code == 0, result.err
    assert "What are orders that are “Reserved”?" in result.err
    assert "1 row would be left out: €70.00 in 1 order" in result.out
    assert "totals.json (type skip to leave this file out)" in result.err
    assert "totals.json is left out." in result.out
    assert "Load 1 file?" in result.err
    assert "orders.csv: 3 order lines, €160.00, 2026-03-02 to 2026-03-03" in result.out
    toml = (folder / "ecom.toml").read_text()
    assert 'currency = "EUR"' in toml
    assert 'timezone = "Europe/Berlin"' in toml
    [upload] = Uploads(home).every()
    assert (upload.state, upload.counted_count) == ("loaded", 3)
    typed(monkeypatch)
    assert "orders.csv is loaded already." in ecom("init", home=home, cwd=folder).out
