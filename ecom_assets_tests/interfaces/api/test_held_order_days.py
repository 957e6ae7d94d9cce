"""What answers say of days of order whose lines are held back,
from `ecom run` to `ecom release orders`.

Each report has four customers with a line of 10.00, but that of 3 March, which has two; a day needs
more than three. Not here: which days are held (`cli/test_held_days.py`).
"""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.interfaces.api.app import build_app
from ecom_assets.outputs.serving.places import publication_target
from ecom_assets.outputs.serving.postgres import Published, publish
from ecom_assets_tests.cli.test_held_days import BAD, GOOD, ecom, report
from ecom_assets_tests.command import FEW_SALES, CommandResult
from ecom_assets_tests.interfaces.api.conftest import PUBLISHED, Api, served

pytestmark = pytest.mark.xdist_group("api/held_order_days")
FIRST, LAST = GOOD[0], GOOD[-1]
RUN = (
    "run",
    "--json",
    "--select",
    '+key:"serving/marts" or +key:"mart/calendar" or +key:"mart/session_events"',
)
FOUR_DAYS = {"start_date": FIRST, "end_date": LAST}
NEWEST_TWO = {"start_date": "2026-03-04", "end_date": LAST}
MISSING, AGAIN = (date.fromisoformat(BAD) + timedelta(weeks=n) for n in (1, 2))
"""A day whose report is empty, and one whose lines came again with the report of the next day."""


@dataclass(frozen=True)
class Shop:
    """A home in which reports were run, and what the run said."""

    home: Path
    reports: Path
    said: CommandResult

    def copied(self, folder: Path) -> "Shop":
        """Return a shop with a home of its own, for a test that writes to it."""
        return replace(self, home=Path(shutil.copytree(self.home, folder / "home")))


def run(folder: Path, reports: Path) -> Shop:
    return Shop(folder / "home", reports, ecom(*RUN, "--orders", reports, home=folder / "home"))


def week(folder: Path, bad: date, customers: str) -> None:
    """Write the reports of four days, of which the second has these customers alone."""
    for days in (-1, 1, 2):
        report(folder, str(bad + timedelta(days=days)), "abcd")
    report(folder, str(bad), customers)


