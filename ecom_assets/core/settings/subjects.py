"""The settings of each subject, and the types of their fields."""

import json
import re
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from types import new_class
from typing import Annotated, Any, Final, Literal, Self, cast
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    create_model,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode

from ecom_assets.core.clock import is_zone
from ecom_assets.core.errors import did_you_mean
from ecom_assets.core.settings.constants import SettingsPart
from ecom_assets.core.settings.upload_kind import UploadKind
from ecom_assets.core.tables.values import (
    LONGEST_EVENT_TYPE,
    NOT_IN_EVENT_TYPES,
    WIDEST_AMOUNT,
)

TOOLS = "ecom_assets.outputs.delivery.tools"
ENGINES = "ecom_assets.core.warehouse.engines"
FEEDS = "ecom_assets.ingestion.sources.feeds"


class PackageSettings(SettingsPart):
    """What `Settings` has for one tool or engine, declared in its own package;
    every field begins with its name.
    """

    @classmethod
    def part_of(cls, settings: BaseSettings) -> Self:
        """Return the settings as an object of this class, which is a base class of `Settings`."""
        return cast("Self", settings)


def packages_in(folder: str) -> tuple[str, ...]:
    """Return the names of the packages in a folder of tools, engines or kinds of record, in
    alphabetical order.
    """
    return tuple(
        result.name for result in iter_modules(import_module(folder).__path__) if result.ispkg
    )


def engine_kinds() -> list[Any]:
    """Return what the engines declare, by name; each is an `EngineKind` of
    `ecom_assets/core/warehouse/engines/`.
    """
    return [import_module(f"{ENGINES}.{name}").ENGINE for name in packages_in(ENGINES)]


def upload_kinds() -> list[UploadKind]:
    """Return what the kinds of record declare of themselves, in alphabetical order."""
    return [import_module(f"{FEEDS}.{name}").UPLOAD for name in packages_in(FEEDS)]


def settings_of(package: str) -> type[PackageSettings] | None:
    """Return the `SETTINGS` in `settings.py` of a package, if it has some."""
    module = f"{package}.settings"
    return import_module(module).SETTINGS if find_spec(module) else None


def all_package_settings() -> Any:  # noqa: ANN401 (a class that mypy cannot know: it is made of packages found at start)
    """Return one class with the settings of all engines and tools.

    `Settings` must know every name before anything is opened, so that a misspelt `ECOM_…` is
    refused at start.
    """
    packages = (f"{folder}.{name}" for folder in (ENGINES, TOOLS) for name in packages_in(folder))
    of_kinds = (file_settings(kind) for kind in upload_kinds() if kind.setting)
    bases = (*filter(None, map(settings_of, packages)), *of_kinds)
    return new_class("AllPackageSettings", bases)


def file_settings(kind: UploadKind) -> type[PackageSettings]:
    """Return the settings of the files of a kind of record."""
    paths = f"Paths or globs of {kind.setting}, by commas (`\\,` within one)"
    mapping = f"Name of an included mapping of {kind.noun}, or a YAML file"
    fields: dict[str, Any] = {
        kind.name: (str, Field("", description=paths)),
        f"{kind.name}_mapping": (str, Field(kind.mapping, description=mapping)),
    }
    return create_model(f"{kind.name}_settings", __base__=PackageSettings, **fields)


def web_address(value: str) -> str:
    """Return an address without the slash at its end.

    Raises:
        ValueError: It is not a web address, or has a user, a query or a key in it.
    """
    parts = urlsplit(value)
    is_plain = (
        parts.scheme in {"http", "https"}
        and parts.hostname
        and not parts.query
        and "@" not in parts.netloc
    )
    if value and not is_plain:
        raise ValueError(
            "is not an address such as https://api.example.com/customers (without user, query or "
            "key)"
        )
    return value.rstrip("/")


WebAddress = Annotated[str, AfterValidator(web_address)]
"""A setting that is the address of a service."""


