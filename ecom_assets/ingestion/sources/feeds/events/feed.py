"""How events are read, and land."""

from datetime import date

from ecom_assets.behaviour.events.contracts import RawEvents
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.feeds.events import UPLOAD
from ecom_assets.ingestion.sources.files.currency import Currencies
from ecom_assets.ingestion.sources.files.mapping import EVENT, EventMapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.order_reports.source import has_events
from ecom_assets.ingestion.sources.record_feed import RecordFeed, RowsToLand


def _landed(files: RecordFiles, settings: Settings, _sent_day: date) -> RowsToLand:
    files = Currencies.from_settings(settings).coded_events(files)
    return RowsToLand(files, files.received_sql())


FEED = RecordFeed(
    upload=UPLOAD,
    raw=RawEvents,
    folder=EVENT.folder,
    id=EVENT.id,
    reading="reading:read_events",
    draft="row_draft:RowDraft",
    key="event_id",
    mapping=EventMapping,
    is_recognised=True,
    landed=_landed,
    is_set=has_events,
)
