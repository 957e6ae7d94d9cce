"""The retention rule: who is in a cohort, what counts as coming back, and when. METRICS "Retention".

Nothing heavy is imported, as the `ecom` command reads a rule before it starts an engine.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Final

from ecom_assets.errors import DefinitionError, did_you_mean
from ecom_assets.tables.days import WEEKDAYS

PERIODS: Final = ("day", "week", "month")
MODES: Final = ("on", "on_or_after", "bracket")
CLOCKS: Final = ("calendar", "rolling")
ROLLING_DAYS: Final = {"day": 1, "week": 7, "month": 30}
"""Lengths of periods in days of 24 hours on the rolling clock, as Amplitude has them."""
MAX_PERIOD: Final = 3_660
"""The last period that can be asked for: ten years of days."""
Bracket = tuple[int, int]


@dataclass(frozen=True)
class RetentionRule:
    """Of the visitors who began in a period, how many came back how many periods later.

    Attributes:
        start: Event type whose first occurrence puts a visitor into a cohort; None is any, the first activity.
        returning: Event type that counts as coming back; None is any.
        period: `day`, `week` or `month`, of the reporting time zone.
        mode: `on` counts who came in period N exactly (N-day retention), `on_or_after` in N or any later one
            (unbounded), `bracket` in any period of a bracket.
        clock: `calendar` counts periods of the calendar; `rolling` counts 24 h, 7 x 24 h or 30 x 24 h from each
            visitor's start, exact to the microsecond.
        week_start: The weekday on which weeks begin; Monday, as ISO 8601 has it.
        brackets: First and last period of each bracket, both included, for the mode `bracket`.
        last_period: Periods after this one are not told (on_or_after still counts who came then); None tells all.
    """

    start: str | None = None
    returning: str | None = None
    period: str = "week"
    mode: str = "on"
    clock: str = "calendar"
    week_start: str = "monday"
    brackets: tuple[Bracket, ...] = ((0, 0), (1, 3), (4, 7), (8, 14), (15, 30))
    last_period: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be counted.

        Raises:
            DefinitionError: A choice is unknown, or the brackets are no brackets.
        """
        check_choice("period", self.period, PERIODS)
        check_choice("mode", self.mode, MODES)
        check_choice("clock", self.clock, CLOCKS)
        check_choice("week start", self.week_start, WEEKDAYS)
        if self.last_period is not None and not 0 <= self.last_period <= MAX_PERIOD:
            raise DefinitionError(f"The last period cannot be {self.last_period}; give 0 to {MAX_PERIOD}.")
        if self.mode == "bracket":
            _check_brackets(self.brackets)

    @classmethod
    def preset(cls, name: str) -> "RetentionRule":
        """Return what a peer's chart counts unless told otherwise.

        Raises:
            DefinitionError: There is no such preset.
        """
        check_choice("preset", name, PRESETS)
        return PRESETS[name]

    def changed(self, **given: Any) -> "RetentionRule":  # noqa: ANN401 (as its fields)
        """Return the rule with what was given in place of its own; None was not given."""
        return replace(self, **{name: value for name, value in given.items() if value is not None})

    def cells(self, period_count: int) -> tuple[Bracket, ...]:
        """Return the first and last period of each cell, where the data reach so many periods."""
        if self.mode == "bracket":
            return self.brackets
        last = period_count - 1 if self.last_period is None else min(self.last_period, period_count - 1)
        return tuple((n, n) for n in range(last + 1))

    def to_mapping(self) -> dict[str, Any]:
        """Return the rule as JSON has it; brackets only where they count."""
        told = {**asdict(self), "brackets": [list(one) for one in self.brackets]}
        return told if self.mode == "bracket" else {name: value for name, value in told.items() if name != "brackets"}


def parse_brackets(text: str) -> tuple[Bracket, ...]:
    """Return the brackets in `0,1-3,4-7`.

    Raises:
        DefinitionError: Something else is written there.
    """
    found = [re.fullmatch(r"\s*(\d{1,4})\s*(?:-\s*(\d{1,4})\s*)?", part) for part in text.split(",")]
    if not all(found):
        raise DefinitionError(f"The brackets {text!r} are not understood; write them as in 0,1-3,4-7,8-14.")
    return tuple((int(one[1]), int(one[2] or one[1])) for one in found if one)


def check_choice(what: str, value: object, known: Iterable[str]) -> None:
    """Refuse a value that is none of the known ones."""
    names = tuple(known)
    if value not in names:
        raise DefinitionError(f"The {what} {value!r} of retention is unknown; {did_you_mean(value, names)}.")


def _check_brackets(brackets: tuple[Bracket, ...]) -> None:
    in_order = all(first <= last <= MAX_PERIOD for first, last in brackets)
    apart = all(before[1] < after[0] for before, after in pairwise(brackets))
    if not brackets or not in_order or not apart:
        told = ",".join(f"{first}-{last}" for first, last in brackets)
        raise DefinitionError(
            f"The brackets {told!r} overlap, go backwards or pass {MAX_PERIOD}; write them in order, as in 0,1-3,4-7."
        )


PRESETS: Final = {
    "n_day": RetentionRule(),
    "amplitude": RetentionRule(period="day", mode="on_or_after", clock="rolling"),
    "mixpanel": RetentionRule(period="day", mode="on_or_after", clock="rolling"),
    "posthog": RetentionRule(period="day", mode="on"),
}
"""The peers' defaults. Amplitude also rounds times down to the hour before it counts, which is not done here."""
