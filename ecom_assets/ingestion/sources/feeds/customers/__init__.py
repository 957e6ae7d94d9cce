"""Who buys: a list of customers."""

from ecom_assets.core.settings.upload_kind import UploadKind

UPLOAD = UploadKind(
    name="customers",
    position=30,
    label="Customers",
    noun="customers",
    row_words=("customer", "customers"),
    subject="commerce.customers",
    mapping="customers",
    is_data=True,
    apis=("customer_api_url",),
)
