"""The sandbox shop as sources and destinations of the platform."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory

import ibis
from ibis.backends.duckdb import Backend
from pydantic import SecretStr

from ecom_assets.commerce.marketing.campaigns import CampaignTag
from ecom_assets.core.clock import Clock, now_utc, today_in
from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.tables.received import FileRows, SliceOutput
from ecom_assets.ingestion.sources.ad_spend import FileAdSpend
from ecom_assets.ingestion.sources.costs import FileCosts
from ecom_assets.ingestion.sources.customer_api.api import (
    customers_received,
    fetch_customers,
    no_customers,
)
from ecom_assets.ingestion.sources.events import SANDBOX
from ecom_assets.ingestion.sources.files.formats import join_paths
from ecom_assets.ingestion.sources.order_reports.source import OrderReader
from ecom_assets.ingestion.sources.sandbox_shop import (
    AD_SPEND,
    COSTS,
    is_living,
    last_day,
    last_day_in,
    sandbox_until,
    truth_of,
)
from ecom_assets.ingestion.sources.stock import fetch_catalogue, fetched_stock, no_stock
from ecom_assets.outputs.delivery.destination import SANDBOX as SANDBOX_ACCOUNT
from ecom_assets.outputs.delivery.destination import Destination
from ecom_assets.outputs.delivery.tools.all import opened_destinations
from ecom_sandbox.event_sinks import EventSink
from ecom_sandbox.running import customers_of
from ecom_sandbox.services import orders as order_service
from ecom_sandbox.services.orders import OrderService
from ecom_sandbox.services.pages import CatalogueService, CustomerService
from ecom_sandbox.services.service import Faults
from ecom_sandbox.shop.living import DayInProgress, LivingShop
from ecom_sandbox.vendors.running import running_receivers, some_faults


@dataclass(frozen=True)
class _SandboxSource:
    """A source of the sandbox shop; "today" is the shop's last day."""

    settings: Settings
    prepare: Callable[[Settings], None]
    """Creates the shop's data if they are missing."""

    def folder(self) -> Path:
        """Return the shop's folder, with its data."""
        self.prepare(self.settings)
        return self.settings.sandbox_folder

    def settings_with(self, **values: object) -> Settings:
        """Return the settings with the values of a stand-in,
        which does not need to be protected from load.
        """
        return self.settings.model_copy(update={**values, "source_retry_base_s": RETRY_BASE_S})


class SandboxStock(_SandboxSource):
    """The sandbox shop's stock."""

    def received(self, days: Days) -> SliceOutput:
        """Return the fetched stock if the shop's last day is among the days;
        otherwise return no rows and no days.
        """
        folder = self.folder()
        today = last_day_in(folder)
        if today not in days.dates:
            return no_stock(f"stock is only known as it is now, {today} in the sandbox")
        faults = Faults(server_errors=1, truncated=1)
        with CatalogueService(folder / "catalogue.parquet", faults=faults) as service:
            key = SecretStr(service.key)
            settings = self.settings_with(catalogue_api_url=service.api_url, catalogue_api_key=key)
            return fetched_stock(fetch_catalogue(settings), today, SANDBOX)


@dataclass(frozen=True)
class SandboxCosts(_SandboxSource):
    """What the sandbox shop's products cost; each cost arrives on its first day."""

    reader: Backend

    def received(self, days: Days) -> SliceOutput:
        """Return the costs of all days, or no rows where a shop of an earlier version has none."""
        path = self.folder() / COSTS
        if not path.exists():
            return FileCosts.nothing("the sandbox shop was made by a version without costs")
        default = Settings.model_fields["costs_mapping"].default
        settings = self.settings_with(costs=join_paths([str(path)]), costs_mapping=default)
        rows = FileCosts(self.reader, settings).received(days).rows
        rows = rows.mutate(received_date=rows.valid_from_date, source=ibis.literal(SANDBOX))
        dates = {row["received_date"] for row in rows_of(rows.select("received_date").distinct())}
        return SliceOutput(rows, Days.from_dates(dates), supersedes=Days.from_dates(dates))


