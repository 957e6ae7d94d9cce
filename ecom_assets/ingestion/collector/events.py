"""What requests send, made into lines of segments: events in the native shape, and Segment's calls.

Refused is what could never be read as an event. What an event says is checked by cleaning, as for
every other source, so that its pages show why a row does not count.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import uuid4
from zoneinfo import ZoneInfo

import orjson

from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.tables.placeholders import NO_CONSENT, is_nobody_text
from ecom_assets.core.tables.values import LONGEST_EVENT_TYPE, PUBLIC_SENDER
from ecom_assets.ingestion.collector.bodies import UnreadEvent
from ecom_assets.ingestion.collector.refusals import EventRefusal
from ecom_assets.ingestion.collector.rights import SendingRights, allowed_line
from ecom_assets.ingestion.collector.segments import SegmentEntry, SegmentLayout
from ecom_assets.ingestion.sources.files.mapping import EVENT_FIELDS

TEXT_FIELDS: Final = tuple(name for name in EVENT_FIELDS if name not in {"properties", "sent_by"})
ENVELOPE: Final = frozenset({"key", "writeKey", "sent_at", "sentAt", "device", "batch"})
"""What may stand beside an event, or around a batch, and is no property of it."""
SERVERS: Final = frozenset({"received_at", "messageId", "properties", "sent_by"})
CALL_TYPES: Final = {
    "t": "track",
    "p": "page",
    "s": "screen",
    "i": "identify",
    "a": "alias",
    "g": "group",
}
CALLS: Final = frozenset(CALL_TYPES.values())
CALL_TEXTS: Final = (
    "messageId",
    "userId",
    "anonymousId",
    "previousId",
    "groupId",
    "name",
    "category",
    "event",
)
"""The texts of Segment's calls that are kept; traits and integrations are not."""
PAGE: Final = "page"
"""The sender where pages of this machine send events without a key."""
IDENTITIES: Final = ("user_id", "anonymous_id", "session_id")
CALL_IDENTITIES: Final = ("userId", "anonymousId")
MOST_SHOWN: Final = 20
"""Refused events that an answer lists; it counts the others, and all are kept as dead letters."""
LONGEST_NAMED: Final = 200
"""Characters of an id in the list of refused events; a longer one is left out."""
EXACT_BELOW: Final = 2**53
"""Beyond it, a number that is no whole one of 64 bits has lost digits while it was read."""
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True)
class EventSender:
    """What a request itself says about its events, besides its body.

    `device` is the id in the server's own cookie. `properties` are added to each event: country and
    network. `rights` are those of its key.
    """

    caller: str
    received_at: datetime
    device: str = ""
    user_agent: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    rights: SendingRights = field(default_factory=SendingRights)

    def day(self, timezone: ZoneInfo) -> date:
        """Return the day on which the request arrived."""
        return self.received_at.astimezone(timezone).date()

    @property
    def sent_by(self) -> str | None:
        """Return who sent the events, as rows have it;
        None for a program of this machine without a key.
        """
        if not self.rights.is_public:
            return self.caller or None
        return PUBLIC_SENDER + (self.caller or PAGE)

    @property
    def received_text(self) -> str:
        """Return the instant of arrival as lines have it."""
        return _text_of(self.received_at)


@dataclass
class BatchResult:
    """What becomes of the events of a request;
    `refused` describes the first of those that are refused.
    """

    lines: list[bytes] = field(default_factory=list)
    letters: list[bytes] = field(default_factory=list)
    refused: list[Row] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    uses_device: bool = False

    def refuse(self, index: int, event: object, refusal: EventRefusal, letter: bytes) -> None:
        """Keep a refused event as a dead letter, and list it if the list is short."""
        self.letters.append(letter)
        self.reasons.append(refusal.reason)
        if len(self.refused) < MOST_SHOWN:
            shown = {"reason": refusal.reason, "detail": refusal.detail}
            # The id by which its sender finds a refused event; None without a short one.
            named = (
                event.get("event_id") or event.get("messageId") if isinstance(event, dict) else None
            )
            is_short = isinstance(named, int) or (
                isinstance(named, str) and len(named) <= LONGEST_NAMED
            )
            self.refused.append({"index": index, "event_id": named if is_short else None, **shown})

    @property
    def answer(self) -> dict[str, Any]:
        """Return the body of the answer."""
        counts = {"accepted": len(self.lines), "refused_count": len(self.reasons)}
        return {"success": True, **counts, "refused": self.refused}

    def entries(self, day: date, layout: SegmentLayout) -> list[SegmentEntry]:
        """Return the lines for segments."""
        entries = [SegmentEntry(day, layout, b"".join(self.lines))] if self.lines else []
        return entries + (
            [SegmentEntry(day, SegmentLayout.REFUSED, b"".join(self.letters))]
            if self.letters
            else []
        )


