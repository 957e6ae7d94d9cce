"""`ecom api` and `ecom ui` as processes: refusal, requests under way at the end, restart,
and what their logs hold.
"""

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.http_server.keys import KeyFile
from ecom_assets_tests.command import ECOM, ecom, environment
from ecom_assets_tests.patience import PATIENCE_S, wait_until
from ecom_assets_tests.ports import free_port


@contextmanager
def api_process(home: Path, **env: str) -> Iterator[tuple[str, "subprocess.Popen[bytes]", Path]]:
    """`ecom api` at a free port: its address, the process, and what it says."""
    address, result = f"http://127.0.0.1:{(port := free_port())}", home.with_name("said.txt")
    with result.open("ab") as output:
        process = subprocess.Popen(
            [*ECOM, "api", "--port", str(port)],
            env=environment(home, env),
            cwd=home.parent,
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(
            lambda: process.poll() is not None or answers(f"{address}/health/live"), PATIENCE_S
        )
        assert process.poll() is None, result.read_text()
        yield address, process, result
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)


def answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=5).ok
    except requests.ConnectionError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("starts", [1, 2])
def test_a_process_its_keys_its_end_and_its_restart(home: Path, starts: int) -> None:
    kept, key = KeyFile(home).create("app", (Scope.READ,))
    ask = {"Authorization": f"Bearer {key}"}
    with api_process(home, ECOM_API_STOP_S="60") as (address, process, result):
        assert reported(f"{address}/analytics/sales?key={key}") == 401
        assert reported(f"{address}/health/ready") == 503, "nothing is published"
        assert is_answered_after_the_end_has_begun(address, key, process)
        assert process.wait(PATIENCE_S) == 0
    for _ in range(starts - 1):
        with api_process(home) as (address, process, result):
            assert reported(f"{address}/metrics", ask) == 200
            KeyFile(home).revoke(kept.key_id)
            assert reported(f"{address}/metrics", ask) == 401
    text = result.read_text()
    assert (
        key.removeprefix(f"ecom_{kept.key_id}_")
        not in text + (home / "api_audit.jsonl").read_text()
    )
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert [
        line["status"]
        for line in lines
        if "status" in line and line["path"].startswith("/analytics")
    ] == [
        401,
        503,
    ]
    assert all("timestamp" in line for line in lines)
    others = [line for line in text.splitlines() if not line.startswith("{")]
    assert [line.partition(" at ")[0] for line in others] == ["The API comes up"] * starts


def reported(address: str, headers: dict[str, str] | None = None) -> int:
    return requests.get(address, headers=headers, timeout=PATIENCE_S).status_code


def is_answered_after_the_end_has_begun(
    address: str, key: str, process: "subprocess.Popen[bytes]"
) -> bool:
    """Send half a request, ask the process to end, send the other half;
    return whether an answer comes.
    """
    lines = (
        "POST /analytics/funnel HTTP/1.1",
        f"x-api-key: {key}",
        "content-length: 2",
        "connection: close",
    )
    with socket.create_connection(
        ("127.0.0.1", int(address.rpartition(":")[2])), timeout=PATIENCE_S
    ) as slow:
        slow.sendall("".join(f"{line}\r\n" for line in lines).encode() + b"\r\n{")
        assert answers(f"{address}/health/live"), "so that the first half was read"
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: not is_listening(address))
        slow.sendall(b"}")
        answer = b""
        while part := slow.recv(65_536):
            answer += part
    return answer.startswith(b"HTTP/1.1 503 ") and b"Nothing is published yet" in answer


def is_listening(address: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--host", "0.0.0.0"), "The API would be open to everybody who reaches 0.0.0.0:"),  # noqa: S104 (the question)
        (("--port", "0"), "--port 0 is wrong"),
        (("--host", "192.0.2.1"), "The API cannot listen at 192.0.2.1:"),
    ],
)
def test_what_cannot_be_served_is_refused_in_a_sentence(
    home: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    port = () if "--port" in arguments else ("--port", str(free_port()))
    result = ecom("api", *arguments, *port, home=home)
    assert result.exit_code == 2
    assert sentence in result.sentence


@pytest.mark.slow
def test_it_ends_with_the_process_that_started_it(home: Path) -> None:
    port = free_port()
    starter = (
        "import subprocess, sys, time; print(subprocess.Popen([sys.executable, '-c', 'from "
        f"ecom_assets.cli import main; main()', 'api', '--port', '{port}', "
        "'--until-parent-ends'], stderr=subprocess.DEVNULL).pid, flush=True); time.sleep(600)"
    )
    home.mkdir(parents=True)
    parent = subprocess.Popen(
        [ECOM[0], "-c", starter], env=environment(home), cwd=home, stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/health/live"), PATIENCE_S)
    finally:
        parent.kill()
        parent.communicate()
    wait_until(lambda: not is_alive(child))


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that ended and that nobody waits for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
