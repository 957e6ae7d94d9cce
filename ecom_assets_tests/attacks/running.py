"""Servers under attack: real processes, one attack after the other,
and a health check every few milliseconds.
"""

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import quantiles
from typing import Final

from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.http_server.keys import KeyFile
from ecom_assets_tests.attacks.attacks import ATTACKS, Target, repeat
from ecom_assets_tests.command import ECOM
from ecom_assets_tests.ports import free_port

HEALTH: Final = b"GET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
EVERY_S: Final = 0.02
UNANSWERED_S: Final = 10.0
"""What counts for a health check that is not answered with 200."""
TURN_S: Final = 5.0
"""Seconds for which an attack is repeated before the next one begins."""


@dataclass
class AttackResult:
    """The health checks of a server during an attack: how long each took,
    and which of them failed.
    """

    server: str
    attack: str
    took_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    rounds: int = 0
    peak_mb: float = 0.0
    cpu_share: float = 0.0
    """CPU seconds of the server by seconds: near 1, its event loop never rests."""

    @property
    def p99_s(self) -> float:
        """Return the time within which 99 of 100 health checks were answered."""
        return quantiles(self.took_s, n=100)[98] if len(self.took_s) > 1 else UNANSWERED_S

    def line(self) -> str:
        """Return the result as a line of JSON."""
        numbers = {
            "checks": len(self.took_s),
            "p99_s": round(self.p99_s, 4),
            "worst_s": round(max(self.took_s), 4),
        }
        own = (
            asdict(self)
            | numbers
            | {"failed": len(self.failures), "failures": sorted(set(self.failures))[:3]}
        )
        del own["took_s"]
        return json.dumps(own)


@contextmanager
def attacked_server(name: str, folder: Path) -> Iterator[tuple[Target, int]]:
    """Run `ecom api` or `ecom collect` with a key of its own; yield where it is,
    and the id of its process.
    """
    home, port = folder / f"{name}_home", free_port()
    (folder / "events").mkdir(exist_ok=True)
    scope, command = {"api": (Scope.READ, "api"), "collector": (Scope.COLLECT, "collect")}[name]
    _, key = KeyFile(home).create("public", (scope,))
    environment = {
        other: value for other, value in os.environ.items() if not other.startswith("ECOM_")
    }
    environment |= {"ECOM_HOME": str(home), "ECOM_EVENTS": str(folder / "events")}
    environment["ECOM_RATE_LIMIT_KEY"] = (
        "none"  # or the requests of one attack use up the rate of the next one
    )
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [*ECOM, command, "--port", str(port)], env=environment, cwd=folder, stderr=log
        )
        try:
            _wait_until_healthy(process, port)
            yield Target(name, port, key), process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def attack_all(
    folder: Path,
    seconds: float,
    servers: Sequence[str] = tuple(ATTACKS),
    attacks: Sequence[str] = (),
    turn_s: float = TURN_S,
) -> Iterator[AttackResult]:
    """Attack each server for so many seconds with each attack in turn, or with some;
    yield a result for each turn.
    """
    for name in servers:
        with attacked_server(name, folder) as (target, process_id):
            chosen = [attack for attack in ATTACKS[name] if not attacks or attack in attacks]
            end = time.monotonic() + seconds / len(servers)
            turns = 0
            while turns < len(chosen) or time.monotonic() < end:
                attack = chosen[turns % len(chosen)]
                attacker = replace(
                    target, address=f"127.0.0.{2 + list(ATTACKS[name]).index(attack)}"
                )
                yield _attack(attacker, attack, process_id, turn_s)
                turns += 1


def _attack(target: Target, name: str, process_id: int, turn_s: float) -> AttackResult:
    """Repeat an attack in another process while this one checks the health."""
    result = AttackResult(target.name, name)
    rounds = multiprocessing.get_context("spawn").Value("i", 0)
    attacker = multiprocessing.get_context("spawn").Process(
        target=repeat, args=(target, name, rounds), daemon=True
    )
    attacker.start()
    try:
        while not rounds.value and attacker.is_alive():
            time.sleep(EVERY_S)
        begun, cpu_before = time.monotonic(), cpu_s(process_id)
        end = begun + turn_s
        while time.monotonic() < end:
            for address in (
                "127.0.0.1",
                target.address,
            ):  # of others, and of neighbours of the attacker
                check_health(target.port, result, address)
            time.sleep(EVERY_S)
        result.cpu_share = round((cpu_s(process_id) - cpu_before) / (time.monotonic() - begun), 2)
    finally:
        result.rounds = rounds.value
        attacker.kill()
        attacker.join()
    result.peak_mb = peak_mb(process_id)
    return result


def check_health(port: int, result: AttackResult, address: str = "127.0.0.1") -> None:
    """Ask for the health on a new connection, and note the seconds until
    the whole answer was there.
    """
    begun = time.perf_counter()
    try:
        with socket.create_connection(
            ("127.0.0.1", port), UNANSWERED_S, source_address=(address, 0)
        ) as connection:
            connection.sendall(HEALTH)
            answer = b""
            while part := connection.recv(65_536):
                answer += part
    except OSError as error:
        answer = type(error).__name__.encode()
    if answer.startswith(b"HTTP/1.1 200"):
        result.took_s.append(time.perf_counter() - begun)
    else:
        result.took_s.append(UNANSWERED_S)
        result.failures.append(answer[:40].decode("latin-1"))


def peak_mb(process_id: int) -> float:
    """Return the most memory that a process has had, in MB."""
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1_000


def cpu_s(process_id: int) -> float:
    """Return the CPU seconds that a process has used."""
    numbers = (
        Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    )
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def _wait_until_healthy(process: "subprocess.Popen[bytes]", port: int) -> None:
    for _ in range(600):
        result = AttackResult("", "")
        check_health(port, result)
        if not result.failures:
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"The server at port {port} does not come up.")
