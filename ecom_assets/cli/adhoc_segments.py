"""`ecom segments`: customers in segments, from files. Not here: what these are (`transforms/customer_segments.py`)."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ecom_assets.cli.file_purchases import Customers, FilePurchases
from ecom_assets.cli.value_totals import segment_totals
from ecom_assets.cli.written_files import check_format, write_rows
from ecom_assets.transforms.customer_segments import SegmentRule, customer_segments


def answer_segments(asked: Customers, rule: SegmentRule, out: Path | None) -> dict[str, Any]:
    """Return the customers of each segment; write every customer where `out` is given.

    Args:
        asked: Whose customers.
        rule: How scores are given.
        out: A Parquet or CSV file.
    """
    check_format("--out", out)
    files = FilePurchases.open(asked)
    found = customer_segments(files.purchases, rule)
    if out is not None:
        write_rows(files.con, found.order_by("customer_id"), out)
    return {
        "definition": {**asdict(rule), **asked.definition()},
        "as_of_date": files.newest_day(),
        **segment_totals(found),
        "rows": files.rows.as_json(),
    }
