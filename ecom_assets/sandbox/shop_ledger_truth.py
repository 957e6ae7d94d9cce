"""For which causes the simulated shop's events and orders differ, counted while the faults are planted.

Nothing here reads the written files or uses the platform's code. Not here: the planting (`shop_ledger`).
"""

from datetime import date, timedelta

import numpy as np

from ecom_assets.sandbox import shop_ledger as f
from ecom_assets.sandbox import shop_rows as r
from ecom_assets.sandbox.shop_catalogue import Catalogue
from ecom_assets.sandbox.shop_dice import Ints
from ecom_assets.sandbox.shop_orders import total_cents
from ecom_assets.sandbox.shop_rows import Rows

CAUSES = ("missing_event", "missing_order", "amount_differs", "duplicate", "refund", "time_zone_shift")


class LedgerTally:
    """Differences by cause and day: how many orders or events, and orders less events in cents."""

    def __init__(self, *, first_day: date, days: int) -> None:
        self._first_day, self._days = first_day, days
        self._first = (first_day - date(1970, 1, 1)).days
        self._counts = dict.fromkeys(CAUSES, 0)
        self._cents = {cause: np.zeros(days, np.int64) for cause in CAUSES}

    def add(self, events: Rows, orders: Rows, catalogue: Catalogue) -> None:
        """Count what differs among events and orders that arrive; the unrecorded are still among these."""
        total = total_cents(catalogue, orders)
        for cause, fault, cents in (
            ("missing_event", f.PHONED, total),
            ("missing_order", f.UNRECORDED, -total),
            ("amount_differs", f.DEARER, np.full_like(total, -f.SHIPPING_CENTS)),
            ("refund", f.UNTOLD, -total),
            ("time_zone_shift", f.SHIFTED, total),
        ):
            chosen = orders["fault"] == fault
            self._add(cause, orders["at"][chosen], cents[chosen])
        shifted = orders["fault"] == f.SHIFTED
        self._add("time_zone_shift", orders["at"][shifted] - f.SHIFT_US, -total[shifted], counted=0)
        repeated = events[events["is_repeated"]]
        self._add("duplicate", repeated["at"], -repeated["cents"])

    def truth(self) -> dict[str, object]:
        """Return everything, in the shape of `truth.json`; a shift counts once and stands on both its days."""
        days = [self._first_day + timedelta(days=n) for n in range(self._days)]
        return {
            "by_cause": dict(self._counts),
            "by_date": {
                str(day): {cause: _money(int(cents[n])) for cause, cents in self._cents.items() if cents[n]}
                for n, day in enumerate(days)
            },
        }

    def _add(self, cause: str, at: Ints, cents: Ints, counted: int = 1) -> None:
        self._counts[cause] += counted * len(at)
        np.add.at(self._cents[cause], at // r.DAY - self._first, cents)


def _money(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"
