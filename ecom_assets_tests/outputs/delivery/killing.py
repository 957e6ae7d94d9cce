"""Kills deliveries at random moments and at the four phases of a request,
and asks the receivers who has what.

The deliverer, the receivers and the killer are three processes. What the deliverer believes is not
asked; only for a tool that never confirms its list of what is in doubt is compared with what the
tool has.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import IO, Any, Self

import pyarrow as pa
import requests

from ecom_assets.core.settings.settings import Settings
from ecom_assets.outputs.delivery.tools.all import destinations
from ecom_assets_tests.outputs.delivery.kill_driver import BATCH, BEFORE, REPLIED, rows_of
from ecom_assets_tests.sandbox.vendors.audit import WhoHasWhat, who_has_what

MID_BODY, NO_REPLY, RANDOM = "mid_body", "taken_without_reply", "random"
PHASES = (BEFORE, MID_BODY, NO_REPLY, REPLIED, RANDOM)
RECEIVED_ID = {
    "amplitude": lambda payload: payload["insert_id"],
    "heap": lambda payload: payload["idempotency_key"],
    "mixpanel": lambda payload: payload["properties"]["$insert_id"],
    "ga4": lambda payload: payload["events"][0]["params"]["event_id"],
}
"""How a tool calls a record, by its payload."""
HANGS = {MID_BODY: {"status": 0, "at": "mid_body"}, NO_REPLY: {"status": 200, "at": "taken"}}
ANY_ACCOUNT: dict[str, Any] = {
    "amplitude_api_key": "x",
    "heap_app_id": "x",
    "mixpanel_token": "x",
    "ga4_measurement_id": "G-X",
    "ga4_api_secret": "x",
}
LONG_S = 30.0
ROUND = 300
"""Records of a round: a few kills, then a run that ends."""


@dataclass
class Killed:
    """What was done, and what came of it.

    kills: How often, by phase.
    due: The tool's name of each record that was to be delivered, by the ledger's.
    in_doubt: Records that the ledger lists as in doubt, by its names.
    """

    actual: WhoHasWhat
    kills: dict[str, int]
    due: dict[str, str]
    in_doubt: set[str]

    @property
    def lost(self) -> set[str]:
        """Records that were due and that the tool does not count."""
        return {record_id for record_id, name in self.due.items() if not self.actual.counted[name]}

    @property
    def doubled(self) -> set[str]:
        """Records that the tool counts more than once."""
        return {record_id for record_id, name in self.due.items() if self.actual.counted[name] > 1}


class Deliverer:
    """The process that forks deliveries."""

    def __init__(self, pipes: "subprocess.Popen[str]") -> None:
        """Take the running process."""
        assert pipes.stdin is not None
        assert pipes.stdout is not None
        self._jobs: IO[str] = pipes.stdin
        self._reports: IO[str] = pipes.stdout

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """Run one."""
        command = [sys.executable, "-m", "ecom_assets_tests.outputs.delivery.kill_driver"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                yield cls(process)
            finally:
                assert process.stdin is not None
                process.stdin.close()

    def begin(self, job: Mapping[str, Any]) -> int:
        """Begin a delivery; return its process id."""
        self._jobs.write(json.dumps(job) + "\n")
        self._jobs.flush()
        return int(self._reports.readline())

    def end(self) -> int:
        """Wait for its end; return its exit code, -9 if it was killed."""
        return int(self._reports.readline())


@contextmanager
def receivers(request_logs: Path) -> Iterator[dict[str, str]]:
    """Run the four in a process of their own, and yield the settings that point at them."""
    command = [
        sys.executable,
        "-m",
        "ecom_sandbox.vendors",
        "--request-logs",
        str(request_logs),
        "--no-rates",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        answer = json.loads(process.stdout.readline())
        try:
            yield {name.removeprefix("ECOM_").lower(): value for name, value in answer.items()}
        finally:
            process.terminate()


@dataclass
class Killer:
    """Kills deliveries to one tool until it is stopped; every round of
    records is delivered to its end.
    """

    tool: str
    home: Path
    stand_ins: dict[str, str]
    deliverer: Deliverer
    dice: Random
    now: datetime = field(
        default_factory=lambda: datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    )
    more: Mapping[str, str] = field(default_factory=dict)
    """Further settings."""
    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PHASES, 0))
    clean_s: float = 0.3
    due: dict[str, str] = field(default_factory=dict)

    def kill(self, times: int) -> Killed:
        """Kill so many deliveries, in each phase as often as in the others, and compare."""
        first = 0
        while sum(self.kills.values()) < times:
            self._round(first, times)
            first += ROUND
        request_log = self.home / "request_logs" / f"{self.tool}.requests"
        return Killed(who_has_what(request_log, self.tool), self.kills, self.due, self._in_doubt())

    def _round(self, first: int, times: int) -> None:
        self._note_due(first)
        for phase in sorted(PHASES, key=lambda phase: self.kills[phase]):
            if sum(self.kills.values()) < times and self._run(first, phase) == -signal.SIGKILL:
                self.kills[phase] += 1
        started = time.monotonic()
        assert self._run(first, "") == 0, "the last run of a round delivers all that is left"
        self.clean_s = max(0.05, time.monotonic() - started)

    def _run(self, first: int, phase: str) -> int:
        at = self.dice.randrange(8)
        hang = HANGS.get(phase)
        self._script([200] * at + [hang | {"pause_s": LONG_S}] if hang else [])
        settings = {
            **self.stand_ins,
            **self.more,
            "home": str(self.home),
            "delivery_retry_base_s": 0.01,
            "delivery_pause_s": 0.01,
        }
        job = {
            "destination": f"{self.tool}_events",
            "phase": phase,
            "at": at,
            "first": first,
            "size": ROUND,
        }
        process = self.deliverer.begin(
            job
            | {
                "settings": settings | {"delivery_events_per_s": 0},
                "now": self.now.isoformat(),
                "day": str(self.now.date()),
            }
        )
        if hang:
            self._kill_when_held(process)
        elif phase == RANDOM:
            time.sleep(self.dice.random() * self.clean_s)
            os.kill(process, signal.SIGKILL)
        code = self.deliverer.end()
        self._script([])
        requests.put(f"{self._url}/control/resume", timeout=LONG_S)
        return code

    @property
    def _url(self) -> str:
        return self.stand_ins[f"{self.tool}_url"]

    def _script(self, steps: list[Any]) -> None:
        requests.put(
            f"{self._url}/control/faults", json={"script": steps}, timeout=LONG_S
        ).raise_for_status()

    def _kill_when_held(self, process: int) -> None:
        """Kill a delivery while a request of its hangs at the receiver;
        it may be over before it came to that.
        """
        with requests.Session() as session:
            while not session.get(f"{self._url}/control/paused", timeout=LONG_S).json()["at"]:
                if not is_running(process):
                    return
                time.sleep(0.005)
        os.kill(process, signal.SIGKILL)

    def _note_due(self, first: int) -> None:
        self.due |= named_by_tool(self.tool, rows_of(first, ROUND, self.now), self.now)

    def _in_doubt(self) -> set[str]:
        outcomes = outcomes_of(self.home, self.tool)
        return {record_id for record_id, outcome in outcomes.items() if outcome == "in_doubt"}


def named_by_tool(tool: str, rows: pa.Table, now: datetime) -> dict[str, str]:
    """Return how a tool will call each record, by the ledger's name of it; all of them can go."""
    destination = destinations(Settings(**ANY_ACCOUNT))[f"{tool}_events"]
    payloads = destination.payloads(rows, now).to_pylist()
    assert [payload for payload in payloads if payload["reason"]] == []
    return {
        payload["record_id"]: RECEIVED_ID[tool](json.loads(payload["payload"]))
        for payload in payloads
    }


def outcomes_of(home: Path, tool: str) -> dict[str, str]:
    """Return what the ledger says last of each record."""
    with closing(sqlite3.connect(home / "ledger.sqlite")) as ledger:
        answer = ledger.execute(
            "SELECT record_id, outcome FROM sendings WHERE destination = ? ORDER BY batch",
            (f"{tool}_events",),
        )
        return dict(answer.fetchall())


def is_running(process: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return (
            Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(") ")[2][0] != "Z"
        )
    except OSError:
        return False


def most_in_doubt(kills: Mapping[str, int]) -> int:
    """Return how many records may be in doubt after so many kills,
    where a tool never confirms: a batch each.
    """
    return BATCH * sum(kills.values())
