"""Order lines of a day of which only they were loaded: they wait, are reported,
and count once the day is loaded.

Three folders of 1 to 3 March have 20 lines of 10.00 each; that of the 3rd also has a line of the
1st. Not here: that no order of runs matters (`orders/test_orders_in_any_order.py`), and a short
example (`sales/test_metrics_doc_sales.py`).
"""

from pathlib import Path
from typing import Any

import pytest

from ecom_assets_tests.cli.test_run_orders import HEADER, contents, orders_csv, queried
from ecom_assets_tests.command import CommandResult, ecom

FIRST, SECOND, THIRD = "2026-03-01", "2026-03-02", "2026-03-03"
TABLES = '+key:"mart/sales" or key:"mart/order_accounting_daily"'
BUYERS = [f"c{n:02}" for n in range(20)]


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    for day in (FIRST, SECOND, THIRD):
        land(folder, day)
    land_late(folder, THIRD, FIRST)
    return folder


def land(folder: Path, day: str) -> Path:
    return orders_csv(folder / f"received_date={day}" / "orders.csv", day, BUYERS)


def land_late(folder: Path, received: str, *ordered: str) -> None:
    """Let one more line of each day of order arrive on a day."""
    lines = [f"99,late-{day},{day}T23:00:00,1,Berlin,zoe,,,7,Hat,1,10" for day in ordered]
    path = folder / f"received_date={received}" / "late.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEADER, *lines]) + "\n")


def run(source: Path, home: Path, first: str = "", last: str = "") -> CommandResult:
    days = (*(("--from", first) if first else ()), *(("--to", last or first) if first else ()))
    result = ecom("run", "--json", "--select", TABLES, "--orders", source, *days, home=home)
    assert result.exit_code == 0, result.err
    return result


def revenue(home: Path) -> dict[str, int]:
    sql = (
        "SELECT order_date::VARCHAR, sum(revenue_amount)::INT FROM mart.sales GROUP BY 1 ORDER BY 1"
    )
    return dict(queried(home, sql))


def waiting(result: CommandResult) -> list[tuple[Any, ...]]:
    """Return the day of order, the day that must be loaded, and how many lines wait."""
    names = ("order_date", "waits_for_date", "waiting_row_count")
    return [tuple(row[name] for name in names) for row in result.json["sales"]["waiting_lines"]]


SENTENCE = (
    "1 order line of 2026-03-01 waits for the rest of that day; load what arrived on 2026-03-01 "
    "with `ecom run --orders … --from 2026-03-01 --to 2026-03-01`."
)


@pytest.mark.slow
def test_a_line_of_a_day_that_was_not_loaded_waits_for_it(home: Path, landing: Path) -> None:
    alone = run(landing, home, THIRD)
    assert revenue(home) == {THIRD: 200}, "not 10.00 for the 1st, of which the shop sold 210.00"
    assert waiting(alone) == [(FIRST, FIRST, 1)]
    assert SENTENCE in alone.err
    assert SENTENCE in ecom("status", home=home).out
    [outcome] = queried(home, "SELECT * EXCLUDE received_date FROM mart.order_accounting_daily")
    assert outcome == (21, 20, 0, 0, 0, 1), "received, clean, quarantined, surplus, held, waiting"
    loaded = run(landing, home, FIRST)
    assert (revenue(home), waiting(loaded)) == ({FIRST: 210, THIRD: 200}, [])
    assert SENTENCE not in ecom("status", home=home).out
    outcomes = queried(home, "SELECT * EXCLUDE received_date FROM mart.order_accounting_daily")
    assert outcomes == [(20, 20, 0, 0, 0, 0), (21, 21, 0, 0, 0, 0)]


@pytest.mark.slow
def test_days_loaded_backwards_end_as_all_at_once(
    home: Path, landing: Path, tmp_path: Path
) -> None:
    for day in (THIRD, SECOND, FIRST):
        run(landing, home, day)
    assert run(landing, tmp_path / "other").json["sales"]["waiting_lines"] == []
    assert contents(home) == contents(tmp_path / "other")


@pytest.mark.slow
def test_a_history_in_one_folder_is_what_its_days_wait_for(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "landing"
    land_late(folder, SECOND, "2024-12-24", "2025-06-01", FIRST)  # all that was sold before
    land(folder, THIRD)
    corrected = "1,late-2024-12-24,2024-12-24T23:00:00,1,Berlin,zoe,,,7,Hat,1,7\n"
    late = folder / f"received_date={THIRD}" / "corrected.csv"
    late.write_text(f"{HEADER}\n{corrected}")
    alone = run(folder, home, THIRD)
    assert (revenue(home), waiting(alone)) == ({THIRD: 200}, [("2024-12-24", SECOND, 1)])
    run(folder, home, SECOND)
    assert revenue(home) == {"2024-12-24": 7, "2025-06-01": 10, FIRST: 10, THIRD: 200}


@pytest.mark.slow
def test_nothing_waits_for_a_day_of_which_there_is_nothing(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "landing"
    land(folder, THIRD)
    land_late(folder, THIRD, "2024-12-24", FIRST)
    result = run(folder, home, THIRD)
    assert (revenue(home), waiting(result)) == ({"2024-12-24": 10, FIRST: 10, THIRD: 200}, [])
    land(folder, FIRST)  # which comes a day later
    run(folder, home, FIRST)
    assert revenue(home) == {"2024-12-24": 10, FIRST: 210, THIRD: 200}


@pytest.mark.slow
def test_lines_of_single_files_arrive_on_their_days_so_none_waits(
    home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "orders.csv"
    days = [
        orders_csv(tmp_path / f"{day}.csv", day, BUYERS).read_text().splitlines()[1:]
        for day in (FIRST, THIRD)
    ]
    file.write_text("\n".join([HEADER, *(line for lines in days for line in lines)]) + "\n")
    result = run(file, home, THIRD)
    assert (revenue(home), waiting(result)) == ({THIRD: 200}, [])
