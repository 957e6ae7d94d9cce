"""Bounds and waits that no environment sets: constants, which tests pass as parameters of
`Settings`; and the settings that were removed.
"""

from typing import Final

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsPart(BaseSettings):
    """The settings of a subject: a base class of `Settings`."""

    # `Settings` alone is built, with the fields of all of them: a sixth of a second in all commands
    # of a slow machine.
    model_config = SettingsConfigDict(defer_build=True)


class Constants(SettingsPart):
    """What `Settings` has besides settings. Neither the environment nor a file changes it."""

    identity_session_users: int = Field(
        5, ge=2, description="A source session without a device, with so many users, joins nobody"
    )
    identity_user_devices_days: int = Field(
        30, ge=1, le=366, description="Days within which the devices of a user are counted for that"
    )
    identity_group_users: int = Field(
        1000, ge=2, description="More users than this that aliases would join stay separate"
    )
    source_connect_timeout_s: float = Field(5.0, gt=0, description="Seconds to reach an API")
    compact_target_mb: int = Field(
        256, ge=1, description="Size in MB beyond which merged files are merged no further"
    )
    delivery_connect_timeout_s: float = Field(5.0, gt=0, description="Seconds to reach a tool")
    delivery_read_timeout_s: float = Field(
        30.0, gt=0, description="Seconds to wait for a tool's response"
    )
    delivery_retry_base_s: float | None = Field(
        None,
        gt=0,
        description=(
            "Seconds before the first retry; each further one waits twice as long; default 1, "
            "for Mixpanel 2"
        ),
    )
    delivery_pause_s: float | None = Field(
        None,
        gt=0,
        description=(
            "Seconds of pause after 429 without Retry-After; default what the tool documents"
        ),
    )
    ledger_lease_s: float = Field(
        120.0,
        gt=0,
        description="Seconds without activity after which a delivery is replaced by another one",
    )
    ledger_patience_s: float = Field(
        300.0,
        ge=0,
        description="Seconds that a delivery waits for another one to the same destination to end",
    )
    stream_unknown_schema_s: float = Field(
        60.0,
        ge=0,
        description=(
            "Seconds after which messages of a schema that the registry lacks are dead letters"
        ),
    )
    stream_file_mb: float = Field(
        32.0,
        gt=0,
        description=(
            "Size in MB of messages of a partition that become a landing file before that time"
        ),
    )
    stream_waiting_mb: float = Field(
        256.0,
        gt=0,
        description="Size in MB of messages that may wait for the disk; beyond it reading pauses",
    )
    collect_client_timeout_s: float = Field(
        10.0,
        gt=0,
        description="Seconds that a client may take to send its request to the collector",
    )
    collect_waiting_mb: int = Field(
        64,
        ge=1,
        description=(
            "Size in MB of events that may wait for the disk; beyond it the collector answers 503"
        ),
    )
    collect_unsealed_mb: int = Field(
        1_000,
        ge=1,
        description="Size in MB of durable events that no landing file has yet; beyond it: 503",
    )
    adhoc_per_caller: int = Field(
        8,
        ge=1,
        description=(
            "Maximum number of ad-hoc questions of one key, or address without keys, that "
            "run or wait; further ones get 429"
        ),
    )
    api_client_timeout_s: float = Field(
        10.0, gt=0, description="Seconds that a client may take to send its request"
    )
    redis_timeout_s: float = Field(
        0.05, gt=0, le=5, description="Seconds to wait for Redis before continuing without it"
    )


REMOVED: Final = {
    "identity_session_users": (
        "0.2.0",
        "a source session without a device, with 5 users, joins nobody",
    ),
    "identity_user_devices_days": ("0.2.0", "the devices of a user are counted within 30 days"),
    "identity_group_users": (
        "0.2.0",
        "more than 1,000 users that aliases would join stay separate",
    ),
    "source_connect_timeout_s": ("0.2.0", "an API must be reached within 5 seconds"),
    "compact_target_mb": ("0.2.0", "merged files are merged no further beyond 256 MB"),
    "delivery_connect_timeout_s": ("0.2.0", "a tool must be reached within 5 seconds"),
    "delivery_read_timeout_s": ("0.2.0", "a tool must respond within 30 seconds"),
    "delivery_retry_base_s": (
        "0.2.0",
        "the first retry waits 1 second, at Mixpanel 2, and each further one twice as long",
    ),
    "delivery_pause_s": ("0.2.0", "the pause after 429 is what the tool documents"),
    "ledger_lease_s": (
        "0.2.0",
        "a delivery without activity for 120 seconds is replaced by another one",
    ),
    "ledger_patience_s": (
        "0.2.0",
        "a delivery waits 300 seconds for another one to the same destination",
    ),
    "stream_unknown_schema_s": (
        "0.2.0",
        "messages of an unknown schema are dead letters after 60 seconds",
    ),
    "stream_file_mb": ("0.2.0", "32 MB of messages of a partition become a file before their time"),
    "stream_waiting_mb": (
        "0.2.0",
        "reading pauses beyond 256 MB of messages that wait for the disk",
    ),
    "collect_client_timeout_s": (
        "0.2.0",
        "a client may take 10 seconds to send its request to the collector",
    ),
    "collect_waiting_mb": (
        "0.2.0",
        "beyond 64 MB of events that wait for the disk the collector answers 503",
    ),
    "collect_unsealed_mb": (
        "0.2.0",
        "beyond 1,000 MB of events without a landing file the collector answers 503",
    ),
    "adhoc_per_caller": ("0.2.0", "of one caller 8 questions run or wait, further ones get 429"),
    "api_client_timeout_s": ("0.2.0", "a client may take 10 seconds to send its request"),
    "redis_timeout_s": (
        "0.2.0",
        "Redis is waited for 0.05 seconds, then the API goes on without it",
    ),
}
"""The settings that are ignored with a warning: the version since which, and what holds now."""


def removal_of(name: str) -> str | None:
    """Return the sentence about a removed setting, by its field's name; None for others."""
    if name not in REMOVED:
        return None
    version, now = REMOVED[name]
    return f"ECOM_{name.upper()} is no setting since {version} and is ignored: {now}; remove it."
