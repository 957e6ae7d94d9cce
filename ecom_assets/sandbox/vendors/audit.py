"""The audit of deliveries: who has what, read from a stand-in's request log after the tool's own rule for repeats.

Deliveries are checked by this. Nothing that the sender believes goes in.
"""

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecom_assets.sandbox.vendors.amplitude import AmplitudeReceiver
from ecom_assets.sandbox.vendors.entries import Came, Kind
from ecom_assets.sandbox.vendors.ga4 import Ga4Receiver
from ecom_assets.sandbox.vendors.heap import HeapReceiver
from ecom_assets.sandbox.vendors.mixpanel import MixpanelReceiver
from ecom_assets.sandbox.vendors.receiver import Receiver, unpacked
from ecom_assets.sandbox.vendors.request_log import Received, received_in

TOOLS: Mapping[str, type[Receiver]] = {
    kind.tool: kind for kind in (AmplitudeReceiver, HeapReceiver, MixpanelReceiver, Ga4Receiver)
}


@dataclass(frozen=True)
class Asked:
    """A request, and the records in it.

    status: What was answered; 0: nothing.
    is_complete: Whether its body came whole; if not, nobody knows its records.
    record_ids: Its records, in their order.
    taken_ids: Those that the tool took.
    """

    at_s: float
    path: str
    status: int
    is_complete: bool
    record_ids: tuple[str, ...] = ()
    taken_ids: tuple[str, ...] = ()


@dataclass
class WhoHasWhat:
    """What a tool has of one kind of record.

    taken: How often the tool took a record.
    counted: How often it counts it, after its own rule.
    order: Per user the records in the order in which they were first counted.
    times: The time that the tool shows a record at, as it has it.
    profiles: Properties per user, each as it was set last.
    requests: Every request, in its order.
    """

    taken: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    order: dict[str, list[str]] = field(default_factory=dict)
    times: dict[str, object] = field(default_factory=dict)
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[Asked] = field(default_factory=list)

    @property
    def doubled(self) -> dict[str, int]:
        """Records that are counted more than once."""
        return {record_id: count for record_id, count in self.counted.items() if count > 1}


def who_has_what(journal: Path, tool: str, kind: Kind = "event") -> WhoHasWhat:
    """Judge a receiver's journal.

    Args:
        journal: Its file.
        tool: amplitude, heap, mixpanel or ga4.
        kind: `event`, or `profile`.
    """
    receiver, found = TOOLS[tool], WhoHasWhat()
    known: dict[Hashable, float] = {}
    for received in received_in(journal):
        taken = [entry for entry in receiver.taken_of(received) if entry.kind == kind]
        found.requests.append(_asked(receiver, received, kind, tuple(entry.record_id for entry in taken)))
        for entry in taken:
            found.taken[entry.record_id] += 1
            if entry.properties is not None:
                found.profiles.setdefault(entry.user, {}).update(_set_by(entry.properties))
            if entry.key is not None:
                since = known.get(entry.key)
                window_s = receiver.repeat_window_s
                if since is not None and (window_s is None or received.at_s - since < window_s):
                    continue
                known[entry.key] = received.at_s
            found.counted[entry.record_id] += 1
            found.times[entry.record_id] = entry.at
            if found.counted[entry.record_id] == 1:
                found.order.setdefault(entry.user, []).append(entry.record_id)
    return found


def _asked(receiver: type[Receiver], received: Received, kind: Kind, taken_ids: tuple[str, ...]) -> Asked:
    """Return a request with the records in it, taken or not; without them where it can't be read."""
    request, sent_ids = received.request(), taken_ids
    if received.is_complete and (not received.is_taken or received.refused):
        try:
            entries = receiver.entries(Came(request, unpacked(request), received.at_s))
            sent_ids = tuple(entry.record_id for entry in entries if entry.kind == kind)
        except (ValueError, TypeError, KeyError, AttributeError, OSError, EOFError):
            sent_ids = ()
    return Asked(received.at_s, request.path, received.status, received.is_complete, sent_ids, taken_ids)


def _set_by(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is set: by Amplitude's $set, or plainly."""
    plain = {name: value for name, value in properties.items() if not name.startswith("$")}
    return plain | dict(properties.get("$set", {}))
