"""All customers as one JSON file, with a summary beside it: streamed, so that a million of them need no memory.

Not here: Dagster (`assets/exports.py`), the tools that are told of customers' segments.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.contracts.customers import (
    ACTIVITY_STATUSES,
    CUSTOMER_TIERS,
    ENGAGEMENT_LEVELS,
    MARKET_SEGMENTS,
    QUALITY_BANDS,
    Customers,
)
from ecom_assets.durable_files import sync_folder
from ecom_assets.errors import DeliveryError

BATCH_ROWS = 20_000
LEFT_OUT = ("is_current", "valid_to", "last_received_date")
"""Columns that say of each current customer the same, or nothing about the customer."""
COUNTED = {
    "quality_band": QUALITY_BANDS,
    "customer_tier": CUSTOMER_TIERS,
    "market_segment": MARKET_SEGMENTS,
    "activity_status": ACTIVITY_STATUSES,
    "engagement_level": ENGAGEMENT_LEVELS,
}
TITLES = {
    "quality_band": "Data quality",
    "customer_tier": "Tier",
    "market_segment": "Market",
    "activity_status": "Activity",
    "engagement_level": "Engagement",
}


@dataclass(frozen=True)
class CustomersFile:
    """A written file: where it and its summaries are, how many customers it has, and how many the table has."""

    path: Path
    customer_count: int
    expected_count: int
    byte_count: int
    summary: dict[str, Any]


def current_customers(customers: ir.Table) -> ir.Table:
    """Customers as they are now, of rows of `Customers`, by name and then by id; those without a name come last."""
    current = customers.filter(customers.is_current)
    in_order = current.order_by(ibis.asc("full_name", nulls_first=False), "customer_id")
    return in_order.select(*(name for name in Customers.columns if name not in LEFT_OUT))


def write_customers(customers: ir.Table, path: Path, exported_at: datetime) -> CustomersFile:
    """Write the file and its summaries; whoever reads sees the files of before, or the new ones.

    Args:
        customers: All rows of `Customers`.
        path: Where; the summaries get its name with `_summary.txt` and `_summary.json`.
        exported_at: When, UTC without zone.

    Raises:
        DeliveryError: The folder cannot be written.
    """
    summary = _summarized(customers, exported_at)
    head = {
        "total_customers": summary["total_customers"],
        "export_timestamp": summary["export_timestamp"],
        "data_quality_summary": {f"{band}_quality": summary["quality_band"][band] for band in QUALITY_BANDS},
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _renamed(path) as file:
            count = _stream(file, head, _lines(current_customers(customers)))
        for end, content in (("json", json.dumps(summary, indent=2)), ("txt", _report(summary))):
            with _renamed(path.with_name(f"{path.stem}_summary.{end}")) as file:
                file.write(content + "\n")
        sync_folder(path.parent)
    except OSError as error:
        raise DeliveryError(
            f"{path} cannot be written ({error.strerror}); make its folder writable, or give another file in "
            "ECOM_CUSTOMERS_JSON."
        ) from error
    return CustomersFile(path, count, summary["total_customers"], path.stat().st_size, summary)


class _renamed:  # noqa: N801 (used as a function)
    """A file that is written beside its place, and put there whole when all went well."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside = path.with_name(f".{path.name}.{os.getpid()}.new")

    def __enter__(self) -> IO[str]:
        self._file = self._beside.open("w", encoding="utf-8")
        return self._file

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        with self._file:
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())
        if kind is None:
            self._beside.replace(self._path)
        else:
            self._beside.unlink(missing_ok=True)


def _stream(file: IO[str], head: dict[str, Any], lines: Iterator[list[str]]) -> int:
    """Write a customer a line; return how many."""
    file.write('{"metadata": ' + json.dumps(head) + ', "customers": [')
    count = 0
    for some in lines:
        file.write(("," if count else "") + "\n" + ",\n".join(some))
        count += len(some)
    file.write("\n]}\n")
    return count


def _lines(rows: ir.Table) -> Iterator[list[str]]:
    """Yield the customers as JSON, some at a time; instants are ISO 8601, money is text."""
    con = duckdb.connect()
    fields = ", ".join(f"{_as_json(name, column.type)} AS {name}" for name, column in _columns().items())
    sql = f"SELECT to_json(row_)::VARCHAR FROM (SELECT {fields} FROM some_rows) row_"  # noqa: S608 (names come from contracts)
    try:
        con.execute("SET threads = 1")  # rows stay in their order
        for batch in rows.to_pyarrow_batches(chunk_size=BATCH_ROWS):
            con.register("some_rows", pa.Table.from_batches([batch]))
            yield [line for (line,) in con.execute(sql).fetchall()]
    finally:
        con.close()


def _columns() -> dict[str, Any]:
    return {name: column for name, column in Customers.columns.items() if name not in LEFT_OUT}


def _as_json(name: str, kind: str) -> str:
    if kind.startswith("timestamp"):
        return f"strftime({name}, '%Y-%m-%dT%H:%M:%S.%fZ')"
    return f"{name}::VARCHAR" if kind.startswith("decimal") else name


def _summarized(customers: ir.Table, exported_at: datetime) -> dict[str, Any]:
    current = customers.filter(customers.is_current)
    names = list(COUNTED)
    found = current.group_by(*names).agg(n=current.count()).to_pyarrow().to_pylist()
    counts = {
        name: {one: sum(row["n"] for row in found if row[name] == one) for one in known}
        for name, known in COUNTED.items()
    }
    return {
        "total_customers": sum(row["n"] for row in found),
        "export_timestamp": exported_at.isoformat(timespec="seconds") + "Z",
        **counts,
    }


def _report(summary: dict[str, Any]) -> str:
    total = summary["total_customers"]
    lines = [f"Customers: {total:,}, exported at {summary['export_timestamp']}"]
    for name, title in TITLES.items():
        lines += ["", title]
        lines += [f"  {one:12} {n:>10,} {_share(n, total)}" for one, n in summary[name].items()]
    return "\n".join(lines)


def _share(number: int, total: int) -> str:
    return f"{number / total:6.1%}" if total else ""
