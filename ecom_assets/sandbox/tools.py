"""The four tools that the sandbox shop delivers to, in this process, with faults on. Not here: the receivers."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path

from pydantic import SecretStr

from ecom_assets.sandbox.customers_source import RETRY_BASE_S, last_day
from ecom_assets.sandbox.receivers.running import running_receivers, some_faults
from ecom_assets.sandbox.services import RECEIVED
from ecom_assets.settings import Settings

_SECRETS = ("amplitude_api_key", "mixpanel_token", "ga4_api_secret")


@contextmanager
def sandbox_tools(settings: Settings) -> Iterator[Settings]:
    """Serve the tools, and yield the settings by which deliveries go to them.

    Their journals lie in `received/` beside the shop, so that a second run finds what the first one left. Their time
    goes on from `sandbox_now`. The documented rates are off: a shop delivers a month at once here.
    """
    folder = settings.sandbox_folder
    started_s, begins_s = time.monotonic(), sandbox_now(folder).timestamp()
    with running_receivers(
        journals=folder / RECEIVED,
        faults=some_faults(),
        has_rates=False,
        clock=lambda: begins_s + time.monotonic() - started_s,
    ) as running:
        told = running.settings()
        there = {name: SecretStr(value) if name in _SECRETS else value for name, value in told.items()}
        waits = {"delivery_retry_base_s": RETRY_BASE_S, "delivery_pause_s": RETRY_BASE_S}
        yield settings.model_copy(update={**there, **waits})


def sandbox_now(folder: Path) -> datetime:
    """Return what time it is in the sandbox shop: the end of its last day, UTC."""
    return datetime.combine(last_day(folder) + timedelta(days=1), time_of_day(), UTC)
