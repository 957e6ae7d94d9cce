"""Settings of sources: the APIs of customers, orders and stock, and the gates in front of what is built on them."""

from decimal import Decimal
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from ecom_assets.settings.tools import WebAddress
from ecom_assets.tables.bounds import MAX_AMOUNT, MAX_QUANTITY, WIDEST_AMOUNT, WIDEST_QUANTITY


class SourceSettings(BaseSettings):
    """What `Settings` has for APIs."""

    catalogue_api_url: WebAddress = Field(
        "", description="Address of the catalogue API's list of products with their stock"
    )
    catalogue_api_key: SecretStr = Field(SecretStr(""), description="Key of the catalogue API")
    customer_api_url: WebAddress = Field("", description="Address of the customer API's list of customers")
    customer_api_key: SecretStr = Field(SecretStr(""), description="Key of the customer API")
    customer_api_mapping: str = Field(
        "customers", description="Name of an included mapping of customer APIs (customers, reqres), or a YAML file"
    )
    customer_api_page_size: int = Field(100, ge=1, le=10_000, description="Customers per page")
    customer_api_passes: int = Field(
        5, ge=2, le=100, description="Maximum number of passes over pages that change while they are read"
    )
    order_api_url: WebAddress = Field("", description="Address of the order report API")
    order_api_nickname: str = Field("", description="Nickname of this shop in the order report API")
    order_api_cohort: str = Field("", description="Cohort of this shop in the order report API")
    order_api_key: SecretStr = Field(SecretStr(""), description="Key of the order report API")
    order_api_poll_s: float = Field(10.0, gt=0, description="Seconds between two requests for the state of a report")
    order_api_patience_s: float = Field(600.0, gt=0, description="Seconds to wait for a report")
    source_concurrency: int = Field(8, ge=1, le=64, description="Concurrent requests to an API")
    source_connect_timeout_s: float = Field(5.0, gt=0, description="Seconds to reach an API")
    source_read_timeout_s: float = Field(30.0, gt=0, description="Seconds to wait for data from an API")
    source_response_timeout_s: float = Field(
        300.0, gt=0, description="Maximum seconds that one response of an API takes from its first to its last byte"
    )
    source_max_response_mb: float = Field(
        100.0, gt=0, description="Maximum megabytes of one response of an API, unpacked"
    )
    source_max_pages: int = Field(10_000, ge=1, description="Maximum number of pages of a list of an API")
    source_retry_base_s: float = Field(
        1.0, gt=0, description="Seconds before the first retry; each further one waits twice as long"
    )
    source_max_wait_s: float = Field(
        300.0, gt=0, description="Maximum seconds that one request waits because of 429 responses"
    )


class OrderGateSettings(BaseSettings):
    """What `Settings` has for the gate of orders."""

    order_customers_over: int = Field(
        3, ge=0, description="A day of orders with this many customers or fewer is held back"
    )
    order_gate: Literal["auto", "day", "run"] = Field(
        "auto",
        description="What ECOM_ORDER_CUSTOMERS_OVER evaluates: each day, or a run's orders as one; auto: each day "
        "where orders come as daily reports (landing folders, an API), else as one",
    )


class GateSettings(BaseSettings):
    """What `Settings` has for the gate in front of every source, and for what one row may carry."""

    gate_refused_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Maximum share of a source's rows that may be quarantined; beyond it, no table is built on them",
    )
    gate_fall_share: float = Field(
        0.8,
        gt=0,
        le=1,
        description="Share by which the rows of a day may fall below the usual number, or below the day's earlier "
        "number",
    )
    gate_least_rows: int = Field(
        100,
        ge=1,
        description="Number of rows of a day below which these shares are not checked, because they may be chance",
    )
    max_days: int = Field(
        1830, ge=1, description="Days that the data may span before a run over all of them is asked for by --from, --to"
    )
    max_amount: Decimal = Field(
        MAX_AMOUNT,
        gt=0,
        le=WIDEST_AMOUNT,
        decimal_places=2,
        description="Maximum amount of an event or order line; those with more are quarantined",
    )
    max_quantity: int = Field(
        MAX_QUANTITY,
        ge=1,
        le=WIDEST_QUANTITY,
        description="Maximum quantity of an order line; those with more are quarantined",
    )
