"""The platform's settings: one typed class, and the only place that reads the environment.

`load_settings` reads `ECOM_…` variables, then `.env` and `ecom.toml` of the working folder, and
refuses names that are no settings; `with_uploads` adds what uploads say by now. Most fields are in
a class per subject (`subjects.py`, `serving.py`, `intake.py`, `uploaded.py`), those of a tool or an
engine in its package; `constants.py` has what nobody needs to set. "Add a setting" in
CONTRIBUTING.md says more.
"""

import logging
import os
import re
import tomllib
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from ecom_assets.core.clock import is_zone, today_in
from ecom_assets.core.errors import (
    DefinitionError,
    MappingError,
    SettingError,
    SourceError,
    did_you_mean,
    nearest,
)
from ecom_assets.core.redact_url import hides_its_password, without_secrets
from ecom_assets.core.rows import NamedValues, without_none
from ecom_assets.core.settings import cost_rules, subjects
from ecom_assets.core.settings.constants import Constants, removal_of
from ecom_assets.core.settings.dagster_instance import write_instance
from ecom_assets.core.settings.home import close_to_others, platform_files_in, require_history
from ecom_assets.core.settings.intake import (
    STREAM,
    STREAM_KINDS,
    CollectSettings,
    StreamSettings,
    landing_of,
)
from ecom_assets.core.settings.serving import AnswerSettings, ServingSettings
from ecom_assets.core.settings.stated_currency import stated_currency
from ecom_assets.core.settings.uploaded import (
    NATIVE_OF,
    OF_UPLOADS,
    UploadedSource,
    UploadSettings,
    is_of_uploads,
)
from ecom_assets.core.tables.currencies import largest_amount

_logger = logging.getLogger(__name__)
PREFIX = "ECOM_"
SHOP_FILE: Final = "ecom.toml"
"""The file in the working folder with what `ecom init` has asked: settings by name,
without `ECOM_`.
"""
OWN_DATA: Final = "own_data.json"
"""The file in `home` that notes which data of its own a shop has loaded."""
LEAST_MEMORY_MB = 200
"""With less, the engine cannot even sort a day of a small shop."""
AUTO_MEMORY: Final = "auto"
"""The memory limit that follows from what there is: `core/settings/memory.py`."""


if TYPE_CHECKING:
    AllPackageSettings = (
        subjects.PackageSettings
    )  # a tool or an engine reads its own through its own class
else:
    AllPackageSettings = subjects.all_package_settings()


class NamedVariables(PydanticBaseSettingsSource):
    """The settings that the environment, or `.env`, names; it sets no constant.

    pydantic's own reader looks up all that it could name, which takes three times as long.
    """

    def __init__(self, variables: EnvSettingsSource) -> None:
        """Take pydantic's reader of the environment, or of `.env`."""
        super().__init__(variables.settings_cls)
        self._variables = variables

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the text of a setting, its name, and whether the text is JSON."""
        return self._variables.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        """Return the values of those settings by name."""
        values = {}
        for name, field in settings_among(self.settings_cls.model_fields).items():
            if (PREFIX + name).lower() in self._variables.env_vars:
                text, _, is_json = self.get_field_value(field, name)
                values[name] = self._variables.prepare_field_value(name, field, text, is_json)
        return values


class ShopFile(TomlConfigSettingsSource):
    """The shop's file, which sets no constant either."""

    def __call__(self) -> dict[str, Any]:
        """Return the values of the file by name."""
        return settings_among(super().__call__())


def settings_among(values: NamedValues) -> dict[str, Any]:
    """Return the values that are no constants."""
    return {name: value for name, value in values.items() if name not in Constants.model_fields}


