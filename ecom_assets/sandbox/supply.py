"""The sandbox shop's data where nobody has given any. Not here: the simulation (`shop.py`)."""

from ecom_assets.sandbox.shop import generate
from ecom_assets.settings import Settings
from ecom_assets.sources.event_source import sandbox_is_missing


def ensure_sandbox(settings: Settings) -> None:
    """Make the sandbox shop's data, unless they are there."""
    if sandbox_is_missing(settings):
        generate(settings.sandbox_folder)
