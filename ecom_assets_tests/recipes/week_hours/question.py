"""The question of hours of the week: which events are counted."""

from typing import ClassVar

from ecom_assets.behaviour.questions.fields import (
    Conditions,
    EventType,
    FormField,
    field,
    where_field,
)
from ecom_assets.behaviour.questions.model import Question
from ecom_assets.core.tables.conditions import columns_of


class WeekHoursQuestion(Question):
    """Which events are counted; days, time zone and visitors are those of every question."""

    CALLED: ClassVar[str] = "a question about hours of the week"

    event_type: EventType = field(
        "*", "Event type", "What happens; * is anything", form=FormField("what", suggests="types")
    )
    where: Conditions = where_field()

    @property
    def columns(self) -> list[str]:
        """The columns that it names."""
        return columns_of(self.where)
