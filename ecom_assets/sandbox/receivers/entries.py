"""What a receiver makes of a request: its records, and what the tool says to them. Not here: any tool."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ecom_assets.sandbox.service import Answer, Request

EVENT, PROFILE = "event", "profile"
Kind = Literal["event", "profile"]


@dataclass(frozen=True)
class Came:
    """A request that came whole: with its body unpacked, and the receiver's time in seconds since 1970."""

    request: Request
    body: bytes
    at_s: float


class Entry(NamedTuple):
    """A record as the tool knows it.

    kind: `event`, or `profile`: properties of a user.
    user: Whose it is.
    record_id: What the sender calls it.
    key: The tool counts one record per key; None: it counts every copy.
    name: The event's name.
    at: The event's time, as it was sent.
    properties: What a profile is set to.
    """

    kind: Kind
    user: str
    record_id: str
    key: Hashable | None
    name: str = ""
    at: object = None
    properties: dict[str, Any] | None = None


@dataclass(frozen=True)
class Look:
    """What the tool says to a request if nothing goes wrong.

    answer: What it answers.
    entries: What it takes, in the request's order.
    records: What it takes, as it was sent; beside `entries`.
    refused: Positions of the records that it does not take, where it takes the others.
    """

    answer: Answer
    entries: Sequence[Entry] = ()
    records: Sequence[Any] = ()
    refused: Sequence[int] = ()
