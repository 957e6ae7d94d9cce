"""Settings of sources: the APIs of customers, orders and stock, and the gates in front of what is built on them."""

from decimal import Decimal
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from ecom_assets.tables.bounds import MAX_AMOUNT, MAX_QUANTITY, WIDEST_AMOUNT, WIDEST_QUANTITY


class SourceSettings(BaseSettings):
    """What `Settings` has for APIs."""

    catalogue_api_url: str = Field("", description="Address of the catalogue API's list of products with their stock")
    catalogue_api_key: SecretStr = Field(SecretStr(""), description="Key of the catalogue API")
    customer_api_url: str = Field("", description="Address of the customer API's list of customers")
    customer_api_key: SecretStr = Field(SecretStr(""), description="Key of the customer API")
    customer_api_mapping: str = Field(
        "customers", description="Name of a shipped mapping of customer APIs (customers, reqres), or a YAML file"
    )
    customer_api_page_size: int = Field(100, ge=1, le=10_000, description="Customers asked for per page")
    customer_api_passes: int = Field(5, ge=2, le=100, description="Passes over pages that shift, before giving up")
    order_api_url: str = Field("", description="Address of the order report API")
    order_api_nickname: str = Field("", description="Nickname that the order report API knows this shop by")
    order_api_cohort: str = Field("", description="Cohort that the order report API knows this shop by")
    order_api_key: SecretStr = Field(SecretStr(""), description="Key of the order report API")
    order_api_poll_s: float = Field(10.0, gt=0, description="Seconds between two looks at a report being made")
    order_api_patience_s: float = Field(600.0, gt=0, description="Seconds that a report may take")
    source_concurrency: int = Field(8, ge=1, le=64, description="Requests to an API that are under way at once")
    source_connect_timeout_s: float = Field(5.0, gt=0, description="Seconds to reach an API")
    source_read_timeout_s: float = Field(30.0, gt=0, description="Seconds in which an API must send something")
    source_retry_base_s: float = Field(
        1.0, gt=0, description="Seconds before the first retry; each next waits twice that"
    )
    source_max_wait_s: float = Field(300.0, gt=0, description="Seconds that an API may make one request wait by 429")


class OrderGateSettings(BaseSettings):
    """What `Settings` has for the gate of orders."""

    order_customers_over: int = Field(
        3, ge=0, description="A day's orders must be of more customers than this, or the day is held back"
    )
    order_gate: Literal["auto", "day", "run"] = Field(
        "auto",
        description="What ECOM_ORDER_CUSTOMERS_OVER judges: each day, or a run's orders as one; auto: each day where "
        "orders come as daily reports (landing folders, an API), else as one",
    )


class GateSettings(BaseSettings):
    """What `Settings` has for the gate in front of every source, and for what one row may carry."""

    gate_refused_share: float = Field(
        0.5, gt=0, le=1, description="Share of a source's rows that may be refused; more, and nothing is built on them"
    )
    gate_fall_share: float = Field(
        0.8, gt=0, le=1, description="Share by which a source's day may fall below what is usual, or below what it had"
    )
    gate_least_rows: int = Field(
        100, ge=1, description="Rows of a day below which these shares are chance, and are not looked at"
    )
    max_days: int = Field(
        1830, ge=1, description="Days that the data may span before a run over all of them is asked for by --from, --to"
    )
    max_amount: Decimal = Field(
        MAX_AMOUNT,
        gt=0,
        le=WIDEST_AMOUNT,
        decimal_places=2,
        description="Money that one event or order line may carry; one with more is quarantined",
    )
    max_quantity: int = Field(
        MAX_QUANTITY, ge=1, le=WIDEST_QUANTITY, description="Items that one order line may have; more is quarantined"
    )
