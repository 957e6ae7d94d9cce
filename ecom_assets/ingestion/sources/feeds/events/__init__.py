"""What visitors do."""

from ecom_assets.core.settings.upload_kind import UploadKind

UPLOAD = UploadKind(
    name="events",
    position=10,
    label="Visits and events",
    noun="events",
    row_words=("event", "events"),
    subject="behaviour.events",
    mapping="ecommerce",
    has_days=True,
    is_data=True,
    asks_currency=True,
)
