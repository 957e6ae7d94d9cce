"""Settings of alerts and reports: the mail server, and who gets them."""

import re
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode


class AlertSettings(BaseSettings):
    """What `Settings` has for alerts."""

    smtp_url: SecretStr = Field(
        SecretStr(""),
        description="Server that sends alerts and reports: smtp://user:password@host:port, with ?starttls=true, or "
        "smtps://",
    )
    alert_email: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Recipients of a message when a run or a check fails, separated by commas"
    )
    alert_sender: str = Field("", description="Sender of alerts and reports; default the first recipient")
    report_email: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Recipients of the weekly report, each Monday at 7:00, separated by commas"
    )
    dagster_url: str = Field(
        "", description="Where people reach Dagster's UI, for links; default where `ecom ui` was started last"
    )

    @field_validator("alert_email", "report_email", mode="before")
    @classmethod
    def _by_comma(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

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
