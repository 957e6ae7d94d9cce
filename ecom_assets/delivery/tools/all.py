"""Settings become the destinations that results go to. Not here: what is sent when (the delivery)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from ecom_assets.delivery.batch_sender import HttpDestination
from ecom_assets.delivery.destination import Destination, with_accounts
from ecom_assets.delivery.payloads import EventChoices
from ecom_assets.delivery.tools.amplitude import client as amplitude_client
from ecom_assets.delivery.tools.ga4 import client as ga4_client
from ecom_assets.delivery.tools.heap import client as heap_client
from ecom_assets.delivery.tools.mixpanel import client as mixpanel_client
from ecom_assets.errors import SettingError
from ecom_assets.settings.settings import Settings

SETTING_OF = {
    "amplitude": "ECOM_AMPLITUDE_API_KEY",
    "heap": "ECOM_HEAP_APP_ID",
    "mixpanel": "ECOM_MIXPANEL_TOKEN",
    "ga4": "ECOM_GA4_MEASUREMENT_ID",
}
"""The tools, each with the setting without which nothing goes there."""


def set_tools(settings: Settings) -> set[str]:
    """Return the tools that something goes to: those that are set; the sandbox shop's has stand-ins of all."""
    values = {
        "amplitude": settings.amplitude_api_key.get_secret_value(),
        "heap": settings.heap_app_id,
        "mixpanel": settings.mixpanel_token.get_secret_value() or settings.mixpanel_service_user,
        "ga4": settings.ga4_measurement_id and settings.ga4_api_secret.get_secret_value(),
    }
    return {tool for tool in SETTING_OF if values[tool] or not settings.has_own_data}


def unset_exports(settings: Settings, *, has_events: bool, has_customers: bool) -> set[dg.AssetKey]:
    """Return the exports that nothing goes to, or that there are no events or customers for."""
    unset = {f"{tool}_{kind}" for tool in SETTING_OF.keys() - set_tools(settings) for kind in ("events", "users")}
    without: set[str] = set() if has_events else {f"{tool}_events" for tool in SETTING_OF}
    without |= set() if has_customers else {"customers_json"}
    without |= set() if set_tools(settings) else {"deliveries", "dead_letters", "reconciliation_daily"}
    return {dg.AssetKey(["export", name]) for name in unset | without}


NAMES = (
    "amplitude_events",
    "amplitude_users",
    "heap_events",
    "heap_users",
    "mixpanel_events",
    "mixpanel_users",
    "ga4_events",
    "ga4_users",
)
"""Of every destination that there can be; events need `EVENT_COLUMNS`, users `USER_COLUMNS`."""


def destinations(settings: Settings) -> dict[str, Destination]:
    """Return the destinations that settings name, in the order of `NAMES`; none is asked for anything yet.

    Raises:
        SettingError: A tool is named by half.
    """
    return dict(_made(settings))


def _made(settings: Settings) -> dict[str, HttpDestination]:
    """Return the destinations that settings name, in the order of `NAMES`; none is asked for anything yet.

    Raises:
        SettingError: A tool is named by half.
    """
    _refuse_halves(settings)
    choices = EventChoices(
        user_key=settings.delivery_user_key,
        properties=settings.delivery_properties,
        urls=settings.delivery_urls,
        currency=settings.currency,
        cart_value=settings.cart_value,
    )
    makers: list[tuple[bool, Callable[[], HttpDestination], Callable[[], HttpDestination]]] = [
        (
            bool(settings.amplitude_api_key.get_secret_value()),
            lambda: amplitude_client.events(settings, choices),
            lambda: amplitude_client.users(settings),
        ),
        (
            bool(settings.heap_app_id),
            lambda: heap_client.events(settings, choices),
            lambda: heap_client.users(settings),
        ),
        (
            bool(settings.mixpanel_token.get_secret_value()),
            lambda: mixpanel_client.events(settings, choices),
            lambda: mixpanel_client.users(settings),
        ),
        (
            bool(settings.ga4_measurement_id),
            lambda: ga4_client.events(settings, choices),
            lambda: ga4_client.users(settings),
        ),
    ]
    made = [make() for is_named, *each in makers if is_named for make in each]
    return {one.name: one for one in made}


@contextmanager
def opened_destinations(settings: Settings, account: str | None = None) -> Iterator[dict[str, Destination]]:
    """Yield the destinations that settings name with their accounts, and close them."""
    made = _made(settings)
    try:
        yield with_accounts(settings, made, account)
    finally:
        for one in made.values():
            one.close()


def missing_settings(name: str) -> str:
    """Return the settings that a destination needs, for whoever is told that it is skipped."""
    tool = name.partition("_")[0]
    return {
        "amplitude": "ECOM_AMPLITUDE_API_KEY",
        "heap": "ECOM_HEAP_APP_ID",
        "mixpanel": "ECOM_MIXPANEL_TOKEN",
        "ga4": "ECOM_GA4_MEASUREMENT_ID and ECOM_GA4_API_SECRET",
    }[tool]


def _refuse_halves(settings: Settings) -> None:
    halves = {
        ("ECOM_GA4_MEASUREMENT_ID", "ECOM_GA4_API_SECRET"): (
            settings.ga4_measurement_id,
            settings.ga4_api_secret.get_secret_value(),
        ),
        ("ECOM_MIXPANEL_SERVICE_USER", "ECOM_MIXPANEL_SERVICE_SECRET"): (
            settings.mixpanel_service_user,
            settings.mixpanel_service_secret.get_secret_value(),
        ),
    }
    for (first, second), (one, other) in halves.items():
        if bool(one) != bool(other):
            raise SettingError(f"Of {first} and {second} only one is set; set both, or neither.")
    if settings.mixpanel_service_user and not settings.mixpanel_project_id:
        raise SettingError("ECOM_MIXPANEL_SERVICE_USER needs ECOM_MIXPANEL_PROJECT_ID; set the project's id, too.")
    if settings.mixpanel_service_user and not settings.mixpanel_token.get_secret_value():
        raise SettingError(
            "ECOM_MIXPANEL_SERVICE_USER is set, but user properties go by ECOM_MIXPANEL_TOKEN; set the project's token."
        )
