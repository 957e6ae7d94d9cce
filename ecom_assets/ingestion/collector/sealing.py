"""Sealing: a finished segment becomes a landing file, by the same mappings that read files,
and is removed then.
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import structlog

from ecom_assets.core.errors import EcomError, WorkError
from ecom_assets.core.json_text import json_text
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.local import plain_connection
from ecom_assets.ingestion.collector.segments import (
    SegmentFile,
    SegmentLayout,
    SegmentWriter,
    segments_folder,
    segments_of_the_dead,
)
from ecom_assets.ingestion.sources.files.mapping import load_mapping
from ecom_assets.ingestion.sources.landed_rows import UNREADABLE, MessageMapper
from ecom_assets.ingestion.sources.landing import (
    DEAD_LETTERS,
    MAPPED_BY,
    day_folder,
    dead_letter_folder,
    land,
)

MEMORY: Final = "512MB"
LOOK_FOR_DEAD_S: Final = 10.0
_MAPPINGS: Final = {
    SegmentLayout.NATIVE: "ecommerce",
    SegmentLayout.SEGMENT: str(Path(__file__).with_name("segment_calls.yaml")),
}


class SegmentSealer:
    """Turns segments into files of a landing folder."""

    def __init__(self, landing: Path, timezone: str) -> None:
        """Set the landing folder and the shop's time zone."""
        self._landing = landing
        self._con = plain_connection(MEMORY)
        self._con.execute("SET threads = 1")  # the event loop needs the other core
        self._mappers = {
            layout: MessageMapper(self._con, load_mapping(name), timezone)
            for layout, name in _MAPPINGS.items()
        }

    def seal(self, segment: SegmentFile) -> int:
        """Land a segment's rows, remove it, and return how many rows there were.

        If a file of its name is there, a process died after it had landed, and the segment is only
        removed.
        """
        segment.cut()
        lines = [line for line in segment.path.read_bytes().split(b"\n") if line]
        if lines:
            self._land(segment, lines)
        segment.path.unlink()
        return len(lines)

    def remove_unfinished(self, segment: SegmentFile) -> None:
        """Remove what a process that died while it landed a segment has left of the files."""
        for folder in (self._landing, dead_letter_folder(self._landing)):
            for path in day_folder(folder, segment.day).glob(f".{segment.landing_name}.*.part"):
                path.unlink()

    def close(self) -> None:
        """Close the engine."""
        self._con.close()

    def _land(self, segment: SegmentFile, lines: Sequence[bytes]) -> None:
        mapper = self._mappers.get(segment.layout)  # what was refused has none
        rows = mapper.rows(lines) if mapper else None
        refused = (
            [_unreadable(lines[position], segment.layout) for position in rows.refused]
            if rows
            else lines
        )
        if refused:  # first, since the file of events ends the segment
            letters = day_folder(dead_letter_folder(self._landing), segment.day)
            land(_dead_letters(refused), letters / segment.landing_name)
        if rows and len(rows.table):
            footer = {MAPPED_BY: segment.layout.value}
            land(rows.table, day_folder(self._landing, segment.day) / segment.landing_name, footer)


def _unreadable(line: bytes, layout: SegmentLayout) -> bytes:
    now = datetime.now(UTC).isoformat()
    letter = {
        "received_at": now,
        "reason": UNREADABLE,
        "detail": "",
        "layout": layout.value,
        "caller": "",
    }
    return json_text({**letter, "value": line.decode(errors="replace")}).encode()


def _dead_letters(lines: Sequence[bytes]) -> pa.Table:
    rows = [json.loads(line) for line in lines]
    for row in rows:
        row["received_at"] = datetime.fromisoformat(row["received_at"])
        row["value"] = bytes.fromhex(row.pop("hex")) if "hex" in row else row["value"].encode()
    return pa.Table.from_pylist(rows, schema=DEAD_LETTERS)


def seal_what_was_left(settings: Settings, landing: Path) -> None:
    """Land the segments that processes left which no longer run, as the next `ecom collect` would.

    Raises:
        WorkError: One cannot be landed.
    """
    folder = segments_folder(settings.home)
    with (
        segments_of_the_dead(folder, "") as left,
        closing(SegmentSealer(landing, settings.timezone)) as sealer,
    ):
        for segment in left:
            try:
                sealer.remove_unfinished(segment)
                sealer.seal(segment)
            except (OSError, duckdb.Error, pa.ArrowException) as error:
                raise WorkError(
                    f"{segment.path} holds collected events that cannot be landed in {landing} "
                    f"({error}); make the folder writable, or move the file away."
                ) from error


SEAL_S: Final = 0.5
"""Seconds after which a process seals what it has finished into a landing file."""


class SealingThread:
    """Seals what a process has finished, every so often, and what dead processes left."""

    def __init__(
        self,
        timezone: str,
        landing: Path,
        writer: SegmentWriter,
        on_sealed: Callable[[SegmentLayout, int], None],
    ) -> None:
        """Seal the segments of `writer` into `landing`;
        `on_sealed` gets the layout and rows of each.
        """
        self._writer = writer
        self._sealer = SegmentSealer(landing, timezone)
        self._on_sealed = on_sealed
        self._backlog: list[SegmentFile] = []
        self._stop = threading.Event()
        self._look_at = 0.0
        self.unsealed_bytes = 0
        self.last_error = ""
        self._thread = threading.Thread(target=self._run, name="sealing", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Seal what is left, and end the thread;
        what cannot be sealed stays for the next process.
        """
        self._stop.set()
        self._thread.join()
        self._sealer.close()

    def _run(self) -> None:
        while not self._stop.wait(SEAL_S):
            self._seal_all()
        self._seal_all()

    def _seal_all(self) -> None:
        self._backlog += self._writer.finished()
        try:
            self._backlog = self._unsealed(self._backlog)
            if not self._backlog and time.monotonic() >= self._look_at:
                self._look_at = time.monotonic() + LOOK_FOR_DEAD_S
                with segments_of_the_dead(self._writer.folder, self._writer.process_id) as left:
                    for segment in left:
                        self._sealer.remove_unfinished(segment)
                    self._unsealed(left)
        except OSError as error:
            self._note(error)
        self.unsealed_bytes = sum(segment.size for segment in self._backlog)

    def _unsealed(self, segments: Sequence[SegmentFile]) -> list[SegmentFile]:
        """Seal segments, and return those that cannot be sealed now;
        none of them holds up the others.
        """
        result = []
        for segment in segments:
            try:
                rows = self._sealer.seal(segment)
            except (OSError, EcomError, duckdb.Error, pa.ArrowException) as error:
                self._note(error)
                result.append(segment)
            else:
                self._on_sealed(segment.layout, rows)
        if not result:
            self.last_error = ""
        return result

    def _note(self, error: Exception) -> None:
        if not self.last_error:
            structlog.get_logger(__name__).error("segment_not_sealed", reason=str(error))
        self.last_error = str(error) or type(error).__name__