def _is_currency(value: str) -> str:
    if value and not re.fullmatch(r"[A-Z]{3}", value):
        raise ValueError("is not an ISO 4217 code, such as EUR")
    return value


CurrencyCode = Annotated[str, AfterValidator(_is_currency)]
"""The code of a currency, or nothing."""


def by_commas(value: object) -> object:
    """Read `a, b`; what is not text stays as it is."""
    return (
        tuple(part.strip() for part in value.split(",") if part.strip())
        if isinstance(value, str)
        else value
    )


def read_texts(value: object) -> object:
    """Read `a, b` or `["a", "b"]`; what is not text stays as it is.

    Raises:
        ValueError: It begins like a JSON list, but is not one.
    """
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return by_commas(value)
    try:
        names = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError('is not a JSON list, such as ["page_view", "purchase"]') from error
    if not all(isinstance(name, str) for name in names):
        raise ValueError('is not a JSON list of texts, such as ["page_view", "purchase"]')
    return tuple(names)


def event_types(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return names that can be event types.

    Raises:
        ValueError: One of them cannot be an event type.
    """
    for name in names:
        if (
            not 0 < len(name) <= LONGEST_EVENT_TYPE
            or name != name.strip()
            or re.search(NOT_IN_EVENT_TYPES, name)
        ):
            raise ValueError(
                f"{name!r} is not an event type, 1 to {LONGEST_EVENT_TYPE} characters of text"
            )
    return names


def account_zones(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return parts such as `google_ads/123-456-7890=America/New_York`.

    Raises:
        ValueError: One has another form, names no time zone, or an account is named twice.
    """
    seen: dict[tuple[str, str], str] = {}
    for part in parts:
        platform, account_id, zone = account_zone(part)
        if not (platform and account_id and zone):
            raise ValueError(
                f"{part!r} is not PLATFORM/ACCOUNT=ZONE, such as "
                "google_ads/123-456-7890=America/New_York"
            )
        if not is_zone(zone):
            raise ValueError(f"{zone!r} is not an IANA time zone, such as America/New_York")
        if seen.setdefault((platform, account_id), zone) != zone:
            raise ValueError(f"{platform}/{account_id} has two time zones")
    return parts


def account_zone(part: str) -> tuple[str, str, str]:
    """Return the platform, the account and the zone of one of `account_zones`; what is missing is
    empty.
    """
    account, _, zone = part.rpartition("=")
    platform, _, account_id = account.partition("/")
    return platform.strip(), account_id.strip(), zone.strip()


MOST_DELIVERY_DAYS: Final = 365


def vendor_days(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return parts such as `Acme=21`: a vendor and days.

    Raises:
        ValueError: One has another form, or a vendor is named twice.
    """
    seen: set[str] = set()
    for part in parts:
        vendor, days = vendor_day(part)
        if not vendor or not days.isdecimal() or int(days) > MOST_DELIVERY_DAYS:
            raise ValueError(f"{part!r} is not VENDOR=DAYS, such as Acme=21")
        if vendor in seen:
            raise ValueError(f"{vendor!r} is named twice")
        seen.add(vendor)
    return parts


def vendor_day(part: str) -> tuple[str, str]:
    """Return the vendor, in small letters, and the days of one of `vendor_days`; what is missing is
    empty.
    """
    vendor, _, days = part.rpartition("=")
    return vendor.strip().lower(), days.strip()


ByCommas = Annotated[tuple[str, ...], NoDecode, BeforeValidator(by_commas)]
"""A list of texts, written with commas."""
Parts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(read_texts)]
"""A list of texts, written with commas or as JSON."""
EventTypes = Annotated[Parts, AfterValidator(event_types)]
"""A list of event types."""


AccountZones = Annotated[Parts, AfterValidator(account_zones)]
"""A list of time zones of ad accounts."""
VendorDays = Annotated[Parts, AfterValidator(vendor_days)]
"""A list of days until a delivery by vendor."""


class SourceSettings(SettingsPart):
    """What `Settings` has for APIs."""

    catalogue_api_url: WebAddress = Field(
        "", description="Address of the catalogue API's list of products with their stock"
    )
    catalogue_api_key: SecretStr = Field(SecretStr(""), description="Key of the catalogue API")
    customer_api_url: WebAddress = Field(
        "", description="Address of the customer API's list of customers"
    )
    customer_api_key: SecretStr = Field(SecretStr(""), description="Key of the customer API")
    customer_api_mapping: str = Field(
        "customers",
        description=(
            "Name of an included mapping of customer APIs (customers, reqres), or a YAML file"
        ),
    )
    customer_api_page_size: int = Field(100, ge=1, le=10_000, description="Customers per page")
    order_api_url: WebAddress = Field("", description="Address of the order report API")
    order_api_nickname: str = Field("", description="Nickname of this shop in the order report API")
    order_api_cohort: str = Field("", description="Cohort of this shop in the order report API")
    order_api_key: SecretStr = Field(SecretStr(""), description="Key of the order report API")
    source_read_timeout_s: float = Field(
        30.0, gt=0, description="Seconds to wait for data from an API"
    )
    source_max_response_mb: float = Field(
        100.0, gt=0, description="Maximum megabytes of one response of an API, unpacked"
    )
    source_max_pages: int = Field(
        10_000, ge=1, description="Maximum number of pages of a list of an API"
    )
    source_retry_base_s: float = Field(
        1.0,
        gt=0,
        description="Seconds before the first retry; each further one waits twice as long",
    )


class LandingSettings(SettingsPart):
    """What `Settings` has for landing files that the platform writes itself,
    and for the runs that they ask for.
    """

    compact_grace_s: float = Field(
        3600.0,
        ge=0,
        description=(
            "Seconds that files stay after they were merged; more than a run takes to read "
            "what it has listed"
        ),
    )
    extracts: ByCommas = Field(
        (),
        description=(
            "What the nightly job `extraction` lands from shops' APIs: names or YAML "
            "files, each with its folder, such as woocommerce=landing/woocommerce, "
            "separated by commas"
        ),
    )
    landing_every_s: float = Field(
        300.0, ge=0, description="Seconds between two runs that new landing files ask for, at least"
    )


class OrderGateSettings(SettingsPart):
    """What `Settings` has for the gate of orders."""

    order_customers_over: int | None = Field(
        None,
        ge=0,
        description=(
            "A day of orders with this many customers or fewer is held back, but none of refunds "
            "only; default 3 for daily reports (landing folders, an API, ECOM_ORDER_GATE=day), and "
            "0 for other files, which may hold few orders"
        ),
    )
    order_gate: Literal["auto", "day", "run"] = Field(
        "auto",
        description=(
            "What ECOM_ORDER_CUSTOMERS_OVER evaluates: each day, or a run's orders as "
            "one; auto: each day where orders come as daily reports (landing folders, an "
            "API), nothing of a stream, of ecom extract or of uploads, else as one"
        ),
    )


class GateSettings(SettingsPart):
    """What `Settings` has for the gate in front of every source, and for what one row may carry."""

    gate_refused_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description=(
            "Maximum share of a source's rows that may be quarantined; beyond it, no table is "
            "built on them"
        ),
    )
    gate_fall_share: float = Field(
        0.8,
        gt=0,
        le=1,
        description=(
            "Share by which the rows of a day may fall below the usual number, or below "
            "the day's earlier number"
        ),
    )
    max_amount: Decimal | None = Field(
        None,
        gt=0,
        le=WIDEST_AMOUNT,
        decimal_places=4,
        description=(
            "Maximum amount of an event, beyond which it is not known, or of an order line, "
            "beyond which it is quarantined; default 100,000,000, in currencies of smaller "
            "units as much more"
        ),
    )


USER_PROPERTIES: Final = ("last_session_channel", "funnel_step")
"""The user properties that a setting adds."""


def _are_user_properties(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in USER_PROPERTIES:
            raise ValueError(
                f"{name!r} is no user property to add; {did_you_mean(name, USER_PROPERTIES)}"
            )
    return names


UserProperties = Annotated[ByCommas, AfterValidator(_are_user_properties)]


class DestinationSettings(SettingsPart):
    """What `Settings` has for the delivery to any tool;
    what a tool needs besides is in its package.
    """

    delivery_user_key: Literal["visitor_id", "user_id"] = Field(
        "visitor_id",
        description=(
            "Who an event is of: its visitor, or only the user that the event itself carries"
        ),
    )
    delivery_addresses: Literal["hashed", "plain"] = Field(
        "hashed",
        description=(
            "How ids of people that are mail addresses are sent to tools: as their SHA-256, or as "
            "they are"
        ),
    )
    delivery_properties: ByCommas = Field(
        (),
        description=(
            "Names of the event properties that are sent to tools, separated by commas; default all"
        ),
    )
    delivery_user_properties: UserProperties = Field(
        (),
        description=(
            "Further user properties that are sent to tools, by commas: last_session_channel, "
            "funnel_step; default none. With any, every known visitor is sent"
        ),
    )
    delivery_urls: Literal["whole", "without_query"] = Field(
        "whole", description="Whether page addresses are sent to tools with their query string"
    )


def _is_state_url(value: SecretStr) -> SecretStr:
    if value.get_secret_value() and not value.get_secret_value().startswith(
        ("sqlite:///", "postgres://", "postgresql://")
    ):
        raise ValueError("is not a sqlite:///path or postgres://user:password@host/database")
    return value


StateUrl = Annotated[SecretStr, AfterValidator(_is_state_url)]
"""The address of a database of state, which may hold a password."""


class BoardSettings(SettingsPart):
    """What `Settings` has for saved questions and boards."""

    boards_url: StateUrl = Field(
        SecretStr(""),
        description=(
            "Where saved questions, boards and annotations lie: sqlite:///path or "
            "postgres://…; default the Postgres of ECOM_WAREHOUSE or ECOM_POSTGRES_URL, "
            "else <home>/boards.sqlite"
        ),
    )


class LedgerSettings(SettingsPart):
    """What `Settings` has for the ledger of deliveries."""

    ledger_url: StateUrl = Field(
        SecretStr(""),
        description=(
            "Where the ledger of deliveries lies: sqlite:///path or postgres://…; default "
            "the Postgres of ECOM_WAREHOUSE or ECOM_POSTGRES_URL, else "
            "<home>/ledger.sqlite"
        ),
    )
    customers_json: Path | None = Field(
        None,
        description=(
            "File to which all customers are exported; default <home>/exports/customers.json"
        ),
    )
    customers_json_fields: ByCommas = Field(
        (),
        description=(
            "Fields of a customer in that file, by commas; default all except the e-mail address"
        ),
    )


WEBHOOK: Final = re.compile(
    r"(?P<name>[\w-]+)=(?:(?P<format>slack|teams)\+)?(?P<url>https?://[^\s,]+)"
)


def webhooks_of(value: SecretStr) -> dict[str, tuple[str, str]]:
    """Return the format and the address of each webhook, by name;
    ValueError if one is not written like that.
    """
    matches = [
        WEBHOOK.fullmatch(part.strip())
        for part in value.get_secret_value().split(",")
        if part.strip()
    ]
    named = {match["name"]: (match["format"] or "json", match["url"]) for match in matches if match}
    if len(named) < len(matches):
        raise ValueError(
            "is not NAME=ADDRESS by commas, each name once, such as "
            "team=slack+https://hooks.example/1"
        )
    return named


class AlertSettings(SettingsPart):
    """What `Settings` has for alerts."""

    smtp_url: SecretStr = Field(
        SecretStr(""),
        description=(
            "Server that sends alerts and reports: smtp://user:password@host:port, with "
            "?starttls=true, or smtps://"
        ),
    )
    alert_email: ByCommas = Field(
        (), description="Recipients of a message when a run or a check fails, separated by commas"
    )
    alert_sender: str = Field(
        "", description="Sender of alerts and reports; default the first recipient"
    )
    report_email: ByCommas = Field(
        (), description="Recipients of the weekly report, each Monday at 7:00, separated by commas"
    )
    costs_email: ByCommas = Field(
        (), description="Which recipients may see costs and profit, separated by commas"
    )
    dagster_url: WebAddress = Field(
        "",
        description=(
            "Where people reach Dagster's UI, for links; default where `ecom ui` was started last"
        ),
    )
    dashboard_url: WebAddress = Field(
        "http://127.0.0.1:8000",
        description="Where people reach the dashboard, for links in messages",
    )
    webhooks: SecretStr = Field(
        SecretStr(""),
        description=(
            "Where alerts can be posted, as NAME=ADDRESS by commas; an address is "
            "slack+https://…, teams+https://… or https://… for plain JSON"
        ),
    )

    costs_webhooks: ByCommas = Field(
        (), description="Names of the webhooks that may get alerts on costs and profit, by commas"
    )

    @field_validator("webhooks")
    @classmethod
    def _webhooks(cls, value: SecretStr) -> SecretStr:
        webhooks_of(value)
        return value

    @property
    def alerts_are_set(self) -> bool:
        """Return whether a setting asks for alerts of failures, even if another one is missing."""
        has_server = bool(self.smtp_url.get_secret_value())
        return bool(self.alert_email) or (has_server and not self.report_email)

    @field_validator("alert_email", "report_email", "costs_email")
    @classmethod
    def _mail_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            cls._mail_address(address)
        return value

    @field_validator("alert_sender")
    @classmethod
    def _mail_address(cls, value: str) -> str:
        if value and not re.fullmatch(r"[^@\s<>,;]+@[^@\s<>,;]+", value):
            raise ValueError("is not an e-mail address, such as data@shop.example")
        return value


class LineageSettings(SettingsPart):
    """What `Settings` has for lineage."""

    openlineage_url: str = Field(
        "",
        description=(
            "Receiver of OpenLineage events of each run: http://host:5000; needs the extra "
            "openlineage"
        ),
    )
    openlineage_api_key: SecretStr = Field(
        SecretStr(""), description="Key of this receiver, sent as a bearer token"
    )
    openlineage_namespace: str = Field(
        "ecom_assets", min_length=1, description="Namespace of the jobs in these events"
    )

    @field_validator("openlineage_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (
            parts.scheme not in {"http", "https"} or not parts.hostname or parts.username
        ):
            raise ValueError(
                "is not an http:// or https:// address, without a user; the key is "
                "ECOM_OPENLINEAGE_API_KEY"
            )
        return value


SHORTEST_KEY = 32
"""Characters: with a shorter key, ids could be found by trying all of them."""


class PrivacySettings(SettingsPart):
    """What `Settings` has for erasing people and for limits of retention."""

    erasure_key: SecretStr = Field(
        SecretStr(""),
        description=(
            "Key of the hashes of erased people; default <home>/erasure.key. Set it where "
            "several machines share a warehouse, and never change it"
        ),
    )

    retention_days: int | None = Field(
        None,
        ge=60,
        description=(
            "Days that events are kept as received, for `ecom retain`; older days have no "
            "partition; default for ever"
        ),
    )

    publish_email_addresses: bool = Field(
        default=False,
        description=(
            "Whether addresses of customers who agreed to be written to are published, in a file "
            "of their own, for callers with the scope personal"
        ),
    )

    @field_validator("erasure_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < SHORTEST_KEY:
            raise ValueError(f"is shorter than {SHORTEST_KEY} characters")
        return value
