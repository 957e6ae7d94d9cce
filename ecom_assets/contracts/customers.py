"""Contracts of customers on their way from what the API told to who they are, version by version.

Not here: what customers bought (`sales`), what visitors did (`sessions.py`).
"""

from ecom_assets.contracts.table import Column, Table, amount, count, day, flag, instant, seconds, text

ENGAGEMENT_LEVELS = ("high", "medium", "low")
ACTIVITY_STATUSES = ("active", "inactive", "unknown")
ACQUISITION_CHANNELS = ("website", "mobile_app", "email_campaign")
ENGAGEMENT_SOURCES = ("sessions", "api")
CUSTOMER_TIERS = ("basic", "premium", "enterprise")
QUALITY_BANDS = ("high", "medium", "low")
UNKNOWN_DOMAIN = "unknown"
SCORED_FIELDS = ("email", "first_name", "last_name", "city", "country", "created_at", "updated_at", "last_login_at")
"""What can cost points of quality, as far as the shop's API has it."""


class RawCustomers(Table):
    """One row per record of the customer API and day on which it was asked, good or not, copies included."""

    layer = "raw"
    name = "customers"
    group = "customers"
    key = ("received_date", "record_number")
    day_column = "received_date"

    received_date = day("The day on which the API was asked")
    record_number = count("The record's place among those of the day, from 1", unit="place")
    page_number = count("The page it stood on, from 1", unit="place")
    page_position = count("Its place there, from 1", unit="place")
    reject_reason = text("Why the record is no customer; null if it is one", nullable=True)
    customer_id = text("The shop's id of the customer, the same as `user_id` of events", nullable=True, pii=True)
    is_number_id = Column(
        "boolean", "Whether the API gives that id as a number; null in rows from before it was kept", nullable=True
    )
    email = text("The e-mail address, without white space around it; so are all texts", nullable=True, pii=True)
    first_name = text("The first name, its letters composed (Unicode NFC)", nullable=True, pii=True)
    last_name = text("The last name, likewise", nullable=True, pii=True)
    city = text("The city", nullable=True)
    region = text("The region or state", nullable=True)
    country = text("The country", nullable=True)
    created_timestamp = text("When the customer registered, as received", nullable=True)
    updated_timestamp = text("When the record was last changed, as received", nullable=True)
    last_login_timestamp = text("When the customer last signed in, as received", nullable=True)
    created_at = instant("The instant in created_timestamp; null if it is none", nullable=True)
    updated_at = instant("The instant in updated_timestamp; null if it is none", nullable=True)
    last_login_at = instant("The instant in last_login_timestamp; null if it is none", nullable=True)
    engagement_score = Column(
        "float64", "How engaged the API says the customer is", "points", nullable=True, at_least=0, at_most=100
    )
    payload = text("The whole record exactly as it came, as JSON", pii=True)
    source = text("Where it came from: `sandbox`, or the API's address")


class QuarantinedCustomers(Table):
    """One row per received record that is no customer, with the reason."""

    layer = "staging"
    group = "customers"
    key = ("received_date", "record_number")
    day_column = "received_date"

    received_date = day("The day on which the API was asked")
    record_number = count("The record's place among those of the day, from 1", unit="place")
    page_number = count("The page it stood on, from 1", unit="place")
    page_position = count("Its place there, from 1", unit="place")
    reject_reason = text("Why it is no customer; it quotes nothing of the record")
    payload = text("The whole record exactly as it came, as JSON", pii=True)
    source = text("Where it came from: `sandbox`, or the API's address")


class DuplicateCustomers(Table):
    """One row per fetch and customer of whom surplus copies came; the copy that was changed last stays."""

    layer = "staging"
    group = "customers"
    key = ("received_date", "customer_id")
    day_column = "received_date"

    received_date = day("The day on which the API was asked")
    customer_id = text("The customer who came more than once", pii=True)
    surplus_count = count("Copies that were left out", unit="rows")


