"""Faults between the simulated shop and the landing folders: late, duplicate and broken rows.

Broken rows are extra rows: copies of good rows with a new event_id. So they change neither the clean events nor any
number that is computed from clean events.
"""

import numpy as np

from ecom_assets.sandbox.shop import rows as r
from ecom_assets.sandbox.shop.rows import Dice, Flags, Ints, Rows, cumulative, pick

REASONS = (
    "missing_event_id",
    "unparseable_timestamp",
    "future_timestamp",
    "missing_identity",
    "malformed_event_type",
    "negative_cart_value",
    "product_missing",
    "too_late",
)
"""Reasons to quarantine a row. If several apply, the first one in this order counts."""
(NO_ID, NO_TIME, FUTURE, NO_IDENTITY, NO_TYPE, NEGATIVE, NO_PRODUCT, TOO_LATE) = range(1, len(REASONS) + 1)
LATE_DAYS = 7
LATE_RATE, DUPLICATE_RATE, BROKEN_RATE = 0.02, 0.01, 0.001
"""Shares of the good rows that arrive 1 to 7 days late, are delivered again, and have a broken copy (per reason)."""
_DELAY_BOUNDS_DAYS = cumulative([40, 22, 13, 9, 7, 5, 4])
_FUTURE_US = 72 * 365 * r.DAY
_CORRUPTIBLE = (r.PAGE, r.PRODUCT, r.ADD)
_VARIANTS = 6
_REDELIVERIES = np.array([0] + [1] * 5 + [2] * 4, np.int64)


def receive(dice: Dice, rows: Rows, end_us: int) -> Rows:
    """Return the rows that arrive before the end, with arrival times: seconds later for most, days later for a few."""
    number = rows["number"]
    rows["received"] = rows["at"] + 150_000 + (dice.unit("network", number) ** 4 * 5 * r.SECOND).astype(np.int64)
    rows = rows[rows["received"] < end_us]
    number = rows["number"]
    days = 1 + pick(_DELAY_BOUNDS_DAYS, dice.unit("late days", number))
    received = (rows["at"] // r.DAY + days) * r.DAY + dice.below(r.DAY, "late time", number)
    is_late = dice.chance(LATE_RATE, "late", number) & (received < end_us)
    rows["received"] = np.where(is_late, received, rows["received"])
    return rows


def duplicates(dice: Dice, rows: Rows, end_us: int) -> Rows:
    """Return the extra copies of rows that are delivered more than once, at most `LATE_DAYS` days late."""
    number = rows["number"]
    unit = dice.unit("again", number)
    copies = np.concatenate([rows[unit < DUPLICATE_RATE], rows[unit < DUPLICATE_RATE * 0.1]])
    key = copies["number"] * 2 + (np.arange(len(copies)) >= np.count_nonzero(unit < DUPLICATE_RATE))
    # At the same instant, within ten minutes, or on a later day.
    how = _REDELIVERIES[dice.below(len(_REDELIVERIES), "again how", key)]
    soon = copies["received"] + dice.below(600 * r.SECOND, "again when", key)
    later_day = copies["received"] // r.DAY + 1 + dice.below(LATE_DAYS, "again day", key)
    later = later_day * r.DAY + dice.below(r.DAY, "again when", key)
    copies["received"] = np.choose(how, [copies["received"], soon, later])
    return copies[(copies["received"] < end_us) & (delay_days(copies) <= LATE_DAYS)]


def broken(dice: Dice, rows: Rows, first_number: int, *, at_least_one: bool) -> Rows:
    """Return broken rows: for each reason, `BROKEN_RATE` of the good rows."""
    able = np.flatnonzero(np.isin(rows["type"], _CORRUPTIBLE))
    key = first_number * len(REASONS) + np.arange(len(REASONS), dtype=np.int64)
    sizes = (len(rows) * BROKEN_RATE + dice.unit("broken count", key)).astype(np.int64)
    sizes = np.maximum(sizes, int(at_least_one)) if len(able) else np.zeros_like(sizes)
    flaw = np.repeat(np.arange(1, len(REASONS) + 1, dtype=np.int64), sizes)
    number = first_number + np.arange(len(flaw), dtype=np.int64)
    if not len(flaw):
        return r.joined([])
    twins = rows[able[dice.below(len(able), "broken which", number)]]
    return break_rows(dice, twins, flaw, number)


def break_rows(dice: Dice, twins: Rows, flaw: Ints, number: Ints) -> Rows:
    """Return copies of good rows with the given flaws (1 + index in `REASONS`) and numbers."""
    twins["number"], twins["flaw"] = number, flaw
    twins["variant"] = dice.below(_VARIANTS, "variant", number)
    twins["received"] = twins["at"] + dice.below(3 * r.SECOND, "broken delay", number)
    # Far enough ahead to be in the future by any clock, not only compared with received_at.
    twins["at"] += np.where(flaw == FUTURE, _FUTURE_US, 0)
    twins["at"] -= np.where(flaw == TOO_LATE, (LATE_DAYS + 1 + dice.below(12, "how late", number)) * r.DAY, 0)
    twins["cents"] = np.where(_is_negative(dice, flaw, number), -1 - dice.below(20_000, "debt", number), twins["cents"])
    no_product = flaw == NO_PRODUCT
    twins["type"] = np.where(no_product & (twins["type"] == r.PAGE), r.PRODUCT, twins["type"])
    twins["product"] = np.where(no_product, r.NOTHING, twins["product"])
    return twins


def _is_negative(dice: Dice, flaw: Ints, number: Ints) -> Flags:
    """Return which rows get a negative value: those with this flaw, and one in eight with an earlier one."""
    is_negative: Flags = (flaw == NEGATIVE) | (flaw < NEGATIVE) & dice.chance(0.125, "second fault", number)
    return is_negative


def delay_days(rows: Rows) -> Ints:
    """Return the number of UTC days between each row's event and its arrival."""
    days: Ints = rows["received"] // r.DAY - rows["at"] // r.DAY
    return days
