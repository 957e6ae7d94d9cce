"""Where a stream comes from: `kafka://HOST:PORT,HOST:PORT/TOPIC,TOPIC`,
and the settings of librdkafka beside it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ecom_assets.core.errors import SettingError, UsageError
from ecom_assets.core.settings.intake import STREAM, StreamKind
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.landing import landing_folder, stream_folder

FIXED: Final = {
    "enable.auto.commit": "false",
    "auto.offset.reset": "error",  # the default skips silently what retention deleted
    "isolation.level": "read_committed",
    "partition.assignment.strategy": "range",
    "enable.partition.eof": "false",
}
"""What a file of settings cannot change: with other values, messages are lost or doubled."""
CHOSEN: Final = {
    "queued.max.messages.kbytes": "65536",
    "client.id": "ecom_assets",
    "log_level": "2",
}


@dataclass(frozen=True)
class StreamAddress:
    """The brokers and topics of a stream, and what its messages are."""

    brokers: str
    topics: tuple[str, ...]
    kind: StreamKind = "events"

    @classmethod
    def parse(cls, address: str, kind: StreamKind = "events") -> "StreamAddress":
        """Read an address.

        Raises:
            UsageError: It is none, or has a password, which belongs into a file of settings.
        """
        brokers, _, topics = address.removeprefix(STREAM).partition("/")
        names = tuple(name for name in topics.split(",") if name)
        if not address.startswith(STREAM) or not brokers or not names or "/" in topics:
            raise UsageError(
                f"{address or 'The address'} is no stream; give kafka://HOST:PORT/TOPIC."
            )
        if "@" in brokers:
            raise UsageError(
                "Give user and password of the brokers in the file ECOM_STREAM_CONFIG_FILE."
            )
        return cls(brokers, names, kind)


def stream_landing(settings: Settings, kind: StreamKind, address: str) -> Path:
    """Return where the messages of an address land; without one, those of the settings.

    Raises:
        UsageError: The settings name no folder that events can be added to.
    """
    if kind != "events":
        return stream_folder(settings, kind)
    return landing_folder(
        settings if settings.events else settings.model_copy(update={"events": address})
    )


def client_settings(settings: Settings, address: StreamAddress) -> dict[str, str]:
    """Return the settings of librdkafka.

    Raises:
        SettingError: The file of settings cannot be read, or says what cannot be chosen.
    """
    chosen = _settings_in(settings.stream_config_file) if settings.stream_config_file else {}
    refused = [name for name, value in chosen.items() if FIXED.get(name, value) != value]
    if refused:
        raise SettingError(
            f"{settings.stream_config_file} sets {refused[0]}, which must be {FIXED[refused[0]]}; "
            "remove the line."
        )
    return {
        **CHOSEN,
        **chosen,
        **FIXED,
        "bootstrap.servers": address.brokers,
        "group.id": settings.stream_group,
    }


def _settings_in(path: str) -> dict[str, str]:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            f"ECOM_STREAM_CONFIG_FILE is {path}, which cannot be read ({error})."
        ) from error
    pairs = [
        line.partition("=") for line in map(str.strip, lines) if line and not line.startswith("#")
    ]
    wrong = next((name for name, sign, _ in pairs if not sign), None)
    if wrong:  # the line itself could be a password
        raise SettingError(f"{path} has a line without `=`; write one name=value a line.")
    return {name.strip(): value.strip() for name, _, value in pairs}
