"""What earlier releases sent is not sent again: the hashes of their payloads, over made-up rows.

The hashes were computed by the code of each commit from the rows below.
"""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ecom_assets.core.state.ledger_store import SqliteStore
from ecom_assets.outputs.delivery.destination import DeliveryResult, DeliveryState, Destination
from ecom_assets.outputs.delivery.ledger.ledger import DeliveryLedger, Intent, Outcome
from ecom_assets.outputs.delivery.sending import Delivery, DeliveryStats
from ecom_assets_tests.outputs.delivery.mart_rows import NOON, event, events, tool, users

DAY = NOON.date()
LAMP: dict[str, Any] = {"product_id": "7", "product_category": "Lamps"}
STRANGER: dict[str, Any] = {"visitor_id": "anon-s-2", "user_id": None}
NESTED = (
    '{"search_term": "lamp", "device": "mobile", "gift": true, "tags": ["a", "b"], '
    '"at": {"city": "Rome"}, "rate": 0.5, "word": "ü\\\\n"}'
)
EVENTS = [
    event(
        1,
        device_id="phone-of-anna",
        source_session_id="s-1",
        page_url="https://shop.example/?utm_source=mail",
        referrer_url="https://mail.example/",
    ),
    event(2, event_type="search", source_session_id="s-2", properties=NESTED, **STRANGER)
    | {"event_at": NOON + timedelta(seconds=2.25)},
    event(3, event_type="add_to_cart", device_id="phone-of-anna", source_session_id="s-1", **LAMP)
    | {"user_id": None, "cart_amount": "19.90"},
    event(4, event_type="purchase", source_session_id="s-1", **LAMP)
    | {"cart_amount": "935.60", "properties": '{"order_id": "o-5"}'},
    event(5, event_type="refund", product_id="7", cart_amount="100.00")
    | {"properties": '{"order_id": "o-5"}'},
    event(6, event_type="wishlist_add", visitor_id="bob-12", user_id="bob-12", cart_amount="0.00")
    | {"device_id": "shared-one", "joins_nobody": True, "is_sign_in": False},
]
USERS: list[dict[str, Any]] = [
    {
        "customer_id": "anna-1",
        "segment": "loyal",
        "customer_tier": "gold",
        "lifetime_value_amount": Decimal("935.60"),
        "churn_risk_rate": 0.123456,
    },
    {
        "customer_id": "bob-12",
        "segment": "new",
        "customer_tier": "unknown",
        "lifetime_value_amount": Decimal("7.00"),
        "visitor_segments": "pro\nloyal",
    },
    {"customer_id": "cid-13", "segment": "lost", "churn_risk_rate": 1.0, "visitor_segments": ""},
]
BY_0734A802: dict[str, tuple[int, ...]] = {
    "amplitude_events": (
        13071228244618645475,
        15182311118242650988,
        15168751177458646521,
        15396210130970330421,
        5745360823713607047,
        7173701687422915526,
    ),
    "amplitude_users": (6690620637413973892, 9209524274306396860, 9314261650643436970),
    "ga4_events": (
        9240743048989578896,
        13524016478392477662,
        4583932671194810309,
        10579288893699738040,
        9007456629241183947,
        5717934485948958891,
    ),
    "ga4_users": (16485372459555566109, 7618812053712172861, 10708305104458439725),
    "heap_events": (
        5207996258172800539,
        1163341328373423894,
        13136585259714455914,
        7830953862213704267,
        7607513514427438142,
        17315100306022239914,
    ),
    "heap_users": (7820954541877820379, 13325639151954163484, 6636933456934200875),
    "mixpanel_events": (
        11162770577362742688,
        10599244929309857720,
        6486977910776938697,
        5835427090635292076,
        17053843229216124391,
        6288444739913148925,
    ),
    "mixpanel_users": (16347303147581387275, 10036975291322858136, 8009086976489965429),
}
RELEASES: dict[str, dict[str, tuple[int, ...]]] = {
    "0734a802": BY_0734A802,
    # It wrote a lifetime value of 935.60 as 935.6000 to GA4.
    "4327cbab": BY_0734A802
    | {"ga4_users": (5508327420846707822, 9098886253427394677, 10708305104458439725)},
}


class Home:
    """A ledger in which a release noted what it delivered, and today's tools."""

    def __init__(self, folder: Path, destination: Destination) -> None:
        """Open an empty ledger."""
        self.destination = destination
        self.ledger = DeliveryLedger(SqliteStore(folder / "ledger.sqlite"), now=lambda: NOON)

    def note(self, hashes: tuple[int, ...], rows: pa.Table) -> None:
        """Let the ledger have rows as delivered, with the hashes that a release noted."""
        ids = self.destination.payloads(rows, NOON)["record_id"].to_pylist()
        intent = Intent(DAY, ids, np.array(hashes, "<u8").tobytes(), 0)
        with self.ledger.writer(self.destination) as writer, self.ledger.turn(writer):
            number = self.ledger.intend(writer, intent)
            self.ledger.answer(number, [Outcome("delivered")] * len(ids))

    def deliver(self, rows: pa.Table) -> DeliveryStats:
        """Deliver the rows of the day."""
        with self.ledger.writer(self.destination) as writer:
            return Delivery(self.destination, self.ledger, writer).deliver(DAY, [rows])


def rows_for(name: str) -> pa.Table:
    if name.endswith("_users"):
        return users(*USERS)
    return events(*EVENTS).set_column(
        events(*EVENTS).column_names.index("session_started_at"),
        "session_started_at",
        pa.array([NOON] * len(EVENTS), pa.timestamp("us")),
    )


@pytest.fixture
def home(tmp_path: Path, request: pytest.FixtureRequest) -> Home:
    return Home(tmp_path, tool(request.param))


@pytest.mark.slow
@pytest.mark.parametrize("home", sorted(BY_0734A802), indirect=True)
@pytest.mark.parametrize("release", sorted(RELEASES))
def test_what_a_release_delivered_is_neither_sent_again_nor_changed(
    home: Home, release: str
) -> None:
    name = home.destination.name
    rows = rows_for(name)
    home.note(RELEASES[release][name], rows)
    done = home.deliver(rows)
    assert (done.due, done.sent, done.changed) == (len(rows), 0, 0)
    assert done.outcomes == {"delivered": len(rows)}


@pytest.mark.parametrize("home", ["ga4_users"], indirect=True)
def test_a_lifetime_value_that_did_change_is_sent(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """935.60 becomes 935.61: one user is sent, and the ledger has the new form of that one."""
    sent: list[str] = []

    def take(batch: pa.Table) -> list[DeliveryResult]:
        sent.extend(batch["payload"].to_pylist())
        return [DeliveryResult(DeliveryState.DELIVERED)] * len(batch)

    monkeypatch.setattr(home.destination, "send", take)
    home.note(RELEASES["4327cbab"]["ga4_users"], users(*USERS))
    richer = users({**USERS[0], "lifetime_value_amount": Decimal("935.61")}, *USERS[1:])
    assert home.deliver(richer).sent == 1
    assert '"lifetime_value":{"value":935.61}' in sent[0]
    assert home.deliver(richer).sent == 0
