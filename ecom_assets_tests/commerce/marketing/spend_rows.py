"""Received rows of ad spend, and the tables that are made of them."""

from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from ecom_assets.commerce.marketing.assets import AD_SPEND_ASSETS
from ecom_assets.commerce.marketing.contracts import AdSpendDaily, RawAdSpend
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import TableAsset
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import in_memory
from ecom_assets_tests.builders import Row
from ecom_assets_tests.platform import Platform

D = Decimal
DAY = date(2026, 6, 1)


def spend(
    campaign: str | None,
    amount: str | None,
    *,
    file: str = "june.csv",
    on: date | None = DAY,
    arrived: date = date(2026, 6, 10),
    **more: Any,
) -> Row:
    """Return a received row: campaign `1 Brand` has the id 1 and the name Brand."""
    id_, _, name = (campaign or "").partition(" ")
    number = None if amount is None else D(amount)
    return {
        "spend_id": f"{file} {campaign} {amount} {on}",
        "platform": "google_ads",
        "account_id": "shop",
        "campaign_id": id_ or None,
        "campaign_name": name or None,
        "received_spend_date": None if on is None else str(on),
        "spend_date": on,
        "received_spend_amount": amount,
        "account_spend_amount": number,
        "spend_amount": number,
        "received_currency": "EUR",
        "currency": "EUR",
        "received_at": datetime.combine(arrived, time(12)),
        "received_date": arrived,
        "source": "native=ads",
        "source_file": file,
        **more,
    }


def received(rows: Iterable[Row]) -> Any:
    """Return rows as the raw table."""
    return in_memory([dict.fromkeys(RawAdSpend.columns) | row for row in rows], RawAdSpend)


class AdShop(Platform):
    """One warehouse in memory, with every asset of ad spend after `raw/ad_spend`."""

    raw = RawAdSpend

    def __init__(self, **settings: Any) -> None:
        """Open an empty warehouse, with some settings."""
        super().__init__(Settings(home="never written", **settings))

    def assets_of(self, settings: Settings) -> list[TableAsset]:  # noqa: ARG002 (these depend on none)
        """Return every asset after raw, in order."""
        return list(AD_SPEND_ASSETS[1:])

    def load(self, *rows: Row) -> None:
        """Let these be the rows that arrived on their days, and run over these days."""
        full = [dict.fromkeys(RawAdSpend.columns) | row for row in rows]
        days = Days.from_dates(row["received_date"] for row in rows)
        self.receive(full, days)
        self.run(days)

    def spent(self) -> dict[str, Decimal]:
        """Return what each campaign cost on all days."""
        result: dict[str, Decimal] = {}
        for row in self.rows(AdSpendDaily):
            name = row["campaign_name"] or row["campaign_key"]
            result[name] = result.get(name, D(0)) + row["spend_amount"]
        return result
