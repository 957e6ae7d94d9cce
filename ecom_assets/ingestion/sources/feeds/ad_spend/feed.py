"""How ad spend is read, and lands."""

from ecom_assets.commerce.marketing.contracts import RawAdSpend
from ecom_assets.ingestion.sources.ad_spend import has_ad_spend
from ecom_assets.ingestion.sources.feeds.ad_spend import UPLOAD
from ecom_assets.ingestion.sources.files.mapping import AD_SPEND, AdSpendMapping
from ecom_assets.ingestion.sources.record_feed import RecordFeed

FEED = RecordFeed(
    upload=UPLOAD,
    raw=RawAdSpend,
    folder=AD_SPEND.folder,
    id=AD_SPEND.id,
    reading="cost_reading:AdSpendFileReading.open",
    draft="list_drafts:AdSpendDraft",
    key=(
        "concat_ws('|', spend_date, platform, account_id, coalesce(campaign_id, campaign_name), "
        "coalesce(ad_group_id, ad_group_name))"
    ),
    mapping=AdSpendMapping,
    amount_column="spend_amount",
    is_recognised=True,
    is_set=has_ad_spend,
)
