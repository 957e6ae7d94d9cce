"""The sandbox shop's own stand-ins of the tools, in this process while a delivery lasts. Not here: what they do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta

from pydantic import SecretStr

from ecom_assets.destinations.accounts import SANDBOX as SANDBOX_ACCOUNT
from ecom_assets.destinations.destination import Destination
from ecom_assets.destinations.tools import opened_destinations
from ecom_assets.sandbox.customers_source import last_day
from ecom_assets.sandbox.receivers.running import running_receivers, some_faults
from ecom_assets.settings import Settings

RETRY_S = 0.01
"""Nobody needs to be spared by a stand-in."""
SECRETS = ("amplitude_api_key", "mixpanel_token", "ga4_api_secret")
RATES = ("amplitude_events_per_s", "heap_events_per_s", "mixpanel_events_per_s", "ga4_events_per_s")


@contextmanager
def sandbox_destinations(settings: Settings) -> Iterator[Mapping[str, Destination]]:
    """Serve all tools with faults, and yield the destinations there.

    They forget what they took when they end; the ledger does not. Simulated records never go to a tool that settings
    name.
    """
    with running_receivers(
        faults=some_faults(), has_rates=False, clock=lambda: sandbox_now(settings).replace(tzinfo=UTC).timestamp()
    ) as receivers:
        told = {name: SecretStr(value) if name in SECRETS else value for name, value in receivers.settings().items()}
        patient = {"delivery_retry_base_s": RETRY_S, "delivery_pause_s": RETRY_S, **dict.fromkeys(RATES, 0.0)}
        there = settings.model_copy(update={**told, **patient})
        with opened_destinations(there, SANDBOX_ACCOUNT) as opened:
            yield opened


def sandbox_now(settings: Settings) -> datetime:
    """Return the instant at which the sandbox shop is, UTC without zone: the morning after its last day."""
    return datetime.combine(last_day(settings.sandbox_folder) + timedelta(days=1), time(6))
