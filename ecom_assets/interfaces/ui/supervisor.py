"""Starts the servers of `ecom ui` and starts again what ends, until Ctrl-C: `python -m
ecom_assets.interfaces.ui.supervisor SERVICES TERMINAL FOLDER`, with the services as JSON, the file
descriptor of the terminal, and the folder of their sockets, which goes in the end.

A service that ends more than five times in ten minutes ends all, with a sentence. What services
print goes into their logs, which this process rotates.
"""

import http.client
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Final
from urllib.parse import urlsplit

from ecom_assets.interfaces.ui.rotated_log import RotatedLog
from ecom_assets.interfaces.ui.services import LocalServer, services_of

MOST_RESTARTS: Final = 5
RESTARTS_WITHIN_S: Final = 600.0
RESTART_AFTER_S: Final = 1.0
LOOK_EVERY_S: Final = 0.5
PROBE_EVERY_S: Final = 5.0
MOST_FAILED_PROBES: Final = 3
STARTS_WITHIN_S: Final = 120.0
"""How long a service may take until its first answer to a probe."""
STOPS_WITHIN_S: Final = 30.0
ANSWERS_WITHIN_S: Final = 30.0
READS_WITHIN_S: Final = 2.0
READ_BYTES: Final = 65_536
STOPPED: Final = "Stopping the dashboard, Dagster and its schedules; `ecom ui` starts them again."
INTERRUPTED: Final = 130
"""The exit code that shells expect of a program stopped by Ctrl-C."""
FAILED: Final = 1
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class _Child:
    """The process of a service, and when it was started again."""

    service: LocalServer
    process: "subprocess.Popen[bytes]"
    began_at: float
    restarts: deque[float] = field(default_factory=deque)
    has_answered: bool = False
    failed_probes: int = 0
    was_silent: bool = False
    """Whether it was ended since it did not answer."""
    is_announced: bool = False
    """Whether it was said that it answers at its address."""

    @property
    def comes_up(self) -> bool:
        """Whether it has an address, at which it has not answered yet."""
        return bool(self.service.address) and not self.has_answered


Probe = Callable[[str], bool]
"""Returns whether the code server on a socket, or the server at an address, answers."""


