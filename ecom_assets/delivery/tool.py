"""What a tool that takes events and users is to the platform: one object, which each package in `tools/` makes.

Adding a tool is adding a package there: `settings.py` (its settings), `payload.py` (pure: from rows to its JSON),
`client.py` (its requests, and what its answers mean) and `tool.py`, whose `TOOL` is one of these. Nothing else names a
tool; CONTRIBUTING has the recipe.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from ecom_assets.delivery.batch_sender import HttpDestination
from ecom_assets.delivery.payloads import EventChoices
from ecom_assets.delivery.sender import Limits
from ecom_assets.errors import SettingError
from ecom_assets.settings.settings import PREFIX, Settings
from ecom_assets.settings.tools import ToolSettings

KINDS = ("events", "users")
S = TypeVar("S", bound=ToolSettings)


@dataclass(frozen=True)
class ToolContext(Generic[S]):
    """What a tool's client is made from."""

    settings: Settings
    own: S
    """The same settings, as the tool's own class."""
    choices: EventChoices
    limits: Limits


@dataclass(frozen=True)
class Feed(Generic[S]):
    """How records of one kind, events or users, go to a tool."""

    open: Callable[[ToolContext[S]], HttpDestination]
    limits: Callable[[S], Limits]
    safe_to_repeat: Callable[[S], bool] = lambda _own: True
    """Whether sending a record again within `repeat_window_s` leaves one copy."""
    repeat_window_s: float | None = None
    """Seconds in which the tool knows a record again; None: always."""


@dataclass(frozen=True)
class Tool(Generic[S]):
    """A tool, in all that the rest of the platform must know of it."""

    name: str
    """Of its package: its settings and its assets begin with it."""
    title: str
    """As messages say it."""
    settings: type[S]
    needed: tuple[str, ...]
    """The fields without which nothing goes there; messages say the first."""
    is_set: Callable[[S], bool]
    address: Callable[[S], str]
    project: Callable[[S], str]
    """What tells the account at that address from any other, without a secret (see `hashed`)."""
    events: Feed[S]
    users: Feed[S]
    event_names: Mapping[str, str]
    """What the tool calls our event types; types beyond these keep their name."""
    confirms: bool = True
    """Whether an answer that it is well says that the tool has the records."""
    former_account: Callable[[S], str] = lambda _own: ""
    """What ledgers of earlier releases call the account, if not as now."""
    halves: tuple[tuple[str, str], ...] = ()
    """Fields of which both are set, or neither."""
    refusal: Callable[[S], str] = lambda _own: ""
    """What else is wrong with its settings, as a sentence; empty: nothing."""
    placeholders: Mapping[str, Any] = field(default_factory=dict)
    """What a dry run takes for the needed fields that are not set: nothing goes there, and no payload has them."""
    has_stand_in: bool = False
    """Whether the sandbox has a stand-in of it (`sandbox/vendors/<name>.py`); its records go nowhere else."""

    @property
    def setting(self) -> str:
        """The variable without which nothing goes there."""
        return variable(self.needed[0])

    def feeds(self) -> dict[str, Feed[S]]:
        """Return its feeds by the names of their assets."""
        return {f"{self.name}_events": self.events, f"{self.name}_users": self.users}

    def own(self, settings: Settings) -> S:
        """Return the settings as the tool's own class, which `Settings` is made from."""
        return cast("S", settings)

    def account(self, settings: Settings) -> str:
        """Return address and project, by which the ledger knows the account."""
        own = self.own(settings)
        return f"{self.address(own).partition('://')[2]} {self.project(own)}"

    def refuse_incomplete(self, settings: Settings) -> None:
        """Refuse settings that name the tool by half.

        Raises:
            SettingError: They do.
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
        """Return its destinations by name, with all that holds of them; none is asked for anything yet."""
        own, opened = self.own(settings), {}
        for name, feed in self.feeds().items():
            one = feed.open(ToolContext(settings, own, choices, feed.limits(own)))
            one.name, one.account, one.former_account = name, self.account(settings), self.former_account(own)
            one.senders, one.confirms, one.takes_updates = settings.delivery_senders, self.confirms, feed is self.users
            one.safe_to_repeat, one.repeat_window_s = feed.safe_to_repeat(own), feed.repeat_window_s
            opened[name] = one
        return opened


def variable(field_name: str) -> str:
    """Return the variable of a field of the settings."""
    return PREFIX + field_name.upper()


def hashed(secret: str) -> str:
    """Return the beginning of a secret's hash, which may stand in the ledger."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


def _plain(own: ToolSettings, name: str) -> str:
    value = getattr(own, name)
    return value if isinstance(value, str) else str(value.get_secret_value())
