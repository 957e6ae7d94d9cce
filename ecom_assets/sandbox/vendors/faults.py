"""What goes wrong at a stand-in, request by request: by a script, or by seeded chance."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from random import Random
from threading import Lock
from typing import Any, TypeVar

from ecom_assets.errors import UsageError

AS_DOCUMENTED = 200
NO_ANSWER = 0
BEFORE, MID_BODY, TAKEN = "before", "mid_body", "taken"
_MOMENTS = (BEFORE, MID_BODY, TAKEN)


@dataclass(frozen=True)
class Step:
    """What happens to one request.

    status: 200: the tool answers as documented. 0: the connection is reset. Else it answers with this status.
    at: Where a reset or a pause comes: `before` anything of the body is read, `mid_body`, or `taken`: when the tool has
        the batch and has not answered.
    takes: Whether the tool takes the batch though it answers with `status`.
    retry_after: The Retry-After of the answer; empty: none.
    latency_s: Seconds before the answer.
    pause_s: Seconds at `at`, or until `PUT /control/resume`.
    """

    status: int = AS_DOCUMENTED
    at: str = BEFORE
    takes: bool = False
    retry_after: str = ""
    latency_s: float = 0.0
    pause_s: float = 0.0

    @classmethod
    def read(cls, told: object) -> "Step":
        """Read a step: a status, one of `STEPS` by its name, or an object with a step's fields.

        Raises:
            UsageError: It is none of these.
        """
        if isinstance(told, int) and not isinstance(told, bool):
            return cls(status=told)
        if isinstance(told, str) and told in STEPS:
            return STEPS[told]
        if isinstance(told, Mapping) and told.get("at", BEFORE) in _MOMENTS:
            return _read(cls, told)
        raise UsageError(f"{told!r} is no step; give a status, {', '.join(STEPS)}, or an object with a step's fields.")


STEPS = {
    "reset": Step(NO_ANSWER),
    "reset mid-body": Step(NO_ANSWER, at=MID_BODY),
    "taken without answer": Step(NO_ANSWER, at=TAKEN, takes=True),
    "taken, then 500": Step(500, takes=True),
    "taken, then 502": Step(502, takes=True),
}
"""Steps by name, for scripts."""
_GOOD = Step()


@dataclass(frozen=True)
class RandomFaults:
    """Faults by chance, the same for the same seed and the same order of requests.

    seed: Of the dice.
    share: The share of requests that something happens to.
    retry_after: What some of the 429 say.
    latency_s: The longest wait before an answer.
    """

    seed: int = 1
    share: float = 0.0
    retry_after: str = "1"
    latency_s: float = 0.0

    def kinds(self) -> tuple[Step, ...]:
        """Return what may happen, each as likely as the others."""
        refusals = (Step(429), Step(429, retry_after=self.retry_after), Step(408), Step(500), Step(503))
        return (*refusals, *STEPS.values())


@dataclass(frozen=True)
class ReceiverFaults:
    """Faults to come: the script's steps for the next requests, in order; then chance.

    script: A step per request; see `Step.read`.
    chance: What happens after the script.
    """

    script: tuple[Step, ...] = ()
    chance: RandomFaults = RandomFaults()

    @classmethod
    def of(cls, *steps: object) -> "ReceiverFaults":
        """Return a script."""
        return cls(tuple(Step.read(step) for step in steps))

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> "ReceiverFaults":
        """Read faults from JSON.

        Raises:
            UsageError: A name or a value is not one of a fault.
        """
        if strange := [name for name in told if name not in {"script", "chance"}]:
            raise UsageError(f"{strange[0]} is no fault of a receiver; there are script and chance.")
        script = told.get("script", [])
        if not isinstance(script, list):
            raise UsageError("The script is a list of steps.")
        return cls(tuple(Step.read(step) for step in script), _read(RandomFaults, told.get("chance", {})))

    def told(self) -> dict[str, Any]:
        """Return the faults as JSON has them."""
        return {"script": [asdict(step) for step in self.script], "chance": asdict(self.chance)}


NO_FAULTS = ReceiverFaults()


class FaultScript:
    """Deals steps out to requests, from whatever thread they come."""

    def __init__(self, faults: ReceiverFaults) -> None:
        """Begin."""
        self._lock = Lock()
        self.faults = faults

    @property
    def faults(self) -> ReceiverFaults:
        """What is still to come."""
        with self._lock:
            return ReceiverFaults(tuple(self._left), self._chance)

    @faults.setter
    def faults(self, faults: ReceiverFaults) -> None:
        """Deal these out from now on."""
        with self._lock:
            self._left, self._chance = list(faults.script), faults.chance
            self._dice = Random(faults.chance.seed)  # noqa: S311 (chance that repeats, not secrets)
            self._kinds: Sequence[Step] = faults.chance.kinds()

    def next(self) -> Step:
        """Return what happens to the next request."""
        with self._lock:
            if self._left:
                return self._left.pop(0)
            if not self._chance.share:
                return _GOOD
            is_hit, kind = self._dice.random() < self._chance.share, self._dice.choice(self._kinds)
            wait_s = self._dice.random() * self._chance.latency_s
            step = kind if is_hit else _GOOD
            return Step(**{**asdict(step), "latency_s": wait_s}) if wait_s else step


Told = TypeVar("Told", Step, RandomFaults)
_TYPES: Mapping[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,), "str": (str,)}


def _read(kind: type[Told], told: object) -> Told:
    wanted = {field.name: _TYPES[getattr(field.type, "__name__", str(field.type))] for field in fields(kind)}
    if not isinstance(told, Mapping):
        raise UsageError(f"{told!r} is no object with {', '.join(wanted)}.")
    for name, value in told.items():
        if name not in wanted or type(value) not in wanted[name]:
            raise UsageError(f"{name}={value!r} is no fault; the fields are {', '.join(wanted)}.")
    return kind(**told)
