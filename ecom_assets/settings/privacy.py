"""Settings of privacy: the key of the hashes of erased people, and how long rows are kept."""

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

SHORTEST_KEY = 32
"""Characters: with a shorter key, ids could be found by trying all of them."""


class PrivacySettings(BaseSettings):
    """What `Settings` has for erasing people and for limits of retention."""

    erasure_key: SecretStr = Field(
        SecretStr(""),
        description="Key of the hashes by which erased people are known again; default one that is made in "
        "<home>/erasure.key. Set it where several machines share a warehouse, and never change it",
    )

    retention_days: int | None = Field(
        None,
        ge=60,
        description="Days that events are kept as received: `ecom retain` removes older ones from landing folders and "
        "raw tables, and older days have no partition; default for ever",
    )

    @field_validator("erasure_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < SHORTEST_KEY:
            raise ValueError(f"is shorter than {SHORTEST_KEY} characters")
        return value
