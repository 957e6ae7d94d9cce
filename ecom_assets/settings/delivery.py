"""Settings of delivery: the tools that records go to, their limits, and the ledger."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from ecom_assets.settings.lists import ByCommas


class DestinationSettings(BaseSettings):
    """What `Settings` has for the delivery to any tool; what a tool needs besides is in its package."""

    delivery_user_key: Literal["visitor_id", "user_id"] = Field(
        "visitor_id", description="Who an event is of: its visitor, or only the user that the event itself carries"
    )
    delivery_properties: ByCommas = Field(
        (), description="Names of the event properties that are sent to tools, separated by commas; default all"
    )
    delivery_urls: Literal["whole", "without_query"] = Field(
        "whole", description="Whether page addresses are sent to tools with their query string"
    )
    delivery_senders: int = Field(8, ge=1, le=64, description="Concurrent requests to a tool")
    delivery_connect_timeout_s: float = Field(5.0, gt=0, description="Seconds to reach a tool")
    delivery_read_timeout_s: float = Field(30.0, gt=0, description="Seconds to wait for a tool's response")
    delivery_retries: int = Field(5, ge=0, le=20, description="Maximum number of retries of a request")
    delivery_retry_base_s: float | None = Field(
        None,
        gt=0,
        description="Seconds before the first retry; each further one waits twice as long; default 1, for Mixpanel 2",
    )
    delivery_pause_s: float | None = Field(
        None, gt=0, description="Seconds of pause after 429 without Retry-After; default what the tool documents"
    )
    delivery_max_wait_s: float = Field(
        300.0, gt=0, description="Maximum seconds that a batch waits before it is left for the next run"
    )


class LedgerSettings(BaseSettings):
    """What `Settings` has for the ledger of deliveries."""

    ledger_url: SecretStr = Field(
        SecretStr(""),
        description="Where the ledger of deliveries lies: sqlite:///path or postgres://…; default the Postgres of "
        "ECOM_WAREHOUSE or ECOM_POSTGRES_URL, else <home>/ledger.sqlite",
    )
    ledger_lease_s: float = Field(
        120.0, gt=0, description="Seconds without activity after which a delivery is replaced by another one"
    )
    ledger_patience_s: float = Field(
        300.0, ge=0, description="Seconds that a delivery waits for another one to the same destination to end"
    )
    customers_json: Path | None = Field(
        None, description="File to which all customers are exported; default <home>/exports/customers.json"
    )
    customers_json_fields: ByCommas = Field(
        (), description="Fields of a customer in that file, by commas; default all except the e-mail address"
    )
    delivery_late_days: int = Field(
        2,
        ge=0,
        description="Days before the newest day in the data on which no record may still be waiting for delivery",
    )

    @field_validator("ledger_url")
    @classmethod
    def _database(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not value.get_secret_value().startswith(
            ("sqlite:///", "postgres://", "postgresql://")
        ):
            raise ValueError("is not a sqlite:///path or postgres://user:password@host/database")
        return value
