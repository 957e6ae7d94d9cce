"""The question of a funnel: its definition, with the days of entry and the session rule."""

from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar, Final, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets.behaviour.funnels.steps import TimeToConvert
from ecom_assets.behaviour.questions.fields import (
    CommandOption,
    Day,
    FormField,
    commas,
    field,
    lines_of,
)
from ecom_assets.behaviour.questions.model import Question
from ecom_assets.behaviour.sessions.contracts import CUT_BY
from ecom_assets.behaviour.sessions.question import SessionRuleName, session_rule_field
from ecom_assets.core.errors import DefinitionError, UsageError
from ecom_assets.core.tables.columns import EVERY, OCCURRENCES
from ecom_assets.core.tables.days import DayRange, Ends

TEXT_OPTIONS: Final[Mapping[str, FieldInfo]] = {
    "step_where": field(
        [],
        "",
        "What must hold of one step's event, with its number: '3: cart_amount > 10'. Several "
        "must all hold",
        parts=lines_of,
        form=FormField(""),
    ),
    "occurrence": field(
        [],
        "Step 1 counts",
        "first_ever or first_time: step 1 is the visitor's first event of its type in all data, "
        "or the first that meets the conditions. '2: first_time' is of step 2",
        parts=lines_of,
        form=FormField(
            "counting",
            options={name if name != EVERY else "": label for name, label in OCCURRENCES.items()},
        ),
    ),
    "bins": field(
        None,
        "Bins",
        "A number of bins, the width of each, such as 1h, or where they end, such as 1m,10m,1h; "
        "chosen by default",
        form=FormField("times", hint="12, 1h, or 1m, 10m, 1h"),
        option=CommandOption(needs=("time_to_convert", "are those of --time-to-convert")),
    ),
}
"""What the command and the form say of a step, or of the time to convert, apart from it."""


def _of_step(text: str, steps: int, option: str, example: str) -> tuple[int, str]:
    """Return the number of a step, and the text after it."""
    number, colon, value = text.partition(":")
    position = int(number) if number.strip().isdecimal() else 0
    if not colon or not 1 <= position <= steps:
        raise UsageError(
            f"{option} {text!r} does not begin with the number of a step, 1 to {steps}; write it "
            f"as in '{steps}: {example}'."
        )
    return position, value


def _bins(text: str) -> int | str | list[str]:
    if "," in text:
        return commas(text)
    return int(text) if text.strip().isdecimal() else text.strip()


class FunnelQuestion(Funnel, Question):
    """A custom funnel; see docs/metrics/funnels.md."""

    BESIDE: ClassVar[frozenset[str]] = frozenset({"from", "to", "session_rule"})
    TEXT_OPTIONS = TEXT_OPTIONS
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "steps": [
                        {"event_type": name} for name in ("product_view", "add_to_cart", "purchase")
                    ],
                    "within": "7d",
                    "by": "product_category",
                }
            ]
        }
    )

    start_date: Day | None = Field(
        None, description="First day whose events are looked at; default all"
    )
    end_date: Day | None = Field(None, description="Last of them, included")
    session_rule: SessionRuleName = session_rule_field(
        "When a session ends, for per=session; default as the preset or the settings say"
    )
    first: Day | None = field(
        None,
        "Entered from",
        "First day of entry, YYYY-MM-DD; later steps may follow any time",
        alias="from",
        is_date=True,
        form=FormField("days", about=("from", "first"), address="start_date"),
    )
    last_day: Day | None = field(
        None,
        "Entered to",
        "Last day of entry, YYYY-MM-DD, included",
        alias="to",
        is_date=True,
        form=FormField("days", about=("to",), address="end_date"),
    )

    @classmethod
    def folded(cls, definition: dict[str, Any]) -> dict[str, Any]:
        """Return the definition with the conditions and occurrences in its steps,
        and the bins in its times.

        Raises:
            UsageError: One does not begin with the number of a step, or a step has two occurrences.
        """
        extra = {name: definition.pop(name, None) for name in TEXT_OPTIONS}
        if extra["bins"] and definition.get("time_to_convert"):
            definition["time_to_convert"] = {
                **TimeToConvert.from_text(definition["time_to_convert"]),
                "bins": _bins(extra["bins"]),
            }
        steps = [{**step} for step in definition.get("steps") or ()]
        for text in extra["step_where"] or ():
            number, condition = _of_step(text, len(steps), "--step-where", "cart_amount > 10")
            steps[number - 1]["where"] = [*steps[number - 1].get("where", ()), condition]
        for text in (extra["occurrence"] or ()) if steps else ():
            number, name = _of_step(
                text if ":" in text else f"1:{text}", len(steps), "--occurrence", "first_time"
            )
            if "occurrence" in steps[number - 1]:
                raise UsageError(
                    f"--occurrence is given twice of step {number}; leave one of them out."
                )
            steps[number - 1]["occurrence"] = name.strip()
        return definition | ({"steps": steps} if steps else {})

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        """Refuse days of entry beside days whose events are looked at,
        and days that leave first events out.
        """
        entered = self.entry_days
        if not (self.time_range or self.start_date or self.end_date):
            return self
        if self.counts_firsts:
            raise DefinitionError(
                "What a visitor did first is found in all data, but time_range, start_date and "
                "end_date leave days out; give the days of entry as from and to."
            )
        if entered.is_given:
            raise DefinitionError(
                "from, to and last are the days of entry, and time_range, start_date and end_date "
                "leave all events of other days out; give only one kind."
            )
        return self

    @property
    def days(self) -> DayRange:
        """The days whose events are looked at."""
        return DayRange.read(self.start_date, self.end_date, None, ("start_date", "end_date"))

    @property
    def entry_days(self) -> DayRange:
        """The days of entry.

        Raises:
            DefinitionError: They cannot be combined.
        """
        return DayRange.read(self.first, self.last_day, self.last, ("from", "to"))

    @property
    def has_first_day(self) -> bool:
        """Whether it says where the days of entry, or those of events, begin."""
        return self.first is not None or super().has_first_day

    def counted_days(self, newest: date) -> Ends:
        """Return the first and the last day that numbers are of: those of entry,
        where they are given.
        """
        return (
            self.entry_days.within(newest)
            if self.entry_days.is_given
            else super().counted_days(newest)
        )

    def on_days(self, first: date, last: date) -> Self:
        """Return the same funnel of those who entered on other days,
        or of the events of other days.
        """
        if self.entry_days.is_given:
            return self.changed(first=first, last_day=last, last=None)
        return super().on_days(first, last)

    def as_of(self, newest: date) -> date:
        """Return the day as of which a visitor segment is: the last day of entry."""
        return self.last_day or super().as_of(newest)

    @property
    def read_columns(self) -> list[str]:
        """The columns that it is computed from: sessions are cut by the page."""
        return [*super().read_columns, *(CUT_BY if self.per == "session" else ())]
