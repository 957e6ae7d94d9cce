"""The days that a command analyses: `--from`, `--to` and `--last`."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated

import typer

from ecom_assets.cli.options import RequestedDays
from ecom_assets.errors import UsageError

From = Annotated[str | None, typer.Option("--from", help="First day, YYYY-MM-DD; the first of the data if not given.")]
To = Annotated[str | None, typer.Option("--to", help="Last day, included; the newest of the data if not given.")]
Last = Annotated[
    str | None, typer.Option("--last", help="So many days up to the last one, such as 30d or 4w, instead of --from.")
]
DAYS_OF = {"d": 1, "w": 7}
MAX_DAYS = 36_600


@dataclass(frozen=True)
class QuestionDays:
    """The days to analyse; None: taken from the data.

    Attributes:
        first: The first day.
        last: The last day, included.
        day_count: The number of days up to the last one, if given instead of the first.
    """

    first: date | None = None
    last: date | None = None
    day_count: int | None = None

    @classmethod
    def read(cls, first: str | None, to: str | None, last: str | None) -> "QuestionDays":
        """Parse the three options.

        Raises:
            UsageError: One is invalid, or they cannot be combined.
        """
        days = RequestedDays.read(first, to)
        if last is None:
            return cls(days.first, days.last)
        if days.first:
            raise UsageError("--last and --from both say where the days begin; leave one of them out.")
        match = re.fullmatch(r"(\d{1,5})([dw])", last.strip().lower())
        count = int(match[1]) * DAYS_OF[match[2]] if match else 0
        if not 1 <= count <= MAX_DAYS:
            raise UsageError(f"--last {last!r} is not understood; write d (days) or w (weeks), such as 30d.")
        return cls(None, days.last, count)

    def within(self, newest: date) -> tuple[date | None, date | None]:
        """Return the first and the last day, given the newest day of the data."""
        if self.day_count is None:
            return self.first, self.last
        end = self.last or newest
        return end - timedelta(days=self.day_count - 1), end
