"""The jobs that people start by hand: what their config may say, which run they start,
and what a failure leaves.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import RANGE_END, RANGE_START
from ecom_assets.definitions import build_definitions
from ecom_assets.orchestration.automation.jobs import ManualJobs

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
OUTCOMES = dg.AssetKey(["export", "deliveries"])
DAILY = dg.DailyPartitionsDefinition("2026-01-01")


@dg.asset(partitions_def=DAILY, group_name="sales")
def sales() -> None:
    """Do nothing."""


@dg.asset(partitions_def=DAILY, group_name="sales", deps=[sales])
def broken(context: dg.AssetExecutionContext) -> None:
    """Fail on the last day of February."""
    if "2026-02-28" in context.partition_keys:
        raise ValueError("nothing to see")


@dg.asset(key=["export", "amplitude_events"], partitions_def=DAILY, group_name="delivery")
def amplitude_events() -> None:
    """Do nothing."""


@dg.asset(key=OUTCOMES, partitions_def=DAILY, group_name="delivery")
def outcomes() -> None:
    """Do nothing."""


@dg.asset(key=["serving", "marts"])
def marts() -> None:
    """Do nothing."""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def start(
    instance: dg.DagsterInstance, job: str, **config: Any
) -> tuple[bool, dg.DagsterRun | None]:
    """Start a manual job over four small assets, and return whether it went well
    and the run that it started.
    """
    everything = dg.define_asset_job("everything", executor_def=dg.in_process_executor)
    defs = dg.Definitions([sales, broken, amplitude_events, outcomes, marts], jobs=[everything])
    permissions = {"withdrawal": "ecom/allow_withdrawal", "rebuild": "ecom/rebuild"}
    manual = ManualJobs(
        Settings(events="some/events"),
        lambda: defs.resolve_job_def("everything"),
        [],
        [OUTCOMES],
        permissions,
        now=lambda: NOW,
    )
    (actual,) = (definition for definition in manual.build() if definition.name == job)
    run_config = {"ops": {f"{job}_run": {"config": config}}}
    result = actual.execute_in_process(
        instance=instance, run_config=run_config, raise_on_error=False
    )
    runs = [run for run in instance.get_runs() if run.job_name == "everything"]
    return result.success, runs[0] if runs else None


def answer(run: dg.DagsterRun | None) -> tuple[str, str, set[str]]:
    assert run is not None
    names = {key.to_user_string() for key in run.asset_selection or ()}
    return run.tags[RANGE_START], run.tags[RANGE_END], names


DELIVERY = {"export/amplitude_events", "export/deliveries"}
EVERY = {"sales", "broken", "serving/marts", *DELIVERY}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("job", "config", "expected"),
    [
        ("yesterday", {}, ("2026-03-02", "2026-03-09", EVERY)),
        ("yesterday", {"late_days": 0}, ("2026-03-09", "2026-03-09", EVERY)),
        (
            "backfill",
            {"first_day": "2026-01-30", "last_day": "2026-02-02"},
            ("2026-01-30", "2026-02-02", EVERY),
        ),
        (
            "backfill",
            {"first_day": "2026-01-30", "last_day": "2026-02-02", "tables": 'key:"sales"'},
            ("2026-01-30", "2026-02-02", {"sales"}),
        ),
        ("export", {}, ("2026-03-02", "2026-03-09", DELIVERY)),
        (
            "export",
            {
                "destinations": ["amplitude_events"],
                "first_day": "2026-03-01",
                "last_day": "2026-03-01",
            },
            ("2026-03-01", "2026-03-01", DELIVERY),
        ),
        ("publish", {}, ("2026-03-09", "2026-03-09", {"serving/marts"})),
    ],
)
def test_each_job_runs_its_assets_for_the_days_of_its_config(
    instance: dg.DagsterInstance,
    job: str,
    config: dict[str, Any],
    expected: tuple[str, str, set[str]],
) -> None:
    is_well, run = start(instance, job, **config)
    assert is_well
    assert answer(run) == expected


def test_what_is_allowed_on_request_only_is_a_tag_of_the_run(instance: dg.DagsterInstance) -> None:
    _, run = start(instance, "publish", rebuild=True)
    assert run is not None
    assert run.tags["ecom/rebuild"] == "true"
    _, run = start(
        instance, "backfill", first_day="2026-01-30", last_day="2026-01-30", allow_withdrawal=True
    )
    assert run is not None
    assert run.tags["ecom/allow_withdrawal"] == "true"


def test_a_run_that_fails_fails_the_job(instance: dg.DagsterInstance) -> None:
    is_well, run = start(instance, "backfill", first_day="2026-02-27", last_day="2026-02-28")
    assert not is_well
    assert run is not None
    assert run.status is dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize(
    "config",
    [
        {"first_day": "2026-02-31", "last_day": "2026-03-01"},
        {"first_day": "2026-03-02", "last_day": "2026-03-01"},
        {"first_day": "2026-03-01", "last_day": "2026-03-01", "tables": 'key:"nothing"'},
    ],
)
def test_a_config_that_cannot_be_meant_starts_no_run(
    instance: dg.DagsterInstance, config: dict[str, str]
) -> None:
    assert start(instance, "backfill", **config) == (False, None)


def test_the_platform_has_them_with_a_schema(tmp_path: Path) -> None:
    definitions = build_definitions(Settings(home=tmp_path, sandbox_until=date(2026, 1, 30)))
    for name, fields in {
        "yesterday": {"late_days"},
        "backfill": {"first_day", "last_day", "tables", "allow_withdrawal"},
        "export": {"destinations", "first_day", "last_day"},
        "publish": {"rebuild"},
    }.items():
        schema = definitions.resolve_job_def(name).run_config_schema.config_type
        ops = schema.fields["ops"].config_type  # type: ignore[attr-defined]
        config = ops.fields[f"{name}_run"].config_type.fields["config"].config_type
        assert set(config.fields) == fields
        assert all(field.description for field in config.fields.values())
