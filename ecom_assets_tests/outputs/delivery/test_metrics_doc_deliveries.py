"""The section of `docs/metrics/` about deliveries, recomputed.

Not here: other sections (`test_metrics_doc.py`).
"""

from datetime import date, datetime
from pathlib import Path

import pytest

from ecom_assets.core.tables.days import Days
from ecom_assets.outputs.delivery.contracts import OUTCOMES, Deliveries, ReconciliationDaily
from ecom_assets.outputs.delivery.destination import DeliveryResult, DeliveryState
from ecom_assets.outputs.delivery.ledger.copy import OF_OUTCOME
from ecom_assets_tests.builders import received
from ecom_assets_tests.outputs.delivery.delivered_shop import DeliveredShop
from ecom_assets_tests.test_metrics_doc import as_shown, tables

DAY = date(2026, 3, 9)
MESSAGE = {
    "no: unknown currency": DeliveryResult(
        DeliveryState.REJECTED, "bad_value", "Unknown currency."
    ),
    "nothing: the connection broke": DeliveryResult(
        DeliveryState.POSTPONED, "no_answer", "The connection broke."
    ),
    "try later": DeliveryResult(DeliveryState.POSTPONED, "busy", "Try later."),
}


def test_every_outcome_is_described_with_its_count() -> None:
    outcomes, *_ = tables("Deliveries")
    assert tuple(outcome["outcome"].strip("`") for outcome in outcomes) == OUTCOMES
    count_of = {outcome: count for count, of in OF_OUTCOME.items() for outcome in of}
    shown = {
        outcome["outcome"].strip("`"): outcome["counted in"].strip("`") for outcome in outcomes[:-1]
    }
    assert shown == {outcome: count for outcome, count in count_of.items() if outcome != "waiting"}


@pytest.fixture
def shop(tmp_path: Path) -> DeliveredShop:
    _, events, *_ = tables("Deliveries")
    shop = DeliveredShop(tmp_path)
    rows = [
        received(
            event["event_id"],
            datetime.fromisoformat(event["event_at"]),
            user_id=event["visitor"],
            event_type=event["event_type"],
        )
        for event in events
    ]
    shop.land(rows, *(event["event_id"] for event in events if event["robot"]))
    shop.land_orders({DAY: 2})
    shop.tool.answers = {
        event["event_id"]: MESSAGE[event["the tool says"]]
        for event in events
        if event["the tool says"] in MESSAGE
    }
    return shop


def test_a_day_comes_to_what_the_page_says(shop: DeliveredShop) -> None:
    *_, expected, answers = tables("Deliveries")
    shop.deliver(Days((DAY,)))
    assert as_shown(shop.rows(ReconciliationDaily), expected) == expected
    (answer,) = expected
    peers = [answer["order_count"], answer["purchase_count"], answer["accepted_purchase_count"]]
    assert [answer["answer"] for answer in answers] == peers
    assert {row["record_id"][:2]: row["outcome"] for row in shop.rows(Deliveries)} == {
        "a1": "delivered",
        "a2": "delivered",
        "b1": "rejected",
        "b2": "in_doubt",
        "c1": "refused",
        "d1": "postponed",
    }
    shop.close()
