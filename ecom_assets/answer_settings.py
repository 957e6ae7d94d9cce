"""Settings of what the HTTP API answers. Not here: reading them (`settings.py`), how it is served."""

from pydantic import Field
from pydantic_settings import BaseSettings


class AnswerSettings(BaseSettings):
    """What `Settings` has for answers of the HTTP API."""

    adhoc_most_events: int = Field(
        50_000_000, ge=1, description="Events that an ad-hoc question of the HTTP API may look through"
    )
    adhoc_timeout_s: float = Field(20.0, gt=0, description="Seconds that an ad-hoc question of the HTTP API may take")
    adhoc_at_once: int = Field(2, ge=1, le=64, description="Ad-hoc questions that the HTTP API answers at once")