def http_answers(address: str) -> bool:
    """Return whether a server answers at an address, whatever it says."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port, timeout=ANSWERS_WITHIN_S
    )
    try:
        connection.request("GET", parts.path or "/")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


class Supervisor:
    """Keeps services up, until it is asked to stop or one of them cannot be kept up."""

    def __init__(
        self,
        services: Sequence[LocalServer],
        say: Callable[[str], None],
        probe: Probe,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start nothing yet; `say` prints a sentence for the person who sits there."""
        self._services = services
        self._waiting = list(services)
        self._say = say
        self._probe = probe
        self._environment = environment
        self._logs = {each.log: RotatedLog(Path(each.log)) for each in services if each.log}
        self._children: list[_Child] = []
        self._groups: set[int] = set()
        self._readers: list[threading.Thread] = []
        self._stop = threading.Event()
        self.was_stopped = False

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Ask to stop all; says so once."""
        if not self._stop.is_set():
            self.was_stopped = True
            self._stop.set()
            self._say(STOPPED)

    def run(self) -> int:
        """Keep the services up, and return the exit code."""
        try:
            self._begin_waiting()
            threading.Thread(target=self._keep_probing, daemon=True).start()
            while not self._stop.wait(LOOK_EVERY_S):
                if sentence := self._restart_ended():
                    self._say(sentence)
                    return FAILED
        finally:
            self._stop.set()
            self._end_all()
        return INTERRUPTED

    def _begin_waiting(self) -> None:
        """Start the services that wait for nothing any more."""
        for service in list(self._waiting):
            if self._may_begin(service):
                self._waiting.remove(service)
                self._children.append(_Child(service, self._start(service), time.monotonic()))

    def _may_begin(self, service: LocalServer) -> bool:
        if not service.after:
            return True
        servers = [
            each
            for each in self._children
            if service.after in {each.service.socket, each.service.address}
        ]
        return any(each.has_answered or not _is_starting(each) for each in servers)

    def _restart_ended(self) -> str:
        """Start again what has ended; return why all have to end, if so."""
        self._groups = {group for group in self._groups if _signal(group, 0)}
        self._begin_waiting()
        for child in list(self._children):
            code = child.process.poll()
            if code is None:
                continue
            if code == 0:  # such as the sample shop, once own data have taken its place
                self._children.remove(child)
                continue
            now = time.monotonic()
            while child.restarts and child.restarts[0] < now - RESTARTS_WITHIN_S:
                child.restarts.popleft()
            name = _capitalized(child.service.name)
            ending = "it did not answer" if child.was_silent else _ending(code)
            where = child.service.log or "what it printed above"
            if len(child.restarts) >= MOST_RESTARTS:
                minutes = int(RESTARTS_WITHIN_S // 60)
                return (
                    f"{name} ended {MOST_RESTARTS + 1} times in {minutes} minutes ({ending}), so "
                    f"all stops; {where} says why."
                )
            self._say(f"{name} ended ({ending}) and is started again; {where} says why.")
            if self._stop.wait(RESTART_AFTER_S):
                return ""
            child.restarts.append(now)
            child.process, child.began_at = self._start(child.service), time.monotonic()
            child.has_answered, child.failed_probes, child.was_silent = False, 0, False
        return ""

    def _start(self, service: LocalServer) -> "subprocess.Popen[bytes]":
        if service.socket:
            Path(service.socket).unlink(missing_ok=True)
        log = self._logs.get(service.log)
        output = subprocess.PIPE if log else None
        # A group of its own, so that Ctrl-C comes here only, and what it started can be ended too.
        process = subprocess.Popen(  # noqa: S603 (our own)
            service.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if log else None,
            env=self._environment,
            process_group=0,
        )
        self._groups.add(process.pid)
        if log and process.stdout:
            reader = threading.Thread(target=_copy, args=(process.stdout, log), daemon=True)
            reader.start()
            self._readers = [each for each in self._readers if each.is_alive()] + [reader]
        return process

    def _keep_probing(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S if self._is_coming_up() else PROBE_EVERY_S):
            for child in list(self._children):
                if child.process.poll() is not None:
                    continue
                if child.service.socket:
                    self._end_if_silent(child)
                elif child.comes_up and http_answers(child.service.address):
                    # Say once where a server is reached, now that it answers.
                    child.has_answered = True
                    if child.service.ready and not child.is_announced and not self._stop.is_set():
                        child.is_announced = True
                        self._say(child.service.ready)

    def _is_coming_up(self) -> bool:
        return bool(self._waiting) or any(child.comes_up for child in self._children)

    def _end_if_silent(self, child: _Child) -> None:
        """End a code server that does not answer, so that it is started again: what it is made of
        can have ended beneath it.
        """
        process = child.process
        if self._probe(child.service.socket):
            child.has_answered, child.failed_probes = True, 0
            return
        child.failed_probes += not _is_starting(child)
        if child.failed_probes >= MOST_FAILED_PROBES:
            child.failed_probes, child.was_silent = 0, True
            process.kill()

    def _end_all(self) -> None:
        """End all processes, and those that they have started."""
        for group in self._groups:
            _signal(group, signal.SIGINT)
        until = time.monotonic() + STOPS_WITHIN_S
        for child in self._children:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(until - time.monotonic(), 0))
        for group in self._groups:
            _signal(group, signal.SIGKILL)
        for child in self._children:
            child.process.wait()
        for reader in self._readers:
            reader.join(READS_WITHIN_S)
        for log in self._logs.values():
            log.close()


def _is_starting(child: _Child) -> bool:
    """Return whether a code server may still be about to answer for the first time."""
    return not child.has_answered and time.monotonic() - child.began_at < STARTS_WITHIN_S


def _copy(output: IO[bytes], log: RotatedLog) -> None:
    """Copy what a process prints into its log, until nobody can print any more."""
    with output, suppress(OSError):
        while data := os.read(output.fileno(), READ_BYTES):
            log.write(data)


def _signal(group: int, number: int) -> bool:
    """Send a signal to a group of processes; return whether it has any."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _ending(code: int) -> str:
    return f"by signal {-code}" if code < 0 else f"exit code {code}"


def _capitalized(name: str) -> str:
    return f"{name[:1].upper()}{name[1:]}"


def code_server_answers(socket: str) -> bool:
    """Return whether Dagster's code server, and the process in it that has the definitions, answer
    on a socket; definitions that cannot be loaded are an answer.
    """
    # Until Dagster restarts the process in its code server.
    from dagster import DagsterError  # noqa: PLC0415 (slow to import, and done beside the start)
    from dagster._grpc.client import DagsterGrpcClient  # noqa: PLC0415 (as above)

    try:
        DagsterGrpcClient(socket=socket).list_repositories()
    except DagsterError:
        return False
    return True


def main() -> None:
    """Keep the services up that the arguments name."""
    services, terminal, folder = services_of(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    supervisor = Supervisor(
        services, lambda sentence: _say(terminal, sentence), code_server_answers
    )
    for number in STOP_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # under `nohup`
            signal.signal(number, supervisor.stop)
    try:
        sys.exit(supervisor.run())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _say(terminal: int, sentence: str) -> None:
    """Print a line."""
    after_sign = "\r" if os.isatty(terminal) else ""  # over `^C`
    with suppress(OSError):  # such as a terminal that was closed
        os.write(terminal, f"{after_sign}{sentence}\n".encode())


if __name__ == "__main__":
    main()