@pytest.fixture(scope="module")
def one_held(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop of four days, the second of which is held."""
    folder = tmp_path_factory.mktemp("one_held")
    week(folder / "reports", date.fromisoformat(BAD), "ef")
    return run(folder, folder / "reports")


@pytest.fixture(scope="module")
def three_weeks(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop of three weeks with four days each.

    The report of the 3rd is of e, with a corrected line of the 2nd, which stays 10.00, and one of
    the 1st. That of the 10th is empty. The lines of the 17th came again with those of the 18th.
    """
    folder = tmp_path_factory.mktemp("three_weeks")
    reports = folder / "reports"
    week(reports, date.fromisoformat(BAD), "e")
    week(reports, MISSING, "")
    week(reports, AGAIN, "ef")
    add(
        report(reports, BAD, "e"),
        "8,2026-03-02-a,2026-03-02T00:00:00,1,Berlin,a,,,7,Hat,1,99",
        "9,late,2026-03-01T00:00:00,1,Berlin,e,,,7,Hat,1,5",
    )
    again = (
        f"{n},{AGAIN}-{who},{AGAIN}T00:00:00,1,Berlin,{who},,,7,Hat,1,10"
        for n, who in enumerate("ef", start=8)
    )
    add(report(reports, str(AGAIN + timedelta(days=1)), "abcd"), *again)
    return run(folder, reports)


def add(path: Path, *lines: str) -> None:
    path.write_text(path.read_text() + "".join(f"{line}\n" for line in lines))


def around(bad: date) -> dict[str, str]:
    """Return the four days of a week."""
    first, last = bad - timedelta(days=1), bad + timedelta(days=2)
    return {"start_date": str(first), "end_date": str(last)}


@contextmanager
def answering(settings: Settings) -> Iterator[Api]:
    app = build_app(settings)
    with served(app) as answer:
        yield answer
    app.state.store.close()


def points(api: Api, **days: str) -> list[tuple[str, str, str | None]]:
    answer = api.json("/analytics/revenue/trend", granularity="day", **days)
    return [
        (point["start_date"], point["data"], point["revenue_amount"]) for point in answer["points"]
    ]


def sold(api: Api, **days: str) -> dict[str, Any]:
    return api.json("/analytics/sales", **days)


@pytest.mark.slow
def test_the_next_run_releases_a_day_and_its_check_is_listed_until_then(
    one_held: Shop, tmp_path: Path
) -> None:
    shop = one_held.copied(tmp_path)
    again = (*RUN, "--orders", shop.reports)
    with answering(Settings(home=shop.home)) as api:
        [held] = api.json("/analytics/quality/held-days")["held_days"]
        assert (held["held_date"], held["reason"], held["held_row_count"]) == (
            BAD,
            "too_few_customers",
            2,
        )
        failing = {check["check_name"] for check in api.json("/operations/checks")["checks"]}
        assert failing == {"no_order_day_is_held"}
        response = api.post("/operations/releases", {"day": BAD})
        assert (response.status_code, response.json()["asked_by"]) == (
            202,
            "somebody on this machine",
        )
        other = ecom(*again, "--from", LAST, "--to", LAST, home=shop.home)
        assert other.json["sales"]["held_order_days"] == []
        assert len(api.json("/analytics/quality/held-days")["held_days"]) == 1, (
            "a run over another day leaves it"
        )
        ecom(*again, "--from", BAD, "--to", BAD, home=shop.home)
        assert api.json("/analytics/quality/held-days")["held_days"] == []
        assert sold(api, **FOUR_DAYS)["sales"]["order_count"] == 14
        assert api.json("/operations/checks")["checks"] == []
        [request] = api.json("/operations/requests")["requests"]
        assert (request["is_taken"], request["kind"]) == (True, "release")


@pytest.mark.slow
def test_an_answer_lists_held_days_and_has_their_numbers_once_released(
    one_held: Shop, tmp_path: Path
) -> None:
    """Nor is anything compared with days of which one is held."""
    shop = one_held.copied(tmp_path)
    with answering(Settings(home=shop.home)) as api:
        held = sold(api, **FOUR_DAYS)
        orders = held["range"]["sources"]["orders"]
        assert (orders["data"], orders["held_days"], orders["previous_held_days"]) == (
            "part",
            [BAD],
            [],
        )
        assert (held["range"]["data"], held["range"]["held_days"]) == ("part", [BAD])
        assert (held["sales"]["order_count"], held["sales"]["revenue_amount"]) == (12, "120.00")
        assert points(api, **FOUR_DAYS) == [
            (FIRST, "whole", "40.00"),
            (BAD, "none", None),
            ("2026-03-04", "whole", "40.00"),
            (LAST, "whole", "40.00"),
        ]
        newest = sold(api, **NEWEST_TWO)
        of_days = newest["range"]
        assert (of_days["data"], of_days["held_days"]) == ("whole", [])
        assert (of_days["previous_data"], of_days["previous_held_days"]) == ("part", [BAD])
        assert (of_days["previous_known_from"], of_days["previous_known_to"]) == (FIRST, FIRST)
        revenue = (newest["previous"]["revenue_amount"], newest["change"]["revenue_amount"])
        assert revenue == ("40.00", None)
        mark = api.get("/analytics/sales", None, **FOUR_DAYS).headers["ETag"]
        assert api.get("/analytics/sales", {"If-None-Match": mark}, **FOUR_DAYS).status_code == 304

        assert ecom("release", "orders", BAD, home=shop.home).exit_code == 0
        fresh = api.get("/analytics/sales", {"If-None-Match": mark}, **FOUR_DAYS)
        assert (fresh.status_code, fresh.headers["ETag"] == mark) == (200, False)
        let_in = sold(api, **FOUR_DAYS)
        assert (let_in["range"]["data"], let_in["range"]["sources"]["orders"]["held_days"]) == (
            "whole",
            [],
        )
        assert (let_in["sales"]["order_count"], let_in["sales"]["revenue_amount"]) == (14, "140.00")
        assert points(api, **FOUR_DAYS)[1] == (BAD, "whole", "20.00")
        newest = sold(api, **NEWEST_TWO)
        assert newest["previous"]["revenue_amount"] == "60.00"
        assert newest["change"]["revenue_amount"] == round(20 / 60, 6), "from 60.00 to 80.00"


@pytest.mark.slow
def test_a_held_day_by_itself_has_no_numbers(one_held: Shop) -> None:
    with answering(Settings(home=one_held.home)) as api:
        answer = sold(api, start_date=BAD, end_date=BAD)
        assert (
            answer["range"]["data"],
            answer["range"]["known_from"],
            answer["range"]["held_days"],
        ) == (
            "none",
            None,
            [BAD],
        )
        assert set(answer["sales"].values()) == {None}
        hours = api.json(
            "/analytics/revenue/trend", granularity="hour", start_date=BAD, end_date=BAD
        )
        assert {point["revenue_amount"] for point in hours["points"]} == {None}


@pytest.mark.slow
def test_days_that_wait_for_corrections_only_keep_the_lines_in_force(
    three_weeks: Shop, tmp_path: Path
) -> None:
    shop = three_weeks.copied(tmp_path)
    values = {"start_date": "2026-03-01", "end_date": LAST}
    with answering(Settings(home=shop.home)) as api:
        assert sold(api, **values)["range"]["sources"]["orders"]["held_days"] == [
            "2026-03-01",
            FIRST,
            BAD,
        ]
        assert points(api, **values)[:3] == [
            ("2026-03-01", "none", None),
            (FIRST, "part", "40.00"),
            (BAD, "none", None),
        ]
        assert ecom("release", "orders", BAD, home=shop.home).exit_code == 0
        assert points(api, **values)[:3] == [
            ("2026-03-01", "whole", "5.00"),
            (FIRST, "whole", "129.00"),
            (BAD, "whole", "10.00"),
        ]


@pytest.mark.slow
def test_a_held_line_that_came_again_later_is_not_waited_for(three_weeks: Shop) -> None:
    days = around(AGAIN)
    with answering(Settings(home=three_weeks.home)) as api:
        assert sold(api, **days)["range"]["held_days"] == []
        assert points(api, **days)[1] == (str(AGAIN), "whole", "20.00")


@pytest.mark.slow
def test_a_day_whose_report_is_missing_is_not_a_day_without_sales(
    three_weeks: Shop, tmp_path: Path, postgres_warehouse: str
) -> None:
    """The published schema says the same. Where it is released, nothing but the note changes: no
    row, and no data version.
    """
    shop, days, missing = three_weeks.copied(tmp_path), around(MISSING), str(MISSING)
    postgres_settings = Settings(home=shop.home, postgres_url=postgres_warehouse)
    first = published(postgres_settings)
    with answering(Settings(home=shop.home)) as local_api, answering(postgres_settings) as api:
        answer = sold(api, **days)["range"]
        assert answer == sold(local_api, **days)["range"]
        assert (answer["data"], answer["held_days"]) == ("part", [missing])
        for either in (local_api, api):
            assert points(either, **days)[1] == (missing, "none", None)
        mark = api.get("/analytics/sales", None, **days).headers["ETag"]

        assert ecom("release", "orders", missing, home=shop.home).exit_code == 0
        second = published(postgres_settings)
        assert (second.data_version, second.written) == (first.data_version, 0)
        fresh = api.get("/analytics/sales", {"If-None-Match": mark}, **days)
        assert (fresh.status_code, fresh.json()["range"]["data"]) == (200, "whole")
        for either in (local_api, api):
            assert points(either, **days)[1] == (missing, "whole", "0.00"), (
                "somebody said that there were none"
            )
            assert sold(either, **days)["range"]["data"] == "whole"


def published(postgres_settings: Settings) -> Published:
    """Publish the warehouse in Postgres."""
    local_settings = postgres_settings.model_copy(update={"postgres_url": None})
    with (
        closing(new_engine(local_settings).open()) as engine,
        closing(publication_target(postgres_settings).open()) as target,
    ):
        return publish(engine, target, PUBLISHED, "run-1")


@pytest.mark.slow
def test_the_summary_names_held_days_of_order_among_the_days_of_the_run(
    one_held: Shop, tmp_path: Path
) -> None:
    said = one_held.said.json["sales"]
    assert (said["held_order_days"], said["orders"]) == ([BAD], 12)
    shop = one_held.copied(tmp_path)
    of_day = ("--orders", shop.reports, "--from", BAD, "--to", BAD)
    text = ecom("run", *FEW_SALES, *of_day, home=shop.home).out
    assert f"without the order lines of {BAD} that are held back" in text
