"""The nightly run: yesterday and the days for which late events may still have come, in one run."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ecom_assets.behaviour.events.assets import raw_events
from ecom_assets.commerce.sales.assets import SALES_ASSETS, customer_retention
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import RANGE_END, RANGE_START
from ecom_assets.definitions import build_definitions, schedules
from ecom_assets.ingestion.sources.presence import EVENTS, ORDERS
from ecom_assets.orchestration.automation.jobs import customers_schedule, nightly_schedule
from ecom_assets.orchestration.automation.sensors import landing_sensor
from ecom_assets_tests.each import each


def requested(settings: Settings, at: datetime) -> tuple[str, str]:
    """Return the first and last day of the one run that is asked for at an instant."""
    result = nightly_schedule(settings, EVENTS)(
        dg.build_schedule_context(scheduled_execution_time=at)
    )
    assert isinstance(result, dg.RunRequest)
    return result.tags[RANGE_START], result.tags[RANGE_END]


def test_it_takes_yesterday_and_the_seven_days_before() -> None:
    assert requested(Settings(), datetime(2026, 3, 10, 2, 0, tzinfo=UTC)) == (
        "2026-03-02",
        "2026-03-09",
    )


@pytest.mark.parametrize(("late_days", "first"), [(0, "2026-03-09"), (3, "2026-03-06")])
def test_how_far_back_follows_the_setting(late_days: int, first: str) -> None:
    at = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)
    assert requested(Settings(late_days=late_days), at) == (first, "2026-03-09")


@each(
    "zone, at, last",
    [
        # Two o'clock in Berlin is one or zero o'clock UTC, the day is Berlin's; on 29 March two
        # o'clock is skipped.
        ("Europe/Berlin", datetime(2026, 3, 28, 1, 0, tzinfo=UTC), "2026-03-27"),
        ("Europe/Berlin", datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "2026-03-28"),
        ("Europe/Berlin", datetime(2026, 3, 30, 0, 0, tzinfo=UTC), "2026-03-29"),
        ("Europe/Berlin", datetime(2026, 10, 25, 1, 0, tzinfo=UTC), "2026-10-24"),
        # Two o'clock in Tokyo is five o'clock of the evening before, UTC.
        ("Asia/Tokyo", datetime(2026, 3, 9, 17, 0, tzinfo=UTC), "2026-03-09"),
        ("America/Los_Angeles", datetime(2026, 3, 10, 9, 0, tzinfo=UTC), "2026-03-09"),
    ],
)
def test_days_are_those_of_the_reporting_zone(zone: str, at: datetime, last: str) -> None:
    assert requested(Settings(timezone=zone), at)[1] == last


def test_it_asks_for_no_day_before_the_first_partition() -> None:
    settings = Settings(first_day=date(2026, 3, 8))
    assert requested(settings, datetime(2026, 3, 10, 2, 0, tzinfo=UTC)) == (
        "2026-03-08",
        "2026-03-09",
    )
    at = datetime(2026, 3, 8, 2, 0, tzinfo=UTC)
    skipped = nightly_schedule(settings, EVENTS)(
        dg.build_schedule_context(scheduled_execution_time=at)
    )
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == "2026-03-07 is before the first partition, 2026-03-08."


def test_the_days_asked_for_have_partitions() -> None:
    settings = Settings(timezone="Europe/Berlin")
    first, last = requested(settings, datetime(2026, 3, 30, 0, 0, tzinfo=UTC))
    specs = {spec.key: spec for spec in build_definitions(settings).resolve_all_asset_specs()}
    raw = specs[raw_events.key]
    assert raw.partitions_def is not None
    assert raw.partitions_def.has_partition_key(first)
    assert raw.partitions_def.has_partition_key(last)


def test_orders_are_fetched_every_night_and_with_them_those_of_nights_that_failed() -> None:
    settings = Settings(timezone="Europe/Berlin", order_api_url="https://api.example.com/reports")
    result = nightly_schedule(settings, ORDERS)(
        dg.build_schedule_context(scheduled_execution_time=datetime(2026, 3, 10, 0, 0, tzinfo=UTC))
    )
    assert isinstance(result, dg.RunRequest)
    assert (result.tags[RANGE_START], result.tags[RANGE_END]) == ("2026-03-02", "2026-03-09")
    chosen = build_definitions(settings).resolve_job_def("orders").asset_layer.executable_asset_keys
    assert {asset.key for asset in SALES_ASSETS} - set(chosen) == {customer_retention.key}, (
        "it follows by itself"
    )


def test_each_source_that_is_set_has_its_schedule() -> None:
    def scheduled(**variables: str) -> set[str]:
        return {schedule.name for schedule in schedules(Settings.model_validate(variables))}

    every = {"daily_events", "daily_orders", "daily_customers", "daily_stock"}
    assert scheduled() == every, "the sandbox shop has them all"
    assert scheduled(events="some/events") == {"daily_events", "hourly_compaction"}
    assert scheduled(order_api_url="https://api.example.com") == {"daily_orders"}
    assert scheduled(customer_api_url="https://api.example.com") == {"daily_customers"}
    assert scheduled(events="some/events", catalogue="stock.csv") == {
        "daily_events",
        "daily_stock",
        "hourly_compaction",
    }


def test_customers_are_fetched_in_the_evening_for_the_day_that_is_on() -> None:
    settings = Settings(
        timezone="Europe/Berlin", customer_api_url="https://api.example.com/customers"
    )
    at = datetime(2026, 3, 10, 22, 0, tzinfo=UTC)
    result = customers_schedule(settings)(dg.build_schedule_context(scheduled_execution_time=at))
    assert isinstance(result, dg.RunRequest)
    assert (result.tags[RANGE_START], result.tags[RANGE_END]) == ("2026-03-10", "2026-03-10")
    chosen = (
        build_definitions(settings).resolve_job_def("customers").asset_layer.executable_asset_keys
    )
    assert {key.to_user_string() for key in chosen} == {
        "raw/customers",
        "staging/customers",
        "staging/quarantined_customers",
        "staging/duplicate_customers",
        "staging/email_consents",
        "export/customers_json",
        "mart/customer_profiles",
    }


def test_the_sandbox_shop_has_its_customers_fetched_for_its_last_day() -> None:
    at = datetime(2026, 3, 10, 23, 0, tzinfo=UTC)
    result = customers_schedule(Settings())(dg.build_schedule_context(scheduled_execution_time=at))
    assert isinstance(result, dg.RunRequest)
    assert (result.tags[RANGE_START], result.tags[RANGE_END]) == ("2026-03-09", "2026-03-09")


def test_a_sandbox_shop_that_ends_on_a_given_day_is_not_asked_for_later_ones() -> None:
    settings = Settings(sandbox_until=date(2026, 1, 30))
    for at, is_asked in (
        (datetime(2026, 1, 31, 2, tzinfo=UTC), True),
        (datetime(2026, 2, 1, 2, tzinfo=UTC), False),
    ):
        result = nightly_schedule(settings, EVENTS)(
            dg.build_schedule_context(scheduled_execution_time=at)
        )
        assert isinstance(result, dg.RunRequest) is is_asked
    assert isinstance(result, dg.SkipReason)
    assert (result.skip_message or "").startswith(
        "The sandbox shop ends on 2026-01-30: ECOM_SANDBOX_UNTIL"
    )


def test_without_a_customer_api_nobody_is_fetched() -> None:
    at = datetime(2026, 3, 10, 22, 0, tzinfo=UTC)
    result = customers_schedule(Settings(events="some/events"))(
        dg.build_schedule_context(scheduled_execution_time=at)
    )
    assert isinstance(result, dg.SkipReason)
    assert result.skip_message == "ECOM_CUSTOMER_API_URL is not set."


def make_shop(home: Path) -> None:
    """Write what says that somebody has chosen the sandbox shop."""
    truth = {"settings": {"first_day": "2026-01-01", "days": 30, "until": "2026-01-30"}}
    (home / "sandbox").mkdir()
    (home / "sandbox" / "truth.json").write_text(json.dumps(truth))


def test_schedules_are_on_by_themselves_over_the_sandbox_shop_only(tmp_path: Path) -> None:
    def on(**options: Any) -> set[str]:
        settings = Settings(home=tmp_path, **options)
        return {
            schedule.name
            for schedule in schedules(settings)
            if schedule.default_status is dg.DefaultScheduleStatus.RUNNING
        }

    assert on() == set(), "nobody has chosen the sandbox shop yet"
    make_shop(tmp_path)
    assert on() == {"daily_events", "daily_orders", "daily_customers", "daily_stock"}
    assert on(sandbox_until=date(2026, 1, 30)) == set(), (
        "a shop that has ended has nothing to take in"
    )
    assert on(events="some/events", amplitude_api_key="a key") == set(), (
        "deliveries of a shop's own are its decision"
    )


@pytest.mark.parametrize(
    ("setting", "own", "sandbox"),
    [("auto", "STOPPED", "RUNNING"), ("on", "RUNNING", "RUNNING"), ("off", "STOPPED", "STOPPED")],
)
def test_a_setting_says_whether_schedules_are_on_before_anybody_switches_them(
    setting: Any, own: str, sandbox: str, tmp_path: Path
) -> None:
    make_shop(tmp_path)
    mail: Any = {"report_email": ("owner@shop.example",), "smtp_url": "smtp://mail.example:25"}
    for settings, expected in (
        (
            Settings(
                home=tmp_path, events="some/events", orders="some/orders", schedules=setting, **mail
            ),
            own,
        ),
        (Settings(home=tmp_path, schedules=setting), sandbox),
    ):
        status = {schedule.name: schedule.default_status.value for schedule in schedules(settings)}
        assert set(status.values()) == {expected}, status


def test_the_same_setting_switches_the_sensor_of_own_files_also_where_they_reach_a_tool() -> None:
    tool: Any = {"events": "some/events", "amplitude_api_key": "key"}
    status = {
        mode: landing_sensor(Settings(schedules=mode, **tool)).default_status.value
        for mode in ("auto", "on", "off")
    }
    assert status == {"auto": "STOPPED", "on": "RUNNING", "off": "STOPPED"}