class Settings(
    subjects.SourceSettings,
    AnswerSettings,
    ServingSettings,
    subjects.AlertSettings,
    subjects.LineageSettings,
    subjects.DestinationSettings,
    AllPackageSettings,
    subjects.BoardSettings,
    UploadSettings,
    subjects.LedgerSettings,
    subjects.PrivacySettings,
    subjects.OrderGateSettings,
    subjects.GateSettings,
    subjects.LandingSettings,
    CollectSettings,
    StreamSettings,
    Constants,
):
    """Every setting, optional, from `ECOM_…` variables or a `.env` file in the working folder."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # the trace of a refusal must not show a password
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        *sources: PydanticBaseSettingsSource,
        **named_sources: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Add the shop's file, and below it what uploads say; none of them sets constants."""
        parameters, *others = (*sources, *named_sources.values())
        return (
            parameters,
            *(NamedVariables(source) for source in others if isinstance(source, EnvSettingsSource)),
            *([ShopFile(settings_cls, SHOP_FILE)] if Path(SHOP_FILE).exists() else []),
            UploadedSource(settings_cls),
        )

    home: Path = Field(Path(".ecom"), description="Folder for everything that the platform writes")
    home_is_shared: bool = Field(
        default=True,
        description=(
            "Whether runs, the API and all other processes have the same <home>. false where each "
            "has one of its own, as pods have: then requests and uploads are refused, and "
            "ECOM_LEDGER_URL, ECOM_BOARDS_URL and ECOM_ERASURE_KEY must be set"
        ),
    )
    warehouse: str = Field(
        "", description="Where the tables are stored; default duckdb:///<home>/warehouse.duckdb"
    )
    memory_limit: str = Field(
        AUTO_MEMORY,
        description=(
            "Memory limit of a run and of each process of the API, which spill to disk beyond it, "
            "such as 1500MB; auto: a quarter of the memory of machine or container"
        ),
    )
    cache: Literal["on", "off"] = Field(
        "on",
        description=(
            "Whether counts of checked Parquet files, statements, and what tables were computed "
            "from are kept: on or off"
        ),
    )
    postgres_url: SecretStr = Field(
        SecretStr(""),
        description=(
            "Postgres database to which the marts are published: "
            "postgres://user:password@host/database"
        ),
    )
    events: str = Field(
        "",
        description=(
            "Paths or globs of events, by commas (`\\,` within one), or "
            "kafka://HOST:PORT/TOPIC; default the sandbox"
        ),
    )
    events_mapping: str = Field(
        "ecommerce", description="Name of an included mapping, or a YAML file"
    )
    orders: str = Field(
        "",
        description=(
            "Paths or globs of orders, by commas (`\\,` within one), or "
            "kafka://HOST:PORT/TOPIC; default the sandbox"
        ),
    )
    orders_mapping: str = Field(
        "user_order_log", description="Name of an included mapping of orders, or a YAML file"
    )
    customers: str = Field(
        "",
        description=(
            "Paths or globs of files of customers, by commas, or kafka://HOST:PORT/TOPIC, "
            "in place of the customer API"
        ),
    )
    customers_mapping: str = Field(
        "customers",
        description=(
            "Name of an included mapping of files of customers (shopify, shopify_ids, "
            "woocommerce, hubspot), or a YAML file"
        ),
    )
    costs: str = Field(
        "",
        description=(
            "Paths or globs of files of what items cost, by commas (`\\,` within one), or a table: "
            "duckdb:///FILE/SCHEMA/TABLE, postgres://…, snowflake://…"
        ),
    )
    costs_mapping: str = Field(
        "costs", description="Name of an included mapping of costs, or a YAML file"
    )
    ad_spend: str = Field(
        "",
        description=(
            "Paths or globs of files of what ads cost, each with its mapping: "
            "`google_ads=PATH,meta=PATH`; a mapping is a name, `native` among them, or a YAML "
            "file, and a path may be a table: duckdb:///FILE/SCHEMA/TABLE, postgres://…, "
            "snowflake://…"
        ),
    )
    campaign_tags: Path | None = Field(
        None,
        description=(
            "File with `tag` (utm_campaign or utm_id), `campaign` (its name or id at the "
            "platform) and optionally `platform`, where these differ"
        ),
    )
    ad_account_time_zones: subjects.AccountZones = Field(
        (),
        description=(
            "Time zones of ad accounts whose source does not say them: "
            "`google_ads/123-456-7890=America/New_York`, several with commas"
        ),
    )
    brand_campaigns: str = Field(
        "(^|[^a-z])brand([^a-z]|$)",
        description="Regular expression that names of brand campaigns match, in small letters",
    )
    payment_fee_rules: cost_rules.PaymentFeeRules = Field(
        (),
        description="What payments cost where no source says: percent, per_order, payment_method",
    )
    shipping_cost_rules: cost_rules.ShippingCostRules = Field(
        (), description="What shipping costs: per_order, per_piece, country"
    )
    commission_rules: cost_rules.CommissionRules = Field(
        (), description="What marketplaces take: percent, per_order, sales_channel"
    )
    other_cost_rules: cost_rules.OtherCostRules = Field(
        (), description="What is paid whatever is ordered: per_month, name"
    )
    sandbox_until: date | None = Field(
        None,
        description=(
            "Last day of the simulated shop, YYYY-MM-DD; default yesterday, so that it grows "
            "every day"
        ),
    )
    sandbox_days: int = Field(
        60,
        ge=1,
        le=3650,
        description=(
            "Minimum number of days that a new simulated shop has before its last day; it "
            "opens on the first day of a month"
        ),
    )
    catalogue: Path | None = Field(
        None,
        description=(
            "File with product_id and category, for order "
            "lines without a category; with stock (and reorder_point, lead_time_days, "
            "unit_cost_amount), "
            "also for inventory alerts"
        ),
    )
    reorder_days: int = Field(
        28,
        ge=1,
        le=365,
        description="Number of days after its delivery for which a reorder of stock lasts",
    )
    delivery_days: int | None = Field(
        None,
        ge=0,
        le=subjects.MOST_DELIVERY_DAYS,
        description=(
            "Days from an order of stock to its arrival, of products whose catalogue does not say "
            "lead_time_days"
        ),
    )
    vendor_delivery_days: subjects.VendorDays = Field(
        (),
        description=(
            "The same by the vendor whom order lines name, before <delivery_days>, such as "
            "Acme=21,Beta=7"
        ),
    )
    event_types: subjects.EventTypes = Field(
        (),
        description=(
            "The accepted event types, by commas or as a JSON list; others are "
            "quarantined; default every well-formed type"
        ),
    )
    timezone: str = Field("UTC", description="Reporting time zone, an IANA name")
    currency: subjects.CurrencyCode = Field(
        "",
        description=(
            "Currency of all amounts, ISO 4217, such as EUR; without it, amounts of your own "
            "data have none, and those of the simulated shop USD"
        ),
    )
    shop_name: str = Field(
        "", max_length=100, description="Name of the shop, at the top of the dashboard"
    )
    rates: Path | None = Field(
        None,
        description=(
            "File of date, currency and rate (the worth of one unit in ECOM_CURRENCY), by "
            "which order lines are converted; the newest rate up to the order's day counts"
        ),
    )
    late_days: int = Field(
        7,
        ge=0,
        le=60,
        description="Number of days by which an event may arrive late and still count",
    )
    schedules: Literal["auto", "on", "off"] = Field(
        "auto",
        description=(
            "Whether schedules, and the sensor of new event files, are on until somebody "
            "switches them in Dagster's UI; auto: schedules over the sandbox shop only, "
            "the sensor over own files that reach no tool"
        ),
    )
    empty_days: Literal["auto", "unknown", "zero"] = Field(
        "auto",
        description=(
            "What a day without a single row between days with rows means: unknown, zero "
            "(nothing happened), or auto: unknown where rows arrive by day, or where the "
            "other one of events and orders says that it sold"
        ),
    )
    first_day: date = Field(
        date(2009, 12, 1),
        description=(
            "First daily partition, YYYY-MM-DD; in Dagster's UI by default the month in which "
            "the data begin"
        ),
    )
    session_rule: str = Field("ga4", description="Preset of the session rule for the marts")
    identity: str = Field(
        "stitched", description="The identity rule, which decides to which visitor an event belongs"
    )
    identity_days_back: int = Field(
        90,
        ge=0,
        le=3650,
        description=(
            "Days for which a user who signed in on a device owns its later events without a user"
        ),
    )
    identity_days_ahead: int = Field(
        30,
        ge=0,
        le=3650,
        description=(
            "Days before a user's first sign-in on a device whose events without a user are theirs"
        ),
    )
    identity_one_user_days: int = Field(
        365,
        ge=0,
        le=3650,
        description=(
            "Days before and after a sign-in for which a device on which nobody else "
            "signs in belongs to its user; 0 for no longer than the two above"
        ),
    )
    identity_consent: str = Field(
        "",
        description=(
            "Key of an event's properties that must be true, granted or yes for the event "
            "to link its device to its user; none if empty"
        ),
    )
    funnels: Path | None = Field(
        None, description="YAML or JSON file that declares the daily funnels by name"
    )
    week_start: Literal[
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"
    ] = Field("monday", description="Weekday on which the weeks of mart.retention_cohorts begin")
    cart_value: Literal["cart", "item"] = Field(
        "cart",
        description="What an event's cart_value means: the value of the whole cart, or of the item",
    )
    visitor_segments: Path | None = Field(
        None, description="YAML or JSON file that declares visitor segments by name"
    )
    funnel_steps: subjects.Parts = Field(
        (),
        description=(
            "Event types of a single daily funnel's steps, by commas; default the mapping's, "
            "or all five"
        ),
    )
    funnel_window: str = Field(
        "7d", description="Time from the first step of the funnel in which later steps count"
    )
    own_domains: subjects.Parts = Field(
        (),
        description=(
            "Domains that are not counted as referrers, besides the page's own: the "
            "shop's other domains, payment providers; by commas"
        ),
    )
    landing_pages: subjects.Parts = Field(
        (),
        max_length=100,
        description=(
            "Pages that are one landing page, such as /product/*, by commas; default each page "
            "by itself"
        ),
    )
    ai_assistant_channel: bool = Field(
        default=False, description="Whether AI assistants are a separate channel"
    )
    attribution_lookback_days: int = Field(
        30,
        ge=1,
        le=366,
        description="Days of 24 hours before a purchase in which a visit gets credit for it",
    )
    customer_active_days: int = Field(
        30,
        ge=1,
        le=3650,
        description="Number of days within which an active customer was last seen",
    )
    market_segments: Path | None = Field(
        None,
        description="YAML file that defines the market of an address; default the included one",
    )
    cities: Path | None = Field(
        None,
        description=(
            "File with `country`, `city` and `region`: cities that the included lists lack, "
            "or place elsewhere"
        ),
    )
    tier_premium_amount: Decimal = Field(
        Decimal(100),
        ge=0,
        max_digits=18,
        decimal_places=2,
        description="Revenue in 365 days from which a customer is premium",
    )
    tier_enterprise_amount: Decimal = Field(
        Decimal(500),
        ge=0,
        max_digits=18,
        decimal_places=2,
        description="Revenue in 365 days from which a customer is enterprise",
    )
    value_months: int = Field(
        12, ge=1, le=120, description="Months of 30 days that a customer's value covers"
    )
    value_discount_rate: float = Field(
        0.1, ge=0, le=1, description="Discount rate per year of a customer's value"
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_readable_password(cls, value: Any) -> Any:  # noqa: ANN401 (any setting)
        """Refuse an address in which a part of the password may be taken for the host,
        which messages name.
        """
        url = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(url, str) and not hides_its_password(url):
            raise ValueError(
                f"is an address whose login cannot be distinguished from its host; {ENCODE}"
            )
        return value

    @field_validator("home")
    @classmethod
    def _below_no_file(cls, value: Path) -> Path:
        """Refuse a folder that cannot be made,
        as a file has its name or that of a folder above it.
        """
        with suppress(
            PermissionError
        ):  # who may not look there may not write there, which is said later
            if file := next((path for path in (value, *value.parents) if path.is_file()), None):
                raise ValueError(
                    f"is no folder, and none can be made there, since {file} is a file"
                )
        return value

    @field_validator("memory_limit")
    @classmethod
    def _enough_memory(cls, value: str) -> str:
        if value == AUTO_MEMORY:
            return value
        size = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(MB|GB|MiB|GiB)", value)
        if (
            size is None
            or float(size[1]) * (1000 if size[2].startswith("G") else 1) < LEAST_MEMORY_MB
        ):
            raise ValueError(
                f"is not a size of at least {LEAST_MEMORY_MB}MB, such as 1500MB or 4GB, and not "
                f"`{AUTO_MEMORY}`"
            )
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if not is_zone(value):
            raise ValueError("is not an IANA time zone, such as Europe/Berlin")
        return value

    @field_validator("orders")
    @classmethod
    def _one_source_of_orders(cls, value: str, info: ValidationInfo) -> str:
        if value and info.data.get("order_api_url"):
            raise ValueError(
                "order lines come from an API already, by ECOM_ORDER_API_URL; load files once "
                "with `ecom run --orders`"
            )
        return value

    @property
    def warehouse_url(self) -> str:
        """Return the warehouse's address, the embedded engine's file unless another is set."""
        return self.warehouse or f"duckdb://{(self.home / 'warehouse.duckdb').absolute()}"

    @property
    def first_plausible_day(self) -> date:
        """Return the first plausible day of a record; a later `first_day` limits partitions,
        not plausible days.
        """
        usual: date = type(self).model_fields["first_day"].default
        return min(self.first_day, usual)

    @property
    def has_own_data(self) -> bool:
        """Return whether a source of own data is set; without one, the sandbox shop is used."""
        return bool(
            self.events
            or self.orders
            or self.order_api_url
            or self.customers
            or self.customer_api_url
        )

    @property
    def known_currency(self) -> str:
        """Return the currency of all amounts: the set one, else that which loaded files state;
        empty if neither is.
        """
        return self.set_currency or stated_currency(self.home)

    @property
    def set_currency(self) -> str:
        """Return the currency that is set, or that of the sandbox shop; empty where none is.

        Rules are made from this one: they must not change by what a run loads.
        """
        has_loaded_own = (self.home / OWN_DATA).exists()
        return self.currency or ("" if self.has_own_data or has_loaded_own else "USD")

    @property
    def largest_amount(self) -> Decimal:
        """Return the highest amount of an event,
        or of an order line that does not say its currency.
        """
        return self.max_amount or largest_amount(self.set_currency)

    @property
    def sandbox_folder(self) -> Path:
        """Return the folder of the simulated shop's data."""
        return self.home / "sandbox"

    @property
    def dagster_home(self) -> Path:
        """Return the folder of the Dagster instance: `DAGSTER_HOME` where it is set,
        else one in `home`.
        """
        return Path(os.environ.get("DAGSTER_HOME") or self.home / "dagster").absolute()


ENCODE: Final = (
    "write @ in a password as %40, / as %2F, # as %23, ? as %3F, % as %25, a space as %20"
)
OPTIONS: Final = {
    "timezone": "--timezone",
    "api_host": "--host",
    "api_port": "--port",
    "currency": "--currency",
    "week_start": "--week-start",
    "shop_name": "--shop-name",
}
"""The options of commands that win over settings."""


def with_uploads(settings: Settings, chosen_before: Collection[str] = ()) -> Settings:
    """Return settings with what uploads say by now: the rows that were loaded or taken back, and
    what was chosen for the shop. What anything else says stays.

    Args:
        settings: The settings as they were.
        chosen_before: The names of settings that were chosen for the shop then, and may be no more.
    """
    fresh = load_settings(home=settings.home)
    values: dict[str, Any] = {
        name: getattr(fresh, name)
        for name in OF_UPLOADS
        if name in fresh.model_fields_set
        or name in chosen_before
        or _was_of_uploads(settings, name)
    }
    is_said = settings.model_fields_set >= values.keys() & fresh.model_fields_set
    if is_said and all(getattr(settings, name) == value for name, value in values.items()):
        return settings
    result = settings.model_copy(update=values)
    result.model_fields_set.difference_update(values.keys() - fresh.model_fields_set)
    return result


def _was_of_uploads(settings: Settings, name: str) -> bool:
    """Return whether a setting names rows of uploads, which may be taken back."""
    kind = name.removesuffix("_mapping")
    paths = getattr(settings, kind) if kind in NATIVE_OF else ""
    return bool(paths) and is_of_uploads(settings.home, paths)


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 (whatever a field takes; pydantic checks it)
    """Read the settings, refusing unknown names and wrong values with one sentence.

    Args:
        overrides: Values that override the environment; None means unset.

    Raises:
        SettingError: A name is unknown, or a value is wrong.
    """
    _refuse_unknown_names()
    values = without_none(overrides)
    try:
        return _within_retention(Settings(**values))
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        is_option = field in OPTIONS and field in values
        is_of_shop = field in in_shop_file() and PREFIX + field.upper() not in {
            *os.environ,
            *in_dotenv(),
        }
        name = f"{OPTIONS[field]} " if is_option else f"{PREFIX}{field.upper()}="
        name = f"{field} in {SHOP_FILE}, " if is_of_shop and field not in values else name
        reason = str(first["msg"]).removeprefix("Value error, ")
        advice = "correct it or leave it out" if is_option else "correct or unset it"
        problem = reason if reason.startswith("is ") else f"is wrong: {reason}"
        raise SettingError(f"{name}{_masked(first)} {problem}; {advice}.") from error


def in_shop_file() -> dict[str, Any]:
    """Return the settings in the working folder's `ecom.toml`, by name; none without such a file.

    Raises:
        SettingError: The file cannot be read.
    """
    path = Path(SHOP_FILE)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise SettingError(
            f"{path.absolute()} cannot be read as TOML ({error}); fix it, or move it away."
        ) from error


def in_dotenv() -> dict[str, str | None]:
    """Return the variables in the working folder's `.env`; none without such a file.

    Raises:
        SettingError: The file cannot be read.
    """
    path = Path(".env")
    try:
        return dotenv_values(path) if path.exists() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            f"{path.absolute()} cannot be read as UTF-8 text; fix it, or move it away."
        ) from error


