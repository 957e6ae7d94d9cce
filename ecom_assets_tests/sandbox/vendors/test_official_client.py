"""Amplitude's own client against the stand-in: what we answer makes sense to it."""

from pathlib import Path
from threading import Event
from typing import Any

from amplitude import Amplitude, BaseEvent, Config

from ecom_assets_tests.sandbox.vendors.audit import who_has_what
from ecom_sandbox.vendors.amplitude import HTTP_V2, AmplitudeReceiver
from ecom_sandbox.vendors.faults import ReceiverFaults
from ecom_sandbox.vendors.receiver import Setup

COUNT = 100
TIMEOUT_S = 20


def test_amplitudes_own_client_delivers_through_faults_and_learns_what_was_refused(
    tmp_path: Path,
) -> None:
    faults, request_log = (
        ReceiverFaults.from_steps(500, "taken, then 500", 413),
        tmp_path / "a.requests",
    )
    result: dict[str, int] = {}
    all_answers = Event()

    def hear(event: Any, code: int, _words: str | None = None) -> None:
        result[event.insert_id] = code
        if len(result) == COUNT:
            all_answers.set()

    with AmplitudeReceiver(Setup(request_log=request_log, faults=faults)) as receiver:
        config = Config(
            server_url=f"{receiver.url}{HTTP_V2}", flush_interval_millis=50, flush_queue_size=20
        )
        client = Amplitude(receiver.key, config)
        client.configuration.callback = hear
        for number in range(COUNT):
            user = "bob" if number == 13 else f"user-{number % 7}"
            client.track(BaseEvent("page_view", user_id=user, insert_id=f"event-{number}"))
        client.flush()
        assert all_answers.wait(TIMEOUT_S)
        client.shutdown()
    assert {number for number, code in result.items() if code != 200} == {"event-13"}
    actual = who_has_what(request_log, "amplitude")
    assert (len(actual.counted), actual.doubled, "event-13" in actual.counted) == (
        COUNT - 1,
        {},
        False,
    )
    assert {request.status for request in actual.requests} == {200, 400, 413, 500}
