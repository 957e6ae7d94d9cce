"""Which visit brings each order of the simulated shop: the last one before it that has a source, as
the model `last_non_direct` says. People are known here, whatever the shop can know of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Final, TypeVar

import numpy as np

from ecom_sandbox.shop import rows as r
from ecom_sandbox.shop import traffic as t
from ecom_sandbox.shop.rows import Ints, Rows, total_cents

LOOKBACK_DAYS: Final = 30
"""A visit counts for an order if it began so many days before it, or later."""

Columns = TypeVar("Columns", "SourcedVisits", "PlacedOrders")


@dataclass(frozen=True)
class SourcedVisits:
    """Visits whose source is known: who came, when, and the index of the source."""

    visitor: Ints
    at: Ints
    source: Ints

    @classmethod
    def of_events(cls, pages: t.Pages, events: Rows) -> "SourcedVisits":
        """Return the visits of events, all of whose events are there; who takes over a device has a
        visit of their own. A visit has the source of its first event with one.
        """
        events = events[events["session"] != r.NOTHING]
        events = events[np.lexsort((events["number"], events["at"], *_visit_of(events)))]
        source = pages.sources_of(events["page"], events["referrer"])
        begins = np.any([np.diff(key, prepend=r.NOTHING - 1) != 0 for key in _visit_of(events)], 0)
        started = events["at"][begins][np.cumsum(begins) - 1]
        sourced = np.flatnonzero(source != r.NOTHING)
        visit = np.cumsum(begins)[sourced]
        first = sourced[np.unique(visit, return_index=True)[1]]
        return cls(events["visitor"][first], started[first], source[first])

    @classmethod
    def joined(cls, parts: Iterable["SourcedVisits"]) -> "SourcedVisits":
        """Return the visits of all parts."""
        return _joined(cls, parts)

    def credited(self, orders: "PlacedOrders") -> Ints:
        """Return the index of the source that brings each order or refund, NOTHING without one.

        A refund takes back what its customer bought last.
        """
        order = np.lexsort((orders.is_refund, orders.at, orders.visitor))
        bought = orders.last_bought(order)
        by_start = np.lexsort((self.at, self.visitor))
        people, visitor = np.unique(self.visitor[by_start], return_inverse=True)
        if not len(people):
            return np.full(len(orders.at), r.NOTHING, np.int64)
        # One key for person and time: both ascend in it.
        first = min(int(self.at.min()), int(orders.at.min(initial=self.at.min())))
        span = max(int(self.at.max()), int(orders.at.max(initial=self.at.max()))) - first + 2
        keys = visitor * span + self.at[by_start] - first
        person = np.searchsorted(people, orders.visitor)
        person = np.minimum(person, len(people) - 1)
        place = np.searchsorted(keys, person * span + bought - first, side="right") - 1
        last = by_start[np.maximum(place, 0)]
        is_theirs = (place >= 0) & (self.visitor[last] == orders.visitor)
        is_near = self.at[last] >= bought - LOOKBACK_DAYS * r.DAY
        source: Ints = np.where(is_theirs & is_near, self.source[last], r.NOTHING)
        return source


@dataclass(frozen=True)
class PlacedOrders:
    """Orders and refunds: who bought, when, and what it brings; amounts are cents.

    Attributes:
        visitor: Who bought.
        at: When the order was placed, or paid back.
        is_refund: Whether it is paid back.
        cents: What was paid, below zero of what is paid back.
        contribution: What is left before advertising; 0 where it is not known.
        is_known: Whether that is known.
        source: The index of the source of the visit in which the order was placed.
    """

    visitor: Ints
    at: Ints
    is_refund: Ints
    cents: Ints
    contribution: Ints
    is_known: Ints
    source: Ints

    @classmethod
    def of_rows(cls, orders: Rows, contribution: Ints, is_known: Ints) -> "PlacedOrders":
        """Return rows of orders or refunds."""
        is_refund = orders["is_refund"].astype(np.int64)
        return cls(
            orders["visitor"],
            orders["at"],
            is_refund,
            total_cents(orders) * (1 - 2 * is_refund),
            contribution,
            is_known.astype(np.int64),
            orders["source"].astype(np.int64),
        )

    @classmethod
    def joined(cls, parts: Iterable["PlacedOrders"]) -> "PlacedOrders":
        """Return the orders of all parts."""
        return _joined(cls, parts)

    def last_bought(self, order: Ints) -> Ints:
        """Return when each order was placed, and of each refund when its customer bought last;
        `order` is that of people and times.
        """
        bought = np.zeros(len(self.at), np.int64)
        last: dict[int, int] = {}
        for i in order.tolist():
            who = int(self.visitor[i])
            if not self.is_refund[i]:
                last[who] = int(self.at[i])
            bought[i] = last.get(who, int(self.at[i]))
        return bought

    def first_paid(self) -> dict[int, int]:
        """Return the position of the first paid order of each customer."""
        first: dict[int, int] = {}
        for i in np.lexsort((self.at,)).tolist():
            if self.cents[i] > 0:
                first.setdefault(int(self.visitor[i]), i)
        return first


def brought(
    orders: PlacedOrders, source: Ints, newcomers: Iterable[int] | None = None
) -> dict[str, dict[str, int]]:
    """Return the sums of the orders that each source brings, in cents, by the source's name; and of
    how many orders and refunds the contribution is known.

    Args:
        orders: Orders and refunds.
        source: The index of the source that brings each.
        newcomers: The positions of orders that are somebody's first; None if that is not known.
    """
    columns: dict[str, Ints] = {
        "credited_order_count": 1 - orders.is_refund,
        "credited_revenue_amount": orders.cents,
        "contribution_revenue_amount": orders.cents * orders.is_known,
        "contribution_before_ads_amount": orders.contribution,
        "known_order_count": orders.is_known,
    }
    if newcomers is not None:
        is_first = np.zeros(len(source), np.int64)
        is_first[list(newcomers)] = 1
        columns["new_customer_count"] = is_first
    return {
        t.SOURCES[index].name: {
            name: int(values[source == index].sum()) for name, values in columns.items()
        }
        for index in np.unique(source).tolist()
        if index != r.NOTHING
    }


def _joined(kind: type[Columns], parts: Iterable[Columns]) -> Columns:
    """Return columns that are those of all parts, one after the other."""
    nothing = [np.zeros(0, np.int64) for _ in fields(kind)]
    rows = [nothing, *(vars(part).values() for part in parts)]
    return kind(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def _visit_of(events: Rows) -> tuple[Ints, Ints]:
    return events["visitor"], events["session"]
