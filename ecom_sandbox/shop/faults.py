"""Faults of the simulated shop: between it and the landing folders,
and between checkout and the order log.

Rows arrive late, twice or broken. Broken rows are extra rows: copies of good rows with a new
event_id. So they change neither the clean events nor any number that is computed from clean events.

The order log has one fault for each cause of differences between events and orders. Customers who
order by phone, and those whose purchase events have no order id, have no other fault, so that no
order can be mistaken for another.
"""

import numpy as np

from ecom_sandbox.shop import rows as r
from ecom_sandbox.shop.rows import Dice, Flags, Floats, Ints, Rows, cumulative, joined, pick

REASONS = (
    "missing_event_id",
    "unparseable_timestamp",
    "future_timestamp",
    "missing_identity",
    "malformed_event_type",
    "too_late",
)
"""Reasons to quarantine a row. If several apply, the first one in this order counts."""
(NO_ID, NO_TIME, FUTURE, NO_IDENTITY, NO_TYPE, TOO_LATE) = range(1, len(REASONS) + 1)
LATE_DAYS = 7
LATE_RATE, DUPLICATE_RATE, BROKEN_RATE = 0.02, 0.01, 0.001
"""Shares of the good rows that arrive 1 to 7 days late, are delivered again,
and have a broken copy (per reason).
"""
_DELAY_BOUNDS_DAYS = cumulative([40, 22, 13, 9, 7, 5, 4])
_FUTURE_US = 72 * 365 * r.DAY
_CORRUPTIBLE = (r.PAGE, r.PRODUCT, r.ADD)
_VARIANTS = 6
_SLOT_FLAWS: Ints = np.array(
    [NO_ID, NO_TIME, FUTURE, NO_IDENTITY, NO_TYPE, 0, 0, TOO_LATE], np.int64
)
"""The flaw of each slot of broken rows.

Slots of former reasons have none, so that the rows of the others stay.
"""
_REDELIVERIES = np.array([0] + [1] * 5 + [2] * 4, np.int64)


