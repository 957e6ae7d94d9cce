"""The sandbox shop's orders, over its order report API with faults on, in this process. Not here: the API."""

from collections.abc import Callable

from pydantic import SecretStr

from ecom_assets.sandbox import order_service
from ecom_assets.sandbox.customers_source import RETRY_BASE_S
from ecom_assets.sandbox.order_service import OrderService
from ecom_assets.sandbox.service_faults import Faults
from ecom_assets.settings import Settings
from ecom_assets.sources.order_source import OrderReader
from ecom_assets.sources.received import Received
from ecom_assets.sources.record_files import FileRows
from ecom_assets.transforms.days import Days

POLL_S = 0.05


def bad_order_day() -> Faults:
    """Return faults of every kind, each as often as a patient client bears."""
    return Faults(
        latency_s=0.001, retry_after="0", every=12, running_polls=2, failed_reports=1, empty_files=1,
        short_files=1, cut_files=1,
    )  # fmt: skip


class SandboxOrders:
    """The sandbox shop's order lines; increments lie in its folder as a real shop's lie in `ECOM_HOME`."""

    def __init__(self, reader: OrderReader, settings: Settings, prepare: Callable[[Settings], None]) -> None:
        """Take the settings; `prepare` makes the shop where it is missing."""
        self._reader = reader
        self._settings = settings
        self._prepare = prepare

    def received(self, days: Days) -> Received:
        """Fetch and land the increments of the days."""
        self._prepare(self._settings)
        folder = self._settings.sandbox_folder
        with OrderService(folder / "orders.parquet", faults=bad_order_day()) as service:
            there = {
                "home": folder,
                "order_api_url": service.api_url,
                "order_api_nickname": order_service.NICKNAME,
                "order_api_cohort": order_service.COHORT,
                "order_api_key": SecretStr(service.key),
                "order_api_poll_s": POLL_S,
                "source_retry_base_s": RETRY_BASE_S,
            }
            return self._reader.fetched(self._settings.model_copy(update=there), days)

    def file_rows(self, days: Days | None) -> list[FileRows] | None:
        """Rows of the increments that have landed."""
        return self._reader.landed_rows(self._settings.sandbox_folder, days)
