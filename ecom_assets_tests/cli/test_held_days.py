"""A bad day of orders: held while its neighbours go on, reported, released,
or fixed by better data.

Each report has four customers, but that of 3 March, which has two; a day needs more than three. Not
here: that no order of runs matters (`orders/test_orders_in_any_order.py`).
"""

from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.clock import today_in
from ecom_assets_tests import command
from ecom_assets_tests.cli.test_run_orders import (
    HEADER,
    SALES_TABLES,
    contents,
    orders_csv,
    queried,
    rows_by_table,
)
from ecom_assets_tests.command import FEW_SALES, CommandResult, page_views

BAD, GOOD = "2026-03-03", ("2026-03-02", "2026-03-04", "2026-03-05")
RUN = ("run", "--json", *FEW_SALES)
DAY = "order_date::VARCHAR"


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Reports of four days, the second of which has too few customers."""
    folder = tmp_path / "reports"
    for day in GOOD:
        report(folder, day, "abcd")
    report(folder, BAD, "ef")
    return folder


def ecom(*arguments: Any, home: Path, **env: str) -> CommandResult:
    """Run `ecom` where a day needs more than three customers, as it does by default."""
    return command.ecom(*arguments, home=home, env={"ECOM_ORDER_CUSTOMERS_OVER": "3", **env})


def report(folder: Path, day: str, customers: str) -> Path:
    return orders_csv(folder / f"increment_date={day}" / "user_order_log_inc.csv", day, customers)


def sold(home: Path) -> list[tuple[Any, ...]]:
    return queried(home, f"SELECT {DAY}, count(*) FROM mart.sales GROUP BY 1 ORDER BY 1")


def held(result: CommandResult) -> list[tuple[str, str, int]]:
    return [
        (day["day"], day["reason"], day["held_row_count"])
        for day in result.json["sales"]["held_days"]
    ]


def of_table(result: CommandResult, name: str) -> Any:
    [row] = [row for row in result.json if row["table"] == name]
    return row


@pytest.mark.slow
def test_a_bad_day_is_held_on_every_run_and_comes_in_when_it_is_released(
    home: Path, reports: Path
) -> None:
    first = ecom(*RUN, "--orders", reports, "--from", "2026-03-02", "--to", BAD, home=home)
    assert first.exit_code == 1
    [failed] = first.json["checks"]["failed"]
    assert (failed["table"], failed["name"], failed["observed"]) == (
        "staging/held_order_days",
        "no_order_day_is_held",
        1,
    )
    assert failed["sentence"] == (
        f"The order lines of {BAD} are held back and count nowhere: its order report has 2 "
        "customers, and 3 or fewer are too few; load a report of more customers, or let the day "
        f"in with `ecom release orders {BAD}`; for a small shop, set ECOM_ORDER_CUSTOMERS_OVER "
        "lower."
    )
    assert failed["sentence"] in first.err
    assert sold(home) == [("2026-03-02", 4)], "the neighbour goes on"
    night = ecom(*RUN, "--orders", reports, home=home)
    assert sold(home) == [(day, 4) for day in GOOD], "it does not come in the next night"
    assert held(night) == [(BAD, "too_few_customers", 2)]
    later = ecom(*RUN, "--orders", reports, "--from", "2026-03-05", "--to", "2026-03-05", home=home)
    assert later.exit_code == 0, "a run over other days is well"
    assert held(later) == [(BAD, "too_few_customers", 2)], "and reports the day all the same"

    released = ecom("release", "orders", BAD, "--by", "ann", "--json", home=home)
    assert released.exit_code == 0, released.err
    assert (released.json["rows"], released.json["released_by"]) == (2, "ann")
    assert sold(home) == [("2026-03-02", 4), (BAD, 2), ("2026-03-04", 4), ("2026-03-05", 4)]
    who = (
        "SELECT released_date::VARCHAR, source, reason, observed_count, released_by FROM "
        "staging.day_releases"
    )
    assert queried(home, who) == [(BAD, "orders", "too_few_customers", 2, "ann")]
    again = ecom(*RUN, "--orders", reports, home=home)
    assert again.exit_code == 0, again.err
    assert (held(again), again.json["sales"]["orders"]) == ([], 14)


@pytest.mark.slow
def test_better_data_let_a_day_in_as_if_it_had_never_been_bad(
    home: Path, reports: Path, tmp_path: Path
) -> None:
    assert ecom(*RUN, "--orders", reports, home=home).exit_code == 1
    report(reports, BAD, "efgh")
    assert ecom(*RUN, "--orders", reports, "--from", BAD, "--to", BAD, home=home).exit_code == 0
    assert ecom(*RUN, "--orders", reports, home=tmp_path / "other").exit_code == 0
    assert contents(home) == contents(tmp_path / "other")


@pytest.mark.slow
def test_status_lists_held_days_in_text_and_json(home: Path, reports: Path) -> None:
    ecom(*RUN, "--orders", reports, home=home)
    [day] = of_table(ecom("status", "--json", home=home), "staging.user_order_log")["held_days"]
    assert (day["day"], day["reason"], day["observed_count"], day["limit_count"]) == (
        BAD,
        "too_few_customers",
        2,
        3,
    )
    text = ecom("status", home=home).out
    assert (
        f"Held back: orders of {BAD} (its order report has 2 customers, and 3 or fewer are too "
        "few); 2 rows wait" in text
    )
    assert f"better data let it in, or `ecom release orders {BAD}`" in text


@pytest.mark.slow
def test_a_day_that_is_not_held_is_not_released(home: Path, reports: Path) -> None:
    ecom(*RUN, "--orders", reports, home=home)
    refused = ecom("release", "orders", "2026-03-04", home=home)
    assert refused.exit_code == 2
    assert refused.sentence == (
        "2026-03-04 is not held for orders, so there is nothing to release; held are: 2026-03-03."
    )
    assert ecom("release", "orders", "3 March", home=home).exit_code == 2
    assert "'stock' holds no days" in ecom("release", "stock", BAD, home=home).sentence


@pytest.mark.slow
def test_a_day_without_a_report_is_listed_until_somebody_says_there_was_none(
    home: Path, reports: Path
) -> None:
    gap = "2026-03-06"
    report(reports, "2026-03-07", "abcd")
    report(reports, BAD, "efgh")
    result = ecom(*RUN, "--orders", reports, home=home)
    assert (result.exit_code, held(result)) == (1, [(gap, "report_missing", 0)])
    assert rows_by_table(result)["mart.sales"] == 20
    assert ecom("release", "orders", gap, home=home).exit_code == 0
    assert ecom(*RUN, "--orders", reports, home=home).exit_code == 0


@pytest.mark.slow
def test_a_report_of_a_header_alone_was_not_generated(home: Path, reports: Path) -> None:
    report(reports, BAD, "")
    assert held(ecom(*RUN, "--orders", reports, home=home)) == [(BAD, "report_missing", 0)]


@pytest.mark.slow
def test_an_event_of_today_holds_no_sales_back(home: Path, reports: Path, tmp_path: Path) -> None:
    report(reports, BAD, "efgh")
    report(reports, "2026-03-08", "abcd")
    today = today_in("UTC").isoformat()
    events = page_views(tmp_path / "e.csv", "2026-03-03", today)
    sources = ("--events", events, "--orders", reports)
    result = ecom(
        "run", "--json", "--select", '+key:"mart/sales"', *sources, "--to", today, home=home
    )
    assert sum(count for _, count in sold(home)) == 20
    days = [day for day, _, _ in held(result)]
    assert today not in days, "a day that is still on owes no report"
    assert days[0] == "2026-03-06", "a day that has ended does"


@pytest.mark.slow
def test_one_file_of_many_days_is_checked_as_one_unless_days_are_requested(
    home: Path, tmp_path: Path
) -> None:
    rows = [
        orders_csv(tmp_path / f"{day}.csv", day, who)
        for day, who in (("2026-03-02", "abcd"), (BAD, "ef"))
    ]
    lines = [HEADER, *(line for path in rows for line in path.read_text().splitlines()[1:])]
    file = tmp_path / "all.csv"
    file.write_text("\n".join(lines) + "\n")
    by_day = ecom(*RUN, "--orders", file, home=tmp_path / "by_day", ECOM_ORDER_GATE="day")
    assert (by_day.exit_code, held(by_day)) == (1, [(BAD, "too_few_customers", 2)])
    whole = ecom(*RUN, "--orders", file, home=home)
    assert (whole.exit_code, rows_by_table(whole)["mart.sales"]) == (0, 6)


@pytest.mark.slow
def test_copies_of_a_held_day_leave_the_earlier_copy_in_force(home: Path, reports: Path) -> None:
    ecom(*RUN, "--orders", reports, "--to", "2026-03-02", home=home)
    path = report(reports, BAD, "ef")
    corrected = "9,2026-03-02-a,2026-03-01T00:00:00,1,Berlin,a,,,7,Hat,1,99"
    path.write_text(f"{path.read_text()}{corrected}\n")
    ecom(*RUN, "--orders", reports, "--from", BAD, "--to", BAD, home=home)
    query = f"SELECT {DAY}, revenue_amount::INT FROM mart.sales WHERE uniq_id = '2026-03-02-a'"
    before = queried(home, query)
    assert ecom("release", "orders", BAD, home=home).exit_code == 0
    assert (before, queried(home, query)) == ([("2026-03-02", 10)], [("2026-03-01", 99)])
    assert set(SALES_TABLES) <= set(contents(home))
