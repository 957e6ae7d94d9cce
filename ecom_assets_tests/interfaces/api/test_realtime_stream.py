"""The stream of real time: a message as numbers change,
and not cut by the time limit of answers.
"""

import json
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from ecom_assets.core.clock import now_utc
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api import app
from ecom_assets.interfaces.api.app import build_app
from ecom_assets.interfaces.api.streams import STREAM
from ecom_assets_tests.interfaces.api.served import HELD, serving
from ecom_assets_tests.interfaces.api.test_realtime import land
from ecom_assets_tests.patience import PATIENCE_S, wait_until


@pytest.mark.slow
def test_an_event_is_sent_within_two_seconds_and_the_stream_outlives_the_limit_of_answers(
    tmp_path: Path,
) -> None:
    landing = tmp_path / "landing"
    land(landing / "a.csv", [("1", "anna", "page_view", 1, "", "")], now=now_utc())
    settings = Settings(home=tmp_path / "home", events=str(landing), api_timeout_s=0.5)
    with (
        serving(settings, build_app(settings)) as client,
        httpx.stream(
            "GET",
            f"{client.address}/v1/analytics/realtime/stream",
            timeout=10,
            headers={"accept-encoding": "gzip"},
        ) as stream,
    ):
        assert stream.status_code == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert (stream.headers["x-accel-buffering"], stream.headers["cache-control"]) == (
            "no",
            "no-store",
        )
        lines = (line for line in stream.iter_lines() if line.startswith("data: "))
        first = json.loads(next(lines)[6:])
        assert first["windows"][0]["event_count"] == 1
        assert client.get("/analytics/realtime").json().keys() >= first.keys()
        land(
            landing / "b.csv",
            [("2", "bob", "purchase", 0, "p", "9.00")],
            now=(arrived := now_utc()),
        )
        second = json.loads(next(lines)[6:])
        assert (now_utc() - arrived).total_seconds() < 3, "1 s between messages, and the reading"
        assert second["windows"][0]["event_count"] == 2


def test_what_cannot_be_answered_is_no_stream(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, events=str(tmp_path / "gone"))
    with serving(settings, build_app(settings)) as client:
        assert client.get("/analytics/realtime/stream").status_code == 503


OTHER = "another-key-that-reads"


@pytest.mark.slow
def test_one_key_has_only_some_streams_open_and_others_have_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "landing").mkdir()
    settings = Settings(
        home=tmp_path / "home",
        events=str(tmp_path / "landing"),
        api_keys=SecretStr(f"read:{HELD},read:{OTHER}"),
    )
    monkeypatch.setattr(app, "STREAMS_PER_CALLER", 2)
    with serving(settings, build_app(settings)) as client, ExitStack() as streams:

        def opened(key: str) -> httpx.Response:
            return streams.enter_context(
                httpx.stream(
                    "GET", f"{client.address}{STREAM}", timeout=10, headers={"x-api-key": key}
                )
            )

        held = [opened(HELD) for _ in range(2)]
        third = opened(HELD)
        assert [stream.status_code for stream in (*held, third)] == [200, 200, 429]
        assert json.loads(third.read())["detail"] == (
            "This key has 2 streams open, as many as one may have; close one."
        )
        assert third.headers["retry-after"] == "30"
        assert opened(OTHER).status_code == 200
        held[0].close()
        wait_until(lambda: opened(HELD).status_code == 200)
        metric = 'ecom_api_refused_requests_total{reason="too_many_streams"}'
        assert client.metric(metric, HELD) >= 1


@pytest.mark.slow
def test_without_keys_the_streams_of_an_address_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "landing").mkdir()
    settings = Settings(home=tmp_path / "home", events=str(tmp_path / "landing"))
    monkeypatch.setattr(app, "STREAMS_PER_CALLER", 1)
    with (
        serving(settings, build_app(settings)) as client,
        httpx.stream("GET", f"{client.address}{STREAM}", timeout=PATIENCE_S) as stream,
    ):
        assert (stream.status_code, client.get(STREAM).status_code) == (200, 429)
