"""Settings of Heap."""

from typing import Literal

from pydantic import Field, SecretStr

from ecom_assets.core.settings.subjects import PackageSettings, WebAddress


class HeapSettings(PackageSettings):
    """The Heap part of `Settings`."""

    heap_app_id: str = Field("", description="Id of the Heap environment that gets events")
    heap_region: Literal["us", "eu"] = Field("us", description="Where the Heap environment is")
    heap_url: WebAddress = Field(
        "", description="Address to use instead of the region's, without a path"
    )
    heap_api_key: SecretStr = Field(
        SecretStr(""),
        description="API key of that environment, for requests to delete a person",
    )

    @property
    def heap_address(self) -> str:
        """Return the base URL of Heap."""
        return (
            self.heap_url
            or {"us": "https://heapanalytics.com", "eu": "https://c.eu.heap-api.com"}[
                self.heap_region
            ]
        )

    @property
    def heap_deletion_address(self) -> str:
        """Return the base URL of Heap's User Deletion API, which is the same for both regions."""
        return self.heap_url or "https://heapanalytics.com"


SETTINGS = HeapSettings