def _refuse_unknown_names() -> None:
    known = setting_names()
    names = {PREFIX + name.upper() for name in known}
    for name in [*os.environ, *in_dotenv()]:
        if name.upper().startswith(PREFIX) and name.upper() not in names:
            if _is_removed(name.upper().removeprefix(PREFIX).lower()):
                continue
            near = nearest(name, names)
            hint = f"did you mean {near}?" if near else f"known are {', '.join(sorted(names))}."
            raise SettingError(f"{name} is not a setting of ecom_assets; {hint}")
    for name in in_shop_file():
        if name not in known and not _is_removed(name):
            raise SettingError(
                f"{name} in {Path(SHOP_FILE).absolute()} is not a setting; "
                f"{did_you_mean(name, known)}."
            )


def setting_names() -> list[str]:
    """Return the names of all settings, without `ECOM_`."""
    return [name for name in Settings.model_fields if name not in Constants.model_fields]


@cache
def _is_removed(name: str) -> bool:
    """Return whether a setting was removed, and warn once of one that was."""
    if sentence := removal_of(name):
        _logger.warning(sentence)
    return sentence is not None


def variable(name: str) -> str | None:
    """Return a variable of the environment or the .env file that is no setting,
    such as a key that an extract names.
    """
    return os.environ.get(name) or in_dotenv().get(name)


