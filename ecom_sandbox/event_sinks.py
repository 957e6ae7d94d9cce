"""Where a shop sends its events: a collector over HTTP, or a topic of Kafka."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, Final

import requests

from ecom_assets.core.errors import SourceError, UsageError
from ecom_assets.core.optional_imports import packages_of

Event = dict[str, Any]
EventSink = Callable[[Sequence[Event]], None]
"""Returns when the events are where they cannot be lost."""
BATCH: Final = 100
PATIENCE_S: Final = 60.0
TIMEOUT_S: Final = 10.0
LATER: Final = {429, 503}
OWN_IDS: Final = ("event_id", "session_id", "anonymous_id")


def sink_to(address: str, key: str = "") -> EventSink:
    """Return the sink of an address: `http://HOST:PORT` of a collector, or
    `kafka://HOST:PORT/TOPIC`.

    Raises:
        UsageError: It is none of both.
    """
    if address.startswith(("http://", "https://")):
        return lambda events: _post(address.rstrip("/") + "/collect", key, events)
    brokers, _, topic = address.removeprefix("kafka://").partition("/")
    if address.startswith("kafka://") and brokers and topic:
        return _topic(brokers, topic)
    raise UsageError(
        f"Events cannot be sent to {address}; give http://HOST:PORT of a collector, or "
        "kafka://HOST:PORT/TOPIC."
    )


def _post(url: str, key: str, events: Sequence[Event]) -> None:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    for begin in range(0, len(events), BATCH):
        body = {"batch": [_as_sent(event) for event in events[begin : begin + BATCH]]}
        until = time.monotonic() + PATIENCE_S
        while not _is_taken(url, headers, body, is_last=time.monotonic() > until):
            time.sleep(1)


def _is_taken(url: str, headers: dict[str, str], body: Event, *, is_last: bool) -> bool:
    try:
        answer = requests.post(url, json=body, headers=headers, timeout=TIMEOUT_S)
    except requests.RequestException as error:
        if is_last:
            raise SourceError(
                f"The collector at {url} does not answer ({type(error).__name__}); start it."
            ) from error
        return False
    if answer.status_code in LATER and not is_last:
        return False
    if not answer.ok:
        raise SourceError(
            f"The collector at {url} answered {answer.status_code}: {answer.text[:200]}."
        )
    return True


def _topic(brokers: str, topic: str) -> EventSink:
    with packages_of("kafka", "kafka://"):
        from confluent_kafka import Producer  # noqa: PLC0415 (optional)

    producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True, "linger.ms": 20})

    def send(events: Sequence[Event]) -> None:
        for event in events:
            producer.produce(
                topic, json.dumps(_as_sent(event)), key=event.get("anonymous_id") or ""
            )
        if producer.flush(PATIENCE_S):
            raise SourceError(
                f"The brokers at {brokers} take nothing; check that they run and have {topic}."
            )

    return send


def _as_sent(event: Event) -> Event:
    """Return a row of the shop's files as a page would send it: without what is empty,
    or only known on arrival.
    """
    filled = {
        name: value for name, value in event.items() if value is not None and name != "received_at"
    }
    if "properties" in filled:
        filled["properties"] = json.loads(filled["properties"])
    return filled


def played(rows: Sequence[Event], now: Callable[[], str], first_round: int) -> Iterator[Event]:
    """Yield a day's events again and again as they would come now,
    each round with visitors of its own.

    Rounds are counted from `first_round`, so that those of a later process differ.
    """
    for number in count(first_round):
        for row in rows:
            fresh = {name: f"{row[name]}-{number}" for name in OWN_IDS if row[name]}
            yield {**row, **fresh, "event_timestamp": now()}


def counts_per_second(rate: float) -> Iterator[int]:
    """Yield how many events each second has, so that a rate of 0.4 gives two in five seconds."""
    for second in count():
        yield int((second + 1) * rate) - int(second * rate)
