"""How files of stock are read by a mapping: which lines say how many there are of a product, why
others do not, and what a few of them look like.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

import duckdb

from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import BREAK_PROOFS, BROKEN_PROOF, PROOF, SliceOutput
from ecom_assets.core.warehouse.sql_text import ident, select
from ecom_assets.ingestion.sources.files.mapping import (
    AUTO,
    LEFT_OUT,
    StockMapping,
    load_stock_mapping,
)
from ecom_assets.ingestion.sources.files.records import FileRowCounts, RecordFiles
from ecom_assets.ingestion.sources.reading import PREVIEW_ROWS, NotClean, with_proofs
from ecom_assets.ingestion.sources.stock import (
    LOCATION,
    OF_MAPPING,
    OPTIONAL,
    REQUIRED,
    UNIT_COST,
    no_stock,
    of_all_locations,
    opened_catalogue,
    stock_rows,
    stock_values,
)

EARLIER_LINE: Final = "earlier_line"
"""Why a line does not count after which another one is about its product, and its location."""
SHOWN: Final = (
    "product_id",
    "product_name",
    "product_category",
    "received_stock",
    "stock_count",
    "reorder_point_count",
    "lead_time_days",
    "unit_cost_amount",
)
"""The columns of a preview: what was received of a product's stock, and the numbers in it."""
REASON_MEANINGS: Final = {
    BROKEN_PROOF: f"Lines {BREAK_PROOFS}",
    LEFT_OUT: "Lines that the mapping leaves out",
    "missing_product_id": "Lines without a product",
    "missing_stock": "Lines that do not say how many there are",
    "unparseable_stock": "Lines whose stock is no whole number",
    "unparseable_reorder_point": "Lines whose reorder point is no whole number",
    "unparseable_lead_time": "Lines whose days until a delivery are no whole number",
    EARLIER_LINE: "Lines about products of which a later line says how many there are",
}
"""What to say of lines by their reject reason."""


@dataclass(frozen=True)
class StockFileReading:
    """Files of stock as a mapping reads them, in the order of their lines."""

    records: tuple[dict[str, Any], ...]
    """The fields of each line, as text."""

    event_types: ClassVar[list[tuple[str, str, int]]] = []
    """None: stock does nothing."""

    @classmethod
    def open(cls, paths: Sequence[str], mapping: str, settings: Settings) -> "StockFileReading":
        """Read the files.

        Raises:
            UsageError: No path was given, or the files do not match the mapping.
        """
        if not paths:
            raise UsageError("No stock was given; name a file, folder or glob.")
        return cls.of(paths, load_stock_mapping(mapping), settings)

    @classmethod
    def of(
        cls, paths: Sequence[str], mapping: StockMapping, settings: Settings
    ) -> "StockFileReading":
        """Read files by a mapping that is there.

        Raises:
            UsageError: They do not match it.
        """
        # Of two lines about a product the later one counts, so their order is kept.
        with closing(duckdb.connect()) as con:
            files = RecordFiles.open(
                con,
                list(paths),
                mapping,
                settings.timezone,
                settings.first_plausible_day,
            )
            names = (*REQUIRED, *OPTIONAL, LOCATION)
            listed = [*map(ident, names), LEFT_OUT]
            rows = con.execute(select(listed, f"({files.received_sql()})")).fetchall()
        return cls(tuple(dict(zip((*names, OF_MAPPING), row, strict=True)) for row in rows))

    @cached_property
    def lines(self) -> list[dict[str, Any]]:
        """Return the lines as rows of `RawStock` are, of a day that means nothing."""
        return list(stock_values(self.records, date.min, ""))

    @cached_property
    def _places(self) -> list[tuple[str | None, str]]:
        """Return of which product, and at which location, each line says how many there are."""
        at = (str(record[LOCATION] or "").strip() for record in self.records)
        return [(line["product_id"], place) for line, place in zip(self.lines, at, strict=True)]

    @cached_property
    def _fates(self) -> list[str | None]:
        """Return why each line does not count; None if it does."""
        last = {
            place: number
            for number, (line, place) in enumerate(zip(self.lines, self._places, strict=True))
            if line["reject_reason"] != LEFT_OUT
        }
        return [
            line["reject_reason"] or (EARLIER_LINE if last[place] != number else None)
            for number, (line, place) in enumerate(zip(self.lines, self._places, strict=True))
        ]

    @property
    def totals(self) -> Iterator[Mapping[str, Any]]:
        """Yield the fields of each line, with the stock of all locations of its product; of these
        lines the last one stands for all. What is not known at one location is not known at all.
        """
        return of_all_locations(self.records)

    @cached_property
    def rows(self) -> FileRowCounts:
        """Return the number of lines, and of those that do not count, by reason."""
        rejected = Counter(fate for fate in self._fates if fate is not None)
        return FileRowCounts(len(self.lines), dict(rejected))

    @property
    def rows_json(self) -> dict[str, Any]:
        """Return the number of lines as JSON."""
        return self.rows.as_json()

    @cached_property
    def not_clean(self) -> list[NotClean]:
        """Return why lines do not count, the most frequent reason first."""
        reasons = [
            NotClean(reason, count, REASON_MEANINGS[reason], self._example(reason))
            for reason, count in self.rows_json["rejected"].items()
        ]
        named = (record[OF_MAPPING] or "" for record in self.records)
        return with_proofs(
            reasons, lambda: Counter(reason for reason in named if reason.startswith(PROOF))
        )

    def _example(self, reason: str) -> dict[str, Any]:
        line = next(
            line for line, fate in zip(self.lines, self._fates, strict=True) if fate == reason
        )
        return {name: line[name] for name in SHOWN if line[name] is not None}

    @property
    def filled_count(self) -> int:
        """Return how many of the fields that a preview shows have a value, over all lines."""
        return sum(line[name] is not None for line in self.lines for name in SHOWN)

    @property
    def preview(self) -> list[dict[str, Any]]:
        """Return the first lines, each with the reason if it does not count."""
        return [
            {**{name: line[name] for name in SHOWN}, "reject_reason": fate}
            for line, fate in zip(self.lines[:PREVIEW_ROWS], self._fates, strict=False)
        ]


