"""How a tool is asked to delete a person: the part of a `Tool` for its deletion API, and patient requests.

Requesting the deletion of the same person twice does no harm at any tool, so every request may be repeated.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ecom_assets.delivery.sender import Patience, Reply, Request, Sender
from ecom_assets.errors import DeliveryError
from ecom_assets.http.waiting import backoff_s
from ecom_assets.settings.settings import PREFIX
from ecom_assets.settings.tools import ToolSettings

S = TypeVar("S", bound=ToolSettings)
Send = Callable[[Request], Reply]
"""Sends a request until it is answered for good; see `patient`."""
RATE_LIMITED, SERVER_ERRORS = 429, 500


@dataclass(frozen=True)
class Deletion(Generic[S]):
    """A tool's deletion API.

    Args:
        needed: The settings fields that must be set.
        most: Ids in one request.
        ids: Returns the tool's ids of a person, from their user ids and their anonymous visitor ids.
        ask: Asks for the deletion of some ids, and returns the tool's words for where it stands.
        cannot: What the tool cannot be asked to delete, as a sentence; empty: nothing.
    """

    needed: tuple[str, ...]
    most: int
    ids: Callable[[Sequence[str], Sequence[str]], list[str]]
    ask: Callable[[S, Sequence[str], Send], str]
    per_s: float = 5.0
    """Requests per second at most."""
    cannot: str = ""

    def missing(self, own: S) -> list[str]:
        """Return the environment variables that must be set and are not."""
        return [PREFIX + name.upper() for name in self.needed if not plain(own, name)]


def patient(sender: Sender, patience: Patience) -> Send:
    """Return a function that repeats a request after 429, errors of the server and no answer.

    It returns the last reply.
    """

    def send(request: Request) -> Reply:
        reply, waited_s = sender.post(request, 1), 0.0
        for failures in range(1, patience.retries + 1):
            if reply.status and reply.status != RATE_LIMITED and reply.status < SERVER_ERRORS:
                break
            retry_after_s = reply.retry_after_s or (patience.pause_s if reply.status == RATE_LIMITED else 0.0)
            wait_s = max(retry_after_s, backoff_s(patience.base_s, failures, patience.most_s))
            waited_s += wait_s
            if waited_s > patience.total_s:
                break
            time.sleep(wait_s)
            reply = sender.post(request, 1)
        return reply

    return send


def taken(name: str, reply: Reply) -> Reply:
    """Return a reply of success.

    Raises:
        DeliveryError: The tool refuses, or does not answer.
    """
    if not 200 <= reply.status < 300:  # noqa: PLR2004 (the class of success)
        raise DeliveryError(f"{name} did not accept the request to delete a person ({reply.words or reply.status}).")
    return reply


def plain(own: ToolSettings, name: str) -> str:
    """Return the text of a setting, also of a secret one."""
    value = getattr(own, name)
    return value if isinstance(value, str) else str(value.get_secret_value())
