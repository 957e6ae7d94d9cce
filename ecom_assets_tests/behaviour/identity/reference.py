"""The identity rule in plain Python, event by event, as METRICS says it:
what the expressions are compared with.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from ecom_assets.behaviour.identity.rule import IdentityRule

HALF_HOUR, DAY = timedelta(minutes=30), timedelta(days=1)


@dataclass(frozen=True, order=True)
class Seen:
    """One event: when, its id, on which device or source session, by which user,
    and whether it identifies.
    """

    at: datetime
    event_id: str
    device: str | None = None
    session: str | None = None
    user: str | None = None
    identifies: bool = False

    @property
    def key(self) -> str | None:
        """The device, else the source session in its place."""
        return self.device or self.session


def owners(events: Iterable[Seen], rule: IdentityRule) -> dict[str, str]:
    """Return the visitor of each event by its id; no id is shared by too many,
    and there are no aliases.
    """
    by_key: dict[str | None, list[Seen]] = defaultdict(list)
    for event in sorted(events):
        by_key[event.key].append(event)
    return {
        event.event_id: owner(event, by_key[event.key], rule)
        for mine in by_key.values()
        for event in mine
    }


def owner(event: Seen, of_device: Sequence[Seen], rule: IdentityRule) -> str:
    """Return the visitor of one event among all events of its device, in order."""
    if event.key is None:
        assert event.user
        return event.user
    users = [
        seen for seen in of_device if seen.user and (seen.identifies or not rule.links_by_identify)
    ]
    before = [seen for seen in users if seen < event]
    after = [seen for seen in users if seen > event]
    if rule.owner == "last_user":
        return str(users[-1].user) if users else event.user or f"anon-{event.key}"
    if event.user and rule.owner != "device":
        return event.user
    found: str | None = None
    if rule.owner == "first_user":
        found = users[0].user if users else None
    elif rule.owner == "last_or_next_user":
        found = before[-1].user if before else after[0].user if after else None
    elif rule.owner == "stitched":
        found = stitched(event, of_device, before, after, rule)
    return found or f"anon-{event.key}"


def stitched(
    event: Seen,
    of_device: Sequence[Seen],
    before: Sequence[Seen],
    after: Sequence[Seen],
    rule: IdentityRule,
) -> str | None:
    """Return the user to whom an event without a user is given; None for the device."""
    last, following = before[-1] if before else None, after[0] if after else None
    if last and event.at - last.at <= DAY and is_one_visit(last, event, of_device):
        return last.user
    if following and following.at - event.at <= DAY and is_one_visit(event, following, of_device):
        return following.user
    if last and event.at - last.at <= rule.days_back * DAY:
        return last.user
    if following and following.at - event.at <= rule.days_ahead * DAY:
        return following.user
    reach = rule.one_user_days * DAY
    alone = (
        {seen.user for seen in (*before, *after) if abs(seen.at - event.at) <= reach}
        if reach
        else set()
    )
    return next(iter(alone)) if len(alone) == 1 else None


def is_one_visit(first: Seen, last: Seen, of_device: Sequence[Seen]) -> bool:
    """Return whether the device was never silent for more than 30 minutes
    from one event to another.
    """
    between = [seen.at for seen in of_device if first <= seen <= last]
    return all(later - earlier <= HALF_HOUR for earlier, later in pairwise(between))
