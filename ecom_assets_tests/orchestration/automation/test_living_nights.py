"""The schedules over the living sandbox shop, on a clock that goes from night to night."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import RANGE_END
from ecom_assets.definitions import build_definitions, schedules
from ecom_assets.ingestion.sources.sandbox_shop import truth_of
from ecom_sandbox.shop.living import LivingShop

TIMES = {
    "daily_stock": "00:30",
    "daily_orders": "01:00",
    "daily_events": "02:00",
    "daily_customers": "23:00",
}
JOBS = ("stock", "orders", "events", "customers")
FIRST = date(2026, 3, 2)
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class Night:
    """A night's schedules over the shop in a home, which ended on the day before."""

    def __init__(self, home: Path, day: date) -> None:
        self._day = day
        self.settings = Settings(
            home=home, sandbox_until=day - timedelta(days=1), order_customers_over=0
        )

    def answer(self) -> Iterator[tuple[str, dg.RunRequest]]:
        """Return the job of each schedule and what it asks for, in the order of the night."""
        for schedule in sorted(schedules(self.settings), key=lambda schedule: TIMES[schedule.name]):
            at = datetime.fromisoformat(f"{self._day}T{TIMES[schedule.name]}").replace(tzinfo=UTC)
            answer = schedule(dg.build_schedule_context(scheduled_execution_time=at))
            assert isinstance(answer, dg.RunRequest), answer
            yield schedule.job_name, answer

    def runs(self, instance: dg.DagsterInstance) -> Iterator[tuple[str, dg.ExecuteInProcessResult]]:
        """Run what is asked for."""
        definitions = build_definitions(self.settings)
        for name, answer in self.answer():
            job = definitions.resolve_job_def(name)
            yield (
                name,
                job.execute_in_process(instance=instance, tags=answer.tags, run_config=QUIET),
            )


OF_SO_SMALL_A_SHOP = {
    "ids_are_not_shared",  # guests share an account
    "spend_has_visits",  # nobody comes by one of the campaigns
    "spend_is_not_before_the_first_visit",  # platforms report days before the first night, too
}


def nights(home: Path, count: int) -> dict[str, int]:
    """Let some nights go by over a small shop,
    and return how often each schedule's run went well.
    """
    LivingShop(home / "sandbox", FIRST - timedelta(days=1), new_people=150).grow()
    well: dict[str, int] = {}
    with dg.DagsterInstance.ephemeral() as instance:
        for day in (FIRST + timedelta(days=n) for n in range(count)):
            for name, result in Night(home, day).runs(instance):
                failed = [
                    evaluation
                    for evaluation in result.get_asset_check_evaluations()
                    if not evaluation.passed
                ]
                assert result.success, name
                assert {evaluation.check_name for evaluation in failed} <= OF_SO_SMALL_A_SHOP, name
                well[name] = well.get(name, 0) + 1
    return well


def stored(home: Path, sql: str) -> tuple[Any, ...]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        row = con.execute(sql).fetchone()
    assert row is not None
    return row


def test_every_night_each_schedule_asks_for_the_day_that_has_ended(home: Path) -> None:
    for day in (FIRST + timedelta(days=n) for n in range(3)):
        answer = {name: request.tags[RANGE_END] for name, request in Night(home, day).answer()}
        assert answer == dict.fromkeys(JOBS, str(day - timedelta(days=1)))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_nights_give_the_numbers_that_were_planted(home: Path) -> None:
    assert nights(home, 2) == dict.fromkeys(JOBS, 2)
    truth = truth_of(home / "sandbox")
    assert truth is not None
    march = truth["months"]["2026-03"]
    assert march["settings"]["days"] == 2
    assert stored(home, "SELECT count(*) FROM staging.events WHERE event_date >= '2026-03-01'") == (
        sum(day["clean"] for day in march["by_event_date"].values()),
    )
    assert stored(
        home, "SELECT sum(revenue_amount) FROM mart.sales WHERE order_date >= '2026-03-01'"
    ) == (Decimal(march["orders"]["revenue"]),)
    assert stored(home, "SELECT max(as_of_date) FROM staging.customers") == (date(2026, 3, 2),)
