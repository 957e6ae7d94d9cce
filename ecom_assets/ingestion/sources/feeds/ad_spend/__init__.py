"""What ads cost."""

from ecom_assets.core.settings.upload_kind import UploadKind

UPLOAD = UploadKind(
    name="ad_spend",
    position=60,
    label="Ad spend",
    noun="ad spend",
    row_words=("row of ad spend", "rows of ad spend"),
    subject="commerce.marketing",
    mapping="native",
    asks_currency=True,
    is_named_with_mapping=True,
)
