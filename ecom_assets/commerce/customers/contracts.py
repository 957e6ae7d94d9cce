"""Contracts of customers: records as received, quarantined and clean, segments,
and lifetime value.
"""

from dataclasses import replace
from typing import Final, Literal, get_args

from ecom_assets.commerce.attribution.contracts import MATCHED_BY, FirstTouches
from ecom_assets.commerce.sales.measures import SalesMeasures
from ecom_assets.core.tables.contract import (
    Column,
    PersonColumns,
    Table,
    amount,
    count,
    day,
    flag,
    instant,
    rate,
    seconds,
    text,
)

SegmentName = Literal[
    "Champions",
    "Loyal",
    "Potential Loyalist",
    "New",
    "Promising",
    "Need Attention",
    "About To Sleep",
    "At Risk",
    "Can't Lose",
    "Hibernating",
    "Lost",
]
SEGMENTS: Final[tuple[SegmentName, ...]] = get_args(SegmentName)
"""The segments, the best first."""
BUYER = "The customer of the orders; the visitor of the purchase events where there are no orders"
NO_MODEL_REASONS = ("too_few_customers", "no_repeat_orders", "no_spread", "not_converged")
NO_ORDER_VALUE_REASONS = (*NO_MODEL_REASONS, "no_finite_mean")


def _score(description: str) -> Column:
    return Column("int64", description, unit="points", at_least=1, at_most=5)


def _estimate(description: str, unit: str | None = None) -> Column:
    return Column("float64", description, unit=unit, nullable=True, at_least=0)


class CustomerSegments(Table):
    """One row per customer with an order, as of the newest day in the data."""

    layer = "mart"
    key = ("customer_id",)

    customer_id = text(BUYER, pii=True)
    as_of_date = day("The newest day in the data, from whose end the row looks back")
    last_order_date = day("Day of the last order")
    recency_days = count("From last_order_date to as_of_date", unit="days")
    order_count = replace(SalesMeasures.order_count, example=41)
    revenue_amount = SalesMeasures.revenue_amount
    recency_score = _score("5 for those who ordered last; ties share a score")
    frequency_score = _score("5 for those with most orders; ties share a score")
    monetary_score = _score("5 for those with most revenue; ties share a score")
    segment = text("By the three scores", "Segment", one_of=SEGMENTS, example="Champions")


class LifetimeValue(Table):
    """One row per customer with an order: what to expect of them,
    as of the newest day in the data.
    """

    layer = "mart"
    key = ("customer_id",)

    customer_id = text(BUYER, pii=True)
    as_of_date = day("The newest day in the data: models are fitted to everything until its end")
    repeat_order_count = count("x: days with an order, after the first such day", unit="days")
    first_to_last_days = count("t_x: from the first such day to the last", unit="days")
    observed_days = count("T: from the first such day to as_of_date", unit="days")
    repeat_amount = amount("Shipped on these days, the first left out", at_least=0)
    alive_probability = rate(
        "Chance that they will ever order again; null without a model", nullable=True
    )
    expected_order_count = _estimate(
        "Days with an order to expect within horizon_days; null without a model", "days"
    )
    expected_order_value = _estimate(
        "Mean to expect of such a day; null without a model of values", "money per day"
    )
    lifetime_value_amount = amount(
        "Orders to expect within value_months, at their expected value, discounted; null without "
        "both models",
        nullable=True,
    )
    no_model_reason = text(
        "Why there is no model of orders; null if there is", nullable=True, one_of=NO_MODEL_REASONS
    )
    no_order_value_reason = text(
        "Why there is no model of values; null if there is",
        nullable=True,
        one_of=NO_ORDER_VALUE_REASONS,
    )
    r = _estimate("BG/NBD: shape of the rates of orders over customers")
    alpha = _estimate("BG/NBD: their scale", "weeks")
    a = _estimate("BG/NBD: first shape of the chances to leave after an order")
    b = _estimate("BG/NBD: second shape of these")
    p = _estimate("Gamma-Gamma: shape of the values of a customer's orders")
    q = _estimate("Gamma-Gamma: shape of the means over customers")
    v = _estimate("Gamma-Gamma: their scale", "money")
    horizon_days = count("Days that expected_order_count looks ahead", unit="days")
    value_months = count("Months of 30 days that lifetime_value_amount looks ahead", unit="months")
    discount_rate = Column(
        "float64", "By which money is worth less a year later", unit="share per year", at_least=0
    )


UNKNOWN = "unknown"
"""The value of a category that the data do not say; numbers, names and times are null then."""
ENGAGEMENT_LEVELS = ("high", "medium", "low")
ACTIVITY_STATUSES = ("active", "inactive", UNKNOWN)
ENGAGEMENT_SOURCES = ("sessions", "api")
CUSTOMER_TIERS = ("basic", "premium", "enterprise")
QUALITY_BANDS = ("high", "medium", "low")
SCORED_FIELDS = (
    "email",
    "first_name",
    "last_name",
    "city",
    "country",
    "created_at",
    "updated_at",
    "last_login_at",
)
"""The fields that can cost points of quality, if the shop's API has them."""
SCORE = "engagement_score"
"""It costs points, too, where a record has it without a valid value,
or where the API's mapping expects it.
"""


