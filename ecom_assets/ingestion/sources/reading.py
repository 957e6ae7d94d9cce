"""How files are read by a mapping: which rows are clean, why others are not,
and what a few of them look like.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, Final

import ibis.expr.types as ir

from ecom_assets.commerce.quality.reasons import sentence_of
from ecom_assets.core.errors import SourceError
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.core.tables import formats
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.tables.received import BROKEN_PROOF, PROOF
from ecom_assets.core.warehouse.local import temporary
from ecom_assets.core.warehouse.sql_text import select
from ecom_assets.ingestion.sources.customer_api.files import FileCustomers
from ecom_assets.ingestion.sources.customer_api.records import (
    FOLDER,
    MISSING,
    OnePage,
    ReceivedRecord,
    load_customer_mapping,
    value_at,
)
from ecom_assets.ingestion.sources.files.events import FileEvents
from ecom_assets.ingestion.sources.files.formats import join_paths
from ecom_assets.ingestion.sources.files.mapping import LEFT_OUT, RecordMapping
from ecom_assets.ingestion.sources.files.order_source import FileOrders
from ecom_assets.ingestion.sources.files.records import DUPLICATE, FileRowCounts, RecordFiles
from ecom_assets.ingestion.sources.files.row_notes import impossible_times
from ecom_assets.ingestion.sources.mapping_file import shipped_in

PREVIEW_ROWS = 10
SHOWN = {
    True: (
        "event_timestamp",
        "event_at",
        "event_type",
        "user_id",
        "anonymous_id",
        "session_id",
        "product_id",
        "cart_value",
    ),
    False: (
        "date_time",
        "ordered_at",
        "order_id",
        "customer_id",
        "item_id",
        "received_quantity",
        "received_payment_amount",
        "status",
    ),
}
"""The columns of a preview, of events and of order lines: times as text and as read,
amounts as text.
"""
READ = "read_rows"


@dataclass(frozen=True)
class NotClean:
    """A reason why rows are not clean: how many, what it means, and the first of them."""

    reason: str
    row_count: int
    meaning: str
    example: dict[str, Any]
    broken: tuple[str, ...] = ()
    """Of rows that break proofs of the mapping: these, each with its rows."""


def broken_proofs(rows: ir.Table) -> dict[str, int]:
    """Return what `left_out` has of classified rows that break a proof, with their number."""
    broken = rows.filter(rows.reject_reason == BROKEN_PROOF)
    counts = rows_of(broken.group_by("left_out").agg(row_count=broken.count()))
    return {row["left_out"]: int(row["row_count"]) for row in counts}


def with_proofs(
    reasons: Sequence[NotClean], broken: Callable[[], Mapping[str, int]]
) -> list[NotClean]:
    """Return why rows are not clean; of those that break proofs of their mapping, with these.

    `broken` is only asked where some do.
    """
    return [
        _with_proofs(reason, broken()) if reason.reason == BROKEN_PROOF else reason
        for reason in reasons
    ]


def _with_proofs(why: NotClean, broken: Mapping[str, int]) -> NotClean:
    ordered = sorted(broken.items(), key=lambda entry: (-entry[1], entry[0]))
    named = tuple(
        f"{name.removeprefix(PROOF)} ({formats.counted(count, 'row')})" for name, count in ordered
    )
    return replace(why, meaning=f"Does not hold: {'; '.join(named)}. {why.meaning}", broken=named)


COUNTED, REFUSED = "counted", "refused"


@dataclass(frozen=True)
class MoneyRead:
    """Rows of order lines, their orders (None if they have no numbers),
    and their money (None if not known).

    The currency is empty if no row says one, or if they are of several.
    """

    row_count: int
    order_count: int | None
    amount: Decimal | None
    currency: str


@dataclass(frozen=True)
class FileReading:
    """Files as a mapping reads them."""

    files: FileEvents | FileOrders

    @classmethod
    def open(
        cls,
        paths: Sequence[str],
        mapping: str,
        *,
        is_events: bool,
        settings: Settings | None = None,
    ) -> "FileReading":
        """Find the files and check them against the mapping;
        the settings are by default those of the environment.

        Raises:
            UsageError: No path was given, or the files do not match the mapping.
        """
        name = "events_mapping" if is_events else "orders_mapping"
        own = (
            settings.model_copy(update={name: mapping})
            if settings
            else load_settings(**{name: mapping})
        )
        return cls(FileEvents.open(paths, own) if is_events else FileOrders.open(paths, own))

    @property
    def is_events(self) -> bool:
        """Return whether the rows are events, not order lines."""
        return isinstance(self.files, FileEvents)

    @cached_property
    def rows(self) -> FileRowCounts:
        """Return the number of rows, and of those that are not clean, by reason."""
        rows = self.files.rows
        return replace(rows, notes=[*rows.notes, *impossible_times(self.files.files)])

    @property
    def rows_json(self) -> dict[str, Any]:
        """Return the number of rows as JSON."""
        return self.rows.as_json()

    @cached_property
    def not_clean(self) -> list[NotClean]:
        """Return why rows are not clean, the most frequent reason first."""
        reasons = self.rows.as_json()["rejected"].items()
        result = [
            NotClean(reason, count, sentence_of(reason), self._example(reason))
            for reason, count in reasons
            if reason != DUPLICATE
        ]
        return with_proofs(result, lambda: broken_proofs(self.files.classified()))

    def _example(self, reason: str) -> dict[str, Any]:
        (row,) = self._fetched(self._read.filter(self._read.reject_reason == reason).limit(1)) or (
            {},
        )
        return {
            name: value
            for name, value in row.items()
            if value is not None and name != "reject_reason"
        }

    @cached_property
    def money(self) -> dict[str, MoneyRead]:
        """Return the orders and the money of order lines that count, are refused and left out;
        empty for events.

        The money of rows that count is what was sold less what was paid back; a copy of a line
        counts once.
        """
        if not isinstance(self.files, FileOrders):
            return {}
        lines = self.files.classified()
        reason = lines.reject_reason
        fate = reason.isnull().ifelse(COUNTED, (reason == LEFT_OUT).ifelse(LEFT_OUT, REFUSED))
        sign = (lines.status == "refunded").ifelse(-1, 1)
        amount = lines.payment_amount.cast("decimal(24, 4)")
        of_rows = lines.select(
            "uniq_id",
            "order_id",
            "currency",
            fate=fate,
            amount=reason.isnull().ifelse(amount * sign, amount),
        )
        one_each = of_rows.filter(of_rows.fate != COUNTED).union(
            of_rows.filter(of_rows.fate == COUNTED).distinct(on="uniq_id")
        )
        orders = one_each.order_id.nunique()
        grouped = one_each.group_by("fate").agg(
            order_count=orders,
            row_count=one_each.count(),
            amount=one_each.amount.sum(),
            first_currency=one_each.currency.min(),
            last_currency=one_each.currency.max(),
        )
        return {
            row["fate"]: MoneyRead(
                row["row_count"], row["order_count"] or None, row["amount"], _one_currency(row)
            )
            for row in rows_of(grouped)
        }

    @cached_property
    def _read(self) -> ir.Table:
        rows = self.files.classified().select(
            *SHOWN[self.is_events], "malformed_row", "reject_reason"
        )
        return temporary(self.files.con, READ, self.files.con.compile(rows))

    @cached_property
    def event_types(self) -> list[tuple[str, str, int]]:
        """Return the source's event types,
        each with the platform's name and how many rows have it.
        """
        if not isinstance(self.files, FileEvents):
            return []
        mapping = self.files.mapping
        own: RecordMapping = mapping.model_copy(update={"event_types": {}})
        files = RecordFiles.open(
            self.files.con.con, [file.path for file in self.files.files.files()], own
        )
        rows = select(
            "event_type, count(*)",
            f"({files.received_sql()})",
            "event_type IS NOT NULL",
            group_by="event_type",
        )
        counted = self.files.con.con.execute(f"{rows} ORDER BY 2 DESC, 1").fetchall()
        return [
            (source_name, mapping.translate(source_name), count) for source_name, count in counted
        ]

    @cached_property
    def filled_count(self) -> int:
        """Return how many of the fields that a preview shows have a value, over all rows."""
        rows = self._read
        (row,) = self._fetched(
            rows.agg(**{name: rows[name].count() for name in SHOWN[self.is_events]})
        )
        return sum(row.values())

    @cached_property
    def empty_fields(self) -> tuple[str, ...]:
        """Return the fields of the mapping of which no row has a value that can be read."""
        files = self.files
        mapping = files.mapping if isinstance(files, FileEvents) else files.files.mapping
        rows = self._read
        as_read = {mapping.kind.time: mapping.kind.at}
        columns = {name: as_read.get(name, name) for name, _ in mapping.mapped()}
        known = {name: column for name, column in columns.items() if column in rows.columns}
        if not known:
            return ()
        counts = self._fetched(rows.agg(**{n: rows[c].count() for n, c in known.items()}))[0]
        return tuple(name for name, count in counts.items() if not count)

    @cached_property
    def preview(self) -> list[dict[str, Any]]:
        """Return the first rows as they are read, each with the reason if it is not clean."""
        rows = self._read.drop("malformed_row")
        order = [rows[name].asc(nulls_first=False) for name in self._order]
        return self._fetched(rows.order_by(order).limit(PREVIEW_ROWS))

    @property
    def _order(self) -> list[str]:
        """Return the columns by which a preview is sorted: the time as read first."""
        as_text, as_read, *other_columns = SHOWN[self.is_events]
        return [as_read, as_text, *other_columns]

    def _fetched(self, rows: ir.Table) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = rows_of(rows)
        return result


def read_events(paths: Sequence[str], mapping: str, settings: Settings) -> FileReading:
    """Return files of events as a mapping reads them."""
    return FileReading.open(paths, mapping, is_events=True, settings=settings)


def read_orders(paths: Sequence[str], mapping: str, settings: Settings) -> FileReading:
    """Return files of order lines as a mapping reads them."""
    return FileReading.open(paths, mapping, is_events=False, settings=settings)


HIDDEN: Final = {
    "payload",
    "is_number_id",
    "has_engagement_score",
    "created_instant",
    "updated_instant",
    "last_login_instant",
}
"""Fields of a customer that a preview leaves out."""


def file_mappings() -> list[str]:
    """Return the names of the shipped mappings of files; the others are of APIs with pages."""
    names = shipped_in(FOLDER)
    return [name for name in names if isinstance(load_customer_mapping(name).paging, OnePage)]


@dataclass(frozen=True)
class CustomerFileReading:
    """Files of customers as a mapping reads them."""

    files: FileCustomers
    records: list[ReceivedRecord]

    event_types: ClassVar[list[tuple[str, str, int]]] = []
    """None: customers do nothing."""

    @classmethod
    def open(cls, paths: Sequence[str], mapping: str, settings: Settings) -> "CustomerFileReading":
        """Read the files.

        Raises:
            EcomError: There are no files or customers in them, or they do not match the mapping.
        """
        own = {"customers": join_paths(paths), "customers_mapping": mapping}
        files = FileCustomers(settings.model_copy(update=own))
        records = files.records()
        if not records:
            raise SourceError(f"{', '.join(paths)} has no customers; give a file that has some.")
        return cls(files, records)

    @property
    def row_count(self) -> int:
        """Return how many records there are."""
        return len(self.records)

    @property
    def clean_count(self) -> int:
        """Return how many of them are customers."""
        return sum(record.customer is not None for record in self.records)

    @cached_property
    def rows_json(self) -> dict[str, Any]:
        """Return the number of records, and of those that are no customers, by reason,
        as files of events say it.
        """
        rejected = Counter(record.reason for record in self.records if record.customer is None)
        return {
            "read": self.row_count,
            "counted": self.clean_count,
            "rejected": dict(rejected.most_common()),
        }

    @cached_property
    def not_clean(self) -> list[NotClean]:
        """Return why records are no customers, the most frequent reason first."""
        return [
            NotClean(reason, count, "", {}) for reason, count in self.rows_json["rejected"].items()
        ]

    @cached_property
    def preview(self) -> list[dict[str, Any]]:
        """Return the first customers; a record that is none as its reason."""
        return [self._shown(record) for record in self.records[:PREVIEW_ROWS]]

    @property
    def known_columns(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return which columns of the mapping any record has, and all that the mapping knows."""
        mapping = load_customer_mapping(self.files.settings.customers_mapping)
        sample = [json.loads(record.payload) for record in self.records[:1000]]
        has = [
            path
            for path in mapping.paths
            if any(value_at(record, path) is not MISSING for record in sample)
        ]
        return tuple(has), mapping.paths

    @property
    def filled_fields(self) -> set[str]:
        """Return the fields that any of the first customers has a value of."""
        first = (record for record in self.records[:1000] if record.customer is not None)
        return {name for record in first for name in self._shown(record)}

    @property
    def filled_count(self) -> int:
        """Return how many fields of customers have a value."""
        return sum(len(self._shown(record)) for record in self.records)

    def _shown(self, record: ReceivedRecord) -> dict[str, Any]:
        if record.customer is None:
            return {"reject_reason": record.reason}
        return record.customer.model_dump(mode="json", exclude=HIDDEN, exclude_none=True)


def _one_currency(row: Mapping[str, Any]) -> str:
    first = row["first_currency"] or ""
    return first if first == row["last_currency"] else ""


MONEY_LABELS: Final = {
    COUNTED: "would count",
    REFUSED: "would be refused",
    LEFT_OUT: "would be left out",
}


def money_lines(reading: object) -> list[str]:
    """Return how much money and how many orders would count, be refused and be left out;
    nothing for other rows.
    """
    if not isinstance(reading, FileReading) or not reading.money:
        return []
    lines = []
    for name, label in MONEY_LABELS.items():
        if (read := reading.money.get(name)) is None:
            continue
        orders = f" of {formats.counted(read.order_count, 'order')}" if read.order_count else ""
        amount = (
            "an amount that is not known"
            if read.amount is None
            else formats.amount(read.amount, read.currency)
        )
        net = ", sold less paid back" if name == COUNTED else ""
        lines.append(f"  {label}: {amount}{net}, {formats.counted(read.row_count, 'row')}{orders}")
    return ["Money:", *lines]
