"""Contract of the notes about days that were fetched from a table elsewhere.

Not here: assets. Nothing is computed from these notes.
"""

from ecom_assets.contracts.table import Table, count, day, text


class FetchedDays(Table):
    """One row per day of arrival that was fetched, with the version that its rows had at the source."""

    layer = "raw"
    group = "events"
    key = ("received_date",)
    day_column = "received_date"

    received_date = day("The day on which the events arrived")
    source = text("Where they were fetched from")
    source_version = text("What their rows came to at the source; it changes whenever a row does", nullable=True)
    fetched_row_count = count("Rows that were fetched", unit="rows")
