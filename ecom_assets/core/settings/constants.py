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

    identity_device_users: int = Field(
        20, ge=2, description="A device with so many users joins nobody"
    )
    identity_user_devices: int = Field(
        50, ge=2, description="A user on so many devices in a time joins nobody"
    )
    identity_session_users: int = Field(
        5, ge=2, description="A source session without a device, with so many users, joins nobody"
    )
    identity_user_devices_days: int = Field(
        30, ge=1, le=366, description="Days within which the devices of a user are counted for that"
    )
    identity_group_users: int = Field(
        1000, ge=2, description="More users than this that aliases would join stay separate"
    )
    source_concurrency: int = Field(8, ge=1, le=64, description="Concurrent requests to an API")
    customer_api_passes: int = Field(
        5,
        ge=2,
        description="Maximum number of passes over pages that change while they are read",
    )
    order_api_poll_s: float = Field(
        10.0, gt=0, description="Seconds between two requests for the state of a report"
    )
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
    delivery_events_per_s: float | None = Field(
        None, ge=0, description="Events per second to a tool, 0 without a bound; default its own"
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
    "amplitude_events_per_s": (
        "0.2.0",
        "Amplitude gets up to 1,000 events a second by http_v2, as many as it takes by batch",
    ),
    "api_cache_mb": ("0.2.0", "the cache of answers takes up to 64 MB"),
    "api_connections_per_address": ("0.2.0", "one client address has up to 100 connections"),
    "api_max_body_bytes": ("0.2.0", "the body of a request has up to 1,000,000 bytes"),
    "api_max_connections": ("0.2.0", "the API has up to 500 connections"),
    "api_stop_s": ("0.2.0", "open requests have 10 seconds when the API stops"),
    "api_streams_per_caller": ("0.2.0", "one caller has up to 20 real-time streams open"),
    "collect_connections_per_address": (
        "0.2.0",
        "one client address has up to 500 connections to a process of the collector",
    ),
    "collect_max_batch_bytes": (
        "0.2.0",
        "the body of a request to the collector has up to 512,000 bytes",
    ),
    "collect_max_batch_events": (
        "0.2.0",
        "a request to the collector has up to 5,000 events",
    ),
    "collect_max_connections": (
        "0.2.0",
        "a process of the collector has up to 10,000 connections",
    ),
    "collect_max_event_bytes": ("0.2.0", "an event has up to 32,768 bytes"),
    "collect_public_days": (
        "0.2.0",
        "events of keys without the scope link may have happened up to 30 days before they arrive",
    ),
    "collect_seal_s": ("0.2.0", "the collector's events are sealed after 0.5 seconds"),
    "compact_after_hours": ("0.2.0", "small landing files are merged after 2 hours"),
    "customer_api_passes": (
        "0.2.0",
        "pages that change meanwhile are read up to 5 times",
    ),
    "delivery_late_days": (
        "0.2.0",
        "no record may still wait for delivery 2 days before the newest day",
    ),
    "delivery_max_wait_s": ("0.2.0", "a batch waits up to 300 seconds, then for the next run"),
    "delivery_retries": ("0.2.0", "a request to a tool is repeated up to 5 times"),
    "delivery_senders": ("0.2.0", "a tool gets up to 8 requests at the same time"),
    "engagement_high_s": ("0.2.0", "engagement is high from 600 engaged seconds"),
    "engagement_high_score": ("0.2.0", "engagement is high from 70 points of the API's score"),
    "engagement_high_sessions": ("0.2.0", "engagement is high from 5 sessions in 30 days"),
    "engagement_medium_s": ("0.2.0", "engagement is medium from 60 engaged seconds"),
    "engagement_medium_score": ("0.2.0", "engagement is medium from 40 points of the API's score"),
    "engagement_medium_sessions": ("0.2.0", "engagement is medium from 2 sessions in 30 days"),
    "ga4_events_per_s": ("0.2.0", "GA4 gets events without a bound"),
    "gate_least_rows": ("0.2.0", "shares of fewer than 100 rows are not checked"),
    "heap_events_per_s": ("0.2.0", "Heap gets up to 250 events a second"),
    "identity_device_users": ("0.2.0", "a device with 20 users joins nobody"),
    "identity_user_devices": ("0.2.0", "a user on 50 devices within 30 days joins nobody"),
    "max_days": (
        "0.2.0",
        "a run over more than 1,830 days is asked for by --from and --to",
    ),
    "max_quantity": ("0.2.0", "quantities beyond 1,000,000 are not known"),
    "mixpanel_events_per_s": ("0.2.0", "Mixpanel gets up to 30,000 events a second"),
    "mixpanel_max_bytes": ("0.2.0", "a request to Mixpanel has up to 2,000,000 bytes before gzip"),
    "order_api_patience_s": ("0.2.0", "a report is waited for up to 600 seconds"),
    "order_api_poll_s": ("0.2.0", "the state of a report is asked for every 10 seconds"),
    "source_concurrency": ("0.2.0", "an API gets up to 8 requests at the same time"),
    "source_max_wait_s": (
        "0.2.0",
        "a request waits up to 300 seconds because of 429 responses",
    ),
    "source_response_timeout_s": (
        "0.2.0",
        "one response of an API takes up to 300 seconds from its first to its last byte",
    ),
    "stream_file_s": (
        "0.2.0",
        "messages of a partition become a landing file after 0.5 seconds",
    ),
    "warehouse_patience_s": ("0.2.0", "a run waits up to 3,600 seconds for the embedded warehouse"),
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
