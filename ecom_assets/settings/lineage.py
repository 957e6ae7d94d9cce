"""Settings of lineage: where each run is reported as OpenLineage events."""

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings


class LineageSettings(BaseSettings):
    """What `Settings` has for lineage."""

    openlineage_url: str = Field(
        "", description="Receiver of OpenLineage events of each run: http://host:5000; needs the extra openlineage"
    )
    openlineage_api_key: SecretStr = Field(SecretStr(""), description="Key of this receiver, sent as a bearer token")
    openlineage_namespace: str = Field("ecom_assets", min_length=1, description="Namespace of the jobs in these events")

    @field_validator("openlineage_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.username):
            raise ValueError(
                "is not an http:// or https:// address, without a user; the key is ECOM_OPENLINEAGE_API_KEY"
            )
        return value
