"""A stand-in of GA4's Measurement Protocol: /mp/collect and /debug/mp/collect. Not here: its rules (`ga4_rules`).

It answers 204 whatever comes, a wrong secret too, and tells nobody what it has thrown away; so the journal tells. It
knows no record again, but shows one purchase per transaction_id.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from ecom_assets.sandbox.receivers.entries import Came, Entry, Look
from ecom_assets.sandbox.receivers.ga4_rules import BACK_S, MICROS, messages_on, micros_of
from ecom_assets.sandbox.receivers.json_bodies import NO_JSON, parsed
from ecom_assets.sandbox.receivers.receiver import OK, Receiver, Setup
from ecom_assets.sandbox.service import Answer

MEASUREMENT_ID, API_SECRET = "G-SANDBOX001", "sandbox-ga4-secret"
COLLECT, DEBUG = "/mp/collect", "/debug/mp/collect"
TOO_MANY_BYTES = 130_000
NO_CONTENT = 204


class Ga4Receiver(Receiver):
    """`POST /mp/collect` with measurement_id and api_secret in the query."""

    tool = "ga4"
    takes_gzip = False

    def __init__(
        self,
        setup: Setup | None = None,
        *,
        measurement_id: str = MEASUREMENT_ID,
        api_secret: str = API_SECRET,
    ) -> None:
        """Listen."""
        self.measurement_id, self.api_secret = measurement_id, api_secret
        super().__init__(setup)

    def settings(self) -> dict[str, str]:
        """Return the settings that point at it."""
        return {
            "ga4_url": self.url,
            "ga4_measurement_id": self.measurement_id,
            "ga4_api_secret": self.api_secret,
        }

    def refusal(self, status: int) -> Answer:
        """Return what it says with a status."""
        return Answer(NO_CONTENT if status == OK else status)

    def look(self, came: Came) -> Look:
        """Look at a request."""
        request = came.request
        if request.method != "POST" or request.path not in {COLLECT, DEBUG}:
            return Look(self.refusal(404))
        told = parsed(came.body)
        messages = list(messages_on(None if told is NO_JSON else told, came.at_s))
        if request.path == DEBUG:
            return Look(Answer.json({"validationMessages": [message.told() for message in messages]}))
        given = (request.query.get("measurement_id"), request.query.get("api_secret"))
        is_lost = len(came.body) >= TOO_MANY_BYTES or any(message.event is None for message in messages)
        if is_lost or given != (self.measurement_id, self.api_secret):
            return Look(Answer(NO_CONTENT))
        bad = {message.event for message in messages if message.event is not None}
        entries = self.entries(came)
        bad |= {at for at, entry in enumerate(entries) if entry.record_id in self.refuses}
        kept = [entry for at, entry in enumerate(entries) if at not in bad] if bad else entries
        return Look(Answer(NO_CONTENT), kept, refused=sorted(bad))

    @classmethod
    def entries(cls, came: Came) -> Sequence[Entry]:
        """Return the events, each with the time that it is shown at, and then the properties of the user."""
        told = parsed(came.body)
        user = str(told["client_id"])
        entries = [_event_entry(told, event, user, came.at_s) for event in told["events"]]
        if properties := told.get("user_properties"):
            values = {name: given.get("value") for name, given in properties.items()}
            entries.append(Entry("profile", user, user, None, properties=values))
        return entries


def _event_entry(told: dict[str, Any], event: object, user: str, at_s: float) -> Entry:
    """Know an event by its parameter `event_id`, or its transaction_id, or its bytes; what is too old is shifted."""
    if not isinstance(event, dict) or not isinstance(params := event.get("params", {}), dict):
        return Entry("event", user, "", None)
    name, transaction_id = str(event.get("name")), params.get("transaction_id")
    key = (name, transaction_id) if transaction_id and name == "purchase" else None
    given = params.get("event_id") or transaction_id
    record_id = str(given) if given else hashlib.sha256(json.dumps(event, sort_keys=True).encode()).hexdigest()
    micros = micros_of(told, event)
    shown = at_s * MICROS if micros is None else max(micros, (at_s - BACK_S) * MICROS)
    return Entry("event", user, record_id, key, name, int(shown))
