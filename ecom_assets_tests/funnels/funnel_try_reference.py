"""A funnel's attempts in plain Python, written from the definitions: which events a unit took its steps by.

Nothing is shared with the expressions but the definition of a funnel.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from ecom_assets.funnels.definition import Funnel
from ecom_assets_tests.funnels.funnel_reference import SECOND, Event, fits

Times = tuple[int, ...]


def streams_of(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Each unit's events in order of time; at one instant as they came, which is the order of their ids."""
    streams: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        streams[event.who].append(event)
    return {who: sorted(stream, key=lambda event: event.at) for who, stream in streams.items()}


def first_longest_chain(
    stream: Sequence[Event], funnel: Funnel, may_begin: Callable[[int], bool] = lambda _at: True
) -> Times:
    """The times of the longest chain; of several the one that begins first, then has the earliest second step."""
    chains = [tuple(stream[n].at for n in chain) for chain in _chains(stream, funnel, ())]
    chains = [times for times in chains if may_begin(times[0])]
    return min(chains, key=lambda times: (-len(times), times), default=())


def _chains(stream: Sequence[Event], funnel: Funnel, chain: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    if chain:
        yield chain
    if len(chain) == len(funnel.steps):
        return
    for number, event in enumerate(stream):
        used = number in chain and funnel.order != "clickhouse_default"
        if used or not fits(event, funnel.steps[len(chain)]):
            continue
        times = [*(stream[n].at for n in chain), event.at]
        is_later = all(a < b if funnel.order == "strict_increase" else a <= b for a, b in pairwise(times))
        if is_later and times[-1] - times[0] <= funnel.within_s * SECOND:
            yield from _chains(stream, funnel, (*chain, number))


def walked_tries(stream: Sequence[Event], funnel: Funnel) -> tuple[list[Times], bool]:
    """From each instant of step 1, each next step as early as it can be; and whether an exclusion touches one of them.

    For funnels in which no event matches two steps, and times may be equal.
    """
    attempts, touched = [], False
    for start in sorted({event.at for event in stream if fits(event, funnel.steps[0])}):
        times = [start]
        for number, step in enumerate(funnel.steps[1:], start=2):
            later = [event.at for event in stream if fits(event, step) and event.at >= times[-1]]
            ends = start + funnel.within_s * SECOND
            following = min(later) if later and min(later) <= ends else None
            if _is_excluded(stream, funnel, times, number, following, ends):
                touched = True
                break
            if following is None:
                break
            times.append(following)
        attempts.append(tuple(times))
    return attempts, touched


def _is_excluded(  # noqa: PLR0913, PLR0917 (what a try knows)
    stream: Sequence[Event], funnel: Funnel, times: list[int], number: int, following: int | None, ends: int
) -> bool:
    for one in funnel.exclude:
        if one.after < number <= (one.before or 0):
            since = times[one.after - 1]
            seen = [event.at for event in stream if fits(event, one.event) and event.at > since]
            if any(at < following if following is not None else at <= ends for at in seen):
                return True
    return False


def neighbouring(stream: Sequence[Event], funnel: Funnel) -> Times:
    """The times of the longest run of neighbours that are the steps, the first such run."""
    best: Times = ()
    for place in range(len(stream)):
        run: list[int] = []
        for event, step in zip(stream[place:], funnel.steps, strict=False):
            if not fits(event, step) or event.at - stream[place].at > funnel.within_s * SECOND:
                break
            run.append(event.at)
        best = max(best, tuple(run), key=len)
    return best


def most_in_a_window(stream: Sequence[Event], funnel: Funnel) -> int:
    """The most steps that events of one window can serve, one event for each."""
    windows = ([event for event in stream if 0 <= event.at - first.at <= funnel.within_s * SECOND] for first in stream)
    return max((_served(window, funnel, 0, frozenset()) for window in windows), default=0)


def most_between_exclusions(stream: Sequence[Event], funnel: Funnel) -> int:
    """The most steps of one window, of which no excluded event is inside; 0 where the rule drops the unit."""
    excluded = {event.at for event in stream if any(fits(event, one.event) for one in funnel.exclude)}
    steps = {event.at for event in stream if any(fits(event, step) for step in funnel.steps)}
    taken = [(_served(window, funnel, 0, frozenset()), window) for window in _windows(stream, funnel, excluded)]
    whole = min((window[-1].at for count, window in taken if count == len(funnel.steps)), default=None)
    is_open = {at for at in excluded if any(step < at <= step + funnel.within_s * SECOND for step in steps)}
    if funnel.exclusion_rule == "posthog" and any(whole is None or whole > at for at in is_open):
        return 0
    return max((count for count, _ in taken), default=0)


def _windows(stream: Sequence[Event], funnel: Funnel, excluded: set[int]) -> Iterator[list[Event]]:
    moments = sorted({event.at for event in stream})
    for first in moments:
        for last in moments:
            is_free = not any(first < at < last for at in excluded)
            if first <= last <= first + funnel.within_s * SECOND and is_free:
                yield [event for event in stream if first <= event.at <= last]


def _served(window: Sequence[Event], funnel: Funnel, step: int, used: frozenset[int]) -> int:
    if step == len(funnel.steps):
        return 0
    best = _served(window, funnel, step + 1, used)
    for number, event in enumerate(window):
        if number not in used and fits(event, funnel.steps[step]):
            best = max(best, 1 + _served(window, funnel, step + 1, used | {number}))
    return best
