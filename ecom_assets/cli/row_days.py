"""The rows of the days that a command analyses."""

from datetime import date
from typing import TYPE_CHECKING

from ecom_assets.cli.ranges import QuestionDays
from ecom_assets.tables.days import Ends

if TYPE_CHECKING:
    import ibis.expr.types as ir


def ends_of(rows: "ir.Table", day: str, days: QuestionDays) -> tuple[Ends, list[str]]:
    """Return the requested days, and a warning if none of them has rows.

    Args:
        rows: All rows of the data.
        day: The column of their day.
        days: The options.
    """
    if days == QuestionDays():
        return (None, None), []
    (known,) = rows.agg(first=rows[day].min(), last=rows[day].max()).to_pyarrow().to_pylist()
    if known["last"] is None:
        return (days.first, days.last), []
    return ends_within((known["first"], known["last"]), days)


def ends_within(known: tuple[date, date], days: QuestionDays) -> tuple[Ends, list[str]]:
    """Return what `ends_of` does, of rows whose first and last day are known."""
    if days == QuestionDays():
        return (None, None), []
    first, last = days.within(known[1])
    if (first or known[0]) <= known[1] and (last or known[1]) >= known[0]:
        return (first, last), []
    range_text = f"{first} to {last}" if first and last else f"days from {first} on" if first else f"days up to {last}"
    return (first, last), [f"The data are of {known[0]} to {known[1]}, so nothing is known of {range_text}."]
