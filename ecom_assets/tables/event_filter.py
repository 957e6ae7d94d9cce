"""Which events a question is about: a type, and conditions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.errors import DefinitionError, check_keys
from ecom_assets.tables.columns import holds
from ecom_assets.tables.conditions import EVERYTHING, Where, where_from, where_mapping, with_event_types

KEYS = ("event_type", "where")


@dataclass(frozen=True)
class EventFilter:
    """Events of a type that meet conditions.

    Attributes:
        event_type: The type of the events; None for any type.
        where: What must hold of them.
    """

    event_type: str | None = None
    where: Where = EVERYTHING

    @classmethod
    def from_mapping(cls, raw: object, place: str) -> "EventFilter":
        """Build it from a definition file: an event type (`*` is any), or `{event_type, where}`.

        Args:
            raw: What the file has.
            place: What it defines, for the error.

        Raises:
            DefinitionError: It is neither, or a key is unknown.
        """
        if isinstance(raw, str) and raw:
            return cls(None if raw == "*" else raw)
        if not isinstance(raw, Mapping) or not isinstance(raw.get("event_type") or "", str):
            raise DefinitionError(f"{place} is an event type or {{event_type, where}}; got {raw!r}.")
        check_keys(raw, KEYS, place)
        result = cls.from_mapping(raw["event_type"], place) if raw.get("event_type") else cls()
        return cls(result.event_type, where_from(raw["where"]) if raw.get("where") else EVERYTHING)

    def translated(self, translate: Callable[[str], str]) -> "EventFilter":
        """Return the filter with each event type translated, also in its conditions."""
        return EventFilter(self.event_type and translate(self.event_type), with_event_types(self.where, translate))

    def to_mapping(self) -> dict[str, Any]:
        """Return it as in a definition file; the inverse of `from_mapping`."""
        return {"event_type": self.event_type, **where_mapping(self.where)}

    def matches(self, events: ir.Table) -> ir.BooleanValue:
        """Return whether an event is one of them; never null.

        Raises:
            DefinitionError: A column is missing, or is compared with a value of another kind.
        """
        also = holds(events, self.where)
        return also if self.event_type is None else also & (events.event_type == ibis.literal(self.event_type))


ANY_EVENT: Final = EventFilter()
