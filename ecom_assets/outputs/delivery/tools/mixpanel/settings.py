"""Settings of Mixpanel."""

from typing import Literal

from pydantic import Field, SecretStr

from ecom_assets.core.settings.subjects import PackageSettings, WebAddress

IdMerge = Literal["simplified", "original"]


class MixpanelSettings(PackageSettings):
    """The Mixpanel part of `Settings`."""

    mixpanel_token: SecretStr = Field(
        SecretStr(""), description="Token of the Mixpanel project that gets events"
    )
    mixpanel_project_id: str = Field(
        "", description="Id of that project; needed with a service account"
    )
    mixpanel_service_user: str = Field(
        "", description="Mixpanel service account, instead of the token, for events"
    )
    mixpanel_service_secret: SecretStr = Field(
        SecretStr(""), description="Secret of that service account"
    )
    mixpanel_region: Literal["us", "eu", "in"] = Field(
        "us", description="Where the Mixpanel project is"
    )
    mixpanel_identity: IdMerge = Field(
        "simplified",
        description=(
            "How the Mixpanel project joins devices and users: its Simplified or Original Merge"
        ),
    )
    mixpanel_url: WebAddress = Field(
        "", description="Address to use instead of the region's, without a path"
    )
    mixpanel_gdpr_token: SecretStr = Field(
        SecretStr(""), description="OAuth token for requests to delete a person (GDPR API)"
    )

    @property
    def mixpanel_address(self) -> str:
        """Return the base URL of Mixpanel."""
        host = {"us": "api", "eu": "api-eu", "in": "api-in"}[self.mixpanel_region]
        return self.mixpanel_url or f"https://{host}.mixpanel.com"

    @property
    def mixpanel_deletion_address(self) -> str:
        """Return the base URL of Mixpanel's GDPR API."""
        host = {"us": "mixpanel.com", "eu": "eu.mixpanel.com", "in": "in.mixpanel.com"}[
            self.mixpanel_region
        ]
        return self.mixpanel_url or f"https://{host}"


SETTINGS = MixpanelSettings
