"""Faults between checkout and the order log: one for each cause of differences between events and orders.

Customers who order by phone, and those whose purchase events have no order id, have no other fault, so that no order
can be mistaken for another.
"""

from datetime import date, timedelta

import numpy as np

from ecom_assets.sandbox.shop import rows as r
from ecom_assets.sandbox.shop.orders import total_cents
from ecom_assets.sandbox.shop.rows import Dice, Floats, Ints, Rows, joined

(NONE, PHONED, UNRECORDED, SURCHARGED, UNREPORTED, SHIFTED) = range(6)
"""An order's fault: none, no event, no order, another amount, no refund event, or a clock two hours ahead."""
PHONE_SHARE, NAMELESS_SHARE = 0.06, 0.06
"""Shares of customers who also order by phone, and of those whose purchase events have no order id."""
UNRECORDED_RATE, SURCHARGED_RATE, REPEATED_RATE = 0.02, 0.03, 0.03
UNREPORTED_RATE, SHIFTED_RATE = 0.4, 0.6
"""Shares of refunds without an event, and of orders in a day's last two hours that the log dates two hours ahead."""
APP_SHARE, STORE_SHARE = 0.3, 0.6
"""Shares of orders by app, and of the store among those that no purchase event tells of; the others of these are of a
marketplace."""
SHIPPING_CENTS = 490
"""The shipping costs that some events add to the order's amount."""
SHIFT_US = 2 * 3600 * r.SECOND
_RELOAD_US = 40 * r.SECOND


class Ledger:
    """Adds the faults. They depend on person and time, not on which rows are processed together."""

    def __init__(self, dice: Dice, end_us: int) -> None:
        self._dice, self._end_us = dice, end_us

    def disturb(self, events: Rows, orders: Rows, first_number: int) -> tuple[Rows, Rows]:
        """Return the visits' events and orders with faults; added rows are numbered from `first_number`."""
        who, fate = self._who(orders), self._dice.unit("ledger", _key(orders))
        is_plain = (who == _PLAIN) & ~orders["is_refund"]
        lost, surcharged, again = np.cumsum([UNRECORDED_RATE, SURCHARGED_RATE, REPEATED_RATE])
        orders["fault"][is_plain & (fate < lost)] = UNRECORDED
        orders["fault"][is_plain & (fate >= lost) & (fate < surcharged)] = SURCHARGED
        is_repeated = is_plain & (fate >= surcharged) & (fate < again)
        is_late = (orders["at"] % r.DAY >= r.DAY - SHIFT_US) & (orders["at"] + SHIFT_US < self._end_us)
        ahead = is_late & self._dice.chance(SHIFTED_RATE, "ledger clock", _key(orders))
        is_shifted = is_plain & (fate >= again) & ahead
        orders["fault"][is_shifted] = SHIFTED
        events = self._of_events(events, orders, orders["number"][is_repeated], first_number)
        orders["at"] += np.where(is_shifted, SHIFT_US, 0)
        return events, joined([orders, self._phoned(orders[who == _PHONES], first_number + len(events))], r.ORDER)

    def sold_through(self, orders: Rows) -> Ints:
        """Return the sales channel of each order; those without a purchase event were placed outside of web and app."""
        visited = np.where(self._dice.chance(APP_SHARE, "sales channel", _key(orders)), r.APP, r.WEB)
        elsewhere = np.where(self._dice.chance(STORE_SHARE, "sales channel", _key(orders)), r.STORE, r.MARKETPLACE)
        channel: Ints = np.where(orders["fault"] == PHONED, elsewhere, visited)
        return channel

    def with_unreported(self, refunds: Rows) -> Rows:
        """Return the refunds, and mark those without an event."""
        refunds["fault"] = np.where(
            self._dice.chance(UNREPORTED_RATE, "ledger refund", _key(refunds)), UNREPORTED, NONE
        )
        return refunds

    def _of_events(self, events: Rows, orders: Rows, repeated: Ints, first_number: int) -> Rows:
        """Return the events with faults: higher amounts, missing order ids and repeated purchases."""
        surcharged = orders["number"][orders["fault"] == SURCHARGED]
        nameless = orders["number"][self._who(orders) == _NAMELESS]
        bought = events["type"] == r.PURCHASE
        events["cents"] += np.where(bought & np.isin(events["number"], surcharged), SHIPPING_CENTS, 0)
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
        return phoned[phoned["at"] < self._end_us]

    def _who(self, orders: Rows) -> Ints:
        """Return each order's kind of customer: plain, orders by phone too, or has events without order ids."""
        unit: Floats = self._dice.unit("ledger customer", orders["visitor"])
        kinds: Ints = np.select([unit < PHONE_SHARE, unit < PHONE_SHARE + NAMELESS_SHARE], [_PHONES, _NAMELESS], _PLAIN)
        return kinds


_PLAIN, _PHONES, _NAMELESS = range(3)


def arrived(events: Rows, orders: Rows) -> tuple[Rows, Rows]:
    """Return the events and orders, without orders and repeats whose purchase event arrives after the last day."""
    goes = events["is_repeated"] & ~np.isin(events["order"], events["number"])
    by_phone = orders["is_refund"] | (orders["fault"] == PHONED)
    return events[~goes], orders[by_phone | np.isin(orders["number"], events["number"])]


def _key(rows: Rows) -> Ints:
    key: Ints = rows["at"] * 31 + rows["visitor"]
    return key


CAUSES = ("missing_event", "missing_order", "amount_differs", "duplicate", "refund", "time_zone_shift")


class LedgerTruth:
    """Counts the differences of each cause, and sums the amounts of orders minus events in cents by day."""

    def __init__(self, *, first_day: date, days: int) -> None:
        self._first_day, self._days = first_day, days
        self._first = (first_day - date(1970, 1, 1)).days
        self._counts = dict.fromkeys(CAUSES, 0)
        self._cents = {cause: np.zeros(days, np.int64) for cause in CAUSES}

    def add(self, events: Rows, orders: Rows) -> None:
        """Count the differences of arrived events and orders; `orders` still includes the unrecorded ones."""
        total = total_cents(orders)
        for cause, fault, cents in (
            ("missing_event", PHONED, total),
            ("missing_order", UNRECORDED, -total),
            ("amount_differs", SURCHARGED, np.full_like(total, -SHIPPING_CENTS)),
            ("refund", UNREPORTED, -total),
            ("time_zone_shift", SHIFTED, total),
        ):
            chosen = orders["fault"] == fault
            self._add(cause, orders["at"][chosen], cents[chosen])
        shifted = orders["fault"] == SHIFTED
        self._add("time_zone_shift", orders["at"][shifted] - SHIFT_US, -total[shifted], counted=0)
        repeated = events[events["is_repeated"]]
        self._add("duplicate", repeated["at"], -repeated["cents"])

    def truth(self) -> dict[str, object]:
        """Return the differences as in `truth.json`; a time shift counts once, with amounts on both of its days."""
        days = [self._first_day + timedelta(days=n) for n in range(self._days)]
        return {
            "by_cause": dict(self._counts),
            "by_date": {
                str(day): {cause: r.money_text(int(cents[n])) for cause, cents in self._cents.items() if cents[n]}
                for n, day in enumerate(days)
            },
        }

    def _add(self, cause: str, at: Ints, cents: Ints, counted: int = 1) -> None:
        self._counts[cause] += counted * len(at)
        np.add.at(self._cents[cause], at // r.DAY - self._first, cents)
