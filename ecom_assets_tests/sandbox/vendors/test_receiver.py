"""What receivers share, over real connections: scripted faults, the request log, the audit,
steering, both at once.
"""

import json
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from ecom_assets.core.errors import UsageError
from ecom_assets.outputs.delivery.tools.all import TOOLS
from ecom_assets_tests.each import each
from ecom_assets_tests.sandbox.vendors.audit import who_has_what
from ecom_assets_tests.sandbox.vendors.vendor_requests import (
    NOW_S,
    amplitude_event,
    basic,
    mixpanel_event,
    still,
)
from ecom_sandbox.vendors.amplitude import BATCH, AmplitudeReceiver
from ecom_sandbox.vendors.faults import STEPS, RandomFaults, ReceiverFaults, Step
from ecom_sandbox.vendors.mixpanel import IMPORT
from ecom_sandbox.vendors.receiver import Held, Setup
from ecom_sandbox.vendors.request_log import received_in
from ecom_sandbox.vendors.running import running_receivers, some_faults, stand_ins

TIMEOUT_S = 10


def body_of(receiver: AmplitudeReceiver, *numbers: int) -> bytes:
    return json.dumps(
        {"api_key": receiver.key, "events": [amplitude_event(number) for number in numbers]}
    ).encode()


def post(receiver: AmplitudeReceiver, *numbers: int) -> requests.Response:
    with requests.Session() as session:
        return session.post(
            f"{receiver.url}{BATCH}", data=body_of(receiver, *numbers), timeout=TIMEOUT_S
        )


def fate(receiver: AmplitudeReceiver, *numbers: int) -> int | str:
    """Return the status, or how the connection ended."""
    try:
        return post(receiver, *numbers).status_code
    except requests.ConnectionError:
        return "reset"


# Faults


@pytest.mark.parametrize(
    ("step", "ends", "takes"),
    [
        (500, 500, False),
        (429, 429, False),
        (403, 403, False),
        ("taken, then 500", 500, True),
        ("reset", "reset", False),
        ("reset mid-body", "reset", False),
        ("taken without answer", "reset", True),
        (200, 200, True),
    ],
)
def test_each_step_is_what_it_says(
    tmp_path: Path, step: object, ends: object, *, takes: bool
) -> None:
    request_log = tmp_path / "a.requests"
    with AmplitudeReceiver(
        Setup(request_log=request_log, faults=ReceiverFaults.from_steps(step))
    ) as receiver:
        assert fate(receiver, 1) == ends
        assert receiver.held.counted_count == int(takes)
        assert (fate(receiver, 1), receiver.held.counted_count) == (200, 1)
    assert who_has_what(request_log, "amplitude").taken["event-1"] == 1 + takes


