"""Who pays every month, and what for."""

from ecom_assets.core.settings.upload_kind import UploadKind

UPLOAD = UploadKind(
    name="subscriptions",
    position=70,
    label="Subscriptions",
    noun="subscriptions",
    row_words=("subscription", "subscriptions"),
    subject="commerce.subscriptions",
    mapping="subscriptions",
    asks_currency=True,
    setting="files of subscriptions",
)
