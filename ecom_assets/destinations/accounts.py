"""What the ledger must know of the destinations that settings name: which account, and what holds for its records.

Not here: what goes there (`tools.py`).
"""

import hashlib
from collections.abc import Mapping

from ecom_assets.destinations.destination import Destination
from ecom_assets.settings import Settings

SANDBOX = "sandbox"
"""The account at the stand-ins of the sandbox shop, wherever they listen."""


def with_accounts(
    settings: Settings, destinations: Mapping[str, Destination], account: str | None = None
) -> dict[str, Destination]:
    """Tell destinations their account, by the settings unless one is given, and the rules of their records."""
    for name, one in destinations.items():
        one.account = account or _account(settings, name.partition("_")[0])
        one.former_account = "" if account else _former_account(settings, name.partition("_")[0])
        one.senders = settings.delivery_senders
        one.confirms = not name.startswith("ga4")
        one.takes_updates = name.endswith("_users")
    return dict(destinations)


def _account(settings: Settings, tool: str) -> str:
    """Return address and project: a secret shows as the beginning of its hash."""
    address, project = {
        "amplitude": (settings.amplitude_address, _hashed(settings.amplitude_api_key.get_secret_value())),
        "heap": (settings.heap_address, _hashed(settings.heap_app_id)),
        "mixpanel": (settings.mixpanel_address, _hashed(settings.mixpanel_token.get_secret_value())),
        "ga4": (settings.ga4_address, settings.ga4_measurement_id),
    }[tool]
    return f"{address.partition('://')[2]} {project}"


def _former_account(settings: Settings, tool: str) -> str:
    """Return what an account was called by ledgers of earlier releases, if not as now: Heap's had the app id in it."""
    return f"{settings.heap_address.partition('://')[2]} {settings.heap_app_id}" if tool == "heap" else ""


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:16]