def receive(dice: Dice, rows: Rows, end_us: int) -> Rows:
    """Return the rows that arrive before the end, with arrival times: seconds later for most,
    days later for a few.
    """
    number = rows["number"]
    rows["received"] = (
        rows["at"] + 150_000 + (dice.unit("network", number) ** 4 * 5 * r.SECOND).astype(np.int64)
    )
    rows = rows[rows["received"] < end_us]
    number = rows["number"]
    days = 1 + pick(_DELAY_BOUNDS_DAYS, dice.unit("late days", number))
    received = (rows["at"] // r.DAY + days) * r.DAY + dice.below(r.DAY, "late time", number)
    is_late = dice.chance(LATE_RATE, "late", number) & (received < end_us)
    rows["received"] = np.where(is_late, received, rows["received"])
    return rows


def duplicates(dice: Dice, rows: Rows, end_us: int) -> Rows:
    """Return the extra copies of rows that are delivered more than once,
    at most `LATE_DAYS` days late.
    """
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
    slots = len(_SLOT_FLAWS)
    key = first_number * slots + np.arange(slots, dtype=np.int64)
    sizes = (len(rows) * BROKEN_RATE + dice.unit("broken count", key)).astype(np.int64)
    sizes = np.maximum(sizes, int(at_least_one)) if len(able) else np.zeros_like(sizes)
    flaw = np.repeat(_SLOT_FLAWS, sizes)
    number = first_number + np.arange(len(flaw), dtype=np.int64)
    flaw, number = flaw[flaw > 0], number[flaw > 0]
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
    delay_us = (LATE_DAYS + 1 + dice.below(12, "how late", number)) * r.DAY
    twins["at"] -= np.where(_is_too_late(dice, flaw, number), delay_us, 0)
    return twins


def _is_too_late(dice: Dice, flaw: Ints, number: Ints) -> Flags:
    """Return which rows are too late: those with this flaw,
    and one in eight of others with a time that can be read.
    """
    is_second = ~np.isin(flaw, (NO_TIME, FUTURE)) & dice.chance(0.125, "second fault", number)
    is_late: Flags = (flaw == TOO_LATE) | is_second
    return is_late


def delay_days(rows: Rows) -> Ints:
    """Return the number of UTC days between each row's event and its arrival."""
    days: Ints = rows["received"] // r.DAY - rows["at"] // r.DAY
    return days


(NONE, PHONED, UNRECORDED, SURCHARGED, UNREPORTED, SHIFTED) = range(6)
"""An order's fault: none, no event, no order, another amount, no refund event,
or a clock two hours ahead.
"""
PHONE_SHARE, NAMELESS_SHARE = 0.06, 0.06
"""Shares of customers who also order by phone, and of those whose purchase events have no order id.
"""
UNRECORDED_RATE, SURCHARGED_RATE, REPEATED_RATE = 0.02, 0.03, 0.03
UNREPORTED_RATE, SHIFTED_RATE = 0.4, 0.6
"""Shares of refunds without an event,
and of orders in a day's last two hours that the log dates two hours ahead.
"""
APP_SHARE, STORE_SHARE = 0.3, 0.6
"""Shares of orders by app, and of the store among those without a purchase event; the others of
these are of a marketplace.
"""
SHIPPING_CENTS = 490
"""The shipping costs that some events add to the order's amount."""
SHIFT_US = 2 * 3600 * r.SECOND
_RELOAD_US = 40 * r.SECOND


class FaultInjector:
    """Adds the faults. They depend on person and time, not on which rows are processed together."""

    def __init__(self, dice: Dice, end_us: int) -> None:
        self._dice, self._end_us = dice, end_us

    def disturb(self, events: Rows, orders: Rows, first_number: int) -> tuple[Rows, Rows]:
        """Return the visits' events and orders with faults;
        added rows are numbered from `first_number`.
        """
        kinds, fate = _kinds(self._dice, orders["visitor"]), self._dice.unit("ledger", _key(orders))
        is_plain = (kinds == _PLAIN) & ~orders["is_refund"]
        lost, surcharged, again = np.cumsum([UNRECORDED_RATE, SURCHARGED_RATE, REPEATED_RATE])
        orders["fault"][is_plain & (fate < lost)] = UNRECORDED
        orders["fault"][is_plain & (fate >= lost) & (fate < surcharged)] = SURCHARGED
        is_repeated = is_plain & (fate >= surcharged) & (fate < again)
        is_late = (orders["at"] % r.DAY >= r.DAY - SHIFT_US) & (
            orders["at"] + SHIFT_US < self._end_us
        )
        ahead = is_late & self._dice.chance(SHIFTED_RATE, "ledger clock", _key(orders))
        is_shifted = is_plain & (fate >= again) & ahead
        orders["fault"][is_shifted] = SHIFTED
        events = self._of_events(events, orders, orders["number"][is_repeated], first_number)
        orders["at"] += np.where(is_shifted, SHIFT_US, 0)
        return events, joined(
            [orders, self._phoned(orders[kinds == _PHONES], first_number + len(events))], r.ORDER
        )

    def sold_through(self, orders: Rows) -> Ints:
        """Return the sales channel of each order;
        those without a purchase event were placed outside of web and app.
        """
        visited = np.where(
            self._dice.chance(APP_SHARE, "sales channel", _key(orders)), r.APP, r.WEB
        )
        elsewhere = np.where(
            self._dice.chance(STORE_SHARE, "sales channel", _key(orders)), r.STORE, r.MARKETPLACE
        )
        channel: Ints = np.where(orders["fault"] == PHONED, elsewhere, visited)
        return channel

    def with_unreported(self, refunds: Rows) -> Rows:
        """Return the refunds, and mark those without an event."""
        refunds["fault"] = np.where(
            self._dice.chance(UNREPORTED_RATE, "ledger refund", _key(refunds)), UNREPORTED, NONE
        )
        return refunds

    def _of_events(self, events: Rows, orders: Rows, repeated: Ints, first_number: int) -> Rows:
        """Return the events with faults: higher amounts,
        missing order ids and repeated purchases.
        """
        surcharged = orders["number"][orders["fault"] == SURCHARGED]
        nameless = orders["number"][_kinds(self._dice, orders["visitor"]) == _NAMELESS]
        bought = events["type"] == r.PURCHASE
        events["cents"] += np.where(
            bought & np.isin(events["number"], surcharged), SHIPPING_CENTS, 0
        )
        events["order"][bought & np.isin(events["number"], nameless)] = r.NOTHING
        again = events[bought & np.isin(events["number"], repeated)]
        again["at"] += r.SECOND + self._dice.below(_RELOAD_US, "ledger reload", _key(again))
        again["number"] = first_number + np.arange(len(again))
        again["is_repeated"] = True
        return joined([events, again])

    def _phoned(self, orders: Rows, first_number: int) -> Rows:
        """Return extra orders that the same people place by phone on the same days."""
        key = _key(orders)
        phoned = orders[self._dice.chance(0.6, "ledger phone", key)]
        second = 9 * 3600 + self._dice.below(8 * 3600, "ledger phone second", _key(phoned))
        phoned["at"] = phoned["at"] // r.DAY * r.DAY + second * r.SECOND
        phoned["number"] = first_number + np.arange(len(phoned))
        phoned["fault"] = PHONED
        phoned["source"] = r.NOTHING
        return phoned[phoned["at"] < self._end_us]


def has_order_ids(dice: Dice, visitor: Ints) -> Flags:
    """Return whose purchase events have order ids; without them,
    orders are found by the customer only.
    """
    has: Flags = _kinds(dice, visitor) != _NAMELESS
    return has


def _kinds(dice: Dice, visitor: Ints) -> Ints:
    """Return each customer's kind: plain, orders by phone too, or has events without order ids."""
    unit: Floats = dice.unit("ledger customer", visitor)
    kinds: Ints = np.select(
        [unit < PHONE_SHARE, unit < PHONE_SHARE + NAMELESS_SHARE], [_PHONES, _NAMELESS], _PLAIN
    )
    return kinds


_PLAIN, _PHONES, _NAMELESS = range(3)


def arrived(events: Rows, orders: Rows) -> tuple[Rows, Rows]:
    """Return the events and orders,
    without orders and repeats whose purchase event arrives after the last day.
    """
    bought = events["number"][events["type"] == r.PURCHASE]
    goes = events["is_repeated"] & ~np.isin(events["order"], bought)
    by_phone = orders["is_refund"] | (orders["fault"] == PHONED)
    return events[~goes], orders[by_phone | np.isin(orders["number"], bought)]


def _key(rows: Rows) -> Ints:
    key: Ints = rows["at"] * 31 + rows["visitor"]
    return key
