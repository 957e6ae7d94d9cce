"""Contracts of the log of published numbers that changed, and of the notes that it is kept by.

Not here: which tables are published (`Table.counted_from`), how changes are found (`warehouse/restatement_log.py`).
"""

from ecom_assets.contracts.table import Column, Table, count, day, instant, text

RESTATEMENT_CAUSES = ("late_rows", "withdrawn_rows", "rows_of_other_days", "definition_changed")
"""Why a published number can change; the first that applies."""


class Restatements(Table):
    """One row per published daily number that a run changed: what it was, what it is, and why."""

    layer = "mart"
    group = "trust"
    key = ("restated_date", "table_name", "restatement_number", "row_key", "column_name")
    day_column = "restated_date"

    restated_date = day("The day whose number changed")
    table_name = text("The table that holds the number")
    restatement_number = count("Place among the restatements of the table's day, from 1", unit="place")
    row_key = text("The row of that day, as JSON of the table's other key columns")
    column_name = text("The number's column")
    before_value = Column("float64", "What it was; null where there was no row, or nothing to tell", nullable=True)
    after_value = Column("float64", "What it is since; null where there is no row any more, likewise", nullable=True)
    difference = Column(
        "float64", "after_value less before_value; no row counts as zero, but null for rates and means", nullable=True
    )
    cause = text("Why it changed", one_of=RESTATEMENT_CAUSES)
    late_row_count = count("Rows of this day that arrived since the number was published", unit="rows")
    withdrawn_row_count = count("Rows of this day that have gone since", unit="rows")
    late_row_ids = text("Ids of some of the rows that arrived, five at most, as JSON", nullable=True)
    published_run_id = text("The run that had published the number")
    run_id = text("The run that changed it")
    restated_at = instant("When it did")


class PublishedDays(Table):
    """One row per day of a published table: how many rows it was published with, and what it was counted from."""

    layer = "mart"
    group = "trust"
    key = ("published_date", "table_name")
    day_column = "published_date"

    published_date = day("The day")
    table_name = text("The table")
    row_count = count("Rows of the day", unit="rows")
    source_row_counts = text("Rows of the day by clean table and day of arrival, as JSON")
    run_id = text("The run that published it, or changed it last")
    published_at = instant("When it did")
