"""The settings of the stream, which consumes Kafka topics."""

from pathlib import Path
from typing import Final, Literal, get_args

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

STREAM: Final = "kafka://"
"""How the address of a stream begins."""
StreamKind = Literal["events", "orders", "customers"]
"""What the messages of a stream are; also the name of the setting with its address."""
STREAM_KINDS: Final[tuple[StreamKind, ...]] = get_args(StreamKind)


def landing_of(home: Path, kind: StreamKind) -> Path:
    """Return where the records of a stream land in `ECOM_HOME`."""
    return home / "landing" / kind


class StreamSettings(BaseSettings):
    """What `Settings` has for `ecom stream`."""

    stream_group: str = Field(
        "ecom_assets", min_length=1, description="Consumer group of `ecom stream`; its processes share the partitions"
    )
    stream_start: Literal["earliest", "latest"] = Field(
        "earliest", description="Where a partition is begun that was never read: its earliest or its latest message"
    )
    stream_config_file: str = Field(
        "", description="File of librdkafka settings, one `name=value` a line, such as security.protocol=SASL_SSL"
    )
    stream_registry_url: SecretStr = Field(
        SecretStr(""), description="Address of the schema registry; messages are then Avro or JSON with a schema id"
    )
    stream_unknown_schema_s: float = Field(
        60.0, ge=0, description="Seconds after which messages of a schema that the registry lacks are dead letters"
    )
    stream_file_s: float = Field(
        0.5, gt=0, description="Seconds after which the messages of a partition become a landing file"
    )
    stream_file_mb: float = Field(
        32.0, gt=0, description="Size in MB of messages of a partition that become a landing file before that time"
    )
    stream_waiting_mb: float = Field(
        256.0, gt=0, description="Size in MB of messages that may wait for the disk; beyond it reading pauses"
    )
    stream_host: str = Field("127.0.0.1", description="Address of /health and /metrics of `ecom stream`")
    stream_port: int = Field(
        8200, ge=0, le=65535, description="Port of /health and /metrics of `ecom stream`; 0 for none"
    )
