"""What the rows that are refused for a reason come to, by day,
and how many amounts cannot be read.
"""

from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from ecom_assets.behaviour.events.contracts import QuarantinedEventSamples
from ecom_assets.commerce.quality.queries import row_accounting
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.tables.queries import EVENTS, KnownDays, Period
from ecom_assets.core.tables.values import PUBLIC_SENDER
from ecom_assets.outputs.serving.reading import WarehouseReading
from ecom_assets_tests.builders import DAY_ONE, Row, at, received
from ecom_assets_tests.platform import Platform

DAYS = Days.between(DAY_ONE, DAY_ONE + 2 * ONE_DAY)


def purchase(number: int, amount: Decimal | None, **values: Any) -> Row:
    """Return a purchase that is refused, as it does not say who bought."""
    day = DAYS.dates[number % 2]
    return received(
        f"e{number}",
        at("10:00", day),
        event_type="purchase",
        user_id=None,
        cart_amount=amount,
        **values,
    )


def test_refused_money_is_said_by_reason_and_day() -> None:
    """A view and a purchase of a public key are about no money;
    a refund counts without its sign.
    """
    amounts = [Decimal("12.5000"), Decimal("7.2500"), None, Decimal(-30), Decimal("0.0049"), None]
    rows = [purchase(number, amount) for number, amount in enumerate(amounts)]
    rows += [
        purchase(6, Decimal(999), sent_by=f"{PUBLIC_SENDER}a-key"),
        received("v1", at("11:00"), user_id=None, cart_amount=Decimal(5)),
    ]
    shop = Platform(Settings(home=Path("never written")))
    shop.receive(rows, DAYS)
    shop.run(
        DAYS, only={"quarantined_events", "quarantined_event_samples", "event_accounting_daily"}
    )
    sums: dict[Any, Decimal] = defaultdict(Decimal)
    unread: dict[Any, int] = defaultdict(int)
    for number, amount in enumerate(amounts):
        sums[DAYS.dates[number % 2]] += abs(amount or Decimal(0))
        unread[DAYS.dates[number % 2]] += amount is None
    samples = shop.rows(QuarantinedEventSamples)
    assert {row["reject_reason"] for row in samples} == {"missing_identity"}
    assert {row["accounted_date"]: row["refused_amount"] for row in samples} == dict(sums)
    assert {row["accounted_date"]: row["unread_amount_count"] for row in samples} == dict(unread)
    period = Period("custom", DAYS.first, DAYS.dates[-1])
    days: dict[str, KnownDays] = {EVENTS: KnownDays(DAYS.first, DAYS.dates[-1])}
    [reason] = row_accounting(WarehouseReading(shop.engine, DAYS.dates[-1], known=days), period)[
        "reasons"
    ]
    assert (reason["refused_amount"], reason["unread_amount_count"]) == (sum(sums.values()), 2)
    assert reason["row_count"] == len(rows)
    shop.close()
