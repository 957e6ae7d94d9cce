"""Whatever a tool answers, in whatever order: nothing is lost or doubled,
and each user's records keep theirs.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from hypothesis import event as note
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.outputs.delivery.batch_sender import BatchResponse, BatchSender, ToolProtocol
from ecom_assets.outputs.delivery.destination import PAYLOADS, DeliveryResult, DeliveryState
from ecom_assets.outputs.delivery.sender import HttpRule, Patience, PostRequest, Reply, Sender
from ecom_assets.outputs.delivery.tools.amplitude import tool as amplitude_tool
from ecom_assets.outputs.delivery.tools.ga4 import tool as ga4_tool
from ecom_assets.outputs.delivery.tools.heap import tool as heap_tool
from ecom_assets.outputs.delivery.tools.mixpanel import tool as mixpanel_tool
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

AT_ONCE = Patience(base_s=1e-6, most_s=1e-6, pause_s=1e-6, retries=3, total_s=60.0)
STEPS = (
    "takes",
    "takes, then breaks",
    "breaks",
    "is not there",
    "500, taken",
    "500",
    "503",
    "408",
    "429",
    "413",
    "429 of users",
)


@dataclass
class Tool:
    """Takes records or not, by a script; refuses the bad ones as its real model does."""

    model: str
    bad: frozenset[int]
    script: list[str]
    then: str
    holds: list[int] = field(default_factory=list)
    """What it has, in the order in which it came."""
    acknowledged: set[int] = field(default_factory=set)
    sends: list[list[int]] = field(default_factory=list)
    doubtful: list[list[int]] = field(default_factory=list)
    """Requests to which it gave no clear answer."""

    def post(self, numbers: list[int]) -> Reply:
        """Answer a request."""
        self.sends.append(numbers)
        step = self.script.pop(0) if self.script else self.then
        if step == "413" and len(numbers) == 1:
            step = "takes"  # a record that is too large by itself does not reach a client
        if step in {"breaks", "500"}:
            self.doubtful.append(numbers)
        plain = {"breaks": Reply(0, may_have_it=True), "is not there": Reply(0), "413": Reply(413)}
        if step in plain or step.isdecimal():
            return plain.get(step) or Reply(int(step))
        if step == "429 of users" and self.model == "amplitude":
            return Reply(429, json.dumps({"throttled_events": [0, len(numbers) - 1]}).encode())
        return self._takes(numbers, step)

    def _takes(self, numbers: list[int], step: str) -> Reply:
        bad = [at for at, number in enumerate(numbers) if number in self.bad]
        if bad and self.model in {"amplitude", "heap"}:
            named = (
                {"events_with_invalid_fields": {"time": bad[:1]}}
                if self.model == "amplitude"
                else {}
            )
            return Reply(400, json.dumps(named).encode())
        good = [number for number in numbers if number not in self.bad]
        self.holds += [number for number in good if self.model == "ga4" or number not in self.holds]
        if step in {"takes, then breaks", "500, taken"}:
            self.doubtful.append(numbers)
            return Reply(500) if step.startswith("500") else Reply(0, may_have_it=True)
        self.acknowledged |= set(good)
        failed = [{"index": at, "field": "time", "message": "is bad"} for at in bad]
        body = {"num_records_imported": len(good), "failed_records": failed} if bad else {}
        return Reply(400 if bad else 200, json.dumps(body).encode())


READERS: dict[str, Callable[[Reply, Sequence[str]], BatchResponse]] = {
    "amplitude": amplitude_tool.read,
    "heap": heap_tool.read,
    "mixpanel": mixpanel_tool.read,
    "ga4": ga4_tool.read,
}


def send(tool: Tool, users: Sequence[str]) -> list[DeliveryResult]:
    """Send a record per user named, in one batch."""
    sender = Sender(HttpRule("Tool", "ECOM_TOOL"))
    sender.has_taken = True
    sender.post = lambda request, _records: tool.post(json.loads(request.body))  # type: ignore[method-assign,assignment]
    protocol = ToolProtocol(
        sender,
        AT_ONCE,
        lambda payloads: PostRequest("", f"[{','.join(payloads)}]".encode()),
        READERS[tool.model],
        repeatable=lambda _payload: tool.model != "ga4",
    )
    rows = [
        {"record_id": str(number), "user_key": user, "payload": str(number)}
        for number, user in enumerate(users)
    ]
    return BatchSender(protocol, pa.Table.from_pylist(rows, PAYLOADS)).answers()


def assert_delivered(tool: Tool, users: Sequence[str], answers: Sequence[DeliveryResult]) -> None:
    """Compare what was answered with what the tool has."""
    assert len(answers) == len(users)
    for number, answer in enumerate(answers):
        has_it, sent = number in tool.holds, sum(number in batch for batch in tool.sends)
        assert answer.attempts == sent
        if answer.state is DeliveryState.DELIVERED:
            assert has_it
            assert number in tool.acknowledged
        elif answer.state is DeliveryState.REJECTED:
            assert not has_it
            assert number in tool.bad
        elif answer.state is DeliveryState.POSTPONED and answer.reason != "no_answer":
            assert not has_it
        elif answer.state is DeliveryState.IN_DOUBT:
            assert any(number in batch for batch in tool.doubtful)
    for user in set(users):
        came = [number for number in tool.holds if users[number] == user]
        assert came == sorted(came), f"{user}'s records came as {came}"
    if tool.model == "ga4":
        assert len(tool.holds) == len(set(tool.holds)), "GA4 counts what comes twice twice"


@each("model", READERS)
def test_nothing_is_lost_doubled_or_out_of_order(model: str) -> None:
    @examples(150)
    @given(
        users=st.lists(st.sampled_from("abc"), min_size=1, max_size=9),
        bad=st.frozensets(st.integers(0, 8), max_size=3),
        script=st.lists(st.sampled_from(STEPS), max_size=10),
        then=st.sampled_from(["takes", "takes", "503"]),
    )
    def whatever(users: list[str], bad: frozenset[int], script: list[str], then: str) -> None:
        # GA4 says nothing of bad rows, so it has none here.
        tool = Tool(model, frozenset() if model == "ga4" else bad, list(script), then)
        answers = send(tool, users)
        assert_delivered(tool, users, answers)
        note(str(sorted({answer.state.value for answer in answers})))

    whatever()


@each("model", READERS)
def test_what_the_tool_said_it_has_is_never_sent_again(model: str) -> None:
    tool = Tool(model, frozenset(), ["413", "takes", "503"], "takes")
    answers = send(tool, "abab")
    assert tool.sends == [[0, 1, 2, 3], [0, 1], [2, 3], [2, 3]]
    assert {answer.state for answer in answers} == {DeliveryState.DELIVERED}


def test_a_user_who_waits_is_not_overtaken_by_what_follows_in_the_other_half() -> None:
    # Halved; of the first half a waits (the first and last named), then the other half has another
    # record of a.
    tool = Tool("amplitude", frozenset(), ["413", "429 of users"], "takes")
    send(tool, "abbaab")
    assert tool.sends == [[0, 1, 2, 3, 4, 5], [0, 1, 2], [0, 1, 2], [3, 4, 5]]
    tool = Tool("amplitude", frozenset(), ["413", "429 of users"], "takes")
    send(tool, "aacaab")
    assert tool.sends == [[0, 1, 2, 3, 4, 5], [0, 1, 2], [0, 1, 2], [3, 4, 5]]
