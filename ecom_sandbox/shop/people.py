"""The visits of the simulated shop: who visits on which day and at which second,
and the ids of customers.

Visits of one person start at least `APART_S` seconds apart, and a visit lasts at most
`LONGEST_VISIT_S` seconds. So two visits never form one session if the idle timeout is 30 minutes.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from ecom_sandbox.shop import rows as r
from ecom_sandbox.shop.rows import (
    DAY_S,
    Dice,
    Flags,
    Floats,
    Ints,
    Rows,
    cumulative,
    from_table,
    joined,
    pick,
)

LONGEST_VISIT_S = 8_400
APART_S = 10_800
LEAD_DAYS = 28
"""First visits can be up to this many days before the first day;
otherwise the first day has only new visitors.
"""
MOST_VISITS = 150
PEOPLE_AT_ONCE = 50_000
"""Limits memory: visits are drawn for this many people at a time,
and most are dropped as outside the days.
"""
VISIT = np.dtype(
    [
        ("visitor", np.int64),
        ("start_s", np.int64),
        ("is_first", np.bool_),
        ("is_shared", np.bool_),  # on the usual device of the other of the household
        ("heir", np.int64),  # who may take over the device during the visit
        ("changes_id", np.bool_),  # the visit in which the person's user id changes
        ("has_former_id", np.bool_),  # a visit before that one
    ]
)
"""A visit. All but the first three fields are set by `identities.py`."""
# Weights of Monday to Sunday, and of the hours on weekdays and weekends. People shop most in the
# evening and on Sunday.
_WEEKDAYS = (1.0, 0.97, 0.95, 0.98, 0.9, 0.86, 1.12)
_HOURS = (
    (10, 6, 4, 3, 3, 5, 12, 24, 34, 40, 44, 46, 54, 50, 46, 46, 48, 52, 58, 68, 80, 78, 56, 28),
    (16, 10, 6, 4, 3, 4, 7, 13, 26, 42, 56, 62, 62, 60, 60, 62, 62, 62, 62, 66, 74, 70, 50, 28),
)
_SATURDAY = 5
_REGULAR = 8
_HOUR_BOUNDS = np.array([cumulative(hours) for hours in _HOURS])


def _visits_table() -> Ints:
    """Return visits per person, long-tailed: one in six comes once or twice,
    one in eight comes 50 times or more.
    """
    size = 4096
    counts = [17 / ((i + 0.5) / size) ** 0.66 - 16 for i in range(size)]
    return np.array([min(max(int(count), 1), MOST_VISITS) for count in counts], np.int64)


def _gap_table(median_days: float) -> Ints:
    """Return the whole days between a person's visits, log-normal around a median."""
    return np.array([int(gap) for gap in r.log_normal(median_days, 1.1, 4096)], np.int64)


_VISITS, _LONG_GAPS, _SHORT_GAPS = _visits_table(), _gap_table(2.2), _gap_table(0.9)


@dataclass(frozen=True)
class Schedule:
    """All visits in order of start,
    and an index to look up whether a person visits around a given time.
    """

    visits: Rows
    first_of_day: Ints
    """Index in `visits` where each day begins, and the end of the last day."""
    _starts: Ints
    _span_s: int

    def is_away(self, visitor: Ints, at_s: Ints) -> Flags:
        """Return whether the person starts no visit within `APART_S` seconds before
        or after the given second.
        """
        low = visitor * self._span_s + np.maximum(at_s - APART_S, 0)
        high = visitor * self._span_s + np.minimum(at_s + APART_S, self._span_s - 1)
        away: Flags
        away = np.searchsorted(self._starts, low) == np.searchsorted(
            self._starts, high, side="right"
        )
        return away


