"""The events of files that a question is about: clean, of some days, and of the visitors of one visitor segment."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import ibis.expr.types as ir

from ecom_assets.cli.question import ends_of
from ecom_assets.errors import SourceError
from ecom_assets.events.missing import missing_type_warnings
from ecom_assets.sources.files.events import FileEvents
from ecom_assets.sources.files.opened import OpenedFiles
from ecom_assets.sources.files.row_counts import rows_line
from ecom_assets.sources.visitor_segments import visitor_segment_of_text
from ecom_assets.tables.days import DayRange, Ends
from ecom_assets.visitor_segments.segment import VisitorSegment, columns_named, event_types, in_segment


@dataclass(frozen=True)
class QuestionSegment:
    """The visitor segment of a question about files; None for all visitors."""

    files: FileEvents
    segment: VisitorSegment | None

    @classmethod
    def read(cls, text: str | None, files: FileEvents) -> "QuestionSegment":
        """Return the visitor segment that the option names, in the platform's words.

        Raises:
            DefinitionError: There is no such segment, or its definition is wrong.
        """
        if text is None:
            return cls(files, None)
        result = visitor_segment_of_text(text, files.settings.visitor_segments)
        return cls(files, result.translated(files.mapping.translate))

    @property
    def columns(self) -> list[str]:
        """Return the columns that its conditions name."""
        return [] if self.segment is None else columns_named(self.segment)

    def events(self, clean: ir.Table, as_of: date | None) -> ir.Table:
        """Return the events of the visitors in the segment as of a day, None for the newest; all events without one."""
        if self.segment is None:
            return clean
        newest = as_of or clean.event_date.max().to_pyarrow().as_py()
        return clean if newest is None else in_segment(clean, self.segment, newest)

    def events_of(self, clean: ir.Table, days: DayRange) -> tuple[ir.Table, DayRange]:
        """Return the events of the visitors in the segment as of the last of some days, and these days.

        The days are fixed by all events, because those of the segment may end earlier.
        """
        newest = clean.event_date.max().to_pyarrow().as_py() if self.segment else None
        if self.segment is None or newest is None:
            return clean, days
        first, last = days.within(newest)
        return in_segment(clean, self.segment, last or newest), DayRange(first, last)

    def complete(self, answer: dict[str, Any], clean: ir.Table) -> dict[str, Any]:
        """Return the answer with the segment, and with a warning for each of its event types that no event has."""
        if self.segment is None:
            return answer
        doubted = missing_type_warnings(
            self.files.con, clean, event_types(self.segment), self.files.mapping.own_words()
        )
        definition = {**answer["definition"], "segment": self.segment.to_mapping()}
        warnings = [*answer.get("warnings", ()), *doubted]
        noted = {"warnings": warnings} if warnings or "warnings" in answer else {}
        return answer | {"definition": definition} | noted


@dataclass(frozen=True)
class QuestionEvents:
    """The events of a question about files.

    Attributes:
        files: The files.
        events: Clean events of all days of the visitors that are asked about.
        known: First and last day of all events.
        newest_at: The time of the newest of all events, in UTC.
        days: First and last day that are asked about; None where nothing is said.
    """

    files: FileEvents
    events: ir.Table
    known: tuple[date, date]
    newest_at: datetime
    days: tuple[date | None, date | None]
    _clean: ir.Table
    _segment: QuestionSegment

    @classmethod
    def open(
        cls,
        opened: OpenedFiles,
        days: DayRange,
        segment: str | None,
        *,
        without: str,
        columns: Iterable[str] | None = None,
    ) -> "QuestionEvents":
        """Take open files.

        Args:
            opened: The files.
            days: The days that are asked about.
            segment: The visitor segment that is asked about; None for all visitors.
            without: What is missing where the files have no valid event.
            columns: The columns that the question names; None for all.

        Raises:
            SourceError: The files have no valid event.
        """
        files = FileEvents.of(opened)
        only = QuestionSegment.read(segment, files)
        files = files if columns is None else files.naming([*columns, *only.columns])
        clean = files.clean()
        known, newest_at = _ends(clean, files.settings.timezone)
        if newest_at is None:
            raise SourceError(f"None of the rows counts as an event, so {without}.\n{rows_line(files.rows.as_json())}")
        within = days.within(known[1])
        events = only.events(clean, within[1] or known[1])
        return cls(files, events, known, newest_at, within, clean, only)

    def seen_days(self) -> set[date]:
        """Return the days of all events of all people."""
        return set(self._clean.select("event_date").distinct().event_date.to_pyarrow().to_pylist())

    def complete(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Return an answer with its visitor segment and the counts of the rows that were read."""
        return self._segment.complete(answer, self._clean) | {"rows": self.files.rows.as_json()}


def _ends(clean: ir.Table, timezone: str) -> tuple[tuple[date, date], datetime | None]:
    """Return the first and the last day of events, and the newest time; no time without events."""
    # Both times are in the footers of Parquet files, from which the engine answers.
    ends = {"oldest_at": clean.event_at.min(), "newest_at": clean.event_at.max()}
    if timezone != "UTC":  # where the day of a later time can be an earlier one
        ends |= {"first": clean.event_date.min(), "last": clean.event_date.max()}
    (known,) = clean.agg(**ends).to_pyarrow().to_pylist()
    newest_at = known["newest_at"]
    if newest_at is None:
        return (date.min, date.min), None
    if timezone == "UTC":
        return (known["oldest_at"].date(), newest_at.date()), newest_at
    return (known["first"], known["last"]), newest_at


def answer_of_files(
    files: FileEvents,
    days: DayRange,
    segment: str | None,
    columns: Iterable[str] | None,
    answer_of: Callable[[ir.Table, Ends], dict[str, Any]],
) -> dict[str, Any]:
    """Return the answer to a question about the events of files, with its warnings, its segment and its rows.

    Args:
        files: The files.
        days: The days that are asked about.
        segment: The visitor segment that is asked about; None for all visitors.
        columns: The columns that the question names; None for all.
        answer_of: Returns the answer, from the events of the visitors and the days.
    """
    only = QuestionSegment.read(segment, files)
    files = files if columns is None else files.naming([*columns, *only.columns])
    clean = files.clean()
    ends, warnings = ends_of(clean, "event_date", days)
    answer = answer_of(only.events(clean, ends[1]), ends) | ({"warnings": warnings} if warnings else {})
    return only.complete(answer, clean) | {"rows": files.rows.as_json()}
