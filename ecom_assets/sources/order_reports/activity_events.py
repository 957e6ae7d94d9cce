"""The activities of a stored order report as events, where a shop has no clickstream.

They are read like any file of events. When a clickstream comes, they go: both would count one visit twice.
"""

from datetime import date
from pathlib import Path

from ecom_assets.events.contracts import RawEvents
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.events import SANDBOX
from ecom_assets.sources.files.places import joined_places
from ecom_assets.sources.order_reports.api import ACTIVITIES, report_path
from ecom_assets.tables.days import Days
from ecom_assets.warehouse.engine import Engine
from ecom_assets.warehouse.withdrawals import note_withdrawn

TYPES_SHOWN = 20
"""More actions than any known report has."""


def with_activities(settings: Settings) -> Settings:
    """Return the settings with the stored activities as events; they are read as ECOM_EVENTS_MAPPING says, if set."""
    mapping = settings.events_mapping if "events_mapping" in settings.model_fields_set else ACTIVITIES
    place = joined_places([str(report_path(settings.home, ACTIVITIES).absolute())])
    return settings.model_copy(update={"events": place, "events_mapping": mapping})


def are_activities(place: str) -> bool:
    """Return whether a place of events is the file of a report's activities, in this home or where it was before."""
    file = report_path(Path(), ACTIVITIES).parts
    return Path(place).parts[-len(file) :] == file


def has_clickstream(engine: Engine) -> bool:
    """Return whether the warehouse has the shop's own events."""
    return any(origin != SANDBOX and not are_activities(origin) for origin in _origins(engine))


def activity_types(engine: Engine) -> list[str]:
    """Return the types of the stored events that are activities; none where events are others."""
    if not (place := _of_activities(engine)):
        return []
    column = engine.quoted("event_type")
    rows = engine.query(
        f"SELECT DISTINCT {column} AS name FROM {engine.name_of(RawEvents)} "  # noqa: S608 (names come from contracts)
        f"WHERE {place} AND {column} IS NOT NULL ORDER BY 1 LIMIT {TYPES_SHOWN}"
    )
    return [row["name"] for row in rows]


def remove_activities(engine: Engine) -> list[date]:
    """Remove the events that are activities; return the first and the last day of arrival that had some."""
    if not (place := _of_activities(engine)):
        return []
    day = engine.quoted(str(RawEvents.day_column))
    rows = engine.query(
        f"SELECT {day} AS day, count(*) AS n FROM {engine.name_of(RawEvents)} WHERE {place} GROUP BY 1"  # noqa: S608 (as above)
    )
    before = {row["day"]: int(row["n"]) for row in rows}
    days = Days.of(before)
    table = engine.table(RawEvents)
    kept = table.filter(days.contain(table[str(RawEvents.day_column)]))
    kept = kept.filter(kept.source.notin([one for one in _origins(engine) if are_activities(one)]))
    engine.remove(RawEvents, [place], kept, days)
    after = engine.day_counts(RawEvents, days)
    note_withdrawn(engine, RawEvents, {one: n for one, n in before.items() if not after.get(one)}, "clickstream")
    return [days.first, days.dates[-1]]


def _of_activities(engine: Engine) -> str:
    """Return the SQL that tests if an event is an activity; nothing where none is."""
    places = [engine.text_of(origin) for origin in _origins(engine) if are_activities(origin)]
    return f"{engine.quoted('source')} IN ({', '.join(places)})" if places else ""


def _origins(engine: Engine) -> list[str]:
    """Return where the stored events came from."""
    if not engine.has(RawEvents):
        return []
    column = engine.quoted("source")
    rows = engine.query(f"SELECT DISTINCT {column} AS origin FROM {engine.name_of(RawEvents)}")  # noqa: S608 (as above)
    return [row["origin"] for row in rows]
