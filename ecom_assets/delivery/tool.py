"""The interface between the platform and an analytics tool: each package in `tools/` creates one `Tool`.

To add a tool, add a package there: `settings.py` (its settings), `payload.py` (pure functions from rows to JSON),
`client.py` (its requests and how to interpret its responses) and `tool.py` with a `Tool` named `TOOL`. No other code
names a tool. CONTRIBUTING has the steps.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from ecom_assets.delivery.batch_sender import HttpDestination
from ecom_assets.delivery.deletion import Deletion
from ecom_assets.delivery.payloads import EventChoices
from ecom_assets.delivery.sender import Limits
from ecom_assets.errors import SettingError
from ecom_assets.settings.settings import PREFIX, Settings
from ecom_assets.settings.tools import ToolSettings

KINDS = ("events", "users")
S = TypeVar("S", bound=ToolSettings)


@dataclass(frozen=True)
class ToolContext(Generic[S]):
    """What a tool's client is created from."""

    settings: Settings
    own: S
    """The same settings, as an object of the tool's settings class."""
    choices: EventChoices
    limits: Limits


@dataclass(frozen=True)
class Feed(Generic[S]):
    """How records of one kind, events or users, are sent to a tool."""

    open: Callable[[ToolContext[S]], HttpDestination]
    limits: Callable[[S], Limits]
    safe_to_repeat: Callable[[S], bool] = lambda _own: True
    """Whether sending a record again within `repeat_window_s` creates no duplicate."""
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
    is_set: Callable[[S], bool]
    address: Callable[[S], str]
    project: Callable[[S], str]
    """What identifies the account at that address, without secrets (see `hashed`)."""
    events: Feed[S]
    users: Feed[S]
    event_names: Mapping[str, str]
    """The tool's names for our event types; other types keep their name."""
    confirms: bool = True
    """Whether a success response means that the tool has the records."""
    former_account: Callable[[S], str] = lambda _own: ""
    """The account's name in ledgers of earlier releases, if it was different."""
    halves: tuple[tuple[str, str], ...] = ()
    """Pairs of fields that must both be set or both be empty."""
    refusal: Callable[[S], str] = lambda _own: ""
    """Another error in its settings, as a sentence; empty: none."""
    placeholders: Mapping[str, Any] = field(default_factory=dict)
    """Values that a dry run uses for required fields that are not set. They are not sent and are in no payload."""
    deletion: Deletion[S] | None = None
    """How it is asked to delete a person; None: it cannot be asked."""
    has_stand_in: bool = False
    """Whether the sandbox has a stand-in for it (`sandbox/vendors/<name>.py`), the only target of sandbox records."""

    @property
    def setting(self) -> str:
        """The environment variable that is required to send anything."""
        return variable(self.needed[0])

    def feeds(self) -> dict[str, Feed[S]]:
        """Return its feeds by asset name."""
        return {f"{self.name}_events": self.events, f"{self.name}_users": self.users}

    def own(self, settings: Settings) -> S:
        """Return the settings as an object of the tool's settings class, a base class of `Settings`."""
        return cast("S", settings)

    def account(self, settings: Settings) -> str:
        """Return the URL and project that identify the account in the ledger."""
        own = self.own(settings)
        return f"{self.address(own).partition('://')[2]} {self.project(own)}"

    def refuse_incomplete(self, settings: Settings) -> None:
        """Refuse incomplete settings of the tool.

        Raises:
            SettingError: Some required settings of the tool are set and others are not.
        """
        own = self.own(settings)
        for first, second in self.halves:
            if bool(_plain(own, first)) != bool(_plain(own, second)):
                raise SettingError(
                    f"Of {variable(first)} and {variable(second)} only one is set; set both, or neither."
                )
        if sentence := self.refusal(own):
            raise SettingError(sentence)

    def open(self, settings: Settings, choices: EventChoices) -> dict[str, HttpDestination]:
        """Return its destinations by name; nothing is sent yet."""
        own, opened = self.own(settings), {}
        for name, feed in self.feeds().items():
            one = feed.open(ToolContext(settings, own, choices, feed.limits(own)))
            one.name, one.account, one.former_account = name, self.account(settings), self.former_account(own)
            one.senders, one.confirms, one.takes_updates = settings.delivery_senders, self.confirms, feed is self.users
            one.safe_to_repeat, one.repeat_window_s = feed.safe_to_repeat(own), feed.repeat_window_s
            opened[name] = one
        return opened


def variable(field_name: str) -> str:
    """Return the environment variable of a settings field."""
    return PREFIX + field_name.upper()


def hashed(secret: str) -> str:
    """Return a prefix of a secret's hash, which may be stored in the ledger."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


def _plain(own: ToolSettings, name: str) -> str:
    value = getattr(own, name)
    return value if isinstance(value, str) else str(value.get_secret_value())