class _FetchedRecord(Table, abstract=True):
    """A record of the customer API, by where it stood in a fetch."""

    key = ("received_date", "record_number")
    day_column = "received_date"

    received_date = day("The day of the fetch from the API")
    record_number = count("The record's place among those of the day, from 1", unit="place")
    page_number = count("The page it stood on, from 1", unit="place")
    page_position = count("Its place there, from 1", unit="place")


class RawCustomers(_FetchedRecord):
    """One row per record of the customer API and day of a fetch, valid or not, copies included."""

    layer = "raw"
    name = "customers"
    person = PersonColumns("customer_id", text="payload")

    reject_reason = text("Why the record is not a customer; null if it is one", nullable=True)
    customer_id = text(
        "The shop's id of the customer, the same as `user_id` of events", nullable=True, pii=True
    )
    is_number_id = flag(
        "Whether the API gives that id as a number; null in rows from before it was kept",
        nullable=True,
    )
    email = text(
        "The e-mail address, without white space around it; so are all texts",
        nullable=True,
        pii=True,
    )
    first_name = text("The first name, its letters composed (Unicode NFC)", nullable=True, pii=True)
    last_name = text("The last name, as above", nullable=True, pii=True)
    city = text("The city", nullable=True)
    region = text("The region or state", nullable=True)
    country = text("The country", nullable=True)
    created_timestamp = text("When the customer registered, as received", nullable=True)
    updated_timestamp = text("When the record was last changed, as received", nullable=True)
    last_login_timestamp = text("When the customer last signed in, as received", nullable=True)
    created_at = instant("The instant in created_timestamp; null if it is none", nullable=True)
    updated_at = instant("The instant in updated_timestamp; null if it is none", nullable=True)
    last_login_at = instant(
        "The instant in last_login_timestamp; null if it is none", nullable=True
    )
    engagement_score = Column(
        "float64",
        "How engaged the API says the customer is",
        "points",
        nullable=True,
        at_least=0,
        at_most=100,
    )
    has_engagement_score = flag(
        "Whether the record has that field, valid or not; null in older rows", nullable=True
    )
    has_email_consent = flag(
        "Whether the customer agreed to be written to by e-mail; false if not, or no more; null "
        "where the record does not say it, and in older rows",
        nullable=True,
    )
    email_consent_at = instant(
        "When the customer did so, or no more; null if the record does not say it", nullable=True
    )
    payload = text("The whole record exactly as it came, as JSON", pii=True)
    source = text("Where it came from: `sandbox`, the API's address, or the paths of files")
    source_file = text(
        "The file in which it came; null from an API, and in rows from before it was kept",
        nullable=True,
    )


class QuarantinedCustomers(_FetchedRecord):
    """One row per received record that is not a customer, with the reason."""

    layer = "staging"

    reject_reason = text("Why it is not a customer; it quotes nothing of the record")
    payload = RawCustomers.payload
    source = RawCustomers.source


class DuplicateCustomers(Table):
    """One row per fetch and customer of whom surplus copies came;
    the copy that was changed last stays.
    """

    layer = "staging"
    key = ("received_date", "customer_id")
    day_column = "received_date"

    received_date = RawCustomers.received_date
    customer_id = text("The customer who came more than once", pii=True)
    surplus_count = count("Copies that were left out", unit="rows")


class CustomerVisitors(Table):
    """One row per customer and visitor in whose visit an order of the customer was placed.

    A till, a device that many use, and an address that buys on many devices join nobody.
    """

    layer = "mart"
    key = ("customer_id", "visitor_id")

    customer_id = text("The customer of the order", "Customer", pii=True)
    visitor_id = text("Whose visit it was, see staging.events", "Visitor", pii=True)
    matched_by = text(
        "How the first such order and its event were matched, as in mart.order_visits",
        one_of=MATCHED_BY,
    )
    since_date = day("The day of the first such event")


