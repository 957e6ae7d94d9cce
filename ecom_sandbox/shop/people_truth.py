"""The truth about the people of the simulated shop: their ids, how many come back,
and how far they get.

Robots are no people. A person is counted with all events, whatever ids these have.
"""

from datetime import date, timedelta

import numpy as np

from ecom_sandbox.shop import rows as r
from ecom_sandbox.shop.files import former_ids
from ecom_sandbox.shop.identities import GUEST, GUEST_ID, browsers_of
from ecom_sandbox.shop.people import known_customer_id
from ecom_sandbox.shop.rows import Ints, Rows

FUNNEL = (r.PAGE, r.PRODUCT, r.ADD, r.CHECKOUT, r.PURCHASE)
GUEST_DAYS = 30
"""The most devices of the guests' account are counted within so many days."""
_THURSDAY = 3
"""1970-01-01 was one: days since then plus 3, divided by 7, are weeks that begin on Monday."""


class PeopleTruth:
    """Counts people in batches of events; all events of a session are in one batch,
    and the days are in order.
    """

    def __init__(self, *, first_day: date, days: int, people: Ints) -> None:
        first = (first_day - date(1970, 1, 1)).days
        self._people, self._first_week = people, (first + _THURSDAY) // 7
        self._last_week = (first + days - 1 + _THURSDAY) // 7
        weeks, size = self._last_week - self._first_week + 1, len(people)
        self._came_first, self._came_last = (np.full(size, r.NOTHING, np.int64) for _ in range(2))
        self._returns = np.zeros((weeks, weeks), np.int64)
        self._reached = np.zeros((len(FUNNEL), size), np.bool_)
        self._signed_in, self._knew_first = (np.zeros(size, np.bool_) for _ in range(2))
        self._on_device: list[Ints] = []
        self._guest_on_device: list[Ints] = []
        self._former: list[Ints] = []
        self._userless = self._handovers = 0

    def add(self, rows: Rows) -> None:
        """Count events of people, in the order of sessions and times."""
        if not len(rows):
            return
        person = np.searchsorted(self._people, rows["visitor"]).astype(np.int64)
        for step, event_type in enumerate(FUNNEL):
            self._reached[step][person[rows["type"] == event_type]] = True
        self._add_sign_ins(rows, person)
        self._add_weeks(rows, person)
        self._add_devices(rows)
        self._userless += int(np.count_nonzero(~rows["is_known"]))
        self._former.append(rows["visitor"][rows["type"] == r.ALIAS])

    def _add_sign_ins(self, rows: Rows, person: Ints) -> None:
        """Find who signs in, and whether newcomers do so in their first visit;
        to be called before `_add_weeks`.
        """
        by_themselves = rows["is_known"] & (rows["account"] != GUEST)
        self._signed_in[person[by_themselves]] = True
        new = np.flatnonzero(self._came_first[person] == r.NOTHING)
        new = new[np.lexsort((rows["at"][new], person[new]))]
        newcomer, first = np.unique(person[new], return_index=True)
        visit = rows["session"][new] * len(self._people) + person[new]
        self._knew_first[newcomer] = np.isin(visit[first], visit[by_themselves[new]])

    def _add_weeks(self, rows: Rows, person: Ints) -> None:
        """Count each person once in each week;
        a batch is never before the weeks that its people came in earlier.
        """
        weeks = (rows["at"] // r.DAY + _THURSDAY) // 7 - self._first_week
        for week in np.unique(weeks).tolist():
            people = np.unique(person[weeks == week])
            people = people[self._came_last[people] < week]
            self._came_last[people] = week
            self._came_first[people] = np.where(
                self._came_first[people] == r.NOTHING, week, self._came_first[people]
            )
            np.add.at(self._returns, (self._came_first[people], week - self._came_first[people]), 1)

    def _add_devices(self, rows: Rows) -> None:
        """Note who was on which device, once for each visit and person."""
        rows = rows[rows["cookie"] != r.NOTHING]
        is_same_visit = np.diff(rows["session"], prepend=r.NOTHING) == 0
        is_other = np.diff(rows["visitor"], prepend=r.NOTHING) != 0
        self._handovers += int(np.count_nonzero(is_same_visit & is_other))
        used = rows[is_other | ~is_same_visit]
        self._on_device.append(np.stack([used["cookie"], used["visitor"]]))
        used = rows[rows["is_known"] & (rows["account"] == GUEST)]
        self._guest_on_device.append(
            np.unique(np.stack([used["at"] // r.DAY, used["cookie"]]), axis=1)
        )

    def truth(self, *, is_whole: bool) -> dict[str, object]:
        """Return the counts; who comes back is counted only of a shop that
        has all days of its people.
        """
        truth = {
            **self._ids(),
            "guest": self._guest(),
            "funnel_people": self._funnel(),
            "aliases": self._aliases(),
        }
        return {**truth, "weekly_retention": self._retention()} if is_whole else truth

    def _ids(self) -> dict[str, object]:
        """Return how many people have which ids, and how many ids several people."""
        device, person = np.unique(_joined(self._on_device), axis=1)
        devices, people_on = np.unique(device, return_counts=True)
        signs_in_late = self._signed_in & ~self._knew_first
        return {
            "people": int(np.count_nonzero(self._came_first != r.NOTHING)),
            "people_with_several_devices": _several(person),
            "people_who_signed_in_late": int(np.count_nonzero(signs_in_late)),
            "people_who_never_signed_in": int(
                np.count_nonzero((self._came_first != r.NOTHING) & ~self._signed_in)
            ),
            "devices": len(devices),
            "shared_devices": int(np.count_nonzero(people_on > 1)),
            "cleared_browsers": _several(browsers_of(devices)),
            "handovers": self._handovers,
            "userless_events": self._userless,
        }

    def _guest(self) -> dict[str, object]:
        """Return on how many devices the guests' account signed in,
        in all and within some days at most.
        """
        day, device = _joined(self._guest_on_device)
        within = [
            len(np.unique(device[(day > last - GUEST_DAYS) & (day <= last)]))
            for last in np.unique(day).tolist()
        ]
        return {
            "user_id": GUEST_ID,
            "devices": len(np.unique(device)),
            f"most_devices_in_{GUEST_DAYS}_days": max(within, default=0),
        }

    def _funnel(self) -> dict[str, int]:
        counts = np.count_nonzero(self._reached, axis=1).tolist()
        return {r.EVENT_TYPES[step]: count for step, count in zip(FUNNEL, counts, strict=True)}

    def _aliases(self) -> dict[str, str]:
        """Return the present user id by the former one."""
        visitor = np.unique(np.concatenate([*self._former, np.zeros(0, np.int64)]))
        present = [str(user) for user in known_customer_id(visitor).tolist()]
        return dict(zip(former_ids(visitor).to_pylist(), present, strict=True))

    def _retention(self) -> dict[str, object]:
        """Return, by week of the first event, the people who came in it and in each week after it.

        The last week has not ended, as far as the events show; `week_1_rate` leaves it out.
        """
        weeks = len(self._returns)
        whole = self._returns[: max(weeks - 2, 0)]
        monday = date(1970, 1, 1) + timedelta(days=self._first_week * 7 - _THURSDAY)
        rate = (
            int(whole[:, 1].sum()) / int(whole[:, 0].sum())
            if whole.size and whole[:, 0].any()
            else None
        )
        cohorts = {
            (monday + timedelta(weeks=week)).isoformat(): self._returns[
                week, : weeks - week
            ].tolist()
            for week in range(weeks)
        }
        return {"week_1_rate": rate, "cohorts": cohorts}


def _joined(pairs: list[Ints]) -> Ints:
    """Return pairs, in two rows, as one array."""
    return np.concatenate([*pairs, np.zeros((2, 0), np.int64)], axis=1)


def _several(values: Ints) -> int:
    """Return how many values occur more than once."""
    return int(np.count_nonzero(np.unique(values, return_counts=True)[1] > 1))
