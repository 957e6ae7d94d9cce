"""The retention rule: who is in a cohort, and what counts as a return. METRICS "Retention".

This module imports nothing heavy, because the `ecom` command parses a rule before it starts an engine.
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
"""The lengths of periods on the rolling clock, in days of 24 hours, as in Amplitude."""
MAX_PERIOD: Final = 3_660
"""The highest number of a period: ten years of days."""
Bracket = tuple[int, int]


@dataclass(frozen=True)
class RetentionRule:
    """The definition of retention: how many visitors who started in a period came back N periods later.

    Attributes:
        start: The event type whose first occurrence puts a visitor into a cohort; None is any type, so the first event.
        returning: The event type that counts as a return; None is any type.
        period: `day`, `week` or `month`, in the reporting time zone.
        mode: `on` counts visitors who came in exactly period N (N-day retention), `on_or_after` in N or any later one
            (unbounded retention), `bracket` in any period of a bracket.
        clock: `calendar` counts calendar periods; `rolling` counts 24 h, 7 x 24 h or 30 x 24 h from the start of each
            visitor, exact to the microsecond.
        week_start: The weekday on which weeks begin; Monday by default, as in ISO 8601.
        brackets: The first and last period of each bracket, both included, for the mode `bracket`.
        last_period: The last period to report; None reports all. `on_or_after` counts later visits in any case.
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
        """Raise if the rule is invalid.

        Raises:
            DefinitionError: A choice is unknown, or the brackets are invalid.
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
        """Return the default definition of another tool's chart.

        Raises:
            DefinitionError: There is no preset of this name.
        """
        check_choice("preset", name, PRESETS)
        return PRESETS[name]

    def changed(self, **given: Any) -> "RetentionRule":  # noqa: ANN401 (as its fields)
        """Return a copy of the rule with some fields replaced; None leaves a field unchanged."""
        return replace(self, **{name: value for name, value in given.items() if value is not None})

    def cells(self, period_count: int) -> tuple[Bracket, ...]:
        """Return the first and last period of each cell, for data that cover `period_count` periods."""
        if self.mode == "bracket":
            return self.brackets
        last = period_count - 1 if self.last_period is None else min(self.last_period, period_count - 1)
        return tuple((n, n) for n in range(last + 1))

    def to_mapping(self) -> dict[str, Any]:
        """Return the rule as a mapping for JSON; it includes the brackets only if the mode uses them."""
        told = {**asdict(self), "brackets": [list(one) for one in self.brackets]}
        return told if self.mode == "bracket" else {name: value for name, value in told.items() if name != "brackets"}


def parse_brackets(text: str) -> tuple[Bracket, ...]:
    """Return the brackets from text such as `0,1-3,4-7`.

    Raises:
        DefinitionError: The text has another format.
    """
    found = [re.fullmatch(r"\s*(\d{1,4})\s*(?:-\s*(\d{1,4})\s*)?", part) for part in text.split(",")]
    if not all(found):
        raise DefinitionError(f"The brackets {text!r} are not understood; write them as in 0,1-3,4-7,8-14.")
    return tuple((int(one[1]), int(one[2] or one[1])) for one in found if one)


def check_choice(what: str, value: object, known: Iterable[str]) -> None:
    """Raise if a value is not one of the known ones."""
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
"""The defaults of other tools. Amplitude also rounds times down to the hour before it counts; this preset does not."""
