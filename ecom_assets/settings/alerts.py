"""Settings of what is reported of runs: alerts and reports by e-mail, and OpenLineage events."""

import re
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from ecom_assets.settings.lists import ByCommas
from ecom_assets.settings.tools import WebAddress


class AlertSettings(BaseSettings):
    """What `Settings` has for alerts."""

    smtp_url: SecretStr = Field(
        SecretStr(""),
        description="Server that sends alerts and reports: smtp://user:password@host:port, with ?starttls=true, or "
        "smtps://",
    )
    alert_email: ByCommas = Field(
        (), description="Recipients of a message when a run or a check fails, separated by commas"
    )
    alert_sender: str = Field("", description="Sender of alerts and reports; default the first recipient")
    report_email: ByCommas = Field(
        (), description="Recipients of the weekly report, each Monday at 7:00, separated by commas"
    )
    dagster_url: WebAddress = Field(
        "", description="Where people reach Dagster's UI, for links; default where `ecom ui` was started last"
    )

    @field_validator("alert_email", "report_email")
    @classmethod
    def _mail_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            cls._mail_address(address)
        return value

    @field_validator("alert_sender")
    @classmethod
    def _mail_address(cls, value: str) -> str:
        if value and not re.fullmatch(r"[^@\s<>,;]+@[^@\s<>,;]+", value):
            raise ValueError("is not an e-mail address, such as data@shop.example")
        return value


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