class Customers(Table):
    """One row per customer and version: what the API returned,
    and what the customer did up to `as_of_date`.
    """

    layer = "staging"
    name = "customers"
    key = ("customer_id", "valid_from")
    day_column = "valid_from"

    customer_id = text(
        "The shop's id of the customer, the same as `visitor_id` of sessions", pii=True
    )
    is_number_id = flag("Whether the API gives that id as a number", nullable=True)
    valid_from = day("The first day on which the API returned this version")
    valid_to = day(
        "The day on which it first returned the next version; null for the current one",
        nullable=True,
    )
    is_current = flag("Whether it is the customer's newest version")
    as_of_date = day(
        "The day at whose end the row describes the customer: the newest fetch, or the last "
        "before valid_to"
    )
    last_received_date = day("The last day on which the API returned this version")
    full_name = text("First and last name; null if both are missing", nullable=True, pii=True)
    email = text("The e-mail address as it came, valid or not", nullable=True, pii=True)
    email_domain = text("What follows the @, in lower case; `unknown` if there is no valid address")
    city = text("The city", nullable=True)
    region = text("The region or state", nullable=True)
    country = text("The country", nullable=True)
    market_segment = text(
        "Which market the address is in, by the file of ECOM_MARKET_SEGMENTS; `other` is what is "
        "left, `unknown` who gave no place"
    )
    created_at = instant(
        "When the customer registered; null if missing, unreadable or still to come", nullable=True
    )
    updated_at = instant("When the record was last changed; null as for created_at", nullable=True)
    last_login_at = instant(
        "When the customer last signed in; null as for created_at", nullable=True
    )
    seen_at = instant(
        "The later of last sign-in and last event; null without either", nullable=True
    )
    activity_status = text(
        "Whether seen in the last ECOM_CUSTOMER_ACTIVE_DAYS days", one_of=ACTIVITY_STATUSES
    )
    recent_session_count = count(
        "Sessions that started in the last 30 days; null for a shop that gave no events, and for "
        "customers without a known visit where visits meet less than 20 % of what was ordered",
        unit="sessions",
        nullable=True,
    )
    recent_engaged_s = seconds(
        "Time in the engaged ones of these; null where their number is", nullable=True
    )
    engagement_score = RawCustomers.engagement_score
    engagement_source = text(
        "What the level is taken from: the customer's sessions or, without any, the API's score; "
        "null without both",
        nullable=True,
        one_of=ENGAGEMENT_SOURCES,
    )
    engagement_level = text(
        "By sessions and engaged time of the last 30 days, else by the API's score; unknown "
        "without a score where the number of sessions is null",
        one_of=(*ENGAGEMENT_LEVELS, UNKNOWN),
    )
    acquisition_channel = text(
        "How they came first; unknown before their first event",
        one_of=(*FirstTouches.acquisition_channel.one_of, UNKNOWN),
    )
    default_channel_group = text("GA4's channel of their first event; unknown before it")
    year_revenue_amount = amount(
        "Orders less refunds of the last 365 days; purchase events where a shop has no orders; "
        "null where it gave neither orders nor events",
        nullable=True,
    )
    customer_tier = text(
        "By that revenue; unknown where it is null", one_of=(*CUSTOMER_TIERS, UNKNOWN)
    )
    flawed_fields = text(
        "Expected fields that are missing or invalid, separated by commas; null if none",
        nullable=True,
    )
    data_quality_score = Column(
        "int64", "100 less 10 per flawed field", unit="points", at_least=0, at_most=100
    )
    quality_band = text("high from 90, medium from 70, low below", one_of=QUALITY_BANDS)


class EmailConsents(Table):
    """One row per current customer of whom the newest record says whether they may be written to:
    the only table of addresses to write to.
    """

    layer = "staging"
    key = ("customer_id",)

    customer_id = text(
        "The shop's id of the customer, the same as `visitor_id` of sessions", pii=True
    )
    email = text(
        "The address of who agreed: that of the record or, without one, the id if that is an "
        "address; null for all others",
        nullable=True,
        pii=True,
    )
    has_email_consent = flag(
        "Whether the customer agreed to be written to by e-mail, and no other customer of the same "
        "address refuses it"
    )
    email_consent_at = RawCustomers.email_consent_at


ProfileDimension = Literal["customer_tier", "engagement_level", "market_segment", "quality_band"]
PROFILE_DIMENSIONS: Final[tuple[ProfileDimension, ...]] = get_args(ProfileDimension)
"""The columns of `Customers` by which current customers are counted."""


class CustomerProfiles(Table):
    """One row per dimension and value: how many current customers have it, as of the newest fetch.

    The values of each dimension add up to all current customers.
    """

    layer = "mart"
    key = ("dimension", "value")

    dimension = text(
        "The column of staging.customers that is counted",
        one_of=PROFILE_DIMENSIONS,
        example="customer_tier",
    )
    value = text("Its value, or `unknown`", "Value", example="premium")
    as_of_date = day("The day at whose end the customers are described: that of the newest fetch")
    customer_count = count(
        "Current customers with that value", "Customers", unit="customers", example=320
    )


_SAME_OF_ALL = {
    "is_current",
    "valid_to",
    "last_received_date",
    "is_number_id",
}  # every current customer
CUSTOMER_FILE_FIELDS = tuple(name for name in Customers.columns if name not in _SAME_OF_ALL)
"""What `customers.json` can hold of a customer."""
