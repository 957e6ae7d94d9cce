"""Settings of the APIs that customers, orders and stock are fetched from. Not here: reading them (`settings.py`)."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


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
