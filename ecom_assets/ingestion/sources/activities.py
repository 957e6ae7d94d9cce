"""Which events an order report's activities have: no views,
unless a custom mapping names some.
"""

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.files.mapping import load_mapping
from ecom_assets.ingestion.sources.home_notes import have_activities, noted_paths
from ecom_assets.ingestion.sources.report_paths import ACTIVITIES


def has_views(settings: Settings) -> bool:
    """Return whether views are among the events of the settings, or, without any, of the last run.

    Without views, bounces are not known: every session would be a bounce.
    """
    if not have_activities(settings):
        return True
    noted = noted_paths(settings).get("events_mapping", ACTIVITIES)
    return load_mapping(settings.events_mapping if settings.events else noted).has_views