def make_schedule(
    dice: Dice, *, days: int, people: Ints, first_day: date, known_before: Flags | None = None
) -> Schedule:
    """Return all visits of all people, given by ascending ids; each person has at least one.

    `known_before` are those of the people who visited before these days; by default none.
    """
    visitors = len(people)
    weekday = (np.arange(days, dtype=np.int64) + first_day.weekday()) % 7
    slabs = [
        range(begin, min(begin + PEOPLE_AT_ONCE, visitors))
        for begin in range(0, visitors, PEOPLE_AT_ONCE)
    ]
    chains = joined([_chains(dice, days, slab, weekday) for slab in slabs], VISIT)
    visits = _with_at_least_one(dice, chains, visitors, weekday)
    day, visitor = visits["start_s"], visits["visitor"]
    key = np.arange(len(visits), dtype=np.int64)
    visits["start_s"] = day * DAY_S + _second_of_day(dice, key, weekday[day] >= _SATURDAY)
    visits = visits[np.lexsort((visits["start_s"], visitor))]
    is_close = (np.diff(visits["visitor"]) == 0) & (np.diff(visits["start_s"]) < APART_S)
    visits = visits[np.concatenate([[True], ~is_close])]
    if known_before is not None:
        is_known = known_before[visits["visitor"]]
        visits["is_first"] &= ~is_known
        visits = visits[
            ~is_known | (visits["start_s"] >= APART_S)
        ]  # their last visit may have ended a moment ago
    visits["visitor"] = people[visits["visitor"]]
    span_s = days * DAY_S
    starts = visits["visitor"] * span_s + visits["start_s"]
    visits = visits[np.argsort(visits["start_s"], kind="stable")]
    bounds = np.searchsorted(visits["start_s"], np.arange(days + 1, dtype=np.int64) * DAY_S)
    return Schedule(visits, bounds.astype(np.int64), starts, span_s)


def _chains(dice: Dice, days: int, people: range, weekday: Ints) -> Rows:
    """Return each person's visits within the days, drawn as a sequence of gaps;
    `start_s` holds the day for now.
    """
    person = np.arange(people.start, people.stop, dtype=np.int64)
    count = from_table(_VISITS, dice.unit("visits", person))
    arrival = dice.below(days + LEAD_DAYS, "arrival", person) - LEAD_DAYS
    visitor = np.repeat(person, count)
    nth = np.arange(len(visitor), dtype=np.int64) - np.repeat(np.cumsum(count) - count, count)
    unit = dice.unit("gap", visitor * MOST_VISITS + nth)
    gap = np.where(
        np.repeat(count, count) >= _REGULAR,
        from_table(_SHORT_GAPS, unit),
        from_table(_LONG_GAPS, unit),
    )
    total = np.cumsum(np.where(nth == 0, 0, gap))
    day = np.repeat(arrival, count) + total - np.repeat(total[nth == 0], count)
    keep = (day >= 0) & (day < days)
    keep[keep] &= dice.unit("thin", (visitor * MOST_VISITS + nth)[keep]) < _busy(weekday[day[keep]])
    return _visits(visitor[keep], day[keep], nth[keep] == 0)


def _with_at_least_one(dice: Dice, visits: Rows, visitors: int, weekday: Ints) -> Rows:
    """Add one visit for each person who has none within the days."""
    has_none = np.ones(visitors, np.bool_)
    has_none[visits["visitor"]] = False
    missing = np.flatnonzero(has_none).astype(np.int64)
    day = pick(cumulative(_busy(weekday).tolist()), dice.unit("only day", missing))
    return np.concatenate([visits, _visits(missing, day, np.ones(len(missing), np.bool_))])


def _visits(visitor: Ints, day: Ints, is_first: Flags) -> Rows:
    visits = np.zeros(len(visitor), VISIT)
    visits["visitor"], visits["start_s"], visits["is_first"] = visitor, day, is_first
    return visits


def _busy(weekday: Ints) -> Floats:
    busy: Floats = np.array(_WEEKDAYS)[weekday] / max(_WEEKDAYS)
    return busy


def _second_of_day(dice: Dice, key: Ints, is_weekend: Flags) -> Ints:
    unit = dice.unit("hour", key)
    hour = np.where(is_weekend, pick(_HOUR_BOUNDS[1], unit), pick(_HOUR_BOUNDS[0], unit))
    return hour * 3600 + dice.below(3600, "second", key)


def known_customer_id(visitor: Ints) -> Ints:
    """Return the shop's id of a person: `user_id` in events, `customer_id` in orders."""
    return visitor + 1_000_001
