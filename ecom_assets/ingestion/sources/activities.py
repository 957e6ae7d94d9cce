"""What an order report's activities record: neither views nor carts nor purchases,
unless a custom mapping names some, and no addresses.
"""

from ecom_assets.behaviour.events.recorded import not_recorded_by
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.files.mapping import load_mapping
from ecom_assets.ingestion.sources.home_notes import have_activities, noted_paths
from ecom_assets.ingestion.sources.report_paths import ACTIVITIES


def not_recorded(settings: Settings) -> frozenset[str]:
    """Return what the events of the settings, or, without any, of the last run do not record.

    What is counted from it is not known: without views, every session would be a bounce.
    """
    if not have_activities(settings):
        return frozenset()
    noted = noted_paths(settings).get("events_mapping", ACTIVITIES)
    mapping = load_mapping(settings.events_mapping if settings.events else noted)
    return not_recorded_by(mapping.names_type, has_addresses=False)
