"""A run over the days on which late rows arrived computes the days that
these rows count for, too.
"""

from collections.abc import Set
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from ecom_assets.behaviour.identity.contracts import ChangedVisitorDays
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import RANGE_END, RANGE_START
from ecom_assets.definitions import build_definitions
from ecom_assets.orchestration.registry import BY_KEY

CHOSEN = (
    '+key:"mart/engagement_daily" or +key:"mart/event_accounting_daily" or '
    '+key:"mart/conversion_funnel"'
)
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
HEADER = (
    "event_id,user_id,event_type,event_timestamp,product_id,product_category,session_id,page_url,"
    "referrer_url,cart_value"
)
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 14)
DAYS = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
RAW = dg.AssetKey(["raw", "events"])
TENTH = date(2026, 3, 10)


def view(event_id: str, user: str, day: int, hour: int = 10) -> str:
    """Return a page view of March 2026."""
    return f"{event_id},{user},page_view,2026-03-{day:02}T{hour:02}:00:00Z,,,s-{user},https://shop.example/,,"


class Shop:
    """A shop with events in a folder for each day of arrival, and its warehouse."""

    def __init__(self, folder: Path) -> None:
        self.events, self.home = folder / "events", folder / "home"
        settings = Settings(home=self.home, events=str(self.events), first_day=FIRST)
        for day in DAYS:
            self.land(day, view(f"e{day.day}", "ann", day.day))
        self.definitions = build_definitions(settings)
        self.keys = dg.AssetSelection.from_string(CHOSEN).resolve(
            self.definitions.resolve_asset_graph()
        )

    def land(self, day: date, *rows: str) -> None:
        """Let these be the rows that arrived on a day."""
        folder = self.events / f"received_date={day}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "part.csv").write_text("\n".join([HEADER, *rows]) + "\n")

    def run(self, first: date, last: date, keys: Set[dg.AssetKey] | None = None) -> None:
        """Run the chosen tables, or some of them, over some days."""
        result = self.definitions.resolve_job_def("everything").execute_in_process(
            instance=dg.DagsterInstance.ephemeral(),
            asset_selection=sorted(keys or self.keys),
            tags={RANGE_START: str(first), RANGE_END: str(last)},
            run_config=QUIET,
        )
        assert result.success

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return the rows of the chosen tables, but those that remember what changed when."""
        tables = [BY_KEY[key.to_user_string()] for key in self.keys]
        names = sorted(
            table.qualified_name() for table in tables if table is not ChangedVisitorDays
        )
        return {name: self.ask(f"SELECT * FROM {name} ORDER BY ALL") for name in names}

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """Return the answer of the warehouse."""
        with duckdb.connect(str(self.home / "warehouse.duckdb"), read_only=True) as con:
            return con.execute(question).fetchall()


LATE = {
    "a visit of three days before": [view("e10", "ann", 10), view("late", "ben", 7)],
    "a clock that runs ahead": [view("e10", "ann", 10), view("ahead", "ben", 11, 1)],
    "a copy of an event that arrives later": [view("e10", "ann", 10), view("e12", "ann", 10, 11)],
    "another event under an id of before": [view("e10", "ann", 10), view("e8", "ben", 10, 11)],
    "a row of the day that is gone": [view("e10", "ann", 10, 12)],
}


@pytest.mark.slow
@pytest.mark.parametrize("story", LATE)
def test_a_run_computes_the_days_of_late_rows_too(story: str, tmp_path: Path) -> None:
    shop, at_once = Shop(tmp_path / "shop"), Shop(tmp_path / "at_once")
    shop.run(FIRST, LAST)
    for each in (shop, at_once):
        each.land(TENTH, *LATE[story])

    shop.run(TENTH, TENTH)
    at_once.run(FIRST, LAST)
    expected = {name: strip(rows, shop, at_once) for name, rows in at_once.rows().items()}
    assert shop.rows() == expected, "as one run over all days"
    noted = {late for (late,) in shop.ask("SELECT late_date FROM raw.late_days")}
    assert bool(noted) == (story != "a row of the day that is gone")

    shop.run(FIRST, LAST)
    assert shop.ask("SELECT * FROM raw.late_days") == [], (
        "a run over all of these days leaves nothing to be done"
    )
    assert shop.rows() == expected


def strip(rows: list[tuple[Any, ...]], shop: Shop, at_once: Shop) -> list[tuple[Any, ...]]:
    """Return rows with the paths of the other shop."""
    return [tuple(_moved(value, shop, at_once) for value in row) for row in rows]


def _moved(value: Any, shop: Shop, at_once: Shop) -> Any:
    return value.replace(str(at_once.events), str(shop.events)) if isinstance(value, str) else value


@pytest.mark.slow
def test_tables_that_are_run_later_compute_the_days_of_late_rows(tmp_path: Path) -> None:
    shop, at_once = Shop(tmp_path / "shop"), Shop(tmp_path / "at_once")
    shop.run(FIRST, LAST)
    for each in (shop, at_once):
        each.land(TENTH, *LATE["a visit of three days before"])
    shop.run(TENTH, TENTH, {RAW})
    assert shop.ask("SELECT received_date, late_date FROM raw.late_days") == [
        (TENTH, date(2026, 3, 7))
    ]
    shop.run(TENTH, TENTH, shop.keys - {RAW})
    at_once.run(FIRST, LAST)
    assert shop.rows() == {
        name: strip(rows, shop, at_once) for name, rows in at_once.rows().items()
    }
    (visitors,) = shop.ask(
        "SELECT count(DISTINCT visitor_id) FROM mart.sessions WHERE started_date = '2026-03-07'"
    )
    assert visitors == (2,)


@pytest.mark.slow
def test_rows_that_stay_as_they_were_make_no_other_day_run(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.land(TENTH, *LATE["a visit of three days before"])
    shop.run(FIRST, LAST)
    shop.run(TENTH, TENTH)
    assert shop.ask("SELECT * FROM raw.late_days") == []
