"""Settings of GA4."""

import re
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from ecom_assets.core.settings.subjects import PackageSettings, WebAddress


class Ga4Settings(PackageSettings):
    """The GA4 part of `Settings`."""

    ga4_measurement_id: str = Field(
        "", description="Measurement id of the GA4 web stream that gets events, G-…"
    )
    ga4_api_secret: SecretStr = Field(
        SecretStr(""), description="Measurement Protocol API secret of that stream"
    )
    ga4_region: Literal["us", "eu"] = Field(
        "us", description="Region in which GA4 collects the data; eu keeps them in the EU"
    )
    ga4_url: WebAddress = Field(
        "", description="Address to use instead of the region's, without a path"
    )
    ga4_property_id: str = Field(
        "", description="Number of the GA4 property, for requests to delete a person"
    )
    ga4_deletion_token: SecretStr = Field(
        SecretStr(""),
        description=(
            "OAuth token with the scope analytics.user.deletion, for requests to delete a person"
        ),
    )
    ga4_unconfirmed: Literal["at_most_once", "at_least_once"] = Field(
        "at_most_once",
        description=(
            "Whether records that GA4 may or may not have received are left in doubt, or sent again"
        ),
    )

    @field_validator("ga4_measurement_id")
    @classmethod
    def _measurement_id(cls, value: str) -> str:
        if value and not re.fullmatch(r"G-[A-Z0-9]+", value):
            raise ValueError("is not a measurement id of a web stream, such as G-ABCDE12345")
        return value

    @property
    def ga4_address(self) -> str:
        """Return the URL of GA4's collection endpoint."""
        host = {"us": "www", "eu": "region1"}[self.ga4_region]
        return self.ga4_url or f"https://{host}.google-analytics.com"

    @property
    def ga4_deletion_address(self) -> str:
        """Return the base URL of Google's User Deletion API."""
        return self.ga4_url or "https://www.googleapis.com"


SETTINGS = Ga4Settings
