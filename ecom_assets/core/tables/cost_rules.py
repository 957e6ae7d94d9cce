"""Rules for costs that no source states: what payments, shipping and marketplaces take of orders,
and what a shop pays by month.

They are declared in the shop's file, `ecom.toml`; docs/metrics/costs.md.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=9, decimal_places=6)]
Money = Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=4)]
Cents = Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=2)]
ONE_DAY = timedelta(days=1)
"""As that of `days.py`, which loads Ibis; every command reads the settings."""


class CostRule(BaseModel):
    """A rule that holds on some days, of orders with one value in a column.

    Attributes:
        valid_from_date: The first day on which orders were placed; None for all days before.
        valid_until_date: The last one; None for all days after.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    condition: ClassVar[str] = ""
    """The field that an order must have the value of; a rule without it is for all others."""
    amounts: ClassVar[dict[str, str]] = {}
    """The fields of which a rule needs one, and what they are of."""

    valid_from_date: date | None = None
    valid_until_date: date | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if all(getattr(self, name) is None for name in self.amounts):
            raise ValueError(f"has no {' or '.join(self.amounts)}; write 0 for nothing")
        first, last = self.valid_from_date, self.valid_until_date
        if first is not None and last is not None and last < first:
            raise ValueError(f"ends on {last}, before it begins on {first}")
        return self

    @property
    def value(self) -> str:
        """Return the value that an order must have, in small letters; empty for any."""
        return str(getattr(self, self.condition, "")).strip().lower()

    @property
    def identity(self) -> tuple[str, date | None]:
        """Return what no two rules of a list have alike."""
        return self.value, self.valid_from_date

    @property
    def text(self) -> str:
        """Return the rule in words, as `2 % of what was charged + 0.25 per order, card`."""
        parts = [
            f"{getattr(self, name).normalize():f} {of}"
            for name, of in self.amounts.items()
            if getattr(self, name) is not None
        ]
        whose = f", {getattr(self, self.condition).strip()}" if self.value else ""
        since = f", from {self.valid_from_date}" if self.valid_from_date else ""
        until = f", until {self.valid_until_date}" if self.valid_until_date else ""
        return f"{' + '.join(parts)}{whose}{since}{until}"


class PaidShareRule(CostRule):
    """A part of what was charged."""

    amounts = {"percent": "% of what was charged", "per_order": "per order"}

    percent: Percent | None = None
    per_order: Money | None = None


class PaymentFeeRule(PaidShareRule):
    """What a payment costs."""

    condition = "payment_method"

    payment_method: str = ""


class ShippingCostRule(CostRule):
    """What the shop pays for shipping."""

    condition = "country"
    amounts = {"per_order": "per order", "per_piece": "per piece"}

    country: str = ""
    per_order: Money | None = None
    per_piece: Money | None = None


class CommissionRule(PaidShareRule):
    """What a marketplace takes."""

    condition = "sales_channel"

    sales_channel: str = Field(min_length=1)


class OtherCostRule(CostRule):
    """What the shop pays by month, whatever is ordered, such as the rent of a tool."""

    condition = "name"
    amounts = {"per_month": "per month"}

    name: str = Field(min_length=1)
    per_month: Cents | None = None


AnyRule = TypeVar("AnyRule", bound=CostRule)


def spans(rules: Sequence[AnyRule]) -> list[tuple[AnyRule, date | None, date | None]]:
    """Return rules with the days on which they hold, from a day until before another; None for no
    bound. Those for one value come before those for all others.

    As a cost, a rule ends where the next one for the same value begins, or on its own last day.
    """
    result = []
    for value in sorted({rule.value for rule in rules}, reverse=True):
        alike = sorted(
            (rule for rule in rules if rule.value == value),
            key=_first_day,
        )
        for rule, following in zip(alike, [*alike[1:], None], strict=True):
            ends = [following.valid_from_date] if following and following.valid_from_date else []
            ends += [rule.valid_until_date + ONE_DAY] if rule.valid_until_date else []
            result.append((rule, rule.valid_from_date, min(ends, default=None)))
    return result


def _first_day(rule: CostRule) -> date:
    return rule.valid_from_date or date.min
