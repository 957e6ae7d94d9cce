"""What runs over the shop's own data note in the home: their first day, their paths,
and what is stored.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from ecom_assets.core.settings.settings import OWN_DATA, PREFIX, Settings
from ecom_assets.core.settings.uploaded import NATIVE_OF, mapping_setting
from ecom_assets.ingestion.sources.report_paths import ACTIVITIES, are_activities

REMEMBERED: Final = OWN_DATA
"""The file in `ECOM_HOME` with the first day of runs over the shop's own data, their paths,
and what is stored.
"""
SOURCE_OF: Final[Mapping[str, str]] = {
    **{name: kind for kind in NATIVE_OF for name in (kind, *mapping_setting(kind))},
    "customer_api_mapping": "customers",
    "catalogue": "catalogue",
}
"""The settings that say where stored rows came from and how they were read, each with the source
that they are of: most are options of `ecom run`.
"""


def remembered_paths(settings: Settings) -> dict[str, str]:
    """Return the settings with the paths of the last run over each source,
    by the names of their variables.
    """
    return {f"{PREFIX}{name.upper()}": path for name, path in noted_paths(settings).items()}


def noted_paths(settings: Settings) -> dict[str, str]:
    """Return the same by the names of the settings."""
    noted = notes_of(settings).get("paths")
    paths = noted if isinstance(noted, dict) else {}
    return {name: str(paths[name]) for name in SOURCE_OF if paths.get(name)}


def notes_of(settings: Settings) -> dict[str, Any]:
    """Return all notes; none if there are none that can be read."""
    try:
        noted = json.loads((settings.home / REMEMBERED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def have_activities(settings: Settings) -> bool:
    """Return whether an order report's activities are the events of the settings, or, without any,
    of the last run: the file of a report, or what the mapping of such files reads.
    """
    noted = noted_paths(settings)
    events, mapping = noted.get("events", ""), noted.get("events_mapping", "")
    if settings.events:
        events, mapping = settings.events, settings.events_mapping
    return bool(events) and (are_activities(events) or mapping == ACTIVITIES)
