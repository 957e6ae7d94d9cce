"""Questions about the visitors of one visitor segment, which `--segment` names."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import ibis.expr.types as ir

from ecom_assets.cli.own_files import FileEvents
from ecom_assets.events.missing import missing_type_warnings
from ecom_assets.sources.visitor_segments import visitor_segment_of_text
from ecom_assets.tables.days import DayRange
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
        if self.segment is None:
            return clean, days
        (known,) = clean.agg(newest=clean.event_date.max()).to_pyarrow().to_pylist()
        if known["newest"] is None:
            return clean, days
        first, last = days.within(known["newest"])
        return in_segment(clean, self.segment, last or known["newest"]), DayRange(first, last)

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
