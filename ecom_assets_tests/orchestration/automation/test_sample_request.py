"""A request for the sample shop: it is made in an empty home only, once."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from ecom_assets.core.operations.requests import SAMPLE, Requests
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.uploads.asking import ask_sample, sample_progress, waiting_requests
from ecom_assets.orchestration.automation import upload_runs
from ecom_assets.orchestration.automation.upload_runs import RunEnd, UploadRun


def no_run(_settings: Settings, _first: date, _last: date | None) -> RunEnd:
    raise AssertionError("no upload is loaded")


def no_reset(settings: Settings, *, keeps_sample: bool = False) -> bool:
    raise AssertionError(f"nothing is undone in {settings.home}: {keeps_sample}")


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The options of each `ecom run` that was started."""
    started: list[Sequence[str]] = []

    def ended(_settings: Settings, options: Sequence[str]) -> RunEnd:
        started.append(options)
        return RunEnd(is_published=True)

    monkeypatch.setattr(upload_runs, "command_ended", ended)
    return started


def work_off(home: Path) -> list[str]:
    return UploadRun(home, "a-run", no_run, no_reset).do(waiting_requests(home))


def test_the_sample_shop_is_made_once_however_often_it_was_asked_for(
    tmp_path: Path, begun: list[Sequence[str]]
) -> None:
    assert sample_progress(tmp_path) == (None, ())
    ask_sample(tmp_path, "ann")
    ask_sample(tmp_path, "bob")
    [request] = waiting_requests(tmp_path)
    assert (request.kind, request.attempt) == (SAMPLE, 2)
    assert work_off(tmp_path) == []
    assert begun == [[]], "`ecom run` with nothing given"
    newest, _ = sample_progress(tmp_path)
    assert newest is not None
    assert newest.run_id == "a-run"
    assert Requests(tmp_path).waiting() == []


def test_over_a_shop_s_own_data_there_is_no_sample(
    tmp_path: Path, begun: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOM_EVENTS", "some/events")
    ask_sample(tmp_path, "ann")
    assert work_off(tmp_path) == []
    assert begun == []


def test_a_request_about_an_upload_that_is_gone_stops_no_other(
    tmp_path: Path, begun: list[Sequence[str]]
) -> None:
    today = date(2026, 3, 2)
    Requests(tmp_path).make("load", "7", (today, today), "ann")
    ask_sample(tmp_path, "ann")
    assert work_off(tmp_path) == []
    assert begun == [[]]
    assert waiting_requests(tmp_path) == []
