"""What a key may send.

A key in a public page is everybody's, so it adds events and changes no others.

A public key joins no users, sends no events of long ago, and may be limited to some event types.
The rules hold for the lines of segments, so they are the same on every path.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ecom_assets.behaviour.identity.links import ALIAS, IDENTIFY, PREVIOUS_IDS, previous_id_of
from ecom_assets.core.http_server.callers import Caller, Scope
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.spellings import BLANKS
from ecom_assets.ingestion.collector.refusals import EventRefusal
from ecom_assets.ingestion.collector.segments import SegmentLayout
from ecom_assets.ingestion.sources.mapping_file import usual_event_types

ALIAS_REFUSED: Final = "alias_needs_link"
"""The reason of an alias that only a key with the scope `link` may send."""
TOO_OLD: Final = "too_old"
WRONG_TYPE: Final = "event_type_not_allowed"
_PAGES: Final = frozenset({"page", "screen"})
Line = dict[str, Any]


@dataclass(frozen=True)
class SendingRights:
    """What the events of a request may be."""

    is_public: bool = False
    """Whether anybody may have the key: then it joins no users."""
    oldest: timedelta | None = None
    """How long before its arrival an event may have happened; None for any time."""
    event_types: frozenset[str] = frozenset()
    """The only types of events; empty for all."""


def rights_of(caller: Caller, *, is_from_page: bool, most_days: int) -> SendingRights:
    """Return the rights of a caller.

    Without any key the collector serves this machine only; then what its programs send is not
    public, and what a page in its browser sends is.

    Args:
        caller: Who sends the request.
        is_from_page: Whether a browser sends it for a page or a mail.
        most_days: How many days before its arrival an event of a public key may have happened.
    """
    has_key = bool(caller.name)
    is_public = not caller.may(Scope.LINK) if has_key else is_from_page
    return SendingRights(
        is_public, timedelta(days=most_days) if is_public else None, caller.event_types
    )


def allowed_line(
    line: Line, layout: SegmentLayout, rights: SendingRights, received_at: datetime
) -> Line:
    """Return the line of an event as its sender may send it.

    An alias of a public key becomes an `identify` if its previous id is the anonymous id of the
    same call.

    Raises:
        EventRefusal: The sender may not send it.
    """
    names = _NAMES[layout]
    if rights.is_public:
        if type_of_line(line, layout) == ALIAS:
            line = _identify(line, names)
        if type_of_line(line, layout) == IDENTIFY:
            line = _of_own_call(line, names)
        _require_recent(line, names, rights, received_at)
    if rights.event_types and type_of_line(line, layout) not in rights.event_types:
        allowed = ", ".join(sorted(rights.event_types))
        raise EventRefusal(
            WRONG_TYPE, f"This key may send {allowed} only; use another key for this."
        )
    return line


@dataclass(frozen=True)
class _Names:
    """The names of members in the lines of a layout."""

    kind: str
    user: str
    anonymous: str
    time: str


_NAMES: Final[Mapping[SegmentLayout, _Names]] = {
    SegmentLayout.NATIVE: _Names("event_type", "user_id", "anonymous_id", "event_timestamp"),
    SegmentLayout.SEGMENT: _Names("type", "userId", "anonymousId", "timestamp"),
}
_SESSION: Final = "session_id"


def type_of_line(line: NamedValues, layout: SegmentLayout) -> str:
    """Return the event type that the mapping of a layout reads in a line;
    blanks at its ends hide nothing.
    """
    kind = _trimmed(line[_NAMES[layout].kind])
    if layout is SegmentLayout.SEGMENT:
        if kind in _PAGES:
            return "page_view"
        kind = _trimmed(line["event"]) if kind == "track" else kind
        kind = usual_event_types().get(kind, kind)
    return kind


def _trimmed(value: object) -> str:
    return str(value).strip(BLANKS).strip()


def _identify(line: Line, names: _Names) -> Line:
    """Return an alias of a public key as an `identify`.

    Raises:
        EventRefusal: It names another user, or nobody.
    """
    previous = previous_id_of({**_properties(line), **line})
    own = line.get(names.anonymous)
    if own is None or names.user not in line or previous not in {None, own}:
        raise EventRefusal(
            ALIAS_REFUSED,
            (
                "An alias joins users, which a key in a page may not; previousId may be the "
                "call's own anonymousId, or send it from a server with a key of `ecom api-key "
                "create --scope collect --scope link`."
            ),
        )
    return {**line, names.kind: IDENTIFY}


def _of_own_call(line: Line, names: _Names) -> Line:
    """Return an `identify` that links the anonymous id of its own call and nothing else."""
    unread = {*PREVIOUS_IDS}
    if names.user in line:
        unread.add(_SESSION)
    result = {name: value for name, value in line.items() if name not in unread}
    if properties := {
        name: value for name, value in _properties(line).items() if name not in PREVIOUS_IDS
    }:
        return {**result, "properties": properties}
    result.pop("properties", None)
    return result


def _properties(line: NamedValues) -> NamedValues:
    properties: NamedValues = line.get("properties") or {}
    return properties


def _require_recent(
    line: Line, names: _Names, rights: SendingRights, received_at: datetime
) -> None:
    """Raise if an event happened too long ago.

    Raises:
        EventRefusal: It did.
    """
    happened = datetime.fromisoformat(line[names.time])
    if rights.oldest is not None and received_at - happened > rights.oldest:
        raise EventRefusal(
            TOO_OLD,
            (
                f"The event is older than {rights.oldest.days} days, which a key in a page may not "
                "send; import history from a server, with a key of `ecom api-key create --scope "
                "collect --scope link`."
            ),
        )