@dataclass(frozen=True)
class SandboxAdSpend(_SandboxSource):
    """What the sandbox shop spends on ads, in files that land by day as platforms restate them."""

    reader: Backend

    def received(self, days: Days) -> SliceOutput:
        """Return the spend of all days, or no rows where a shop of an earlier version has none."""
        path = self.folder() / AD_SPEND
        if not path.is_dir():
            return FileAdSpend.nothing("the sandbox shop was made by a version without ad spend")
        settings = self.settings_with(ad_spend=join_paths([f"native={path}"]))
        output = FileAdSpend(self.reader, settings).received(days)
        return replace(output, rows=output.rows.mutate(source=ibis.literal(SANDBOX)))


def sandbox_tags() -> tuple[CampaignTag, ...]:
    """Return of which campaign each tag of the sandbox shop's ads is."""
    from ecom_sandbox.shop.advertising import CAMPAIGNS  # noqa: PLC0415 (only the sandbox needs it)

    named = (campaign for campaign in CAMPAIGNS if campaign.tag)
    return tuple(CampaignTag(ad.tag, ad.name.lower(), ad.platform) for ad in named)


POLL_S = 0.05


def bad_order_day() -> Faults:
    """Return faults of every kind, each no more often than a client with retries can handle."""
    return Faults(
        latency_s=0.001,
        retry_after="0",
        every=12,
        running_polls=2,
        failed_reports=1,
        empty_files=1,
        short_files=1,
        cut_files=1,
    )


@dataclass(frozen=True)
class SandboxOrders(_SandboxSource):
    """The sandbox shop's order lines; increments are stored in its folder,
    those of a real shop in `ECOM_HOME`.
    """

    reader: OrderReader

    def received(self, days: Days) -> SliceOutput:
        """Fetch and store the increments of the days, and return their rows."""
        folder = self.folder()
        with OrderService(folder / "orders.parquet", faults=bad_order_day()) as service:
            settings = self.settings_with(
                home=folder,
                order_api_url=service.api_url,
                order_api_nickname=order_service.NICKNAME,
                order_api_cohort=order_service.COHORT,
                order_api_key=SecretStr(service.key),
                order_api_poll_s=POLL_S,
            )
            return self.reader.fetched(settings, days)

    def file_rows(self, days: Days | None) -> list[FileRows] | None:
        """Return the row counts of the days' stored increments; None if there are none."""
        return self.reader.landed_rows(self.settings.sandbox_folder, days)

    def arrival_days(self, days: Days) -> Days:
        """Return all of `days`: the shop has an increment of each."""
        return days


RETRY_BASE_S = 0.1


def bad_customer_day() -> Faults:
    """Return faults of every kind; the only shift comes first,
    so that every fetch returns the same records.
    """
    return Faults(
        latency_s=0.002,
        retry_after="0",
        every=9,
        shift_every=1,
        shift_count=1,
        duplicated_pages=2,
        conflicting_pages=1,
        malformed_pages=2,
    )


class SandboxCustomers(_SandboxSource):
    """The sandbox shop's customers."""

    def received(self, days: Days) -> SliceOutput:
        """Return the fetched customers if the shop's last day is among the days;
        otherwise no rows and no days.
        """
        folder = self.folder()
        today = last_day_in(folder)
        if today not in days.dates:
            return no_customers(
                f"a fetch belongs to the day on which it is made, {today} in the sandbox"
            )
        with CustomerService(customers_of(folder).records, faults=bad_customer_day()) as service:
            # The service has another port each time, so its stored responses would never be used
            # again.
            with TemporaryDirectory() as home:
                service_settings = {
                    "customer_api_url": service.api_url,
                    "customer_api_key": SecretStr(service.key),
                }
                fetched = fetch_customers(self.settings_with(**service_settings, home=Path(home)))
            return customers_received(fetched, today, SANDBOX)