class FileStock:
    """The stock in the file of `ECOM_CATALOGUE`;
    without a column `stock` it is a catalogue of categories only.
    """

    def __init__(self, settings: Settings) -> None:
        """Store the path of the file in the settings."""
        self._settings = settings
        self._path = str(settings.catalogue)

    def received(self, days: Days) -> SliceOutput:
        """Return the file's rows as of the newest of the days.

        Raises:
            SourceError: The file is missing or unreadable, or has stock but no product ids.
        """
        with opened_catalogue(self._path) as listed:
            if "stock" not in listed.names:
                nothing = no_stock(f"{self._path} has no column stock")
                return replace(nothing, warning=self._unread_costs(listed.names))
            mapping = _by_names(listed.names)
        read = StockFileReading.of([self._path], mapping, self._settings)
        day = days.dates[-1]
        return SliceOutput(
            stock_rows(read.totals, day, self._path, Path(self._path).name),
            Days((day,)),
            {"stock_day": str(day)},
            supersedes=Days((day,)),
        )

    def _unread_costs(self, columns: Collection[str]) -> str:
        """Return a sentence if a file without stock has costs, which are read beside it only."""
        if UNIT_COST not in columns:
            return ""
        return (
            f"the costs in {self._path} are not read, as it has no column stock; give them to "
            "ECOM_COSTS."
        )


def _by_names(names: Mapping[str, str]) -> StockMapping:
    """Return the mapping of a file whose columns have the platform's own names, in any case.

    Args:
        names: The names of its columns in small letters, each with how the file writes it.
    """
    known = [name for name in (*REQUIRED, *OPTIONAL, LOCATION) if name in names]
    line = {"hash_of": [names[name] for name in REQUIRED], "equal_rows": "keep"}
    fields = {"line_id": line, **{name: {"column": names[name]} for name in known}}
    return StockMapping.model_validate(
        {"name": "catalogue", "delimiter": AUTO, "fields": fields, "other_columns": "ignore"}
    )
