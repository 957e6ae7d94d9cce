"""How subscriptions are read, land and count."""

from ecom_assets.core.tables.plain_records import PlainRecords
from ecom_assets.ingestion.sources.plain_feed import plain_feed
from ecom_assets_tests.recipes.subscriptions.contracts import (
    QuarantinedSubscriptions,
    RawSubscriptions,
    Subscriptions,
)
from ecom_assets_tests.recipes.subscriptions.package import UPLOAD

FEED = plain_feed(
    UPLOAD,
    PlainRecords(RawSubscriptions, QuarantinedSubscriptions, Subscriptions),
    time="started_date",
    amounts=("monthly_amount",),
    names={
        "subscription_id": ("subscription", "abo"),
        "customer_id": ("customer", "kunde"),
        "plan": ("tarif",),
        "monthly_amount": ("monthly", "amount", "betrag"),
        "started_date": ("start", "beginn"),
    },
)
