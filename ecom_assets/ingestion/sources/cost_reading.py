"""How files of costs, and of ad spend, are read by a mapping: which rows count, why others do not,
and what a few of them look like.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, Final, Self

import ibis.expr.types as ir

from ecom_assets.commerce.costs.contracts import REASON_MEANINGS
from ecom_assets.commerce.costs.costs import classified
from ecom_assets.commerce.marketing.contracts import REASON_MEANINGS as MEANINGS_OF_ADS
from ecom_assets.commerce.marketing.spend import classified as classified_ads
from ecom_assets.core.errors import UsageError
from ecom_assets.core.rows import without_none
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables import formats
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.warehouse.local import temporary
from ecom_assets.ingestion.sources.ad_spend import FileAdSpend
from ecom_assets.ingestion.sources.costs import FileCosts
from ecom_assets.ingestion.sources.files.engine import engine_of_files
from ecom_assets.ingestion.sources.files.records import FileRowCounts
from ecom_assets.ingestion.sources.mapped_records import MappedRecords
from ecom_assets.ingestion.sources.reading import (
    PREVIEW_ROWS,
    MoneyRead,
    NotClean,
    broken_proofs,
    with_proofs,
)

READ: Final = "read_costs"


@dataclass(frozen=True)
class ClassifiedFileReading:
    """Files as a mapping reads them, whose rows are classified by one function."""

    files: MappedRecords

    event_types: ClassVar[list[tuple[str, str, int]]] = []
    """None: such rows do nothing."""
    source: ClassVar[type[MappedRecords]]
    """What reads them."""
    shown: ClassVar[tuple[str, ...]] = ()
    """The columns of a preview."""
    order: ClassVar[tuple[str, ...]] = ()
    """The columns by which a preview is ordered."""
    meanings: ClassVar[Mapping[str, str]] = {}
    """What to say of rows by their reject reason."""

    @staticmethod
    def classify(rows: ir.Table) -> ir.Table:
        """Add `reject_reason` to received rows."""
        raise NotImplementedError

    @classmethod
    def open(cls, paths: Sequence[str], mapping: str, settings: Settings) -> Self:
        """Find the files and check them against the mapping.

        Raises:
            UsageError: No path was given, or the files do not match the mapping.
        """
        if not paths:
            raise UsageError("No files were given; name a file, folder or glob.")
        files = cls.source.of_files(engine_of_files(settings), paths, mapping, settings)
        assert files.files  # noqa: S101 (opened here, so that what does not match is refused)
        return cls(files)

    @cached_property
    def _rows(self) -> ir.Table:
        """Return the received rows, with `reject_reason`."""
        con = self.files.reader
        received = temporary(con, READ, self.files.received_sql)
        return self.classify(received)

    @cached_property
    def rows(self) -> FileRowCounts:
        """Return the number of rows, and of those that do not count, by reason."""
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
        """Return why rows do not count, the most frequent reason first."""
        reasons = [
            NotClean(
                reason,
                count,
                f"Rows {self.meanings.get(reason, '')}".strip(),
                self._example(reason),
            )
            for reason, count in self.rows_json["rejected"].items()
        ]
        return with_proofs(reasons, lambda: broken_proofs(self._rows))

    def _example(self, reason: str) -> dict[str, Any]:
        rows = self._rows
        refused = rows.filter(rows.reject_reason == reason)
        (row,) = self._fetched(refused.select(*self.shown, "malformed_row").limit(1)) or ({},)
        return without_none(row)

    @cached_property
    def filled_count(self) -> int:
        """Return how many of the fields that a preview shows have a value, over all rows."""
        rows = self._rows
        (row,) = self._fetched(rows.agg(**{name: rows[name].count() for name in self.shown}))
        return sum(row.values())

    @cached_property
    def preview(self) -> list[dict[str, Any]]:
        """Return the first rows in order, each with the reason if it does not count."""
        rows = self._rows.select(*self.shown, "reject_reason")
        order = [rows[name].asc(nulls_first=False) for name in self.order]
        return self._fetched(rows.order_by(order).limit(PREVIEW_ROWS))

    def _fetched(self, rows: ir.Table) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = rows_of(rows)
        return result


@dataclass(frozen=True)
class CostFileReading(ClassifiedFileReading):
    """Files of costs as a mapping reads them."""

    source = FileCosts
    shown = (
        "item_id",
        "item_name",
        "item_category",
        "received_unit_cost_amount",
        "received_piece_count",
        "unit_cost_amount",
        "currency",
        "valid_from_date",
        "valid_until_date",
    )
    order = ("item_id", "valid_from_date", "received_unit_cost_amount")
    meanings = REASON_MEANINGS

    @staticmethod
    def classify(rows: ir.Table) -> ir.Table:
        """Add `reject_reason` to received rows."""
        return classified(rows)


@dataclass(frozen=True)
class AdSpendFileReading(ClassifiedFileReading):
    """Files of ad spend as a mapping reads them."""

    source = FileAdSpend
    shown = (
        "spend_date",
        "platform",
        "account_id",
        "campaign_id",
        "campaign_name",
        "ad_group_name",
        "received_spend_amount",
        "account_spend_amount",
        "currency",
        "click_count",
        "platform_conversion_count",
    )
    order = ("spend_date", "platform", "campaign_name", "received_spend_amount")
    meanings = MEANINGS_OF_ADS

    @staticmethod
    def classify(rows: ir.Table) -> ir.Table:
        """Add `reject_reason` to received rows."""
        return classified_ads(rows)

    @cached_property
    def spent(self) -> tuple[MoneyRead, ...]:
        """Return what rows that count cost, by their currency, most rows first."""
        rows = self._rows.filter(self._rows.reject_reason.isnull())
        sums = rows.group_by("currency").agg(
            row_count=rows.count(), amount=rows.account_spend_amount.sum().cast("decimal(24, 6)")
        )
        ordered = sums.order_by([sums.row_count.desc(), sums.currency])
        return tuple(
            MoneyRead(row["row_count"], None, row["amount"], row["currency"])
            for row in self._fetched(ordered)
        )

    def says_nothing_of(self, name: str) -> bool:
        """Return whether no row that is read says a column."""
        rows = self._rows
        (row,) = self._fetched(rows.agg(said=rows[name].count()))
        return not row["said"]


def spent_lines(reading: object) -> list[str]:
    """Return what ads cost by rows that would count, a line per currency; none of other rows."""
    if not isinstance(reading, AdSpendFileReading) or not reading.spent:
        return []
    return [
        "Money:",
        *(
            f"  would count: {formats.amount(read.amount or Decimal(0), read.currency)} "
            f"{read.currency} spent, {formats.counted(read.row_count, 'row')}"
            for read in reading.spent
        ),
    ]
