"""What items cost the shop, and since when."""

from ecom_assets.core.settings.upload_kind import UploadKind

UPLOAD = UploadKind(
    name="costs",
    position=40,
    label="Costs",
    noun="costs",
    row_words=("cost", "costs"),
    subject="commerce.costs",
    mapping="costs",
    asks_currency=True,
)