def _within_retention(settings: Settings) -> Settings:
    """Begin partitions with the first day that is kept:
    older days must not be computed from rows that are gone.
    """
    if settings.retention_days is None:
        return settings
    first = today_in(settings.timezone) - timedelta(days=settings.retention_days)
    return settings.model_copy(update={"first_day": max(settings.first_day, first)})


def written_paths(settings: Settings) -> list[Path]:
    """Return the files and folders that the platform has written,
    in `home` or where a setting moved them.
    """
    addresses = (
        settings.warehouse,
        *(url.get_secret_value() for url in (settings.ledger_url, settings.boards_url)),
    )
    of_files = [kind for kind in subjects.engine_kinds() if kind.path_is == "file"]
    files = {"sqlite", *(scheme for kind in of_files for scheme in kind.schemes)}
    parts = [url.partition("://") for url in addresses]
    moved = [Path(path) for scheme, _, path in parts if scheme in files]
    beside = [path for file in moved for path in file.parent.glob(f"{file.name}*")]
    streams = [
        landing_of(settings.home, kind)
        for kind in STREAM_KINDS
        if getattr(settings, kind).startswith(STREAM)
    ]
    landed = [path for folder in streams for path in folder.parent.glob(f"{folder.name}*")]
    paths = [settings.dagster_home, *([settings.customers_json] if settings.customers_json else [])]
    return [
        *platform_files_in(settings.home),
        *beside,
        *landed,
        *(path for path in paths if settings.home not in path.parents),
    ]


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the Dagster instance's folder with its `dagster.yaml`, or renew that of an earlier
    release, and name it to Dagster.

    Dagster reads `DAGSTER_HOME` itself, in this process and in those it starts.

    Raises:
        SettingError: The folder cannot be made or written.
        WorkError: The history in it is damaged.
    """
    home = settings.dagster_home
    try:
        home.mkdir(parents=True, exist_ok=True)
        write_instance(home)
        close_to_others(written_paths(settings), settings.home)
    except OSError as error:
        raise SettingError(
            f"{home} cannot be written ({error.strerror}); make it writable, or set ECOM_HOME (or "
            "DAGSTER_HOME) to another folder."
        ) from error
    require_history(home)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")  # see automation/instance/sqlite.py
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    return home


@contextmanager
def about_setting(field: str) -> Iterator[None]:
    """Name the setting in the refusal of a definition that was made from it.

    Raises:
        SettingError: The block refused the definition.
    """
    try:
        yield
    except (DefinitionError, MappingError, SourceError) as error:
        raise SettingError(f"{PREFIX}{field.upper()}: {error}") from error


def _masked(refused: ErrorDetails) -> str:
    """Return a refused value as a person may see it: it is a secret,
    or an address that holds one.
    """
    field, value = Settings.model_fields.get(str(refused["loc"][0])), refused["input"]
    if field is not None and field.annotation is SecretStr:
        return "***"
    return repr(without_secrets(value) if isinstance(value, str) else value)
