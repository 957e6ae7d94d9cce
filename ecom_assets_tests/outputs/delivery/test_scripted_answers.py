"""Thousands of records through receivers that answer by a script: in order, once,
never what must not be repeated.

The request log shows: no record is sent after the tool has said yes, none that must not be
repeated, each user's records arrive in their order, and after 429 there is a pause.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.state.ledger_store import open_store
from ecom_assets.outputs.delivery import batch_sender
from ecom_assets.outputs.delivery.ledger.ledger import DeliveryLedger
from ecom_assets.outputs.delivery.sending import Delivery, DeliveryStats
from ecom_assets.outputs.delivery.tools.all import destinations
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.outputs.delivery.kill_driver import Mortal, rows_of
from ecom_assets_tests.outputs.delivery.killing import named_by_tool, outcomes_of
from ecom_assets_tests.sandbox.vendors.audit import RequestRecord, WhoHasWhat, who_has_what
from ecom_sandbox.vendors.amplitude import AmplitudeRates, AmplitudeReceiver
from ecom_sandbox.vendors.faults import ReceiverFaults, Step
from ecom_sandbox.vendors.ga4 import Ga4Receiver
from ecom_sandbox.vendors.heap import HeapRates, HeapReceiver
from ecom_sandbox.vendors.mixpanel import MixpanelRates, MixpanelReceiver
from ecom_sandbox.vendors.receiver import Receiver, Setup

PAUSE_S = 0.01
MOST_RUNS = 60
FLEETING = (
    408,
    429,
    {"status": 429, "retry_after": "0"},
    500,
    502,
    503,
    504,
    "reset",
    "reset mid-body",
)
TAKEN_IN_SILENCE = ("taken without answer", "taken, then 500", "taken, then 502")
FOR_GOOD = (401, 403, 413)
SEQUENCES: tuple[tuple[object, ...], ...] = (
    *((fault,) for fault in (*FLEETING, *TAKEN_IN_SILENCE, *FOR_GOOD)),
    (500, 500),
    (429, "reset"),
    (500, "taken, then 500", 503),
    (503, 503, 503),
    ("taken without answer", "taken without answer"),
    (429, 429, 429),
    ("reset mid-body", 408, 500),
    (413, 413),
    (413, 500),
)
"""What happens to requests one after the other, before the tool answers as documented again."""
RECEIVERS: dict[str, Callable[[Setup], Receiver]] = {
    "amplitude": lambda setup: AmplitudeReceiver(setup, rates=AmplitudeRates.none()),
    "heap": lambda setup: HeapReceiver(setup, rates=HeapRates.none()),
    "mixpanel": lambda setup: MixpanelReceiver(setup, rates=MixpanelRates.none()),
    "ga4": Ga4Receiver,
}


def script(dice: Random, length: int) -> Iterator[Step]:
    """Yield about so many steps: sequences, with good answers between them."""
    for _ in range(length):
        yield from (Step.read(step) for step in dice.choice(SEQUENCES))
        yield from [Step()] * dice.randrange(4)


@dataclass
class Played:
    """What was delivered under a script, and what the request log shows.

    due: The tool's name of each record, by the ledger's.
    refused: Those that the tool finds fault with, by its names.
    outcomes: What the ledger says last of each record.
    again: What a further run found, of the same rows.
    runs: How many requests there were at the end of each run.
    """

    actual: WhoHasWhat
    due: dict[str, str]
    refused: frozenset[str]
    outcomes: dict[str, str]
    again: DeliveryStats
    runs: list[int] = field(default_factory=list)

    @property
    def lost(self) -> set[str]:
        """Records that were due, that the tool does not have, and that are not
        reported as refused or in doubt.
        """
        answer = {"rejected", "in_doubt"}
        return {
            record_id
            for record_id, name in self.due.items()
            if not self.actual.counted[name] and self.outcomes[record_id] not in answer
        }

    @property
    def refused_alone(self) -> set[str]:
        """Records that the tool has refused by name or in a request of their own, by its names."""
        alone = {
            request.record_ids[0]
            for request in self.actual.requests
            if request.status == 413 and len(request.record_ids) == 1
        }
        return alone | self.refused

    def out_of_order(self) -> list[str]:
        """Return the users whose records did not arrive in their order."""
        positions = {name: number for number, name in enumerate(self.due.values())}
        return [
            user
            for user, names in self.actual.order.items()
            if [positions[name] for name in names] != sorted(positions[name] for name in names)
        ]

    def sent_after_success(self) -> list[str]:
        """Return the records that were sent again after the tool had answered that it took them."""
        answered: set[str] = set()
        again: list[str] = []
        for answer in self.actual.requests:
            again += [name for name in answer.record_ids if name in answered]
            if answer.status in {200, 204} or (answer.status == 400 and answer.taken_ids):
                answered.update(answer.taken_ids)
        return again

    def sent_after_refusal(self) -> list[str]:
        """Return what was sent again that must not be: a named or lone refused record,
        or the same after 401 or 403.
        """
        gone: set[str] = set()
        again: list[str] = []
        for run in self._by_run():
            whole: set[tuple[str, ...]] = set()
            for answer in run:
                again += [
                    name for name in answer.record_ids if name in gone or answer.record_ids in whole
                ]
                if answer.status in {400, 413} and len(answer.record_ids) == 1:
                    gone.update(answer.record_ids)
                if answer.status in {400, 401, 403, 413}:
                    whole.add(answer.record_ids)
        return again

    def too_soon(self) -> list[str]:
        """Return the records that came again before the pause after 429 was over."""
        actual = []
        for run in self._by_run():
            last: dict[str, float] = {}
            for answer in run:
                actual += [
                    name
                    for name in answer.record_ids
                    if answer.at_s < last.pop(name, 0.0) + PAUSE_S
                ]
                if answer.status == 429:
                    last.update(dict.fromkeys(answer.record_ids, answer.at_s))
        return actual

    def _by_run(self) -> Iterator[list[RequestRecord]]:
        begin = 0
        for end in self.runs:
            yield self.actual.requests[begin:end]
            begin = end


def play(tool: str, home: Path, *, records: int, seed: int, **more: str) -> Played:
    """Deliver so many records under a script made of a seed, again and again
    until nothing is left to do.
    """
    dice = Random(seed)  # noqa: S311 (chance that repeats, not secrets)
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    rows, request_log = rows_of(0, records, now), home / f"{tool}.requests"
    options: dict[str, Any] = {"home": home, "delivery_events_per_s": 0, **more}
    options |= {"delivery_retry_base_s": PAUSE_S, "delivery_pause_s": PAUSE_S}
    due = named_by_tool(tool, rows, now)
    refused = frozenset(dice.sample(sorted(due.values()), records // 50))
    faults = ReceiverFaults(tuple(script(dice, records // 10)))
    runs: list[int] = []
    with RECEIVERS[tool](
        Setup(request_log=request_log, faults=faults, refuses=refused)
    ) as receiver:
        settings = Settings(**(options | receiver.settings()))
        with patch.object(batch_sender, "RETRIES", 2):
            inner = destinations(settings)[f"{tool}_events"]
        ledger = DeliveryLedger(open_store(settings))

        def run() -> DeliveryStats:
            mortal = Mortal(inner, "", -1)
            with ledger.writer(mortal) as writer:
                return Delivery(mortal, ledger, writer, sending_at=lambda: now).deliver(
                    now.date(), [rows]
                )

        while run().pending and len(runs) < MOST_RUNS:
            runs.append(receiver.counts.request_count)
        runs.append(receiver.counts.request_count)
        again = run()
        ledger.close()
    actual = who_has_what(request_log, tool)
    return Played(actual, due, refused, outcomes_of(home, tool), again, runs)


CASES = [
    pytest.param("amplitude", {"amplitude_api": "batch"}, id="amplitude-batch"),
    pytest.param("amplitude", {"amplitude_api": "http_v2"}, id="amplitude-http-v2"),
    pytest.param("heap", {}, id="heap"),
    pytest.param("mixpanel", {}, id="mixpanel"),
    pytest.param("ga4", {}, id="ga4"),
]


def check(tool: str, result: Played) -> None:
    """Every promise, on the request log."""
    assert result.out_of_order() == []
    assert result.actual.doubled == {}
    assert result.sent_after_success() == []
    assert result.sent_after_refusal() == []
    assert result.too_soon() == []
    assert (result.again.sent, result.again.changed, result.again.pending) == (0, 0, 0)
    is_silent = tool == "ga4"  # it reports no faults
    assert {result.due[record_id] for record_id in result.lost} <= (
        result.refused if is_silent else set()
    )
    rejected = {
        result.due[record_id]
        for record_id, outcome in result.outcomes.items()
        if outcome == "rejected"
    }
    assert rejected == result.refused_alone - (result.refused if is_silent else set())
    in_doubt = {
        record_id for record_id, outcome in result.outcomes.items() if outcome == "in_doubt"
    }
    assert is_silent or in_doubt == set()


@pytest.mark.slow
@pytest.mark.parametrize(("tool", "more"), CASES)
def test_thousands_of_records_through_scripted_answers(
    tool: str, more: dict[str, str], tmp_path: Path
) -> None:
    for seed in seeds(range(1, 6)):
        check(tool, play(tool, tmp_path / str(seed), records=2_000, seed=seed, **more))
