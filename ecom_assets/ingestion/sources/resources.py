"""The APIs that data come from, as Dagster resources: what its Resources page shows,
and a test replaces.
"""

from typing import ClassVar

from ecom_assets.core.settings.resource import SettingsResource, setting


class CustomerApi(SettingsResource):
    """The API that customers are fetched from once a day: a paginated list, read by its mapping.

    Without an address no customers are fetched: set ECOM_CUSTOMER_API_URL, and
    ECOM_CUSTOMER_API_KEY if it needs a key.
    """

    prefix: ClassVar[str] = "customer_api_"
    url: str = setting("customer_api_url")
    key: str | None = setting("customer_api_key")
    mapping: str = setting("customer_api_mapping")
    page_size: int = setting("customer_api_page_size")


class OrderReportApi(SettingsResource):
    """The API that makes reports of orders: a report is requested, waited for,
    and its increments are downloaded.

    Without an address no orders are fetched: set ECOM_ORDER_API_URL, ECOM_ORDER_API_NICKNAME,
    ECOM_ORDER_API_COHORT and ECOM_ORDER_API_KEY. Orders in files are set by ECOM_ORDERS instead.
    """

    prefix: ClassVar[str] = "order_api_"
    url: str = setting("order_api_url")
    nickname: str = setting("order_api_nickname")
    cohort: str = setting("order_api_cohort")
    key: str | None = setting("order_api_key")


class CatalogueApi(SettingsResource):
    """The API that the stock of products is fetched from: a list of products in pages.

    Without an address no stock is fetched: set ECOM_CATALOGUE_API_URL, and ECOM_CATALOGUE_API_KEY
    if it needs a key. A catalogue in a file is set by ECOM_CATALOGUE instead.
    """

    prefix: ClassVar[str] = "catalogue_api_"
    url: str = setting("catalogue_api_url")
    key: str | None = setting("catalogue_api_key")
