"""What `ecom retention` is asked beside the rule."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ecom_assets.cli.options import OwnData
from ecom_assets.cli.ranges import QuestionDays


@dataclass(frozen=True)
class Scope:
    """The scope of a question: its files, days and visitors, and the file to write the list of visitors to.

    Attributes:
        data: The files of events or orders.
        whole_until: Their last complete day, if given.
        days: The days that are asked about.
        range_of: `starts` or None, on which visitors start; or `events`, so that nothing else is looked at.
        timezone: The reporting time zone, if not that of the settings.
        who: The file for the list of who counts in which cell.
        segment: The visitor segment that is asked about; None for all visitors.
    """

    data: OwnData
    whole_until: date | None
    days: QuestionDays
    range_of: str | None = None
    timezone: str | None = None
    who: Path | None = None
    segment: str | None = None
