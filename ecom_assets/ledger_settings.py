"""Settings of the ledger of deliveries, and of customers.json. Not here: those of tools (`destination_settings.py`)."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

from ecom_assets.contracts.customers import CUSTOMER_FILE_FIELDS
from ecom_assets.errors import did_you_mean


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

    @field_validator("customers_json_fields")
    @classmethod
    def _known_fields(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in CUSTOMER_FILE_FIELDS:
                raise ValueError(f"there is no field {name!r}; {did_you_mean(name, CUSTOMER_FILE_FIELDS)}")
            if value.count(name) > 1:
                raise ValueError(f"the field {name!r} is named twice")
        return value

    @field_validator("ledger_url")
    @classmethod
    def _database(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not value.get_secret_value().startswith(
            ("sqlite:///", "postgres://", "postgresql://")
        ):
            raise ValueError("is no sqlite:///path or postgres://user:password@host/database")
        return value
