"""What answers say of days of order whose lines are held back,
from `ecom run` to `ecom release orders`.

Each report has four customers with a line of 10.00, but that of 3 March, which has two; a day needs
more than three. Not here: which days are held (`cli/test_held_days.py`).
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.interfaces.api.app import build_app
from ecom_assets.outputs.serving.places import publication_target
from ecom_assets.outputs.serving.postgres import Published, publish
from ecom_assets_tests.cli.test_held_days import BAD, GOOD, ecom, report
from ecom_assets_tests.interfaces.api.conftest import PUBLISHED, Api, served

FIRST, LAST = GOOD[0], GOOD[-1]
RUN = (
    "run",
    "--json",
    "--select",
    '+key:"serving/marts" or +key:"mart/calendar" or +key:"mart/session_events"',
)
FOUR_DAYS = {"start_date": FIRST, "end_date": LAST}
NEWEST_TWO = {"start_date": "2026-03-04", "end_date": LAST}


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    for day in GOOD:
        report(folder, day, "abcd")
    report(folder, BAD, "ef")
    return folder


@pytest.fixture
def api(home: Path, reports: Path) -> Iterator[Api]:
    ecom(*RUN, "--orders", reports, home=home)
    with answering(Settings(home=home)) as answer:
        yield answer


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
    api: Api, home: Path, reports: Path
) -> None:
    [held] = api.json("/analytics/quality/held-days")["held_days"]
    assert (held["held_date"], held["reason"], held["held_row_count"]) == (
        BAD,
        "too_few_customers",
        2,
    )
    failing = {check["check_name"] for check in api.json("/operations/checks")["checks"]}
    assert failing == {"no_order_day_is_held"}
    response = api.post("/operations/releases", {"day": BAD})
    assert (response.status_code, response.json()["asked_by"]) == (202, "somebody on this machine")
    ecom(*RUN, "--orders", reports, "--from", GOOD[0], "--to", GOOD[0], home=home)
    assert len(api.json("/analytics/quality/held-days")["held_days"]) == 1, (
        "a run over another day leaves it"
    )
    ecom(*RUN, "--orders", reports, "--from", BAD, "--to", BAD, home=home)
    assert api.json("/analytics/quality/held-days")["held_days"] == []
    assert sold(api, **FOUR_DAYS)["sales"]["order_count"] == 14
    assert api.json("/operations/checks")["checks"] == []
    [request] = api.json("/operations/requests")["requests"]
    assert (request["is_taken"], request["kind"]) == (True, "release")


@pytest.mark.slow
def test_an_answer_lists_held_days_and_has_their_numbers_once_released(
    api: Api, home: Path
) -> None:
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
    mark = api.get("/analytics/sales", None, **FOUR_DAYS).headers["ETag"]
    assert api.get("/analytics/sales", {"If-None-Match": mark}, **FOUR_DAYS).status_code == 304

    assert ecom("release", "orders", BAD, home=home).exit_code == 0
    fresh = api.get("/analytics/sales", {"If-None-Match": mark}, **FOUR_DAYS)
    assert (fresh.status_code, fresh.headers["ETag"] == mark) == (200, False)
    let_in = sold(api, **FOUR_DAYS)
    assert (let_in["range"]["data"], let_in["range"]["sources"]["orders"]["held_days"]) == (
        "whole",
        [],
    )
    assert (let_in["sales"]["order_count"], let_in["sales"]["revenue_amount"]) == (14, "140.00")
    assert points(api, **FOUR_DAYS)[1] == (BAD, "whole", "20.00")


@pytest.mark.slow
def test_nothing_is_compared_with_days_of_which_one_is_held(api: Api, home: Path) -> None:
    held = sold(api, **NEWEST_TWO)
    assert (held["range"]["data"], held["range"]["held_days"]) == ("whole", [])
    assert (held["range"]["previous_data"], held["range"]["previous_held_days"]) == ("part", [BAD])
    assert (held["range"]["previous_known_from"], held["range"]["previous_known_to"]) == (
        FIRST,
        FIRST,
    )
    assert (held["previous"]["revenue_amount"], held["change"]["revenue_amount"]) == ("40.00", None)
    assert ecom("release", "orders", BAD, home=home).exit_code == 0
    let_in = sold(api, **NEWEST_TWO)
    assert let_in["previous"]["revenue_amount"] == "60.00"
    assert let_in["change"]["revenue_amount"] == round(20 / 60, 6), "from 60.00 to 80.00"


@pytest.mark.slow
def test_a_held_day_by_itself_has_no_numbers(api: Api) -> None:
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
    assert {
        point["revenue_amount"]
        for point in api.json(
            "/analytics/revenue/trend", granularity="hour", start_date=BAD, end_date=BAD
        )["points"]
    } == {None}


@pytest.mark.slow
def test_days_that_wait_for_corrections_only_keep_the_lines_in_force(
    home: Path, reports: Path
) -> None:
    """The report of the 3rd is of e, with a corrected line of the 2nd, which stays 10.00,
    and one of the 1st.
    """
    path = report(reports, BAD, "e")
    lines = (
        "8,2026-03-02-a,2026-03-02T00:00:00,1,Berlin,a,,,7,Hat,1,99",
        "9,late,2026-03-01T00:00:00,1,Berlin,e,,,7,Hat,1,5",
    )
    path.write_text(path.read_text() + "".join(f"{line}\n" for line in lines))
    ecom(*RUN, "--orders", reports, home=home)
    values = {"start_date": "2026-03-01", "end_date": LAST}
    with answering(Settings(home=home)) as api:
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
        assert ecom("release", "orders", BAD, home=home).exit_code == 0
        assert points(api, **values)[:3] == [
            ("2026-03-01", "whole", "5.00"),
            (FIRST, "whole", "129.00"),
            (BAD, "whole", "10.00"),
        ]


@pytest.mark.slow
def test_a_held_line_that_came_again_later_is_not_waited_for(home: Path, reports: Path) -> None:
    path = report(reports, "2026-03-04", "abcd")
    again = [
        f"{n},{BAD}-{who},{BAD}T00:00:00,1,Berlin,{who},,,7,Hat,1,10"
        for n, who in enumerate("ef", start=8)
    ]
    path.write_text(path.read_text() + "".join(f"{line}\n" for line in again))
    ecom(*RUN, "--orders", reports, home=home)
    with answering(Settings(home=home)) as api:
        assert sold(api, **FOUR_DAYS)["range"]["held_days"] == []
        assert points(api, **FOUR_DAYS)[1] == (BAD, "whole", "20.00")


@pytest.mark.slow
def test_a_day_whose_report_is_missing_is_not_a_day_without_sales(
    home: Path, reports: Path
) -> None:
    report(reports, BAD, "")
    ecom(*RUN, "--orders", reports, home=home)
    with answering(Settings(home=home)) as api:
        assert points(api, **FOUR_DAYS)[1] == (BAD, "none", None)
        assert ecom("release", "orders", BAD, home=home).exit_code == 0
        assert points(api, **FOUR_DAYS)[1] == (BAD, "whole", "0.00"), (
            "somebody said that there were none"
        )
        assert sold(api, **FOUR_DAYS)["range"]["data"] == "whole"


@pytest.mark.slow
def test_the_published_schema_says_the_same(
    home: Path, reports: Path, postgres_warehouse: str
) -> None:
    """Where a missing report is released, nothing but the note changes: no row,
    and no data version.
    """
    postgres_settings = Settings(home=home, postgres_url=postgres_warehouse)
    report(reports, BAD, "")
    ecom(*RUN, "--orders", reports, home=home)
    first = published(postgres_settings)
    with answering(Settings(home=home)) as local_api, answering(postgres_settings) as api:
        answer = sold(api, **FOUR_DAYS)["range"]
        assert answer == sold(local_api, **FOUR_DAYS)["range"]
        assert (answer["data"], answer["held_days"], points(api, **FOUR_DAYS)[1]) == (
            "part",
            [BAD],
            (BAD, "none", None),
        )
        mark = api.get("/analytics/sales", None, **FOUR_DAYS).headers["ETag"]

        assert ecom("release", "orders", BAD, home=home).exit_code == 0
        second = published(postgres_settings)
        assert (second.data_version, second.written) == (first.data_version, 0)
        fresh = api.get("/analytics/sales", {"If-None-Match": mark}, **FOUR_DAYS)
        assert (fresh.status_code, fresh.json()["range"]["data"]) == (200, "whole")
        assert points(api, **FOUR_DAYS)[1] == (BAD, "whole", "0.00")


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
    home: Path, reports: Path
) -> None:
    result = ecom(*RUN, "--orders", reports, home=home)
    assert (result.json["sales"]["held_order_days"], result.json["sales"]["orders"]) == ([BAD], 12)
    text = ecom("run", *RUN[2:], "--orders", reports, "--from", BAD, "--to", BAD, home=home).out
    assert f"without the order lines of {BAD} that are held back" in text
    other = ecom(*RUN, "--orders", reports, "--from", LAST, "--to", LAST, home=home)
    assert other.json["sales"]["held_order_days"] == []
