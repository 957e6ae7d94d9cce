"""Settings of the tools that results go to, and of their delivery. Not here: reading them (`settings.py`)."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

TOOL_ADDRESSES = ("amplitude_url", "heap_url", "mixpanel_url", "ga4_url")
"""The fields that hold a web address."""
_RATE = "at most; 0: no bound; default"


class DestinationSettings(BaseSettings):
    """What `Settings` has for Amplitude, Heap, Mixpanel and GA4."""

    amplitude_api_key: SecretStr = Field(SecretStr(""), description="Key of the Amplitude project that gets events")
    amplitude_api: Literal["batch", "http_v2"] = Field("batch", description="Which of Amplitude's two APIs gets events")
    amplitude_region: Literal["us", "eu"] = Field("us", description="Where the Amplitude project is")
    amplitude_url: str = Field("", description="Address of Amplitude instead of the region's, without a path")
    amplitude_min_id_length: int = Field(
        5, ge=1, le=1024, description="Characters that ids of users and devices have at least; Amplitude's default is 5"
    )
    amplitude_events_per_s: float | None = Field(
        None, ge=0, description=f"Events per second to Amplitude {_RATE} 1000 by http_v2, none by batch"
    )
    heap_app_id: str = Field("", description="Id of the Heap environment that gets events")
    heap_region: Literal["us", "eu"] = Field("us", description="Where the Heap environment is")
    heap_url: str = Field("", description="Address of Heap instead of the region's, without a path")
    heap_events_per_s: float | None = Field(None, ge=0, description=f"Events per second to Heap {_RATE} 250")
    mixpanel_token: SecretStr = Field(SecretStr(""), description="Token of the Mixpanel project that gets events")
    mixpanel_project_id: str = Field("", description="Id of that project; needed with a service account")
    mixpanel_service_user: str = Field("", description="Mixpanel service account, instead of the token, for events")
    mixpanel_service_secret: SecretStr = Field(SecretStr(""), description="Secret of that service account")
    mixpanel_region: Literal["us", "eu", "in"] = Field("us", description="Where the Mixpanel project is")
    mixpanel_url: str = Field("", description="Address of Mixpanel instead of the region's, without a path")
    mixpanel_max_bytes: int = Field(
        2_000_000, ge=10_000, le=10_000_000, description="Bytes of a request to Mixpanel before gzip, at most"
    )
    mixpanel_events_per_s: float | None = Field(None, ge=0, description=f"Events per second to Mixpanel {_RATE} 30000")
    ga4_measurement_id: str = Field("", description="Measurement id of the GA4 web stream that gets events, G-…")
    ga4_api_secret: SecretStr = Field(SecretStr(""), description="Measurement Protocol API secret of that stream")
    ga4_region: Literal["us", "eu"] = Field("us", description="Where GA4 collects; eu keeps it in the EU")
    ga4_url: str = Field("", description="Address of GA4 instead of the region's, without a path")
    ga4_events_per_s: float | None = Field(None, ge=0, description=f"Events per second to GA4 {_RATE} none")
    ga4_unconfirmed: Literal["at_most_once", "at_least_once"] = Field(
        "at_most_once", description="What becomes of events that GA4 may have got or not: given up, or sent again"
    )
    delivery_user_key: Literal["visitor_id", "user_id"] = Field(
        "visitor_id", description="Who an event is of: its visitor, or only the user that the event itself carries"
    )
    delivery_properties: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Names of those properties of events that tools get, separated by commas; default all"
    )
    delivery_urls: Literal["whole", "without_query"] = Field(
        "whole", description="Whether tools get the addresses of pages with what follows the question mark"
    )
    delivery_senders: int = Field(8, ge=1, le=64, description="Requests to a tool that are under way at once")
    delivery_connect_timeout_s: float = Field(5.0, gt=0, description="Seconds to reach a tool")
    delivery_read_timeout_s: float = Field(30.0, gt=0, description="Seconds in which a tool must answer")
    delivery_retries: int = Field(5, ge=0, le=20, description="Times that a request is sent again")
    delivery_retry_base_s: float | None = Field(
        None, gt=0, description="Seconds before the first retry, each next waits twice that; default 1, Mixpanel 2"
    )
    delivery_pause_s: float | None = Field(
        None, gt=0, description="Seconds of pause after 429 without Retry-After; default what the tool documents"
    )
    delivery_max_wait_s: float = Field(300.0, gt=0, description="Seconds that a batch may wait, then it is for later")

    @field_validator("delivery_properties", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("ga4_measurement_id")
    @classmethod
    def _measurement_id(cls, value: str) -> str:
        if value and not re.fullmatch(r"G-[A-Z0-9]+", value):
            raise ValueError("is no measurement id of a web stream, such as G-ABCDE12345")
        return value

    @property
    def amplitude_address(self) -> str:
        """Return where Amplitude is."""
        return (
            self.amplitude_url
            or {"us": "https://api2.amplitude.com", "eu": "https://api.eu.amplitude.com"}[self.amplitude_region]
        )

    @property
    def heap_address(self) -> str:
        """Return where Heap is."""
        return self.heap_url or {"us": "https://heapanalytics.com", "eu": "https://c.eu.heap-api.com"}[self.heap_region]

    @property
    def mixpanel_address(self) -> str:
        """Return where Mixpanel is."""
        host = {"us": "api", "eu": "api-eu", "in": "api-in"}[self.mixpanel_region]
        return self.mixpanel_url or f"https://{host}.mixpanel.com"

    @property
    def ga4_address(self) -> str:
        """Return where GA4 collects."""
        host = {"us": "www", "eu": "region1"}[self.ga4_region]
        return self.ga4_url or f"https://{host}.google-analytics.com"


class LedgerSettings(BaseSettings):
    """What `Settings` has for the ledger of deliveries."""

    ledger_url: SecretStr = Field(
        SecretStr(""),
        description="Where the ledger of deliveries lies: sqlite:///path or postgres://…; default the Postgres of "
        "ECOM_WAREHOUSE or ECOM_POSTGRES_URL, else <home>/ledger.sqlite",
    )
    ledger_lease_s: float = Field(
        120.0, gt=0, description="Seconds after which a delivery that gives no sign of life is taken over"
    )
    ledger_patience_s: float = Field(
        300.0, ge=0, description="Seconds that a delivery waits for another one to the same destination to end"
    )
    customers_json: Path | None = Field(
        None, description="File that all customers are exported to; default <home>/exports/customers.json"
    )
    customers_json_fields: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="What that file tells of a customer, by commas; default everything but the e-mail address"
    )
    delivery_late_days: int = Field(
        2, ge=0, description="Days before the newest in the data of which nothing may still wait for delivery"
    )

    @field_validator("customers_json_fields", mode="before")
    @classmethod
    def _field_names(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("ledger_url")
    @classmethod
    def _database(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not value.get_secret_value().startswith(
            ("sqlite:///", "postgres://", "postgresql://")
        ):
            raise ValueError("is no sqlite:///path or postgres://user:password@host/database")
        return value
