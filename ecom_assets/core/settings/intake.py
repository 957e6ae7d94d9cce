"""The settings of what takes events as they happen: the stream, which consumes Kafka topics,
and the collector.
"""

from pathlib import Path
from typing import Final, Literal, get_args

from pydantic import Field, SecretStr

from ecom_assets.core.settings.constants import SettingsPart
from ecom_assets.core.settings.serving import NO_LIMIT, Networks, Rate

STREAM: Final = "kafka://"
"""How the address of a stream begins."""
StreamKind = Literal["events", "orders", "customers"]
"""What the messages of a stream are; also the name of the setting with its address."""
STREAM_KINDS: Final[tuple[StreamKind, ...]] = get_args(StreamKind)


def landing_of(home: Path, kind: StreamKind) -> Path:
    """Return where the records of a stream land in `ECOM_HOME`."""
    return home / "landing" / kind


class StreamSettings(SettingsPart):
    """What `Settings` has for `ecom stream`."""

    stream_group: str = Field(
        "ecom_assets",
        min_length=1,
        description="Consumer group of `ecom stream`; its processes share the partitions",
    )
    stream_start: Literal["earliest", "latest"] = Field(
        "earliest",
        description=(
            "Where a partition is begun that was never read: its earliest or its latest message"
        ),
    )
    stream_config_file: str = Field(
        "",
        description=(
            "File of librdkafka settings, one `name=value` a line, such as "
            "security.protocol=SASL_SSL"
        ),
    )
    stream_registry_url: SecretStr = Field(
        SecretStr(""),
        description=(
            "Address of the schema registry; messages are then Avro or JSON with a schema id"
        ),
    )
    stream_host: str = Field(
        "127.0.0.1", description="Address of /health and /metrics of `ecom stream`"
    )
    stream_port: int = Field(
        8200,
        ge=0,
        le=65535,
        description="Port of /health and /metrics of `ecom stream`; 0 for none",
    )


class CollectSettings(SettingsPart):
    """What `Settings` has for the collector that `ecom collect` runs."""

    collect_host: str = Field(
        "127.0.0.1",
        description=(
            "Address that the collector listens on; keys are required unless it listens on "
            "loopback only"
        ),
    )
    collect_port: int = Field(
        8100,
        ge=1,
        le=65535,
        description="Port that the collector listens on; several processes may share it",
    )
    collect_rate_key: Rate = Field(
        NO_LIMIT,
        description=(
            "Maximum rate of events per write key and process, such as 60000/minute; beyond it: 429"
        ),
    )
    collect_rate_address: Rate = Field(
        NO_LIMIT,
        description=(
            "Maximum rate of events per client address and process; beyond it the answer is 429"
        ),
    )
    collect_trusted_proxies: Networks = Field(
        (),
        description=(
            "Addresses of proxies whose X-Forwarded-For names the collector's client, by commas"
        ),
    )
    collect_address: Literal["drop", "short"] = Field(
        "drop",
        description=(
            "What is kept of a visitor's IP address: nothing, or its network (/24, /48) in "
            "properties.ip"
        ),
    )
    collect_user_agent: Literal["keep", "short"] = Field(
        "keep",
        description=(
            "What is kept of a browser's user agent: all, or browser, system and whether it "
            "is a robot"
        ),
    )
    collect_country_header: str = Field(
        "",
        description=(
            "Header in which a proxy names the visitor's country, such as CF-IPCountry; into "
            "properties"
        ),
    )
    collect_country_file: Path | None = Field(
        None,
        description=(
            "MaxMind database (.mmdb) of countries by address, where no proxy names them; "
            "into properties; needs the extra geoip"
        ),
    )
    collect_cookie_days: int = Field(
        400,
        ge=0,
        le=400,
        description="Days that the collector's cookie keeps the device id; 0 sets none",
    )
