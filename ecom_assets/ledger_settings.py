"""Settings of the ledger of deliveries, and of customers.json. Not here: those of tools (`destination_settings.py`)."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings


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
    delivery_late_days: int = Field(
        2, ge=0, description="Days before the newest in the data of which nothing may still wait for delivery"
    )

    @field_validator("ledger_url")
    @classmethod
    def _database(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not value.get_secret_value().startswith(
            ("sqlite:///", "postgres://", "postgresql://")
        ):
            raise ValueError("is no sqlite:///path or postgres://user:password@host/database")
        return value