class FirstTouches(Table):
    """One row per visitor and day: the first event of the day, with what tells how they came."""

    layer = "mart"
    group = "customers"
    key = ("event_date", "visitor_id")
    day_column = "event_date"

    event_date = day("The day")
    visitor_id = text("Who", pii=True)
    event_at = instant("When the first event of the day happened")
    event_id = text("That event")
    page_url = text("Its page, with its UTM parameters", nullable=True)
    referrer_url = text("The page that led there", nullable=True)
    user_agent = text("The browser's or app's description of itself", nullable=True, pii=True)
    acquisition_channel = text(
        "What campaign, referrer and browser of that event tell", one_of=("website", "mobile_app", "email_campaign")
    )
    default_channel_group = text("GA4's channel of that event, Direct where nothing is known")
    source_lists_version = text("Version of the lists of sites by which that was told")


class Customers(Table):
    """One row per customer and version: what the API told, and what the customer did until the end of `as_of_date`."""

    layer = "staging"
    name = "customers"
    group = "customers"
    key = ("customer_id", "valid_from")
    day_column = "valid_from"

    customer_id = text("The shop's id of the customer, the same as `visitor_id` of sessions", pii=True)
    is_number_id = Column("boolean", "Whether the API gives that id as a number", nullable=True)
    valid_from = day("The first day on which the API told this version")
    valid_to = day("The day on which it first told the next version; null for the current one", nullable=True)
    is_current = flag("Whether it is the customer's newest version")
    as_of_date = day(
        "The day at whose end the row describes the customer: the newest fetch, or the last before valid_to"
    )
    last_received_date = day("The last day on which the API told this version")
    full_name = text("First and last name; null if both are missing", nullable=True, pii=True)
    email = text("The e-mail address as it came, valid or not", nullable=True, pii=True)
    email_domain = text("What follows the @, in lower case; `unknown` if there is no valid address")
    city = text("The city", nullable=True)
    region = text("The region or state", nullable=True)
    country = text("The country", nullable=True)
    market_segment = text(
        "Which market the address is in, by the file of ECOM_MARKET_SEGMENTS; `other` is what is left"
    )
    created_at = instant("When the customer registered; null if missing, unreadable or still to come", nullable=True)
    updated_at = instant("When the record was last changed; null likewise", nullable=True)
    last_login_at = instant("When the customer last signed in; null likewise", nullable=True)
    seen_at = instant("The later of last sign-in and last event; null without either", nullable=True)
    activity_status = text("Whether seen in the last ECOM_CUSTOMER_ACTIVE_DAYS days", one_of=ACTIVITY_STATUSES)
    recent_session_count = Column(
        "int64",
        "Sessions that started in the last 30 days; null for a shop that gave no events",
        "sessions",
        nullable=True,
        at_least=0,
    )
    recent_engaged_s = seconds("Time in the engaged ones of these; null likewise", nullable=True)
    engagement_score = Column(
        "float64", "How engaged the API says the customer is", "points", nullable=True, at_least=0, at_most=100
    )
    engagement_source = text(
        "What tells the level: the customer's sessions or, without any, the API's score; null without both",
        nullable=True,
        one_of=ENGAGEMENT_SOURCES,
    )
    engagement_level = text(
        "By sessions and engaged time of the last 30 days, else by the API's score; null without a score for a shop "
        "that gave no events",
        nullable=True,
        one_of=ENGAGEMENT_LEVELS,
    )
    acquisition_channel = text(
        "How they came first; null before their first event", nullable=True, one_of=ACQUISITION_CHANNELS
    )
    default_channel_group = text("GA4's channel of their first event; null before it", nullable=True)
    year_revenue_amount = amount(
        "Orders less refunds of the last 365 days; purchase events where a shop has no orders; null where it gave "
        "neither orders nor events",
        nullable=True,
    )
    customer_tier = text("By that revenue; null where it is", nullable=True, one_of=CUSTOMER_TIERS)
    flawed_fields = text(
        "Expected fields that are missing or invalid, separated by commas; null if none", nullable=True
    )
    data_quality_score = Column("int64", "100 less 10 per flawed field", unit="points", at_least=0, at_most=100)
    quality_band = text("high from 90, medium from 70, low below", one_of=QUALITY_BANDS)


CUSTOMER_FILE_FIELDS = tuple(
    name
    for name in Customers.columns
    if name
    not in {"is_current", "valid_to", "last_received_date", "is_number_id"}  # the same of every current customer
)
"""What `customers.json` can tell of a customer."""
