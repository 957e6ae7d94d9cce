"""Contract of the notes about days whose rows their source no longer has.

Not here: assets. The notes are kept where raw tables are written (`warehouse/withdrawals.py`).
"""

from ecom_assets.contracts.table import Table, count, day, instant, text


class Withdrawals(Table):
    """One row per raw table and day of arrival of which the source has lost the rows, all or most of them.

    While `withdrawn_at` is null the day is held: the table keeps the rows that it had.
    """

    layer = "raw"
    group = "trust"
    key = ("received_date", "source_table")
    day_column = "received_date"

    received_date = day("The day on which the rows had arrived")
    source_table = text("The raw table that has them, such as `raw.events`")
    stored_count = count("Rows that the table had of the day", unit="rows")
    offered_count = count("Rows that the source has of it now", unit="rows")
    noticed_at = instant("When a run saw it")
    withdrawn_at = instant("When the rows were withdrawn; null while they are held", nullable=True)
    run_id = text("The run that saw it last")
