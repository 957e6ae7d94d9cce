"""How costs are read, and land."""

from ecom_assets.commerce.costs.contracts import RawCosts
from ecom_assets.ingestion.sources.costs import has_costs
from ecom_assets.ingestion.sources.feeds.costs import UPLOAD
from ecom_assets.ingestion.sources.files.mapping import COST, CostMapping
from ecom_assets.ingestion.sources.record_feed import RecordFeed

FEED = RecordFeed(
    upload=UPLOAD,
    raw=RawCosts,
    folder=COST.folder,
    id=COST.id,
    reading="cost_reading:CostFileReading.open",
    draft="list_drafts:ListDraft",
    key="concat_ws('|', item_id, valid_from_date)",
    mapping=CostMapping,
    amount_column="unit_cost_amount",
    is_set=has_costs,
)
