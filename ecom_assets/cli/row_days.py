"""The rows of the days that a command analyses."""

import ibis.expr.types as ir

from ecom_assets.cli.ranges import QuestionDays
from ecom_assets.tables.ends import Ends


def ends_of(rows: ir.Table, day: str, days: QuestionDays) -> tuple[Ends, list[str]]:
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
    first, last = days.within(known["last"])
    if (first or known["first"]) <= known["last"] and (last or known["last"]) >= known["first"]:
        return (first, last), []
    range_text = f"{first} to {last}" if first and last else f"days from {first} on" if first else f"days up to {last}"
    return (first, last), [f"The data are of {known['first']} to {known['last']}, so nothing is known of {range_text}."]
