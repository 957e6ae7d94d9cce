"""What is ordered and paid back, a row per order line."""

from ecom_assets.core.settings.upload_kind import UploadKind

UPLOAD = UploadKind(
    name="orders",
    position=20,
    label="Orders",
    noun="order lines",
    row_words=("order line", "order lines"),
    subject="commerce.orders",
    mapping="user_order_log",
    has_days=True,
    is_data=True,
    apis=("order_api_url",),
)
