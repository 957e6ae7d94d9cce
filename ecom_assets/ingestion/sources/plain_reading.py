"""How files of a kind whose tables follow from its contracts are read by a mapping."""

import ibis.expr.types as ir

from ecom_assets.core.tables.plain_records import PlainRecords
from ecom_assets.ingestion.sources.cost_reading import ClassifiedFileReading
from ecom_assets.ingestion.sources.mapped_records import MappedRecords


def plain_reading(
    records: type[MappedRecords], tables: PlainRecords
) -> type[ClassifiedFileReading]:
    """Return the reading of files of a kind."""

    class PlainFileReading(ClassifiedFileReading):
        """Such files as a mapping reads them."""

        source = records
        shown = tuple(name for name in tables.clean.columns if name in tables.raw.columns)
        order = shown

        @staticmethod
        def classify(rows: ir.Table) -> ir.Table:
            """Add `reject_reason` to received rows."""
            return tables.classified(rows)

    return PlainFileReading