Reader = Callable[[Any, datetime | None, EventSender], dict[str, Any]]
"""Makes one event of a body into the members of its line;
`datetime` is when its sender says that it was sent.
"""


def taken_events(
    events: list[Any], reader: Reader, sent_at: object, sender: EventSender, most_bytes: int
) -> BatchResult:
    """Return the lines of events, and what is refused, each with its position and reason."""
    result = BatchResult()
    sent = _instant(sent_at)
    layout = SegmentLayout.NATIVE if reader is native_event else SegmentLayout.SEGMENT
    for index, event in enumerate(events):
        value = event.value if isinstance(event, UnreadEvent) else orjson.dumps(event)
        try:
            _check_shape(event, value, most_bytes)
            line = allowed_line(
                reader(event, sent, sender), layout, sender.rights, sender.received_at
            )
            line["sent_by"] = sender.sent_by
        except EventRefusal as refusal:
            result.refuse(index, event, refusal, dead_letter(refusal, layout, sender, value))
        else:
            result.uses_device |= bool(sender.device) and line.get("anonymous_id") == sender.device
            result.lines.append(orjson.dumps(line) + b"\n")
    return result


def dead_letter(
    refusal: EventRefusal, layout: SegmentLayout, sender: EventSender, value: bytes
) -> bytes:
    """Return the line of a refused event; what is not UTF-8 is kept as hexadecimal digits."""
    letter = {
        "received_at": sender.received_text,
        "reason": refusal.reason,
        "detail": refusal.detail,
    }
    letter |= {"layout": layout.value, "caller": sender.caller}
    try:
        return orjson.dumps({**letter, "value": value.decode()}) + b"\n"
    except UnicodeDecodeError:
        return orjson.dumps({**letter, "hex": value.hex()}) + b"\n"


def native_event(
    event: dict[str, Any], sent_at: datetime | None, sender: EventSender
) -> dict[str, Any]:
    """Return an event in the native shape; further members become properties.

    Raises:
        EventRefusal: It cannot be read as an event.
    """
    line: Row = {}
    for name in TEXT_FIELDS:
        if (value := event.get(name)) is not None and value != "":
            line[name] = value if type(value) is str else _text(name, value)
    kind = line.get("event_type", "")
    if not 1 <= len(kind) <= LONGEST_EVENT_TYPE:
        raise EventRefusal(
            "missing_event_type", f"event_type must have 1 to {LONGEST_EVENT_TYPE} characters."
        )
    line.setdefault("event_id", _id(event.get("messageId")))
    line["event_timestamp"] = _text_of(
        _happened_at("event_timestamp", line.get("event_timestamp"), sent_at, sender)
    )
    if sender.device and _says_nobody(line.get("anonymous_id")):
        line["anonymous_id"] = sender.device
    _require_somebody(line, IDENTITIES)
    if sender.user_agent and "user_agent" not in line:
        line["user_agent"] = sender.user_agent
    other_members = {
        name: value
        for name, value in event.items()
        if name not in _NOT_PROPERTIES and value is not None
    }
    if properties := {
        **other_members,
        **_object("properties", event.get("properties")),
        **sender.properties,
    }:
        line["properties"] = properties
    if "cart_value" in line and (currency := properties.get("currency")):
        line["currency"] = _currency(currency)
    line["received_at"] = sender.received_text
    return line


_NOT_PROPERTIES: Final = frozenset(TEXT_FIELDS) | SERVERS | ENVELOPE


def call_of(kind: str) -> Reader:
    """Return the reader of Segment's calls at the path of one of them; empty at that of batches."""

    def read(
        event: dict[str, Any], sent_at: datetime | None, sender: EventSender
    ) -> dict[str, Any]:
        return segment_call(event, str(event.get("type") or kind), sent_at, sender)

    return read


