"""Landing folders, and how a file gets into one: whole, once, under a name that is taken only once.

    FOLDER/received_date=2026-11-24/kafka-<topic id>-0-00000000000000000100.parquet
    FOLDER/received_date=2026-11-24/collect-<process id>-7.parquet

Events land in the layout of the mapping `ecommerce`, order lines in that of `user_order_log`: other
mappings are applied before. Customers land as they came. Dead letters are beside the folder, where
no source looks.

Terms: docs/glossary.md#landing and #dead-letter.
"""

import os
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from datetime import date
from pathlib import Path
from typing import Final
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from ecom_assets.core.atomic_files import sync_file, sync_folder
from ecom_assets.core.errors import UsageError, WorkError
from ecom_assets.core.file_lock import file_lock
from ecom_assets.core.settings.intake import STREAM, STREAM_KINDS, StreamKind, landing_of
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.files.formats import split_paths
from ecom_assets.ingestion.sources.files.mapping import EVENT, LEFT_OUT, OF_VERSIONS, RecordKind

NATIVE: Final = "ecommerce"
"""The mapping of the landed files."""
NATIVE_ORDERS: Final = "user_order_log"
"""The mapping of landed files of order lines."""


def landed_schema(kind: RecordKind) -> pa.Schema:
    """Return the columns of a landed file: fields and currency as text,
    `received_at` the instant of arrival.

    Rows of versions have the columns of these, and why the mapping leaves them out, since such a
    version counts, too.
    """
    texts = dict.fromkeys((*kind.fields, "currency"), pa.string())
    kinds = {"VARCHAR": pa.string(), "TIMESTAMP": pa.timestamp("us", "UTC"), "BIGINT": pa.int64()}
    of_versions = {name: kinds[sql] for name, sql in OF_VERSIONS.items()} | {LEFT_OUT: pa.string()}
    of_filtered = {LEFT_OUT: pa.string()} if kind.is_filtered else {}
    more = of_versions if kind.whole else of_filtered
    return pa.schema([*texts.items(), *more.items(), ("received_at", pa.timestamp("us", "UTC"))])


LANDED: Final = landed_schema(EVENT)
LANDED_CUSTOMERS: Final = pa.schema(
    [
        ("customer_id", pa.string()),
        ("payload", pa.string()),
        ("received_at", pa.timestamp("us", "UTC")),
    ]
)
"""The columns of a landed file of customers; `payload` is a customer's record as JSON text."""
DEAD_LETTERS: Final = pa.schema(
    [
        ("received_at", pa.timestamp("us", "UTC")),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("layout", pa.string()),
        ("caller", pa.string()),
        ("value", pa.binary()),
    ]
)
"""The columns of a file of dead letters; `value` is what came, byte for byte."""
FOOTER_KEYS: Final = "ecom."
"""How the keys of the platform's texts in a footer begin."""
NEXT_OFFSET: Final = "ecom.next_offset"
"""The key of the footer with the offset after the last one of the file's range."""
TOPIC: Final = "ecom.topic"
"""The key of the footer with the name of the topic that the rows come from."""
MAPPED_BY: Final = "ecom.mapping"
"""The key of the footer with the name of the mapping that was applied."""
_PATTERN_SIGNS = frozenset("*?[")
_OFFSET_DIGITS = 20


def landing_folder(settings: Settings, *, is_sandbox: bool = False) -> Path:
    """Return the folder in which events land.

    Args:
        settings: `ECOM_EVENTS` names a stream, or one folder of files in the layout of the mapping
            `ecommerce`.
        is_sandbox: Whether the events are those of the simulated shop, which has a folder of its
            own.

    Raises:
        UsageError: The setting names nothing that events can be added to.
    """
    if is_sandbox and not settings.events:
        return settings.sandbox_folder / "events"
    if is_stream(settings):
        return stream_folder(settings)
    configured = split_paths(settings.events)
    if not configured:
        raise UsageError(
            "ECOM_EVENTS is not set, so events have nowhere to land; set it to a folder, or "
            "kafka://…."
        )
    if len(configured) > 1 or not _is_folder(configured[0]):
        raise UsageError(
            f"ECOM_EVENTS is {settings.events}, but events land in one local folder; set it to a "
            "folder."
        )
    if settings.events_mapping != NATIVE:
        raise UsageError(
            f"ECOM_EVENTS_MAPPING is {settings.events_mapping}, but what lands beside these files "
            f"has the layout {NATIVE}; let events land in a folder of their own."
        )
    return Path(configured[0])


def is_stream(settings: Settings, kind: StreamKind = "events") -> bool:
    """Return whether a kind of records comes from Kafka topics,
    which `ecom stream` brings into landing files.
    """
    return address_of(settings, kind).startswith(STREAM)


