"""Contracts of the records that a publication keeps beside the tables it publishes.

The records are in the Postgres database of the publication, and nothing is computed from them.
"""

from ecom_assets.core.tables.contract import Table, count, instant, text


class Publication(Table):
    """One row per publication that changed something; the newest says what the tables hold."""

    layer = "mart"
    written_by = "publication"
    key = ("publication_number",)

    publication_number = count("Place among publications, from 1", unit="place")
    published_at = instant("When it was made")
    run_id = text("The Dagster run that made it")
    data_version = text("What all tables came to: equal versions are equal tables")
    row_count = count("Rows of all tables", unit="rows")
    written_row_count = count("Of these, written by this publication", unit="rows")
    table_row_counts = text("Rows by table, as JSON")
    source_days = text(
        "The first, the last and the missing days of each source of the tables, as JSON",
        nullable=True,
    )
    held_days = text(
        "The days of each source whose rows are held back, as JSON: how much of each is known",
        nullable=True,
    )
    built_on = text(
        "Days of arrival that it was built on, as JSON: first and last of each run by table",
        nullable=True,
    )


class PublishedSlices(Table):
    """One row per day of each published table,
    with what its rows came to where they were taken from.
    """

    layer = "mart"
    written_by = "publication"
    key = ("table_name", "slice")

    table_name = text("The table")
    slice = text("The day; `all` for a table without days")
    row_count = count("Rows", unit="rows")
    fingerprint = text("What the rows came to; it changes whenever a row does")
    version = text(
        "The write that they were taken from, if it was noted; a day that has it still is not read",
        nullable=True,
    )
