"""The faults of a vendor stand-in, request by request: from a script, or random with a seed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from random import Random
from threading import Lock
from typing import Any

from ecom_assets.core.errors import UsageError
from ecom_sandbox.services.service import read_fields

AS_DOCUMENTED = 200
NO_ANSWER = 0
BEFORE, MID_BODY, TAKEN = "before", "mid_body", "taken"
_MOMENTS = (BEFORE, MID_BODY, TAKEN)


@dataclass(frozen=True)
class Step:
    """What happens to one request.

    status: 200: the tool responds as documented. 0: the connection is reset. Otherwise: the status
    of the response. at: When a reset or a pause happens: `before` the body is read, `mid_body`, or
    `taken`, after the tool has accepted
        the batch and before it responds.
    takes: Whether the tool accepts the batch although it responds with `status`.
    retry_after: The Retry-After of the response; empty: none.
    latency_s: Seconds before the response.
    pause_s: Seconds of a pause at `at`; `PUT /control/resume` ends it earlier.
    """

    status: int = AS_DOCUMENTED
    at: str = BEFORE
    takes: bool = False
    retry_after: str = ""
    latency_s: float = 0.0
    pause_s: float = 0.0

    @classmethod
    def read(cls, entry: object) -> "Step":
        """Return a step from JSON: a status, the name of one of `STEPS`,
        or an object with a step's fields.

        Raises:
            UsageError: It is none of these.
        """
        if isinstance(entry, int) and not isinstance(entry, bool):
            return cls(status=entry)
        if isinstance(entry, str) and entry in STEPS:
            return STEPS[entry]
        if isinstance(entry, Mapping) and entry.get("at", BEFORE) in _MOMENTS:
            return read_fields(cls, entry)
        raise UsageError(
            f"{entry!r} is not a step; give a status, {', '.join(STEPS)}, or an object with a "
            "step's fields."
        )


STEPS = {
    "reset": Step(NO_ANSWER),
    "reset mid-body": Step(NO_ANSWER, at=MID_BODY),
    "taken without answer": Step(NO_ANSWER, at=TAKEN, takes=True),
    "taken, then 500": Step(500, takes=True),
    "taken, then 502": Step(502, takes=True),
}
"""Named steps, for scripts."""
_GOOD = Step()


@dataclass(frozen=True)
class RandomFaults:
    """Random faults, the same for the same seed and the same order of requests.

    seed: The seed of the random numbers.
    share: The share of requests that have a fault.
    retry_after: The Retry-After of half of the responses with status 429.
    latency_s: The longest delay before a response, in seconds.
    """

    seed: int = 1
    share: float = 0.0
    retry_after: str = "1"
    latency_s: float = 0.0

    def kinds(self) -> tuple[Step, ...]:
        """Return the possible faults, which are equally likely."""
        refusals = (
            Step(429),
            Step(429, retry_after=self.retry_after),
            Step(408),
            Step(500),
            Step(503),
        )
        return (*refusals, *STEPS.values())


@dataclass(frozen=True)
class ReceiverFaults:
    """The faults of a receiver: the script's steps for the next requests, in order;
    then random faults.

    script: One step per request; see `Step.read`.
    chance: The faults after the script.
    """

    script: tuple[Step, ...] = ()
    chance: RandomFaults = RandomFaults()

    @classmethod
    def from_steps(cls, *steps: object) -> "ReceiverFaults":
        """Return faults with a script of these steps."""
        return cls(tuple(Step.read(step) for step in steps))

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> "ReceiverFaults":
        """Return faults from a JSON object.

        Raises:
            UsageError: A name is unknown, or a value is invalid.
        """
        if strange := [name for name in entry if name not in {"script", "chance"}]:
            raise UsageError(
                f"{strange[0]} is not a fault of a receiver; there are script and chance."
            )
        script = entry.get("script", [])
        if not isinstance(script, list):
            raise UsageError("The script is a list of steps.")
        return cls(
            tuple(Step.read(step) for step in script),
            read_fields(RandomFaults, entry.get("chance", {})),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the faults as a JSON object."""
        return {"script": [asdict(step) for step in self.script], "chance": asdict(self.chance)}


NO_FAULTS = ReceiverFaults()


class FaultScript:
    """Assigns steps to requests; thread-safe."""

    def __init__(self, faults: ReceiverFaults) -> None:
        """Start with these faults."""
        self._lock = Lock()
        self.faults = faults

    @property
    def faults(self) -> ReceiverFaults:
        """Return the faults that are left."""
        with self._lock:
            return ReceiverFaults(tuple(self._left), self._chance)

    @faults.setter
    def faults(self, faults: ReceiverFaults) -> None:
        """Replace the faults."""
        with self._lock:
            self._left, self._chance = list(faults.script), faults.chance
            self._dice = Random(faults.chance.seed)  # noqa: S311 (repeatable random numbers, not secrets)
            self._kinds: Sequence[Step] = faults.chance.kinds()

    def next(self) -> Step:
        """Return the step for the next request."""
        with self._lock:
            if self._left:
                return self._left.pop(0)
            if not self._chance.share:
                return _GOOD
            is_hit, kind = self._dice.random() < self._chance.share, self._dice.choice(self._kinds)
            wait_s = self._dice.random() * self._chance.latency_s
            step = kind if is_hit else _GOOD
            return replace(step, latency_s=wait_s) if wait_s else step
