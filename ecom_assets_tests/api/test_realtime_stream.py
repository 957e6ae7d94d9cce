"""The stream of real time: a message as numbers change, and not cut by the time limit of answers."""

import json
from pathlib import Path

import httpx

from ecom_assets.api.app import build_app
from ecom_assets.clock import now_utc
from ecom_assets.settings.settings import Settings
from ecom_assets_tests.api.served import serving
from ecom_assets_tests.api.test_realtime import land


def test_an_event_is_sent_within_two_seconds_and_the_stream_outlives_the_limit_of_answers(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    land(landing / "a.csv", [("1", "anna", "page_view", 1, "", "")], now=now_utc())
    settings = Settings(home=tmp_path / "home", events=str(landing), api_timeout_s=0.5)
    with (
        serving(settings, build_app(settings)) as client,
        httpx.stream(
            "GET", f"{client.address}/v1/analytics/realtime/stream", timeout=10, headers={"accept-encoding": "gzip"}
        ) as stream,
    ):
        assert stream.status_code == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert (stream.headers["x-accel-buffering"], stream.headers["cache-control"]) == ("no", "no-store")
        lines = (line for line in stream.iter_lines() if line.startswith("data: "))
        first = json.loads(next(lines)[6:])
        assert first["windows"][0]["event_count"] == 1
        assert client.get("/analytics/realtime").json().keys() >= first.keys()
        land(landing / "b.csv", [("2", "bob", "purchase", 0, "p", "9.00")], now=(arrived := now_utc()))
        second = json.loads(next(lines)[6:])
        assert (now_utc() - arrived).total_seconds() < 3, "1 s between messages, and the reading"
        assert second["windows"][0]["event_count"] == 2


def test_what_cannot_be_answered_is_no_stream(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, events=str(tmp_path / "gone"))
    with serving(settings, build_app(settings)) as client:
        assert client.get("/analytics/realtime/stream").status_code == 503
