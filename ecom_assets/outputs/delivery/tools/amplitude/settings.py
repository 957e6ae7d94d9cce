"""Settings of Amplitude."""

from typing import Literal

from pydantic import Field, SecretStr

from ecom_assets.core.settings.subjects import PackageSettings, WebAddress


class AmplitudeSettings(PackageSettings):
    """The Amplitude part of `Settings`."""

    amplitude_api_key: SecretStr = Field(
        SecretStr(""), description="Key of the Amplitude project that gets events"
    )
    amplitude_api: Literal["batch", "http_v2"] = Field(
        "batch", description="Which of Amplitude's two APIs gets events"
    )
    amplitude_region: Literal["us", "eu"] = Field(
        "us", description="Where the Amplitude project is"
    )
    amplitude_url: WebAddress = Field(
        "", description="Address to use instead of the region's, without a path"
    )
    amplitude_min_id_length: int = Field(
        5,
        ge=1,
        le=1024,
        description="Minimum number of characters of user and device ids; Amplitude's default is 5",
    )
    amplitude_secret_key: SecretStr = Field(
        SecretStr(""), description="Secret key of that project, for requests to delete a person"
    )

    @property
    def amplitude_address(self) -> str:
        """Return the base URL of Amplitude."""
        return (
            self.amplitude_url
            or {"us": "https://api2.amplitude.com", "eu": "https://api.eu.amplitude.com"}[
                self.amplitude_region
            ]
        )

    @property
    def amplitude_deletion_address(self) -> str:
        """Return the base URL of Amplitude's User Privacy API."""
        hosts = {"us": "https://amplitude.com", "eu": "https://analytics.eu.amplitude.com"}
        return self.amplitude_url or hosts[self.amplitude_region]


SETTINGS = AmplitudeSettings
