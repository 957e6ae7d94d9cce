"""The interface between the platform and an analytics tool:
each package in `tools/` creates one `Tool`.

To add a tool, add a package there: `settings.py` (its settings), `payload.py` (how rows become
JSON) and `tool.py` (its requests, how to interpret its responses, and a `Tool` named `TOOL`). No
other code names a tool. CONTRIBUTING has the steps.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Generic, TypeVar

import pyarrow as pa
from pydantic import SecretStr

from ecom_assets.core.errors import DeliveryError, SettingError
from ecom_assets.core.http.retry import backoff_s
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.settings.settings import PREFIX, Settings
from ecom_assets.core.settings.subjects import PackageSettings
from ecom_assets.outputs.delivery import payloads
from ecom_assets.outputs.delivery.batch_sender import (
    BatchResponse,
    HttpDestination,
    ToolProtocol,
    patience,
)
from ecom_assets.outputs.delivery.payloads import EventChoices, PayloadForm
from ecom_assets.outputs.delivery.sender import (
    HttpRule,
    Limits,
    Patience,
    PostRequest,
    Reply,
    Sender,
)

KINDS = ("events", "users")
SENDERS: Final = 8
"""Requests to a tool at the same time."""
S = TypeVar("S", bound=PackageSettings)


Read = Callable[[Reply, Sequence[str]], BatchResponse]


@dataclass(frozen=True)
class Feed(Generic[S]):
    """How records of one kind, events or users, are sent to a tool."""

    form: Callable[[S], PayloadForm]
    """How payloads are made from rows of the mart."""
    request: Callable[[S, Sequence[str]], PostRequest]
    """Returns the request with some payloads."""
    limits: Callable[[S], Limits]
    cut: Callable[..., Iterator[pa.Table]] = payloads.cut
    """Splits payloads into batches, by `most_records` and `most_bytes`."""
    around_bytes: Callable[[S], int] = lambda _settings: 0
    """Bytes that a request has in addition to its records."""
    takes_gzip: bool = False
    joins_devices: bool = False
    """Whether the tool joins a device to a user for good,
    by an event that has both or by a further record.
    """
    takes_sign_ins: Callable[[S], bool] = lambda _settings: False
    """Whether it gets a further record for the first sign-in on each device."""
    takes_sessions: bool = False
    """Whether payloads have the start of the event's source session."""
    safe_to_repeat: Callable[[S], bool] = lambda _settings: True
    """Whether sending a record again within `repeat_window_s` creates no duplicate."""
    repeatable: Callable[[S, str], bool] = lambda _settings, _payload: True
    """Whether a payload may be sent again when the tool may already have it."""
    repeat_window_s: float | None = None
    """For how many seconds the tool recognizes a repeated record; None: always."""


@dataclass(frozen=True)
class Tool(Generic[S]):
    """Everything that the rest of the platform needs to know about a tool."""

    name: str
    """The name of its package; the names of its settings and assets begin with it."""
    title: str
    """The tool's name in messages."""
    settings: type[S]
    needed: tuple[str, ...]
    """The fields that are required to send anything; messages name the first."""
    account_settings: str
    """The settings that say whose account it is, which messages name when the tool refuses it."""
    is_set: Callable[[S], bool]
    address: Callable[[S], str]
    project: Callable[[S], str]
    """What identifies the account at that address, without secrets (see `hashed`).

    The ledger knows the account by it: an id that stays when a key is replaced, because with
    another one every record is sent again.
    """
    events: Feed[S]
    users: Feed[S]
    read: Read
    """Interprets the response to some payloads."""
    confirms: bool = True
    """Whether a success response means that the tool has the records."""
    halves: tuple[tuple[str, str], ...] = ()
    """Pairs of fields that must both be set or both be empty."""
    refusal: Callable[[S], str] = lambda _settings: ""
    """Another error in its settings, as a sentence; empty: none."""
    placeholders: NamedValues = field(default_factory=dict)
    """Values that a dry run uses for required fields that are not set.

    They are not sent and are in no payload.
    """
    secret_ids: tuple[str, ...] = ()
    """Fields of plain text that must not appear in messages either."""
    deletion: "Deletion[S] | None" = None
    """How it is asked to delete a person; None: it cannot be asked."""
    has_stand_in: bool = False
    """Whether the sandbox has a stand-in for it (`sandbox/vendors/<name>.py`),
    the only target of sandbox records.
    """

    @property
    def setting(self) -> str:
        """The environment variable that is required to send anything."""
        return variable(self.needed[0])

    def feeds(self) -> dict[str, Feed[S]]:
        """Return its feeds by asset name."""
        return {f"{self.name}_events": self.events, f"{self.name}_users": self.users}

    def tool_settings(self, settings: Settings) -> S:
        """Return the settings as an object of the tool's settings class."""
        return self.settings.part_of(settings)

    def secrets(self, tool_settings: S) -> tuple[str, ...]:
        """Return what must not appear in messages: all secret settings of the tool."""
        values = [getattr(tool_settings, name) for name in self.settings.model_fields]
        plain_texts = [getattr(tool_settings, name) for name in self.secret_ids]
        return (
            *plain_texts,
            *(value.get_secret_value() for value in values if isinstance(value, SecretStr)),
        )

    def account(self, settings: Settings) -> str:
        """Return the URL and project that identify the account in the ledger."""
        tool_settings = self.tool_settings(settings)
        return f"{self.address(tool_settings).partition('://')[2]} {self.project(tool_settings)}"

    def refuse_incomplete(self, settings: Settings) -> None:
        """Refuse incomplete settings of the tool.

        Raises:
            SettingError: Some required settings of the tool are set and others are not.
        """
        tool_settings = self.tool_settings(settings)
        for first, second in self.halves:
            if bool(plain_value(tool_settings, first)) != bool(plain_value(tool_settings, second)):
                raise SettingError(
                    f"Of {variable(first)} and {variable(second)} only one is set; set both, or "
                    "neither."
                )
        if sentence := self.refusal(tool_settings):
            raise SettingError(sentence)

    def open(self, settings: Settings, choices: EventChoices) -> dict[str, HttpDestination]:
        """Return its destinations by name; nothing is sent yet."""
        return {
            name: self._destination(name, feed, settings, choices)
            for name, feed in self.feeds().items()
        }

    def _destination(
        self, name: str, feed: Feed[S], settings: Settings, choices: EventChoices
    ) -> HttpDestination:
        """Return a destination that keeps to the tool's limits and to the
        settings common to all tools.
        """
        tool_settings = self.tool_settings(settings)
        limits, per_s = feed.limits(tool_settings), settings.delivery_events_per_s
        rule = HttpRule(
            name=self.title,
            settings=self.account_settings,
            secrets=self.secrets(tool_settings),
            per_s=limits.per_s if per_s is None else per_s,
            most_records=limits.most_records,
            takes_gzip=feed.takes_gzip,
            connections=SENDERS,
            connect_timeout_s=settings.delivery_connect_timeout_s,
            read_timeout_s=settings.delivery_read_timeout_s,
        )
        request, repeatable = (
            partial(feed.request, tool_settings),
            partial(feed.repeatable, tool_settings),
        )
        most_bytes = limits.most_bytes - feed.around_bytes(tool_settings)
        return HttpDestination(
            make=partial(feed.form(tool_settings).payloads, choices=choices),
            cut=partial(feed.cut, most_records=limits.most_records, most_bytes=most_bytes),
            protocol=ToolProtocol(
                Sender(rule), patience(settings, limits), request, self.read, repeatable
            ),
            name=name,
            safe_to_repeat=feed.safe_to_repeat(tool_settings),
            repeat_window_s=feed.repeat_window_s,
            account=self.account(settings),
            senders=SENDERS,
            confirms=self.confirms,
            takes_updates=feed is self.users,
            takes_sign_ins=feed.takes_sign_ins(tool_settings),
            takes_sessions=feed.takes_sessions,
        )


