"""How order lines are read, and land."""

from datetime import date

from ecom_assets.commerce.orders.contracts import RawUserOrderLog
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.sql_text import day_in_zone, ident, select, text
from ecom_assets.ingestion.sources.feeds.orders import UPLOAD
from ecom_assets.ingestion.sources.files.currency import Currencies
from ecom_assets.ingestion.sources.files.mapping import ORDER, OrderMapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.order_reports.source import has_orders
from ecom_assets.ingestion.sources.record_feed import RecordFeed, RowsToLand


def _landed(files: RecordFiles, settings: Settings, _sent_day: date) -> RowsToLand:
    currencies, currency = Currencies.from_settings(settings), ident("currency")
    own_day = day_in_zone(files.mapping.kind.at, files.timezone)
    dated = select(f"*, {own_day} AS order_date", f"({files.received_sql()})")
    # With the code of a sign beside amounts, which says several currencies elsewhere.
    stated = f"coalesce(currency, received_currency) AS {currency}"
    # A file that states no currency is of the shop's, or it could not stand beside one that does.
    if settings.currency and not currencies.convert_orders(files, dated).names:
        stated = f"coalesce(currency, {text(settings.currency)}) AS {currency}"
    return RowsToLand(files, currencies.coded_orders(files, dated), {currency: stated})


FEED = RecordFeed(
    upload=UPLOAD,
    raw=RawUserOrderLog,
    folder=ORDER.folder,
    id=ORDER.id,
    reading="reading:read_orders",
    draft="row_draft:RowDraft",
    key="coalesce(record_id, uniq_id)",
    mapping=OrderMapping,
    amount_column="payment_amount",
    is_recognised=True,
    landed=_landed,
    is_set=has_orders,
)
