"""Who has what, by a receiver's request log alone."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from ecom_assets_tests.sandbox.vendors.audit import who_has_what
from ecom_assets_tests.sandbox.vendors.vendor_requests import (
    amplitude_event,
    ga4_event,
    heap_event,
    identify,
    mixpanel_event,
    still,
    to_amplitude,
    to_ga4,
    to_heap,
    to_mixpanel,
)
from ecom_sandbox.vendors.amplitude import BATCH, IDENTIFY, AmplitudeReceiver
from ecom_sandbox.vendors.ga4 import COLLECT, Ga4Receiver
from ecom_sandbox.vendors.heap import TRACK, HeapReceiver
from ecom_sandbox.vendors.mixpanel import IMPORT, MixpanelReceiver
from ecom_sandbox.vendors.receiver import Receiver, Setup


def send_one(receiver: Receiver, number: int, user: int) -> None:
    """Send an event of a user to whichever tool it is."""
    if isinstance(receiver, AmplitudeReceiver):
        to_amplitude(
            receiver, amplitude_event(number, user_id=f"user-{user}", device_id=f"device-{user}")
        )
    elif isinstance(receiver, HeapReceiver):
        to_heap(receiver, heap_event(number, identity=f"user-{user}"))
    elif isinstance(receiver, MixpanelReceiver):
        to_mixpanel(receiver, mixpanel_event(number, distinct_id=f"user-{user}"))
    elif isinstance(receiver, Ga4Receiver):
        to_ga4(receiver, ga4_event(number), client_id=f"user-{user}")


KINDS: dict[str, Callable[[Setup], Receiver]] = {
    "amplitude": AmplitudeReceiver,
    "heap": HeapReceiver,
    "mixpanel": MixpanelReceiver,
    "ga4": Ga4Receiver,
}
ADDRESS = {"amplitude": BATCH, "heap": TRACK, "mixpanel": IMPORT, "ga4": COLLECT}


@pytest.mark.parametrize("tool", KINDS)
def test_the_audit_says_who_has_what_in_which_order(tmp_path: Path, tool: str) -> None:
    request_log = tmp_path / "a.requests"
    with KINDS[tool](Setup(request_log=request_log)) as receiver:
        for number, user in ((2, 1), (1, 1), (3, 2), (2, 1)):
            send_one(receiver, number, user)
        held = receiver.held
    actual = who_has_what(request_log, tool)
    twice = 2 if tool == "ga4" else 1
    assert actual.counted == Counter({"event-1": 1, "event-2": twice, "event-3": 1})
    assert actual.order == {"user-1": ["event-2", "event-1"], "user-2": ["event-3"]}
    assert (actual.taken["event-2"], actual.doubled) == (2, {"event-2": 2} if tool == "ga4" else {})
    assert (actual.requests[0].path, actual.requests[0].taken_ids) == (ADDRESS[tool], ("event-2",))
    assert (held.taken_count, held.counted_count) == (actual.taken.total(), actual.counted.total())


def test_the_audit_knows_the_seven_days_and_what_was_refused(tmp_path: Path) -> None:
    request_log = tmp_path / "a.requests"
    with AmplitudeReceiver(Setup(request_log=request_log, clock=still)) as receiver:
        to_amplitude(receiver, amplitude_event(1))
        to_amplitude(receiver, amplitude_event(2), amplitude_event(3, time="noon"))
        receiver.ahead_s = 8 * 24 * 3600
        to_amplitude(receiver, amplitude_event(1))
    actual = who_has_what(request_log, "amplitude")
    assert (actual.counted, actual.doubled) == (Counter({"event-1": 2}), {"event-1": 2})
    refused = actual.requests[1]
    assert (refused.status, refused.record_ids, refused.taken_ids) == (
        400,
        ("event-2", "event-3"),
        (),
    )


def test_the_audit_leaves_out_the_records_that_mixpanel_refused(tmp_path: Path) -> None:
    request_log = tmp_path / "a.requests"
    with MixpanelReceiver(Setup(request_log=request_log, clock=still)) as receiver:
        to_mixpanel(receiver, mixpanel_event(1), mixpanel_event(2, time="noon"), mixpanel_event(3))
    actual = who_has_what(request_log, "mixpanel")
    assert (set(actual.counted), actual.requests[0].record_ids[1]) == (
        {"event-1", "event-3"},
        "event-2",
    )


def test_profiles_are_as_they_were_set_last(tmp_path: Path) -> None:
    request_log = tmp_path / "a.requests"
    with AmplitudeReceiver(Setup(request_log=request_log, clock=still)) as receiver:
        for properties in ({"tier": "gold", "score": 1}, {"$set": {"tier": "silver"}}):
            identify(receiver, {"user_id": "anna-1", "user_properties": properties})
    actual = who_has_what(request_log, "amplitude", "profile")
    assert actual.profiles == {"anna-1": {"tier": "silver", "score": 1}}
    assert (actual.counted["anna-1"], who_has_what(request_log, "amplitude").counted) == (
        2,
        Counter(),
    )
    assert {request.path for request in actual.requests} == {IDENTIFY}
