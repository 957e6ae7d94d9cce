"""Contracts of subscriptions: as received, quarantined, and those that count."""

from ecom_assets.core.tables.contract import PersonColumns, Table, day, received_amount, text
from ecom_assets.core.tables.plain_records import ReceivedRow


class ReceivedSubscription(ReceivedRow, abstract=True):
    """What every received row carries: text as it came, and the values that were read from it."""

    subscription_id = text("The subscription", nullable=True)
    customer_id = text("Who pays, the same as `customer_id` of orders", nullable=True, pii=True)
    plan = text("What is subscribed to", nullable=True)
    received_monthly_amount = text("What a month costs, as received", nullable=True)
    monthly_amount = received_amount("The number in received_monthly_amount", nullable=True)
    currency = text("The currency of the amount", nullable=True)
    unrated_currency = text("The currency for which ECOM_RATES has no rate", nullable=True)
    received_started_date = text("The first day, as received", nullable=True)
    started_date = day("The day in received_started_date", nullable=True)


class RawSubscriptions(ReceivedSubscription):
    """One row per received row about a subscription, exactly as it came."""

    name = "subscriptions"
    day_column = "received_date"
    person = PersonColumns("customer_id")


class QuarantinedSubscriptions(ReceivedSubscription):
    """One row per received row that is no subscription, with the first reason that applies."""

    layer = "staging"

    reject_reason = text("Why it is none")


class Subscriptions(Table):
    """One row per subscription: the newest version of it."""

    layer = "staging"
    key = ("subscription_id",)

    subscription_id = text("The subscription")
    customer_id = text("Who pays, the same as `customer_id` of orders", pii=True)
    plan = text("What is subscribed to", nullable=True)
    monthly_amount = received_amount("What a month costs, in the currency of the shop")
    currency = text("The currency of the amount", nullable=True)
    started_date = day("The first day", nullable=True)
