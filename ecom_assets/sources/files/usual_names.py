"""The names that senders usually give to event types."""

from functools import cache

import yaml

from ecom_assets.sources.mapping_file import shipped_file


@cache
def usual_event_types() -> dict[str, str]:
    """Return the platform's event types by the names that senders usually give them, as written and in snake_case."""
    listed: dict[str, list[str]] = yaml.safe_load(shipped_file("usual_event_types.yaml"))
    return {
        form: ours
        for ours, names in listed.items()
        for name in names
        for form in (name, name.lower().replace(" ", "_"))
        if form != ours
    }
