"""Sessions in Amplitude: their first known start, which later events do not move."""

import json
import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ecom_assets.core.state.ledger_store import open_store
from ecom_assets.core.tables.days import Days
from ecom_assets.ingestion.sources.erased_people import open_key
from ecom_assets.orchestration.privacy.deliveries import LedgerPerson, hash_records, is_in_ledger
from ecom_assets.outputs.delivery.destination import DeliveryResult, DeliveryState
from ecom_assets.outputs.delivery.ledger.sent_sessions import SentSessions
from ecom_assets.outputs.delivery.pending import DryDestination, due_at
from ecom_assets_tests.builders import Row, received
from ecom_assets_tests.outputs.delivery.delivered_shop import DeliveredShop
from ecom_assets_tests.outputs.delivery.mart_rows import event, events, tool
from ecom_assets_tests.outputs.delivery.scripted import NOON

MONDAY = date(2026, 1, 5)
TUESDAY = MONDAY + timedelta(days=1)
BOTH = Days((MONDAY, TUESDAY))


class AmplitudeShop(DeliveredShop):
    """A shop that delivers to Amplitude, and keeps what it sent."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Open it; Amplitude takes everything."""
        super().__init__(home)
        self.sessions: dict[str, int] = {}
        self.tool: Any = tool("amplitude_events")
        monkeypatch.setattr(self.tool, "send", self._take)

    def _take(self, batch: pa.Table) -> list[DeliveryResult]:
        for payload in map(json.loads, batch["payload"].to_pylist()):
            self.sessions[payload["event_properties"]["event_id"]] = payload["session_id"]
        return [DeliveryResult(DeliveryState.DELIVERED)] * len(batch)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AmplitudeShop]:
    opened = AmplitudeShop(tmp_path, monkeypatch)
    yield opened
    opened.close()


def at(time: str, day: date = MONDAY) -> datetime:
    return datetime.fromisoformat(f"{day} {time}")


def seen(event_id: str, when: datetime, session: str | None = "s-1", who: str = "anna-1") -> Row:
    return received(event_id, when, user_id=who, session_id=session)


def ms(when: datetime) -> int:
    """Return milliseconds since 1970."""
    return int((when - datetime(1970, 1, 1)) / timedelta(milliseconds=1))  # noqa: DTZ001 (UTC without zone)


def test_events_of_a_session_have_its_start_and_others_none(shop: AmplitudeShop) -> None:
    shop.land([
        seen("a", at("10:00:00")),
        seen("b", at("10:05:00")),
        seen("c", at("10:05:00"), "s-2", "ben-12"),
        seen("d", at("10:06:00"), None),
    ])  # fmt: skip
    shop.deliver(Days((MONDAY,)))
    start = ms(at("10:00:00"))
    assert start == 1_767_607_200_000
    assert shop.sessions == {"a": start, "b": start, "c": start + 300_000, "d": -1}


def test_the_first_known_start_stays_when_an_earlier_event_comes_later(shop: AmplitudeShop) -> None:
    """10:00 was sent; then an event of 9:55 arrives, and one of 10:09.

    All have the start 10:00, so Amplitude sees one session; what was sent has not changed.
    """
    monday = [seen("a", at("10:00:00"))]
    shop.land(monday)
    shop.deliver(Days((MONDAY,)))
    shop.land([*monday, seen("late", at("09:55:00")), seen("b", at("10:09:00"))])
    again = shop.deliver(Days((MONDAY,)))
    assert (again.total.sent, again.total.changed) == (2, 0)
    assert shop.sessions == dict.fromkeys(("a", "late", "b"), ms(at("10:00:00")))


def test_a_session_across_midnight_has_one_start_in_whatever_order_its_days_go(
    shop: AmplitudeShop,
) -> None:
    shop.land([seen("a", at("23:50:00")), seen("b", at("00:10:00", TUESDAY))])
    shop.deliver(Days((TUESDAY,)))
    assert shop.sessions == {"b": ms(at("23:50:00"))}
    shop.deliver(Days((MONDAY,)))
    assert shop.sessions == dict.fromkeys("ab", ms(at("23:50:00")))


def test_a_dry_run_writes_what_a_delivery_sends(shop: AmplitudeShop, tmp_path: Path) -> None:
    shop.land([seen("a", at("10:00:00"))])
    shop.deliver(Days((MONDAY,)))
    shop.land([seen("a", at("10:00:00")), seen("late", at("09:55:00"))])
    store = open_store(shop.settings)
    due = due_at(shop.tool, shop.engine, shop.settings)
    DryDestination(shop.tool, due, store, NOON).write(Days((MONDAY,)), tmp_path / "dry")
    store.close()
    (line,) = (tmp_path / "dry" / "amplitude_events" / f"{MONDAY}.ndjson").read_text().splitlines()
    assert json.loads(line)["session_id"] == ms(at("10:00:00"))
    assert "late" not in shop.sessions


@pytest.mark.slow
def test_whatever_arrives_in_whatever_order_a_session_has_one_start(shop: AmplitudeShop) -> None:
    """Forty events of five sessions arrive in six random parts, some days before others."""
    chance = random.Random(78)  # noqa: S311 (no secret)
    rows = [
        seen(f"e{n}", at("12:00:00") + timedelta(minutes=chance.randrange(1_400)), f"s-{n % 5}")
        for n in range(40)
    ]
    chance.shuffle(rows)
    for end in (3, 9, 17, 22, 31, 40):
        shop.land(rows[:end])
        assert shop.deliver(BOTH).total.changed == 0
    for number in range(5):
        starts = {shop.sessions[f"e{n}"] for n in range(40) if n % 5 == number}
        assert len(starts) == 1
    assert len(shop.sessions) == 40


def test_an_erasure_forgets_the_sessions_of_the_person(shop: AmplitudeShop) -> None:
    shop.land([seen("a", at("10:00:00")), seen("b", at("10:00:00"), "s-2", "ben-12")])
    shop.deliver(Days((MONDAY,)))
    store = open_store(shop.settings)
    ann = LedgerPerson({}, frozenset({"anna-1"}), frozenset({"s-1"}))
    assert is_in_ledger(store, ann)
    key = open_key(shop.settings, create=True)
    assert key is not None
    hash_records(store, ann, key)
    assert not is_in_ledger(store, ann)
    left = SentSessions(store, 1).as_sent(
        events(event(1, source_session_id="s-1"), event(2, source_session_id="s-2"))
    )
    assert left["session_started_at"].to_pylist() == [None, at("10:00:00")]
    store.close()