def segment_call(
    event: dict[str, Any], kind: str, sent_at: datetime | None, sender: EventSender
) -> dict[str, Any]:
    """Return one of Segment's calls with what the mapping `segment` reads of it.

    Raises:
        EventRefusal: It cannot be read as a call.
    """
    if kind not in CALLS:
        raise EventRefusal("unknown_call", f"type must be one of {', '.join(sorted(CALLS))}.")
    texts = ((name, event.get(name)) for name in CALL_TEXTS)
    line: Row = {
        name: _text(name, value) for name, value in texts if value is not None and value != ""
    }
    if kind == "track" and not 1 <= len(line.get("event", "")) <= LONGEST_EVENT_TYPE:
        raise EventRefusal(
            "missing_event_type", f"event must have 1 to {LONGEST_EVENT_TYPE} characters."
        )
    _require_somebody(line, CALL_IDENTITIES)
    line["type"] = kind
    line.setdefault("messageId", _id(None))
    called = event.get("timestamp") or event.get("originalTimestamp")
    sent_at = _instant(event.get("sentAt")) or sent_at
    line["timestamp"] = _text_of(_happened_at("timestamp", called, sent_at, sender))
    line["context"] = _context(_object("context", event.get("context")), sender)
    if properties := {**_object("properties", event.get("properties")), **sender.properties}:
        line["properties"] = properties
    line["receivedAt"] = sender.received_text
    return line


def _context(context: NamedValues, sender: EventSender) -> dict[str, Any]:
    """Return what is kept of a call's context: neither address nor traits."""
    agent = context.get("userAgent") or sender.user_agent
    kept: dict[str, Any] = {"page": _members(context.get("page"), ("url", "referrer"))}
    if campaign := _members(context.get("campaign"), ("source", "medium", "name", "id")):
        kept["campaign"] = campaign
    return {**kept, "userAgent": agent if isinstance(agent, str) else None}


def _members(value: object, names: Sequence[str]) -> dict[str, Any]:
    """Return some members of an object; none of what is no object."""
    return {name: value.get(name) for name in names} if isinstance(value, dict) else {}


def _says_nobody(value: object) -> bool:
    """Return whether an id is missing or a placeholder; a refusal of consent is neither,
    so it stays and is counted.
    """
    return is_nobody_text(value) and str(value).strip().lower() != NO_CONSENT


def _require_somebody(line: NamedValues, identities: Sequence[str]) -> None:
    """Raise if an event has no id of its visitor; a placeholder such as `undefined` is none."""
    if all(_says_nobody(line.get(name)) for name in identities):
        named = " and ".join((", ".join(identities[:-1]), identities[-1]))
        stated = next(
            (f"; {name} is {line[name][:LONGEST_NAMED]!r}" for name in identities if name in line),
            "",
        )
        raise EventRefusal("missing_identity", f"One of {named} is needed{stated}.")


def _check_shape(event: object, value: bytes, most_bytes: int) -> None:
    """Raise if an event is no object that lines can hold; `value` is its JSON."""
    if isinstance(event, UnreadEvent):
        raise event.refusal
    if not isinstance(event, dict):
        raise EventRefusal("not_an_object", "An event is a JSON object.")
    if len(value) > most_bytes:
        raise EventRefusal(
            "event_too_large",
            f"The event has {len(value):,} bytes, and {most_bytes:,} are allowed.",
        )
    if b"\\u0000" in value and _NUL.search(value):
        raise EventRefusal(
            "nul_character", "A text of the event has a NUL character (\\u0000); leave it out."
        )


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and abs(value) >= EXACT_BELOW:
        raise EventRefusal(
            "inexact_number", f"{name} has more digits than a number keeps; send it as a text."
        )
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise EventRefusal("wrong_type", f"{name} must be a text or a number.")


def _currency(value: object) -> str:
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isalpha():  # noqa: PLR2004 (ISO 4217)
        return value.upper()
    raise EventRefusal("wrong_currency", "currency must be a code of three letters, such as EUR.")


def _object(name: str, value: object) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise EventRefusal("wrong_type", f"{name} must be an object.")
    return value


def _id(value: object) -> str:
    return value if isinstance(value, str) and value else str(uuid4())


def _happened_at(
    name: str, value: object, sent_at: datetime | None, sender: EventSender
) -> datetime:
    """Return when an event happened by the clock of this machine:
    so long before arrival as before it was sent.
    """
    if value is None:
        return sender.received_at
    happened = _instant(value)
    if happened is None:
        raise EventRefusal("unparseable_timestamp", f"{name} must be like 2026-01-31T12:00:00Z.")
    if sent_at is None:
        return happened
    try:
        return sender.received_at - max(sent_at - happened, timedelta(0))
    except OverflowError as error:
        raise EventRefusal(
            "unparseable_timestamp",
            f"{name} is too long before the time at which the event was sent.",
        ) from error


def _instant(value: object) -> datetime | None:
    """Return an instant in UTC; None if it is none, or none that UTC has,
    as .NET's empty date east of Greenwich.
    """
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
        return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _text_of(instant: datetime) -> str:
    """Return an instant as lines have it, which every mapping reads."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def event_in_query(query: Mapping[str, str]) -> dict[str, str]:
    """Return the event that is in the query of an image's address."""
    return {name: value for name, value in query.items() if name not in ENVELOPE}
