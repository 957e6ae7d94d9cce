"""How files of costs are read by a mapping: which rows say a cost, why others do not,
and what a few of them look like.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final

import ibis.expr.types as ir

from ecom_assets.commerce.costs.contracts import REASON_MEANINGS
from ecom_assets.commerce.costs.costs import classified
from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.local import temporary
from ecom_assets.ingestion.sources.costs import FileCosts
from ecom_assets.ingestion.sources.files.engine import engine_of_files
from ecom_assets.ingestion.sources.files.formats import join_paths
from ecom_assets.ingestion.sources.files.records import FileRowCounts
from ecom_assets.ingestion.sources.reading import PREVIEW_ROWS, NotClean

SHOWN: Final = (
    "item_id",
    "item_name",
    "received_unit_cost_amount",
    "received_piece_count",
    "unit_cost_amount",
    "currency",
    "valid_from_date",
    "valid_until_date",
)
"""The columns of a preview: what was received of a cost, and what one piece costs by it."""
READ: Final = "read_costs"


@dataclass(frozen=True)
class CostFileReading:
    """Files of costs as a mapping reads them."""

    files: FileCosts

    event_types: ClassVar[list[tuple[str, str, int]]] = []
    """None: costs do nothing."""

    @classmethod
    def open(cls, paths: Sequence[str], mapping: str, settings: Settings) -> "CostFileReading":
        """Find the files and check them against the mapping.

        Raises:
            UsageError: No path was given, or the files do not match the mapping.
        """
        if not paths:
            raise UsageError("No costs were given; name a file, folder or glob.")
        own = {"costs": join_paths(paths), "costs_mapping": mapping}
        files = FileCosts(engine_of_files(settings), settings.model_copy(update=own))
        assert files.files  # noqa: S101 (opened here, so that what does not match is refused)
        return cls(files)

    @cached_property
    def _rows(self) -> ir.Table:
        """Return the received rows, with `reject_reason`."""
        con = self.files.reader
        received = temporary(con, READ, self.files.received_sql)
        return classified(received)

    @cached_property
    def rows(self) -> FileRowCounts:
        """Return the number of rows, and of those that say no cost, by reason."""
        rows = self._rows
        counts = {
            row["reject_reason"]: int(row["row_count"])
            for row in self._fetched(rows.group_by("reject_reason").agg(row_count=rows.count()))
        }
        read = sum(counts.values())
        return FileRowCounts(read, {name: n for name, n in counts.items() if name is not None})

    @property
    def rows_json(self) -> dict[str, Any]:
        """Return the number of rows as JSON."""
        return self.rows.as_json()

    @cached_property
    def not_clean(self) -> list[NotClean]:
        """Return why rows say no cost, the most frequent reason first."""
        return [
            NotClean(
                reason,
                count,
                f"Rows {REASON_MEANINGS.get(reason, '')}".strip(),
                self._example(reason),
            )
            for reason, count in self.rows_json["rejected"].items()
        ]

    def _example(self, reason: str) -> dict[str, Any]:
        rows = self._rows
        refused = rows.filter(rows.reject_reason == reason).select(*SHOWN, "malformed_row").limit(1)
        (row,) = self._fetched(refused) or ({},)
        return {name: value for name, value in row.items() if value is not None}

    @cached_property
    def filled_count(self) -> int:
        """Return how many of the fields that a preview shows have a value, over all rows."""
        rows = self._rows
        (row,) = self._fetched(rows.agg(**{name: rows[name].count() for name in SHOWN}))
        return sum(row.values())

    @cached_property
    def preview(self) -> list[dict[str, Any]]:
        """Return the first rows by item and day, each with the reason if it says no cost."""
        rows = self._rows.select(*SHOWN, "reject_reason")
        order = [
            rows[name].asc(nulls_first=False)
            for name in ("item_id", "valid_from_date", "received_unit_cost_amount")
        ]
        return self._fetched(rows.order_by(order).limit(PREVIEW_ROWS))

    def _fetched(self, rows: ir.Table) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = self.files.reader.to_pyarrow(rows).to_pylist()
        return result