def address_of(settings: Settings, kind: StreamKind) -> str:
    """Return where a kind of records comes from: paths, a table, or a stream."""
    address: str = getattr(settings, kind)
    return address


def stream_folder(settings: Settings, kind: StreamKind = "events") -> Path:
    """Return where the records of a stream land."""
    return landing_of(settings.home, kind)


def stream_folders(settings: Settings) -> list[Path]:
    """Return where the streams of the settings land, one folder per kind of records."""
    return [stream_folder(settings, kind) for kind in STREAM_KINDS if is_stream(settings, kind)]


def has_landed(settings: Settings, kind: StreamKind = "events") -> bool:
    """Return whether there can be files:
    of a stream that was never read there is not even their folder.
    """
    return not is_stream(settings, kind) or stream_folder(settings, kind).exists()


def dead_letter_folder(folder: Path) -> Path:
    """Return where refused records of a landing folder are kept: beside it,
    so no source of events reads them.
    """
    return folder.with_name(f"{folder.name}_dead_letters")


def dead_letter_counts(folder: Path) -> Counter[str]:
    """Return how many refused records of a landing folder are kept, by reason."""
    counts: Counter[str] = Counter()
    for path in dead_letter_folder(folder).glob("received_date=*/*.parquet"):
        with suppress(FileNotFoundError):  # retention took it
            counts.update(
                pq.read_table(path, columns=["reason"], partitioning=None)["reason"].to_pylist()
            )
    return counts


def day_folder(folder: Path, day: date) -> Path:
    """Return the part of a folder with what arrived on a day."""
    return folder / f"received_date={day.isoformat()}"


def stream_file_name(topic_id: str, partition: int, start_offset: int) -> str:
    """Return the name of a file from a stream.

    It does not say where the range ends: two writers that cut it differently need the same name, so
    only one lands.
    """
    return f"kafka-{topic_id}-{partition}-{start_offset:0{_OFFSET_DIGITS}}.parquet"


def collector_file_name(process_id: str, number: int) -> str:
    """Return the name of a file from a process of the collector, whose segments are counted."""
    return f"collect-{process_id}-{number}.parquet"


def land(table: pa.Table, target: Path, footer: Mapping[str, str] | None = None) -> bool:
    """Write a table as a Parquet file that appears whole and once.

    Args:
        table: The rows, in the columns of their kind's schema.
        target: The path of the file; its folder is made if it is missing.
        footer: Texts for the file's metadata, such as `NEXT_OFFSET`.

    Returns:
        Whether this call published the file; False if there was one of this name.
    """
    make_folder(target.parent)
    temporary = target.with_name(f".{target.name}.{uuid4().hex}.part")
    try:
        schema = table.schema.with_metadata({**(table.schema.metadata or {}), **(footer or {})})
        pq.write_table(table.cast(schema), temporary, compression="zstd")
        return publish(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def publish(temporary: Path, target: Path) -> bool:
    """Give a finished file its name, durably, unless the name is taken.

    Args:
        temporary: The finished file, in a folder of the same file system, under a name that no
            source reads.
        target: The path under which it appears. The temporary name is removed only if this
            succeeds.

    Returns:
        False if there is such a file; it stays as it is.
    """
    sync_file(temporary)
    try:
        # A rename would replace a file of this name: the one of a writer that was faster.
        os.link(temporary, target)
    except FileExistsError:
        return False
    temporary.unlink()
    sync_folder(target.parent)
    return True


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, so that they outlive a power cut."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def footer_of(path: Path) -> dict[str, str]:
    """Return the texts of a landed file's metadata, those that Parquet's writer adds included."""
    metadata = pq.read_metadata(path).metadata or {}
    return {key.decode(): value.decode(errors="replace") for key, value in metadata.items()}


def _is_folder(configured: str) -> bool:
    path = Path(configured)
    is_local = "://" not in configured and not _PATTERN_SIGNS & set(configured)
    return is_local and not path.is_file() and (path.is_dir() or not path.suffix)


def changing_landing_files(home: Path, *, waits: bool = True) -> AbstractContextManager[None]:
    """Hold the lock of what changes or removes landing files: compaction,
    `ecom retain` and `ecom erase`.

    All of them must share one ECOM_HOME.

    Args:
        home: The folder of the platform.
        waits: Wait for another holder instead of raising.

    Raises:
        WorkError: Another process holds it.
    """
    home.mkdir(parents=True, exist_ok=True)
    busy = WorkError(
        "Landing files are being compacted, erased from or removed by another process; try again "
        "later."
    )
    return file_lock(home / "landing.lock", None if waits else 0.0, busy)
