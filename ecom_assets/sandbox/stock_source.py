"""The sandbox shop's stock, over its catalogue API with faults on, in this process. Not here: the API."""

from collections.abc import Callable

from pydantic import SecretStr

from ecom_assets.sandbox.catalogue_service import CatalogueService
from ecom_assets.sandbox.customers_source import RETRY_BASE_S, last_day
from ecom_assets.sandbox.service_faults import Faults
from ecom_assets.settings import Settings
from ecom_assets.sources.catalogue_api import fetch_catalogue
from ecom_assets.sources.event_source import SANDBOX
from ecom_assets.sources.received import Received
from ecom_assets.sources.stock_source import fetched_stock, no_stock
from ecom_assets.transforms.days import Days


class SandboxStock:
    """The sandbox shop's stock; its today is the last day of the shop."""

    def __init__(self, settings: Settings, prepare: Callable[[Settings], None]) -> None:
        """Take the settings; `prepare` makes the shop where it is missing."""
        self._settings = settings
        self._prepare = prepare

    def received(self, days: Days) -> Received:
        """Fetch, if the shop's last day is among the days; else leave all as it is."""
        self._prepare(self._settings)
        folder = self._settings.sandbox_folder
        today = last_day(folder)
        if today not in days.dates:
            return no_stock(f"stock is told as it is now, {today} in the sandbox")
        faults = Faults(server_errors=1, truncated=1)
        with CatalogueService(folder / "catalogue.parquet", faults=faults) as service:
            there = {"catalogue_api_url": service.api_url, "catalogue_api_key": SecretStr(service.key)}
            settings = self._settings.model_copy(update={**there, "source_retry_base_s": RETRY_BASE_S})
            return fetched_stock(fetch_catalogue(settings), today, SANDBOX)
