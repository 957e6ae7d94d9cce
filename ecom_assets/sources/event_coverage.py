"""Which days a set of files concerns. Not here: reading them."""

from datetime import timedelta

from ecom_assets.errors import SourceError
from ecom_assets.sources.record_files import RecordFiles
from ecom_assets.sources.sql_text import day_in_zone
from ecom_assets.transforms.days import Days

ONE_DAY = timedelta(days=1)


def arrival_days(files: RecordFiles) -> Days:
    """Return every day from the first to the last on which rows of the files arrived.

    Raises:
        SourceError: The files hold no rows.
    """
    covered = files.received_days()
    if covered is None:
        named = ", ".join(sorted({file.path for file in files.files()})[:3])
        raise SourceError(f"{named} holds no rows; give files that do.")
    return Days.between(covered[0], covered[1] + ONE_DAY)


def days_to_compute(files: RecordFiles, late_days: int) -> Days:
    """Return every day from the first to the last that the event files' rows count for, arrival days included.

    Only rows of the first `late_days` arrival days can belong to a day before them, and only rows of the last arrival
    day to a day after it, so no others are looked at.

    Raises:
        SourceError: The files hold no rows.
    """
    arrivals = arrival_days(files)
    first, last = arrivals.first, arrivals.dates[-1]
    own = day_in_zone("event_at", files.timezone)
    parts = [
        files.received_sql(first, first + (late_days + 1) * ONE_DAY),
        files.received_sql(last, last + ONE_DAY),
    ]
    rows = " UNION ALL ".join(f"SELECT event_at, received_date FROM ({part})" for part in parts)  # noqa: S608 (quoted by sql_text)
    found = files.con.execute(
        f"SELECT min(own), max(own) FROM (SELECT {own} AS own, received_date FROM ({rows})) "  # noqa: S608 (quoted by sql_text)
        f"WHERE own <= received_date + 1 AND received_date <= own + {late_days}"
    ).fetchone()
    days = [first, last, *(day for day in found or () if day)]
    return Days.between(min(days), max(days) + ONE_DAY)