def ensure_sandbox(settings: Settings, now: Clock = now_utc) -> None:
    """Create the sandbox shop's data up to its last day, or add the days since;
    a closed shop stays as it is.

    Raises:
        UsageError: The shop already goes on after the day that `ECOM_SANDBOX_UNTIL` names.
    """
    folder, until = settings.sandbox_folder, sandbox_until(settings, now)
    truth = truth_of(folder)
    if truth is None or (is_living(truth) and last_day(truth) < until):
        LivingShop.in_folder(folder, until, settings.sandbox_days).grow()
    elif settings.sandbox_until and is_living(truth) and last_day(truth) > until:
        raise UsageError(
            f"The sandbox shop in {folder} goes on until {last_day(truth)}, after "
            f"ECOM_SANDBOX_UNTIL={until}; set ECOM_HOME to another folder for a shop that ends "
            "earlier."
        )


class Today:
    """The current day of the sandbox shop, and then the next one;
    its events arrive as time passes.
    """

    def __init__(self, settings: Settings, sink: EventSink | None = None) -> None:
        """Store the settings of a shop that grows, and the sink that its events come through,
        if not as files.
        """
        self._settings = settings
        self._sink = sink
        self._day: DayInProgress | None = None

    def arrive(self, now: datetime) -> int:
        """Let come what has arrived by now, and return how many rows are new.

        After midnight, the day that has ended gets its own file first.
        """
        day = self.day(now)
        return day.send(now, self._sink) if self._sink else day.arrive(now)

    def day(self, now: datetime) -> DayInProgress:
        """Return the shop's day at an instant; before a new one begins, the shop grows up to it."""
        day = today_in(self._settings.timezone, lambda: now)
        if self._day is None or self._day.day != day:
            ensure_sandbox(self._settings, lambda: now)
            shop = LivingShop.in_folder(self._settings.sandbox_folder, day)
            self._day = DayInProgress(shop, day)
        return self._day


RETRY_S = 0.01
"""Short, as `RETRY_BASE_S`."""
SECRETS = {name for name, field in Settings.model_fields.items() if field.annotation is SecretStr}


@contextmanager
def sandbox_destinations(settings: Settings) -> Iterator[Mapping[str, Destination]]:
    """Run stand-ins of all tools, with faults, and yield destinations that send to them.

    The stand-ins forget what they accepted when they stop; the ledger does not. Simulated records
    are never sent to tools that are configured in the settings.
    """
    with running_receivers(
        faults=some_faults(),
        has_rates=False,
        clock=lambda: sandbox_now(settings).replace(tzinfo=UTC).timestamp(),
    ) as receivers:
        addresses = {
            name: SecretStr(value) if name in SECRETS else value
            for name, value in receivers.settings().items()
        }
        patient = {
            "delivery_retry_base_s": RETRY_S,
            "delivery_pause_s": RETRY_S,
            "delivery_events_per_s": 0.0,
        }
        receiver_settings = settings.model_copy(update={**addresses, **patient})
        with opened_destinations(receiver_settings, SANDBOX_ACCOUNT) as opened:
            yield opened


def sandbox_now(settings: Settings) -> datetime:
    """Return the current time in the sandbox shop, in UTC without zone:
    06:00 on the day after its last day.
    """
    return datetime.combine(last_day_in(settings.sandbox_folder) + ONE_DAY, time(6))


DELIVERED_DAYS = 3
"""GA4 refuses events of more than 72 hours ago."""


def first_delivered_day(settings: Settings) -> date:
    """Return the first day whose records the sandbox shop delivers:
    older days that no run delivered are left out.
    """
    return last_day_in(settings.sandbox_folder) - (DELIVERED_DAYS - 1) * ONE_DAY
