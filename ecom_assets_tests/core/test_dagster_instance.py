"""The `dagster.yaml` of a home: later releases renew it, unless somebody has changed it."""

from pathlib import Path

import pytest
import yaml

from ecom_assets.core.settings import dagster_instance
from ecom_assets.core.settings.dagster_instance import (
    INSTANCE,
    SHIPPED,
    lacking_sections,
    moved_modules,
    write_instance,
)

FORMER = """\
# The local Dagster instance: everything in files of this folder, one run at a time.
telemetry:
  enabled: false

concurrency:
  runs:
    max_concurrent_runs: 1 # the embedded warehouse has one writer
  pools:
    granularity: run
    default_limit: 1

run_monitoring:
  enabled: true
  free_slots_after_run_end_seconds: 300 # a run that was killed gives its place back

retention:
  schedule:
    purge_after_days: 90
  sensor:
    purge_after_days:
      skipped: 7
      failure: 30
      success: 90

event_log_storage: # Dagster's SQLite storage, with the events of a batch written together
  module: ecom_assets.orchestration.automation.instance.sqlite
  class: BatchingEventLogStorage
  config:
    base_dir:
      env: DAGSTER_HOME

nux:
  enabled: false # no invitation to a newsletter in front of the first page
"""
"""What the release before wrote, which had no `run_retries`."""


def test_a_run_that_loses_its_process_is_tried_once_more_as_in_production() -> None:
    local, production = (
        yaml.safe_load(path.read_text())
        for path in (SHIPPED, SHIPPED.parents[1] / "deploy" / INSTANCE)
    )
    assert local["run_retries"] == production["run_retries"]
    assert local["run_launcher"] == production["run_launcher"]


def test_the_file_of_an_earlier_release_is_renewed(tmp_path: Path) -> None:
    path = tmp_path / INSTANCE
    path.write_text(FORMER)
    write_instance(tmp_path)
    assert path.read_text() == SHIPPED.read_text()


@pytest.mark.parametrize("former", [FORMER, SHIPPED.read_text()])
def test_a_file_that_a_person_changed_is_kept(tmp_path: Path, former: str) -> None:
    write_instance(tmp_path)
    changed = former.replace("purge_after_days: 90", "purge_after_days: 900")
    (tmp_path / INSTANCE).write_text(changed)
    write_instance(tmp_path)
    assert (tmp_path / INSTANCE).read_text() == changed
    missing = ["run_launcher", "run_retries"] if former == FORMER else []
    assert lacking_sections(tmp_path) == missing


def test_modules_that_moved_are_named_with_where_they_are(tmp_path: Path) -> None:
    assert moved_modules(tmp_path) == {}
    write_instance(tmp_path)
    assert moved_modules(tmp_path) == {}
    now = "ecom_assets.orchestration.automation.instance.sqlite"
    before = "ecom_assets.automation.instance.sqlite"
    (tmp_path / INSTANCE).write_text(FORMER.replace(now, before))
    assert moved_modules(tmp_path) == {before: now}


def test_what_this_release_writes_is_known_to_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_instance(tmp_path)
    later = tmp_path / "later.yaml"
    later.write_text("telemetry: {enabled: false}\n")
    monkeypatch.setattr(dagster_instance, "SHIPPED", later)
    write_instance(tmp_path)
    assert (tmp_path / INSTANCE).read_text() == later.read_text()
