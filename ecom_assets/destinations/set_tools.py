"""Which tools are set, so that something goes there. Not here: what goes (`destination.py`)."""

import dagster as dg

from ecom_assets.settings import Settings

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
    return {dg.AssetKey(["export", name]) for name in unset | without}
