"""The day that is on in a living shop: its events arrive in small files, until the day's own file takes their place.

The rows, and their order, are those of the day's file, so nothing arrives twice and nothing is missing.
"""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from ecom_assets.atomic_files import replacing
from ecom_assets.sandbox.shop.files import write_parquet
from ecom_assets.sandbox.shop.living import LivingShop, locked
from ecom_assets.sandbox.shop.rows import SECOND
from ecom_assets.sources.sandbox_shop import last_day, truth_of

FILE_US = 600 * SECOND
"""Each file holds the rows that arrive within ten minutes."""
FILE_NAME = "live-{:%H%M}.parquet"


class DayInProgress:
    """A day of a living shop, and the folder that its events arrive in."""

    def __init__(self, shop: LivingShop, day: date) -> None:
        """Simulate the day, after those of its month before it."""
        simulated = shop.month(day.replace(day=1), day)
        *_, today = simulated.simulate()
        self.day = day
        self._shop_folder = shop.folder
        self._rows: pa.Table = simulated.columns.table(today.arrived)
        self._received = today.arrived["received"]
        self._written = 0

    @property
    def folder(self) -> Path:
        """Return the landing folder of the day."""
        return self._shop_folder / "events" / f"received_date={self.day}"

    def arrive(self, now: datetime) -> int:
        """Write what has arrived by now, and return how many rows are new; none once the day's own file is there."""
        count = int(np.searchsorted(self._received, int(now.timestamp() * SECOND), side="right"))
        if count == self._written:
            return 0
        with locked(self._shop_folder):
            truth = truth_of(self._shop_folder)
            if truth is None or last_day(truth) >= self.day:
                return 0
            self._write(self._written, count)
        new, self._written = count - self._written, count
        return new

    def _write(self, begin: int, end: int) -> None:
        """Write each file that has a row from `begin` to `end`, whole."""
        file_of = self._received // FILE_US
        for number in np.unique(file_of[begin:end]).tolist():
            first, after = (int(np.searchsorted(file_of, bound)) for bound in (number, number + 1))
            opened = datetime.fromtimestamp(number * FILE_US / SECOND, UTC)
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / FILE_NAME.format(opened)
            with replacing(path) as fresh:
                write_parquet(self._rows.slice(first, min(after, end) - first), fresh)
            if after <= end and begin == 0:  # it arrived before anybody looked, and real time need not read it
                ended = (opened + timedelta(microseconds=FILE_US)).timestamp()
                os.utime(path, (ended, ended))
