"""The audit of deliveries: the records that a tool has, after its own deduplication,
from a stand-in's request log.

Deliveries are checked against it, so it uses nothing from the sender's ledger.
"""

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecom_sandbox.vendors.amplitude import AmplitudeReceiver
from ecom_sandbox.vendors.entries import Incoming, Kind
from ecom_sandbox.vendors.ga4 import Ga4Receiver
from ecom_sandbox.vendors.heap import HeapReceiver
from ecom_sandbox.vendors.mixpanel import MixpanelReceiver
from ecom_sandbox.vendors.receiver import Receiver, unpacked
from ecom_sandbox.vendors.request_log import Received, received_in

TOOLS: Mapping[str, type[Receiver]] = {
    kind.tool: kind for kind in (AmplitudeReceiver, HeapReceiver, MixpanelReceiver, Ga4Receiver)
}


@dataclass(frozen=True)
class RequestRecord:
    """A request and the records in it.

    status: The status of the response; 0: no response.
    is_complete: Whether the whole body was received; if not, its records are unknown.
    record_ids: Its records, in order.
    taken_ids: The records that the tool accepted.
    """

    at_s: float
    path: str
    status: int
    is_complete: bool
    record_ids: tuple[str, ...] = ()
    taken_ids: tuple[str, ...] = ()


@dataclass
class WhoHasWhat:
    """The records of one kind that a tool has.

    taken: How often the tool accepted each record.
    counted: How often the tool counts each record, after its own deduplication.
    order: Each user's records, in the order in which they were first counted.
    times: The time at which the tool shows each record, in the tool's own format.
    profiles: Each user's properties, as last set.
    requests: All requests, in order.
    """

    taken: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    order: dict[str, list[str]] = field(default_factory=dict)
    times: dict[str, object] = field(default_factory=dict)
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[RequestRecord] = field(default_factory=list)

    @property
    def doubled(self) -> dict[str, int]:
        """Return the records that are counted more than once, with their counts."""
        return {record_id: count for record_id, count in self.counted.items() if count > 1}


def who_has_what(request_log: Path, tool: str, kind: Kind = "event") -> WhoHasWhat:
    """Return the records that a tool has, from the request log of its stand-in.

    Args:
        request_log: The file of the request log.
        tool: amplitude, heap, mixpanel or ga4.
        kind: `event`, or `profile`.
    """
    receiver, result = TOOLS[tool], WhoHasWhat()
    counted_at_s: dict[Hashable, float] = {}
    for received in received_in(request_log):
        taken = [entry for entry in receiver.taken_of(received) if entry.kind == kind]
        result.requests.append(
            _request_record(receiver, received, kind, tuple(entry.record_id for entry in taken))
        )
        for entry in taken:
            result.taken[entry.record_id] += 1
            if entry.properties is not None:
                result.profiles.setdefault(entry.user, {}).update(_set_by(entry.properties))
            if entry.key is not None:
                since = counted_at_s.get(entry.key)
                window_s = receiver.repeat_window_s
                if since is not None and (window_s is None or received.at_s - since < window_s):
                    continue
                counted_at_s[entry.key] = received.at_s
            result.counted[entry.record_id] += 1
            result.times[entry.record_id] = entry.at
            if result.counted[entry.record_id] == 1:
                result.order.setdefault(entry.user, []).append(entry.record_id)
    return result


def _request_record(
    receiver: type[Receiver], received: Received, kind: Kind, taken_ids: tuple[str, ...]
) -> RequestRecord:
    """Return a request with its records, accepted or not; without records if
    its body cannot be parsed.
    """
    request, sent_ids = received.request(), taken_ids
    if received.is_complete and (not received.is_taken or received.refused):
        try:
            entries = receiver.entries(Incoming(request, unpacked(request), received.at_s))
            sent_ids = tuple(entry.record_id for entry in entries if entry.kind == kind)
        except (ValueError, TypeError, KeyError, AttributeError, OSError, EOFError):
            sent_ids = ()
    return RequestRecord(
        received.at_s, request.path, received.status, received.is_complete, sent_ids, taken_ids
    )


def _set_by(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties that are set, by Amplitude's $set or directly."""
    plain = {name: value for name, value in properties.items() if not name.startswith("$")}
    return plain | dict(properties.get("$set", {}))
