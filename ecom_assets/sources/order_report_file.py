"""One day's file of orders: whether it is whole, and putting it in its place whole or not at all.

Not here: fetching it (`order_report_api.py`), what its rows mean.
"""

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import NamedTemporaryFile

from ecom_assets.durable_files import sync_folder
from ecom_assets.errors import SourceError

FOLDER = "order_reports"
FILE = "user_order_log_inc.csv"
COLUMNS = (
    "id", "uniq_id", "date_time", "city_id", "city_name", "customer_id", "first_name", "last_name", "item_id",
    "item_name", "quantity", "payment_amount",
)  # fmt: skip
"""Columns that every file has; `status` came later."""


@dataclass(frozen=True)
class Counted:
    """What a body turned out to be: its rows, or what is wrong with it, as the second half of a sentence."""

    row_count: int = 0
    fault: str = ""


def count_rows(body: bytes, announced_rows: int | None) -> Counted:
    """Count the rows of a file, and find out whether it ends where it should."""
    if not body:
        return Counted(fault="gives an empty file")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Counted(fault=f"gives a file that is not UTF-8 at byte {error.start:,}")
    if not text.endswith("\n"):
        return Counted(fault=f"gives a file whose last line is cut ({len(body):,} bytes)")
    try:
        return _counted(csv.reader(io.StringIO(text, newline=""), strict=True), announced_rows)
    except csv.Error as error:
        return Counted(fault=f"gives a file that breaks off inside of a quoted value ({error})")


def _counted(lines: Iterator[list[str]], announced_rows: int | None) -> Counted:
    header = next(lines)
    if missing := [column for column in COLUMNS if column not in header]:
        return Counted(fault=f"gives a file without the columns {', '.join(missing)}, so it is no order report")
    row_count, last = 0, header
    for line in lines:
        row_count, last = row_count + 1, line
    if len(last) != len(header):
        return Counted(row_count, f"gives a file whose last line has {len(last)} of {len(header)} values")
    if announced_rows is not None and row_count != announced_rows:
        return Counted(row_count, f"gives a file with {row_count:,} of {announced_rows:,} announced rows")
    if row_count == 0 and announced_rows is None:
        return Counted(fault="gives a file with a header and no rows")
    return Counted(row_count)


def path_of(home: Path, day: date) -> Path:
    """Return where a day's file lies."""
    return home / FOLDER / f"increment_date={day.isoformat()}" / FILE


def land(body: bytes, path: Path) -> None:
    """Put a file in its place: whoever looks sees the one before or this one, whole, even after a power cut.

    Raises:
        SourceError: The disk does not take it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".partial", delete=False) as file:
            partial = Path(file.name)
            try:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
                partial.replace(path)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        sync_folder(path.parent)
    except OSError as error:
        raise SourceError(f"{path} cannot be written ({error.strerror}); mend that and run again.") from error