def variable(field_name: str) -> str:
    """Return the environment variable of a settings field."""
    return PREFIX + field_name.upper()


def hashed(secret: str) -> str:
    """Return a prefix of a secret's hash, which may be stored in the ledger."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


Send = Callable[[PostRequest], Reply]
"""Sends a request until it is answered for good; see `patient`."""
RATE_LIMITED, SERVER_ERRORS = 429, 500


@dataclass(frozen=True)
class Deletion(Generic[S]):
    """A tool's deletion API.

    Args:
        needed: The settings fields that must be set.
        most: Ids in one request.
        ids: Returns the tool's ids of a person, from its settings, their user ids and their
            anonymous visitor ids.
        request_deletion: Asks for the deletion of some ids, and returns the tool's message on where
            it stands.
        cannot: What the tool cannot be asked to delete, as a sentence; empty: nothing.
    """

    needed: tuple[str, ...]
    most: int
    ids: Callable[[S, Sequence[str], Sequence[str]], list[str]]
    request_deletion: Callable[[S, Sequence[str], Send], str]
    per_s: float = 5.0
    """Requests per second at most."""
    cannot: str = ""

    def missing(self, tool_settings: S) -> list[str]:
        """Return the environment variables that must be set and are not."""
        return [variable(name) for name in self.needed if not plain_value(tool_settings, name)]


def patient(sender: Sender, patience: Patience) -> Send:
    """Return a function that repeats a request after 429, errors of the server and no answer.

    It returns the last reply.
    """

    def send(request: PostRequest) -> Reply:
        reply, waited_s = sender.post(request, 1), 0.0
        for failures in range(1, patience.retries + 1):
            if reply.status and reply.status != RATE_LIMITED and reply.status < SERVER_ERRORS:
                break
            retry_after_s = reply.retry_after_s or (
                patience.pause_s if reply.status == RATE_LIMITED else 0.0
            )
            wait_s = max(retry_after_s, backoff_s(patience.base_s, failures, patience.most_s))
            waited_s += wait_s
            if waited_s > patience.total_s:
                break
            time.sleep(wait_s)
            reply = sender.post(request, 1)
        return reply

    return send


def accepted(name: str, reply: Reply) -> Reply:
    """Return a reply of success.

    Raises:
        DeliveryError: The tool refuses, or does not answer.
    """
    if not 200 <= reply.status < 300:  # noqa: PLR2004 (the class of success)
        raise DeliveryError(
            f"{name} did not accept the request to delete a person "
            f"({reply.message or reply.status})."
        )
    return reply


def plain_value(tool_settings: PackageSettings, name: str) -> str:
    """Return the text of a setting, also of a secret one."""
    value = getattr(tool_settings, name)
    return value if isinstance(value, str) else str(value.get_secret_value())
