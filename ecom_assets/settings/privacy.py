"""Settings of privacy: the key of the hashes of erased people."""

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

SHORTEST_KEY = 32
"""Characters: with a shorter key, ids could be found by trying all of them."""


class PrivacySettings(BaseSettings):
    """What `Settings` has for erasing people."""

    erasure_key: SecretStr = Field(
        SecretStr(""),
        description="Key of the hashes by which erased people are known again; default one that is made in "
        "<home>/erasure.key. Set it where several machines share a warehouse, and never change it",
    )

    @field_validator("erasure_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < SHORTEST_KEY:
            raise ValueError(f"is shorter than {SHORTEST_KEY} characters")
        return value
