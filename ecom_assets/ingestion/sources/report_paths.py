"""Where the files of order reports are below the platform's home: of the last report,
and of increments.
"""

from datetime import date
from pathlib import Path

FOLDER = "order_reports"
FILE = "user_order_log_inc.csv"
REPORT = "report"
"""The folder with the files of the last report that was loaded whole."""
OTHERS = "other_increments"
"""The folder with the other files of increments, in a folder for each day."""
HISTORY = "user_order_log"
"""The file of a report with all order lines up to now."""
ACTIVITIES, RESEARCH, PRICES = "user_activity_log", "customer_research", "price_log"
"""The other files that a report may have."""


def report_path(home: Path, name: str) -> Path:
    """Return the path of a file of the last report that was loaded whole."""
    return home / FOLDER / REPORT / f"{name}.csv"


def other_path(home: Path, name: str, day: date) -> Path:
    """Return the path of another file of a day's increment: its rows have days of their own."""
    return home / FOLDER / OTHERS / day.isoformat() / f"{name}.csv"


def other_files(home: Path, name: str, first: date | None = None) -> list[Path]:
    """Return the stored files of a name: of the report, and of the increments of some day or later,
    in their order.
    """
    increments = sorted((home / FOLDER / OTHERS).glob(f"*/{name}.csv"))
    if first is not None:
        increments = [path for path in increments if path.parent.name >= first.isoformat()]
    return [path for path in (report_path(home, name), *increments) if path.exists()]


def are_activities(origin: str) -> bool:
    """Return whether a place of events is the file of a report's activities,
    in this home or where it was before.
    """
    file = report_path(Path(), ACTIVITIES).parts
    return Path(origin).parts[-len(file) :] == file
