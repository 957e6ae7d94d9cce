"""Send one batch until each record has a result: retry, halve, leave out or give up.

This module works for any tool. The tool's client interprets the responses.

The order of each user's records is kept. The parts of a batch are sent one after another. A part
that must wait holds back the parts after it. If a record must wait for another run, nothing after
it in the batch is sent. `delivery/sender.py` sends a single request.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, auto
from functools import cached_property
from typing import Final

import pyarrow as pa

from ecom_assets.core.http.retry import backoff_s
from ecom_assets.core.settings.settings import Settings
from ecom_assets.outputs.delivery.destination import DeliveryResult, DeliveryState
from ecom_assets.outputs.delivery.sender import Limits, Patience, PostRequest, Reply, Sender

Refusals = Mapping[int, tuple[str, str]]


class BatchOutcome(Enum):
    """What a response means for the records that it does not name."""

    ACCEPTED = auto()
    RETRY = auto()
    """Not accepted, but valid: send them again without the named records."""
    SPLIT = auto()
    """One of them may be invalid: send each half alone to find it."""
    SMALLER = auto()
    """The request is too large: send smaller ones."""
    LATER = auto()
    """The tool is busy."""
    UNCERTAIN = auto()
    """The tool may or may not have accepted them."""
    NOT_ALLOWED = auto()


@dataclass(frozen=True)
class BatchResponse:
    """What a response says about the records of a request.

    Records are identified by their position.
    """

    outcome: BatchOutcome
    refused: Refusals = field(default_factory=dict)
    """Reason and message for each record that the tool will never accept."""
    waiting: frozenset[int] = frozenset()
    """Records that it accepts after a pause. The others can be sent immediately."""
    postponed: Refusals = field(default_factory=dict)
    """Reason and message for each record that it accepts on another day."""
    message: str = ""
    accepted_note: tuple[str, str] = ("", "")
    """Reason and message for the accepted records, if there is something to report."""


@dataclass(frozen=True)
class ToolProtocol:
    """How requests to a tool are made and how its responses are interpreted."""

    sender: Sender
    patience: Patience
    request: Callable[[Sequence[str]], PostRequest]
    read: Callable[[Reply, Sequence[str]], BatchResponse]
    repeatable: Callable[[str], bool] = lambda _payload: True
    """Whether a record may be sent again when the tool may already have it."""


@dataclass
class HttpDestination:
    """A `Destination` that sends over HTTP, set up by its `Tool`. `send` is thread-safe."""

    make: Callable[[pa.Table, datetime], pa.Table]
    cut: Callable[[pa.Table], Iterator[pa.Table]]
    protocol: ToolProtocol
    name: str
    safe_to_repeat: bool
    repeat_window_s: float | None
    account: str
    senders: int
    confirms: bool
    takes_updates: bool
    takes_sign_ins: bool
    takes_sessions: bool

    def payloads(self, rows: pa.Table, sent_at: datetime) -> pa.Table:
        """Return the `PAYLOADS` for rows of the mart."""
        return self.make(rows, sent_at)

    def batches(self, payloads: pa.Table) -> Iterator[pa.Table]:
        """Split payloads that can be sent into batches."""
        return self.cut(payloads)

    def close(self) -> None:
        """Close what was opened for sending."""
        self.protocol.sender.close()

    def send(self, batch: pa.Table) -> Sequence[DeliveryResult]:
        """Send a batch and return a result for each record."""
        return BatchSender(self.protocol, batch).answers()


RETRIES: Final = 5
"""How often a request is sent again."""
MAX_WAIT_S: Final = 300.0
"""Seconds that a batch waits before it is left for the next run."""


def patience(settings: Settings, limits: Limits) -> Patience:
    """Return how long to wait for a tool: as it documents, unless the settings say otherwise."""
    return Patience(
        base_s=settings.delivery_retry_base_s or limits.base_s,
        jitter=limits.jitter,
        pause_s=settings.delivery_pause_s or limits.pause_s,
        retries=RETRIES,
        total_s=MAX_WAIT_S,
    )


BUSY = "busy"
"""Postponed: the tool does not have the record."""
NO_ANSWER = "no_answer"
"""Postponed or in doubt: the tool may have the record."""
NOT_ALLOWED = "not_allowed"
"""Postponed: the tool says that it refuses our account or key, not the record."""
NOT_KNOWN = "not_known"
"""Postponed: the tool refuses the record without a reason and has accepted nothing yet;
it may refuse our account.
"""
REFUSED = "refused"
TOO_LARGE = "too_large"
AFTER = "It comes after a record that has to wait."
_UNKNOWN_REFUSALS = 64
"""If a tool has accepted nothing yet, it is assumed to refuse our account after this many refusals.
"""


@dataclass
class BatchPart:
    """Records of a batch that are sent together."""

    positions: list[int]
    wait_s: float = 0.0
    """Seconds to wait before it is sent."""
    failures: int = 0
    """Attempts without a useful response."""
    may_be_there: bool = False
    """Whether one of these attempts may have succeeded."""
    attempts: int = 0
    """Requests that contained its records."""

    def with_positions(self, positions: list[int]) -> "BatchPart":
        """Return a part with some of its records, to be sent without a wait."""
        return replace(self, positions=positions, wait_s=0.0)


def read_common(reply: Reply) -> BatchResponse | None:
    """Interpret a response that means the same for every tool;
    return None if the tool must interpret it.
    """
    if reply.status == 0 or reply.status >= 500 or reply.status in {408, 429}:  # noqa: PLR2004 (statuses of HTTP)
        return BatchResponse(BatchOutcome.LATER, message=reply.message)
    if reply.status == 413:  # noqa: PLR2004 (as above)
        return BatchResponse(BatchOutcome.SMALLER, message=reply.message)
    if 300 <= reply.status < 400 or (400 < reply.status < 500 and reply.status != 422):  # noqa: PLR2004 (as above)
        return BatchResponse(BatchOutcome.NOT_ALLOWED, message=reply.message)
    return None


def may_have_it(reply: Reply) -> bool:
    """Return whether the tool may have accepted a request although it did not confirm it."""
    if reply.status == 0:
        return reply.may_have_it
    return reply.status >= 500 and reply.status != 503  # noqa: PLR2004 (503: the request was not processed)


class BatchSender:
    """The requests and responses for one batch."""

    def __init__(self, protocol: ToolProtocol, batch: pa.Table) -> None:
        """Start with the whole batch as one part."""
        self._protocol = protocol
        self._payloads: list[str] = batch["payload"].to_pylist()
        self._batch = batch
        self._answers: list[DeliveryResult | None] = [None] * len(self._payloads)
        self._parts = deque([BatchPart(list(range(len(self._payloads))))])
        self._waited_s = 0.0
        self._refusals = 0
        self._rule = protocol.sender.rule

    @cached_property
    def _users(self) -> list[str]:
        users: list[str] = self._batch["user_key"].to_pylist()
        return users

    def answers(self) -> list[DeliveryResult]:
        """Send until every record has a result, and return the results."""
        while self._parts:
            part = self._parts.popleft()
            if part.positions:
                self._send(part)
        self._postpone_if_unknown()
        answers = [answer for answer in self._answers if answer is not None]
        assert len(answers) == len(self._payloads)  # noqa: S101 (each part ends in answers, or in parts)
        return answers

    def _send(self, part: BatchPart) -> None:
        protocol = self._protocol
        payloads = [self._payloads[position] for position in part.positions]
        time.sleep(part.wait_s)
        reply = protocol.sender.post(protocol.request(payloads), len(payloads))
        part.attempts += 1
        reading = protocol.read(reply, payloads)
        part.may_be_there = part.may_be_there or may_have_it(reply)
        self._close(part, reading.refused, DeliveryState.REJECTED)
        self._close(part, reading.postponed, DeliveryState.POSTPONED)
        self._hold({self._users[part.positions[at]] for at in reading.postponed}, part)
        left = part.with_positions(self._unanswered(part))
        match reading.outcome:
            case BatchOutcome.ACCEPTED:
                protocol.sender.has_taken = True
                self._answer_all(left, DeliveryState.DELIVERED, *reading.accepted_note)
            case BatchOutcome.UNCERTAIN:
                self._answer_all(left, DeliveryState.IN_DOUBT, NO_ANSWER, reading.message)
            case BatchOutcome.NOT_ALLOWED:
                refusal = f"{self._rule.name} refuses us ({reading.message.rstrip(' .')})"
                message = f"{refusal}, so nothing counts as sent; correct {self._rule.settings}."
                self._postpone_all(left, NOT_ALLOWED, message)
            case BatchOutcome.RETRY:
                self._retry(left, {part.positions[at] for at in reading.waiting}, reply)
            case BatchOutcome.SPLIT | BatchOutcome.SMALLER:
                self._split(left, reading)
            case BatchOutcome.LATER:
                self._later(left, reading, reply)

    def _unanswered(self, part: BatchPart) -> list[int]:
        return [position for position in part.positions if self._answers[position] is None]

    def _close(self, part: BatchPart, refusals: Refusals, state: DeliveryState) -> None:
        for at, (reason, message) in refusals.items():
            self._answers[part.positions[at]] = DeliveryResult(
                state, reason, message, part.attempts
            )

    def _hold(self, users: set[str], part: BatchPart) -> None:
        """Postpone the remaining records of some users to another run."""
        for waiting in (part, *self._parts) if users else ():
            held = [
                position for position in self._unanswered(waiting) if self._users[position] in users
            ]
            self._postpone_after(waiting.with_positions(held))
        for after in self._parts if users else ():
            after.positions = self._unanswered(after)

    def _postpone_after(self, part: BatchPart) -> None:
        """Postpone records because earlier ones have to wait."""
        self._answer_all(
            part, DeliveryState.POSTPONED, NO_ANSWER if part.may_be_there else BUSY, AFTER
        )

    def _answer_all(self, part: BatchPart, state: DeliveryState, reason: str, message: str) -> None:
        answer = DeliveryResult(state, reason, message, part.attempts)
        for position in part.positions:
            self._answers[position] = answer

    def _retry(self, left: BatchPart, waiting: set[int], reply: Reply) -> None:
        """Send the others immediately,
        then the records that must wait with everything else of their users.
        """
        if not waiting:
            self._parts.appendleft(left)
            return
        users = {self._users[position] for position in waiting}
        held = [position for position in left.positions if self._users[position] in users]
        free = [position for position in left.positions if self._users[position] not in users]
        self._wait(left.with_positions(held), self._pause_s(reply), BUSY)
        if free:
            self._parts.appendleft(left.with_positions(free))

    def _split(self, left: BatchPart, reading: BatchResponse) -> None:
        self._refusals += 1
        if self._refusals > _UNKNOWN_REFUSALS and not self._protocol.sender.has_taken:
            self._postpone_all(left, NOT_KNOWN, self._unknown_account())
            return
        if len(left.positions) == 1:
            reason = TOO_LARGE if reading.outcome is BatchOutcome.SMALLER else REFUSED
            self._answer_all(left, DeliveryState.REJECTED, reason, reading.message)
            return
        middle = len(left.positions) // 2
        for half in (left.positions[middle:], left.positions[:middle]):
            self._parts.appendleft(replace(left.with_positions(half), failures=0))

    def _unknown_account(self) -> str:
        return (
            f"{self._rule.name} refuses all that it is sent and has taken nothing yet, so nothing "
            f"counts as sent; correct {self._rule.settings}."
        )

    def _postpone_if_unknown(self) -> None:
        """Postpone refused records if the tool named none and never accepted any:
        it may refuse our account.
        """
        if self._protocol.sender.has_taken:
            return
        for position, answer in enumerate(self._answers):
            if answer is not None and answer.reason == REFUSED:
                message = self._unknown_account()
                self._answers[position] = DeliveryResult(
                    DeliveryState.POSTPONED, NOT_KNOWN, message, answer.attempts
                )

    def _later(self, left: BatchPart, reading: BatchResponse, reply: Reply) -> None:
        patience = self._protocol.patience
        if left.may_be_there:
            lost = [
                position
                for position in left.positions
                if not self._protocol.repeatable(self._payloads[position])
            ]
            self._answer_all(
                left.with_positions(lost), DeliveryState.IN_DOUBT, NO_ANSWER, reading.message
            )
            left.positions = self._unanswered(left)
        if reply.status == 429:  # noqa: PLR2004 (too many requests)
            pause_s = self._pause_s(reply)
            if self._waited_s + pause_s <= patience.total_s:
                self._protocol.sender.pause(pause_s)
            self._wait(left, pause_s, BUSY, reading.message)
            return
        left.failures += 1
        reason = NO_ANSWER if left.may_be_there else BUSY
        if left.failures > patience.retries:
            self._postpone_all(left, reason, reading.message)
            return
        wait_s = backoff_s(patience.base_s, left.failures, patience.most_s)
        wait_s += random.uniform(*patience.jitter) * patience.base_s  # noqa: S311 (not used for security)
        self._wait(left, max(wait_s, reply.retry_after_s or 0.0), reason, reading.message)

    def _pause_s(self, reply: Reply) -> float:
        patience = self._protocol.patience
        return (
            patience.pause_s
            if reply.retry_after_s is None
            else max(reply.retry_after_s, patience.base_s)
        )

    def _wait(self, part: BatchPart, wait_s: float, reason: str, message: str = "") -> None:
        """Send a part after `wait_s` seconds, or postpone it to another run if that is too long."""
        self._waited_s += wait_s
        if self._waited_s > self._protocol.patience.total_s:
            self._postpone_all(part, NO_ANSWER if part.may_be_there else reason, message)
            return
        part.wait_s = wait_s
        self._parts.appendleft(part)

    def _postpone_all(self, part: BatchPart, reason: str, message: str) -> None:
        """Postpone a part and everything after it to another run, so that the order is kept."""
        self._answer_all(part, DeliveryState.POSTPONED, reason, message)
        while self._parts:
            self._postpone_after(self._parts.popleft())
