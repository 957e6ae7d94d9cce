"""The question of basket sizes: which order lines are counted."""

from typing import ClassVar

from ecom_assets.behaviour.questions.fields import Conditions, where_field
from ecom_assets.behaviour.questions.model import Question
from ecom_assets.core.tables.conditions import columns_of


class BasketSizesQuestion(Question):
    """Which order lines are counted; days and time zone are those of every question."""

    CALLED: ClassVar[str] = "a question about basket sizes"

    where: Conditions = where_field()

    @property
    def columns(self) -> list[str]:
        """The columns that it names."""
        return columns_of(self.where)
