"""`ecom segments`: customers in segments, from files. Not here: what these are (`transforms/customer_segments.py`)."""

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from ecom_assets.cli.file_purchases import FilePurchases
from ecom_assets.cli.value_totals import segment_totals
from ecom_assets.cli.written_files import check_format, write_rows
from ecom_assets.transforms.customer_segments import SegmentRule, customer_segments


def answer_segments(
    paths: tuple[list[str], list[str]], mapping: str | None, rule: SegmentRule, until: date | None, out: Path | None
) -> dict[str, Any]:
    """Return the customers of each segment; write every customer where `out` is given.

    Args:
        paths: Of orders, and of events; one of them.
        mapping: Name of a shipped mapping, or a YAML file.
        rule: How scores are given.
        until: The last day to look at; None for the newest in the data.
        out: A Parquet or CSV file.
    """
    check_format("--out", out)
    files = FilePurchases.open(*paths, mapping, until)
    found = customer_segments(files.purchases, rule)
    if out is not None:
        write_rows(files.con, found.order_by("customer_id"), out)
    source = "orders" if paths[0] else "purchase_events"
    return {"definition": {**asdict(rule), "source": source}, "as_of_date": files.newest_day(), **segment_totals(found)}
