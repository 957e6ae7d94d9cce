"""How many there are of each product."""

from ecom_assets.core.settings.upload_kind import UploadKind

UPLOAD = UploadKind(
    name="stock",
    position=50,
    label="Stock",
    noun="stock",
    row_words=("product", "products"),
    subject="commerce.products",
)
