"""Who is who in the simulated shop: shared devices, cleared cookies, new user ids,
and an account that many people use.

Everything depends on the person and the time only, so that it is the same in whatever batches
visits are processed. Two people never use one device so close together that their visits could be
taken for one, except where one of them hands it over in the middle of a visit.
"""

import numpy as np

from ecom_sandbox.shop import rows as r
from ecom_sandbox.shop import traffic as t
from ecom_sandbox.shop.people import APART_S, Schedule
from ecom_sandbox.shop.rows import DAY_S, Dice, Flags, Ints, Rows

ACCOUNT_RATE = 0.6
"""Share of people with an account, whom the shop often still knows at their next visit."""
HOUSEHOLD_RATE = 0.12
"""Share of pairs of people, of ids 2n and 2n + 1, who share the usual device of the first."""
HANDOVER_RATE = 0.9
"""Share of signed-in daytime visits of the first of a household in which the second
may take over the device.
"""
CLEARING_RATE, COOKIE_DAYS = 0.15, 30
"""Share of browsers that forget their cookie, and the days after which they do so each time."""
ALIAS_RATE = 0.04
"""Share of people with an account whose user id changes once, if they come often enough."""
GUEST_RATE = 0.05
"""Share of visits that browse and order as a guest,
of those that are not a person's first and have no sign-in.
"""
GUEST_ID = "guest"
FORMER_ID = "app-"
"""The prefix of the user ids that are replaced;
their digits are those of the id that replaces them.
"""
OWN, FORMER, GUEST = range(3)
"""Codes of `account`: the user id that the shop knows a customer by, the one before it,
and the guests' one.
"""
FIRST_ALIAS_NUMBER = 2**60
"""Events of type `alias` are numbered from here by visit,
so that the numbers of others do not depend on them.
"""
_MORNING_S, _EVENING_S = 6 * 3600, 20 * 3600
"""Devices are handed over in visits that begin between these,
so that nobody's visit crosses midnight.
"""
_COOKIE_OF_BROWSER = 2**40
_SECONDS = 2**32


def plan_identities(
    dice: Dice, schedule: Schedule, *, people: Ints, known_before: Flags | None, end_s: int
) -> None:
    """Set, in the visits of the schedule, who uses whose device, and who changes the user id when.

    `people` are all who visit. Those who are `known_before` have had their final user id since
    then.
    """
    newcomers = people if known_before is None else people[~known_before]
    _share_devices(dice, schedule, people)
    _change_ids(dice, schedule.visits, newcomers, end_s)


def _share_devices(dice: Dice, schedule: Schedule, people: Ints) -> None:
    """Set the visits on the device of the other of a household,
    and those in which the other may take over.
    """
    visits = schedule.visits
    visits["heir"] = r.NOTHING
    at = np.flatnonzero(dice.chance(HOUSEHOLD_RATE, "household", visits["visitor"] // 2))
    visitor, start_s = visits["visitor"][at], visits["start_s"][at]
    other = visitor ^ 1
    is_alone = schedule.is_away(other, start_s) & (start_s >= APART_S)
    is_second = visitor % 2 == 1
    visits["is_shared"][at] = is_second & is_alone
    second_s = start_s % DAY_S
    passes = (
        ~is_second
        & is_alone
        & ~visits["is_first"][at]
        & (second_s >= _MORNING_S)
        & (second_s < _EVENING_S)
    )
    passes &= np.isin(other, people) & ~may_change_id(dice, other)
    passes &= dice.chance(HANDOVER_RATE, "hands over", visitor * _SECONDS + start_s)
    visits["heir"][at[passes]] = other[passes]


def _change_ids(dice: Dice, visits: Rows, newcomers: Ints, end_s: int) -> None:
    """Set the visit in which each person's user id changes, and those before it.

    It is the first one after a time of the person's own; who does not come after it has the final
    id from the start.
    """
    chosen = newcomers[may_change_id(dice, newcomers)]
    at = np.flatnonzero(np.isin(visits["visitor"], chosen))
    visitor, start_s = visits["visitor"][at], visits["start_s"][at]
    from_s = (dice.unit("alias time", visitor) * end_s).astype(np.int64)
    able = np.flatnonzero((start_s >= from_s) & ~visits["is_first"][at])
    changing, first = np.unique(visitor[able], return_index=True)
    visits["changes_id"][at[able[first]]] = True
    if len(changing):
        index = np.minimum(np.searchsorted(changing, visitor), len(changing) - 1)
        changed_s = start_s[able[first]][index]
        visits["has_former_id"][at] = (changing[index] == visitor) & (start_s < changed_s)


def has_account(dice: Dice, visitor: Ints) -> Flags:
    """Return who has an account."""
    return dice.chance(ACCOUNT_RATE, "account", visitor)


def may_change_id(dice: Dice, visitor: Ints) -> Flags:
    """Return whose user id changes if they come often enough."""
    changes: Flags = has_account(dice, visitor) & dice.chance(ALIAS_RATE, "alias", visitor)
    return changes


def cookies_of(dice: Dice, browser: Ints, at: Ints) -> Ints:
    """Return the cookie of each browser at a time;
    numbers below 2^40 are those of browsers that keep theirs.
    """
    clears = dice.chance(CLEARING_RATE, "clears cookies", browser)
    times = (at // r.DAY + dice.below(COOKIE_DAYS, "cookie day", browser)) // COOKIE_DAYS
    cookies: Ints = browser + np.where(clears, times, 0) * _COOKIE_OF_BROWSER
    return cookies


def browsers_of(cookies: Ints) -> Ints:
    """Return the browser of each cookie."""
    browsers: Ints = cookies % _COOKIE_OF_BROWSER
    return browsers


def alias_events(dice: Dice, visits: Rows, events: Rows) -> Rows:
    """Return an event of type `alias` for each visit in which a user id changes.

    Args:
        dice: The shop's random numbers.
        visits: The visits of a batch.
        events: Their events; the first event of each visit comes first, in the order of the visits.
    """
    aliases = events[: len(visits)][visits["changes_id"]]
    aliases["type"], aliases["page"], aliases["referrer"] = (
        r.ALIAS,
        t.Pages.ACCOUNT,
        aliases["page"],
    )
    aliases["number"] = FIRST_ALIAS_NUMBER + aliases["session"]
    aliases["at"] += 1 + dice.below(r.SECOND, "alias second", aliases["session"])
    aliases["product"], aliases["category"] = r.NOTHING, r.NOTHING
    return aliases
