"""PostHog's funnels in plain Python, for tests: what its sequential,
strict and unordered funnels do event by event.

Written from what PostHog's aggregation does (`funnel-udf` of its repository, `steps.rs` and
`unordered_steps.rs`), for steps of which no event matches two. It keeps state and walks once; the
platform's expressions have neither.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets_tests.behaviour.funnels.funnel_reference import SECOND, Event, fits


@dataclass
class Entry:
    """An entry into the funnel, as far as one step of it: when it began,
    and whether it met an exclusion there.
    """

    began: int
    is_excluded: bool = False


@dataclass(frozen=True)
class Marks:
    """What an event is to a funnel: the steps it takes, and those it may not come right before."""

    takes: tuple[int, ...]
    bars: tuple[int, ...]


def posthog_level(stream: Sequence[Event], funnel: Funnel) -> int:
    """The steps that a person counts for, who has these events in order of time;
    0 for one who counts nowhere.
    """
    marked = [(event.at, marks_of(event, funnel)) for event in stream]
    if funnel.order == "any":
        return _unordered(
            [(at, marks) for at, marks in marked if marks.takes or marks.bars], funnel
        )
    if funnel.order == "ordered":
        marked = [(at, marks) for at, marks in marked if marks.takes or marks.bars]
    return _Sequence(funnel).level(marked)


def marks_of(event: Event, funnel: Funnel) -> Marks:
    """What an event is to the funnel."""
    takes = tuple(number for number, step in enumerate(funnel.steps, start=1) if fits(event, step))
    bars = {
        number
        for exclusion in funnel.exclude
        if fits(event, exclusion)
        for number in range(exclusion.after + 1, (exclusion.before or 0) + 1)
    }
    return Marks(takes, tuple(sorted(bars)))


class _Sequence:
    """The state of one person's walk: per step the last entry that took it,
    and the furthest one.
    """

    def __init__(self, funnel: Funnel) -> None:
        self.window = funnel.within * SECOND
        self.count = len(funnel.steps)
        self.is_strict = funnel.order == "strict"
        self.at_step: dict[int, Entry] = {}
        self.furthest = (0, Entry(0))

    def level(self, marked: Sequence[tuple[int, Marks]]) -> int:
        for at, group in groupby(marked, key=lambda pair: pair[0]):
            together = [marks for _, marks in group]
            if len(set(together)) == 1:
                for marks in together:
                    self._alone(at, marks)
            else:
                # Of different events of one instant, only the steps are seen, in order of the
                # funnel.
                for step in sorted(step for marks in together for step in marks.takes):
                    self._take(at, step)
            if self.count in self.at_step:
                break
        reached, entry = self.furthest
        return 0 if entry.is_excluded else reached

    def _alone(self, at: int, marks: Marks) -> None:
        for step in reversed(marks.bars):
            self._bar(at, step)
        for step in reversed(marks.takes):
            self._take(at, step)
        if self.is_strict:
            self.at_step = {
                step: entry for step, entry in self.at_step.items() if step in marks.takes
            }

    def _open(self, at: int, step: int) -> Entry | None:
        """The entry that could take this step now."""
        entry = Entry(at) if step == 1 else self.at_step.get(step - 1)
        if entry is None or at - entry.began > self.window:
            return None
        has_taken = step in self.at_step and self.at_step[step].began == entry.began
        return None if has_taken else entry

    def _bar(self, at: int, step: int) -> None:
        entry = self._open(at, step)
        if entry is None or entry.is_excluded:
            return
        entry.is_excluded = True
        reached, best = self.furthest
        if reached == step - 1 and at - best.began <= self.window:
            self.furthest = (reached, Entry(best.began, is_excluded=True))

    def _take(self, at: int, step: int) -> None:
        entry = self._open(at, step)
        if entry is None:
            return
        if not entry.is_excluded:
            self.at_step[step] = Entry(entry.began)
        reached, best = self.furthest
        if step > reached or (step == reached and best.is_excluded):
            self.furthest = (step, Entry(entry.began, entry.is_excluded))


def _unordered(marked: Sequence[tuple[int, Marks]], funnel: Funnel) -> int:
    """The most steps of a window that was over or whole before an exclusion emptied it,
    or that is open at the end.
    """
    window, best = funnel.within * SECOND, 0
    held: list[tuple[int, int]] = []
    for at, marks in marked:
        for count in _expired(held, at - window, len(funnel.steps)):
            best = max(best, count)
        if best == len(funnel.steps):
            break
        held = [] if not marks.takes else [*held, (at, marks.takes[0])]
    return max(best, len({step for _, step in held}))


def _expired(held: list[tuple[int, int]], since: int, whole: int) -> Iterator[int]:
    """Drop events from before a time, or all of a whole funnel; before each,
    how many steps there are.
    """
    while held and (held[0][0] < since or len({step for _, step in held}) == whole):
        yield len({step for _, step in held})
        held.pop(0)