def test_a_reset_is_a_reset_and_not_an_end() -> None:
    with (
        AmplitudeReceiver(
            Setup(faults=ReceiverFaults.from_steps("taken without answer"))
        ) as receiver,
        socket.create_connection(("127.0.0.1", int(receiver.url.rpartition(":")[2]))) as connection,
    ):
        body = body_of(receiver, 1)
        connection.sendall(
            f"POST {BATCH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_a_429_says_when_to_come_back_if_so_scripted() -> None:
    faults = ReceiverFaults.from_steps({"status": 429, "retry_after": "7"}, 429)
    with AmplitudeReceiver(Setup(faults=faults)) as receiver:
        assert post(receiver, 1).headers["Retry-After"] == "7"
        result = post(receiver, 1)
    assert (result.status_code, "Retry-After" in result.headers, result.json()["code"]) == (
        429,
        False,
        429,
    )


def test_the_stand_ins_are_those_of_the_tools_that_say_so() -> None:
    kinds = stand_ins()
    assert {kind.tool: kind.title for kind in kinds} == {
        name: tool.title for name, tool in TOOLS.items() if tool.has_stand_in
    }
    assert len({kind.default_port for kind in kinds}) == len(kinds)


def test_each_tool_refuses_in_its_own_words() -> None:
    with running_receivers() as running:
        result = {receiver.tool: receiver.refusal(429) for receiver in running.all()}
    assert json.loads(result["amplitude"].body)["code"] == 429
    assert json.loads(result["mixpanel"].body)["status"] == "Too Many Requests"
    assert (result["heap"].body, result["ga4"].body) == (b"Too Many Requests", b"")


def test_chance_repeats_with_its_seed_and_has_every_kind() -> None:
    def fates(seed: int) -> list[int | str]:
        faults = ReceiverFaults(chance=RandomFaults(seed=seed, share=0.5))
        with AmplitudeReceiver(Setup(faults=faults)) as receiver:
            return [fate(receiver, number) for number in range(120)]

    first = fates(1)
    assert first == fates(1)
    assert first != fates(2)
    assert set(first) == {200, 408, 429, 500, 502, 503, "reset"}
    assert 40 <= sum(status == 200 for status in first) <= 80


@each(
    "answer",
    [
        {"scripts": []},
        {"script": 500},
        {"script": ["explode"]},
        {"script": [{"status": "500"}]},
        {"script": [{"status": 500, "at": "noon"}]},
        {"script": [True]},
        {"chance": {"share": "often"}},
        {"chance": []},
    ],
)
def test_what_is_no_fault_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ReceiverFaults.read(answer)


def test_a_pause_holds_a_request_after_it_was_taken_until_it_is_ended() -> None:
    faults = ReceiverFaults((Step(at="taken", pause_s=TIMEOUT_S),))
    with AmplitudeReceiver(Setup(faults=faults)) as receiver, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(post, receiver, 1)
        until = time.monotonic() + TIMEOUT_S
        while receiver.paused_at != "taken" and time.monotonic() < until:
            time.sleep(0.002)
        assert (receiver.held.counted_count, waiting.done()) == (1, False)
        assert requests.get(f"{receiver.url}/control/paused", timeout=TIMEOUT_S).json() == {
            "at": "taken"
        }
        requests.put(f"{receiver.url}/control/resume", timeout=TIMEOUT_S)
        assert waiting.result(TIMEOUT_S).status_code == 200


def test_steering_over_http() -> None:
    with AmplitudeReceiver(Setup(clock=still)) as receiver:
        control = f"{receiver.url}/control"
        answer = requests.put(
            f"{control}/faults", json={"script": [500, "reset"]}, timeout=TIMEOUT_S
        ).json()
        assert [step["status"] for step in answer["script"]] == [500, 0]
        assert (
            requests.put(
                f"{control}/faults", json={"script": [None]}, timeout=TIMEOUT_S
            ).status_code
            == 400
        )
        ahead = requests.put(f"{control}/clock", json={"ahead_s": 60}, timeout=TIMEOUT_S).json()
        assert ahead == {"now_s": NOW_S + 60, "ahead_s": 60}
        assert [post(receiver, 1).status_code, fate(receiver, 1), fate(receiver, 1)] == [
            500,
            "reset",
            200,
        ]
        held = requests.get(f"{control}/held", timeout=TIMEOUT_S).json()
        assert held == {"taken_count": 1, "counted_count": 1, "repeated_count": 0}
        assert requests.get(f"{control}/counts", timeout=TIMEOUT_S).json()["by_path"] == {BATCH: 2}
        assert requests.get(f"{control}/other", timeout=TIMEOUT_S).status_code == 404


# The request log


def test_the_request_log_has_every_byte_as_it_came(tmp_path: Path) -> None:
    request_log = tmp_path / "a.requests"
    with AmplitudeReceiver(Setup(request_log=request_log, clock=still)) as receiver:
        body = body_of(receiver, 1)
        head = (
            f"POST {BATCH}?x=1 HTTP/1.1\r\nhOsT:  x \r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        with socket.create_connection(
            ("127.0.0.1", int(receiver.url.rpartition(":")[2]))
        ) as connection:
            connection.sendall(head + body)
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
        (received,) = received_in(request_log)  # on the disk before the answer
    assert (received.raw, received.at_s, received.status) == (head + body, NOW_S, 200)
    assert (received.request().query, received.request().headers["host"]) == ({"x": "1"}, "x")


def test_a_body_that_breaks_off_is_in_the_request_log_and_not_taken(tmp_path: Path) -> None:
    request_log = tmp_path / "a.requests"
    with AmplitudeReceiver(Setup(request_log=request_log)) as receiver:
        body = body_of(receiver, 1)
        head = f"POST {BATCH} HTTP/1.1\r\nContent-Length: {len(body) + 1}\r\n\r\n".encode()
        with socket.create_connection(
            ("127.0.0.1", int(receiver.url.rpartition(":")[2]))
        ) as connection:
            connection.sendall(head + body)
        assert fate(receiver, 2) == 200
    seen = [
        (received.is_complete, received.is_taken, received.status)
        for received in received_in(request_log)
    ]
    assert sorted(seen) == [(False, False, 0), (True, True, 200)]
    assert who_has_what(request_log, "amplitude").counted == Counter({"event-2": 1})


def test_a_receiver_goes_on_from_its_request_log_and_cuts_off_what_is_unfinished(
    tmp_path: Path,
) -> None:
    setup = Setup(request_log=tmp_path / "a.requests", clock=still)
    with AmplitudeReceiver(setup) as receiver:
        assert fate(receiver, 1, 2) == 200
    whole = (tmp_path / "a.requests").read_bytes()
    for torn in (b'{"at_s"', whole[:-1], whole[: whole.index(b"\n") + 20]):
        (tmp_path / "a.requests").write_bytes(whole + torn)
        with AmplitudeReceiver(setup) as receiver:
            assert receiver.held == Held(2, 2, 0)
        assert (tmp_path / "a.requests").read_bytes() == whole
    with AmplitudeReceiver(setup) as receiver:
        assert fate(receiver, 2, 3) == 200
        assert receiver.held == Held(4, 3, 1)
    assert list(received_in(tmp_path / "none.requests")) == []


# At once, and in a process of its own


def test_many_connections_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    request_log = tmp_path / "a.requests"
    with (
        AmplitudeReceiver(Setup(request_log=request_log)) as receiver,
        ThreadPoolExecutor(8) as pool,
    ):
        batches = [range(first, first + 20) for first in range(0, 1_000, 20)]
        result = list(
            pool.map(lambda batch: post(receiver, *batch).status_code, [*batches, *batches])
        )
        held = receiver.held
    assert (set(result), held) == ({200}, Held(2_000, 1_000, 1_000))
    assert who_has_what(request_log, "amplitude").counted == Counter(
        f"event-{number}" for number in range(1_000)
    )


def test_the_four_run_in_a_process_of_their_own_until_it_is_stopped(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "ecom_sandbox.vendors",
        "--request-logs",
        str(tmp_path),
        "--no-rates",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        answer = json.loads(process.stdout.readline())
        header = basic(answer["ECOM_MIXPANEL_TOKEN"]) | {"content-type": "application/json"}
        events = json.dumps([mixpanel_event(1)]).encode()
        address = f"{answer['ECOM_MIXPANEL_URL']}{IMPORT}"
        assert (
            requests.post(address, data=events, headers=header, timeout=TIMEOUT_S).status_code
            == 200
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0
    assert who_has_what(tmp_path / "mixpanel.requests", "mixpanel").order == {"user-1": ["event-1"]}
    assert sorted(path.stem for path in tmp_path.iterdir()) == [
        "amplitude",
        "ga4",
        "heap",
        "mixpanel",
    ]


def test_the_faults_of_the_sandbox_are_all_that_there_are() -> None:
    kinds = set(some_faults().chance.kinds())
    assert set(STEPS.values()) < kinds
    assert {step.status for step in kinds} == {0, 408, 429, 500, 502, 503}
