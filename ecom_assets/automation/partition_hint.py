"""A sentence in place of a traceback where `dagster asset materialize` is typed without a day."""

import sys
from datetime import date
from types import TracebackType
from typing import Final

from ecom_assets.tables.days import ONE_DAY

MISSING: Final = "no '--partition' option was provided"
"""What Dagster's error says."""


def explain_missing_partition(today: date) -> None:
    """Let this process end with a sentence that shows the options, where Dagster's command misses one.

    Dagster raises before it asks anything of a code location but to load; so this is done where that is loaded.
    """
    before = sys.excepthook
    day, week = today - ONE_DAY, today - 7 * ONE_DAY

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if MISSING not in str(error):
            before(kind, error, trace)
            return
        sys.stderr.write(
            f"dagster: these tables are cut by day, so name the days: --partition {day}, or several with "
            f"--partition-range {week}...{day}; `ecom run --select` takes the days of the data by itself.\n"
        )

    sys.excepthook = show
