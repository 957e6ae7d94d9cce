"""How far the value of a customer looks ahead. Not here: how it is computed (`lifetime_value.py`)."""

from dataclasses import dataclass

from ecom_assets.errors import DefinitionError

MONTH_DAYS = 30
YEAR_DAYS = 365
MOST_DAYS, MOST_MONTHS = 3650, 120


@dataclass(frozen=True)
class ValueRule:
    """What is told of each customer beside the chance that they will order again.

    `horizon_days` (days): `expected_order_count` is of so many; a quarter, in which shops plan. `value_months` (months
    of 30 days): `lifetime_value_amount` adds up so many; a year, past which a fit to one or two years says little.
    `discount_rate` (share per year): by which money is worth less a year later; 10 % is what textbooks take.
    """

    horizon_days: int = 90
    value_months: int = 12
    discount_rate: float = 0.1

    def __post_init__(self) -> None:
        """Refuse spans and rates that mean nothing.

        Raises:
            DefinitionError: A span is not positive or far beyond the data, or the rate is negative.
        """
        for what, value, most in (
            ("horizon in days", self.horizon_days, MOST_DAYS),
            ("months of value", self.value_months, MOST_MONTHS),
        ):
            if not 1 <= value <= most:
                raise DefinitionError(f"The {what} is {value}; give a number from 1 to {most}.")
        if not 0 <= self.discount_rate <= 1:
            raise DefinitionError(f"The discount rate is {self.discount_rate}; give a share per year from 0 to 1.")
