"""The expected value of each customer: METRICS "Value of customers".

The engine reduces the orders of each customer to three whole numbers and an amount. The models of
`customers/value_models.py` are fitted to these in Python, so that every engine gives the same
result, bit for bit.
"""

from dataclasses import dataclass
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecom_assets.commerce.customers.purchases import Purchases
from ecom_assets.commerce.customers.value_models import (
    BgNbd,
    Floats,
    GammaGamma,
    ModelFit,
    NoFit,
    fit_bg_nbd,
    fit_gamma_gamma,
    grouped,
)
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.currencies import unit_of

MONTH_DAYS = 30
YEAR_DAYS = 365
MOST_DAYS, MOST_MONTHS = 3650, 120


@dataclass(frozen=True)
class ValueRule:
    """How far to look ahead, and the discount rate.

    `horizon_days` (days): the span of `expected_order_count`; a quarter by default, because shops
    plan by quarters.
    `value_months` (months of 30 days): the span of `lifetime_value_amount`; a year by default,
    because a fit to one or two years says little about more. `discount_rate` (share per year): how
    much less money is worth a year later; the default of 10 % is common in textbooks.
    """

    horizon_days: int = 90
    value_months: int = 12
    discount_rate: float = 0.1

    def __post_init__(self) -> None:
        """Raise `DefinitionError` for a span or rate that is out of range."""
        for label, value, most in (
            ("horizon in days", self.horizon_days, MOST_DAYS),
            ("months of value", self.value_months, MOST_MONTHS),
        ):
            if not 1 <= value <= most:
                raise DefinitionError(f"The {label} is {value}; give a number from 1 to {most}.")
        if not 0 <= self.discount_rate <= 1:
            raise DefinitionError(
                f"The discount rate is {self.discount_rate}; give a share per year from 0 to 1."
            )


WEEK_DAYS = 7
DECIMALS = 6
HISTORY = (
    "customer_id",
    "as_of_date",
    "repeat_order_count",
    "first_to_last_days",
    "observed_days",
    "repeat_amount",
)


def histories(purchases: Purchases) -> ir.Table:
    """Return one row per customer with an order, in the columns of `HISTORY`:
    the input of the models.

    Orders of one day count once, because the models count days with an order.
    """
    orders = purchases.orders.filter(purchases.orders.order_count > 0)
    days = orders.group_by("customer_id", "order_date").agg(
        shipped_amount=orders.shipped_amount.sum().cast(MONEY)
    )
    days = days.join(
        days.group_by("customer_id").agg(first_date=days.order_date.min()), "customer_id"
    )
    zero = ibis.literal(0, MONEY)
    customers = days.group_by("customer_id", "first_date").agg(
        last_date=days.order_date.max(),
        repeat_order_count=days.count() - 1,
        repeat_amount=(days.order_date > days.first_date)
        .ifelse(days.shipped_amount, zero)
        .sum()
        .cast(MONEY),
    )
    customers = customers.cross_join(purchases.as_of)
    return customers.mutate(
        first_to_last_days=customers.last_date.delta(customers.first_date, unit="day"),
        observed_days=customers.as_of_date.delta(customers.first_date, unit="day"),
    ).select(*HISTORY)


@dataclass(frozen=True)
class ValueModels:
    """Both models, each either fitted or the reason why there is none."""

    orders: ModelFit[BgNbd] | NoFit
    values: ModelFit[GammaGamma] | NoFit

    @classmethod
    def fit(cls, histories_table: pa.Table) -> "ValueModels":
        """Fit both models to the rows of `histories`, in any order."""
        x, first_to_last, observed = (
            _numbers(histories_table, name).astype(np.int64) for name in HISTORY[2:5]
        )
        repeat = _repeat_amounts(histories_table)
        return cls(
            fit_bg_nbd(grouped(x, first_to_last, observed)),
            fit_gamma_gamma(x.astype(np.float64), repeat),
        )


def lifetime_value(
    histories_table: pa.Table, models: ValueModels, rule: ValueRule, currency: str = ""
) -> pa.Table:
    """Return the rows of `histories` with the other columns of `LifetimeValue`.

    The models may be fitted to these rows or to others.
    """
    x, first_to_last, observed = (_numbers(histories_table, name) for name in HISTORY[2:5])
    first_to_last, observed = first_to_last / WEEK_DAYS, observed / WEEK_DAYS
    columns: dict[str, Any] = {}
    chance, discounted, value = None, None, None
    if isinstance(models.orders, ModelFit):
        orders = models.orders.model
        chance = orders.alive_probability(x, first_to_last, observed)
        near, discounted = _expected(orders, x, observed, rule)
        columns["alive_probability"] = np.round(chance, DECIMALS)
        columns["expected_order_count"] = np.round(chance * near, DECIMALS)
    if isinstance(models.values, ModelFit):
        value = models.values.model.expected_value(x, _repeat_amounts(histories_table))
        columns["expected_order_value"] = np.round(value, DECIMALS)
    if chance is not None and discounted is not None and value is not None:
        columns["lifetime_value_amount"] = _money(chance * discounted * value, currency)
    return _with_columns(histories_table, columns | _model_columns(models, rule))


def value_correlation(histories_table: pa.Table) -> float | None:
    """Return the correlation between the number and the mean value of repeat orders;
    Gamma-Gamma assumes none.

    None if nobody has repeat orders, or if either is the same for all who have.
    """
    x, repeat = _numbers(histories_table, "repeat_order_count"), _repeat_amounts(histories_table)
    again = x > 0
    often, much = x[again], repeat[again] / x[again]
    in_order = np.lexsort((much, often))
    if not again.any() or np.ptp(often) == 0 or np.ptp(much) == 0:
        return None
    return round(float(np.corrcoef(often[in_order], much[in_order])[0, 1]), DECIMALS)


def _expected(orders: BgNbd, x: Floats, observed: Floats, rule: ValueRule) -> tuple[Floats, Floats]:
    """Return the orders within the horizon, and the discounted orders over all months,
    of customers still active.

    Both depend only on x and T. Each distinct pair is computed once, because the function is
    expensive.
    """
    pairs, pair_of_each = np.unique(np.stack([x, observed]), axis=1, return_inverse=True)
    near = orders.expected_if_alive(pairs[0], pairs[1], rule.horizon_days / WEEK_DAYS)
    discounted = np.zeros_like(near)
    before = np.zeros_like(near)
    for month in range(1, rule.value_months + 1):
        until = orders.expected_if_alive(pairs[0], pairs[1], month * MONTH_DAYS / WEEK_DAYS)
        discounted += (until - before) / (1 + rule.discount_rate) ** (
            month * MONTH_DAYS / YEAR_DAYS
        )
        before = until
    return near[pair_of_each.ravel()], discounted[pair_of_each.ravel()]


def _model_columns(models: ValueModels, rule: ValueRule) -> dict[str, Any]:
    """Return the columns that are the same on every row: parameters, reasons and definition."""
    columns: dict[str, Any] = {
        "no_model_reason": models.orders.value if isinstance(models.orders, NoFit) else None,
        "no_order_value_reason": models.values.value if isinstance(models.values, NoFit) else None,
        "horizon_days": rule.horizon_days,
        "value_months": rule.value_months,
        "discount_rate": rule.discount_rate,
    }
    for names, fitted in (
        (("r", "alpha", "a", "b"), models.orders),
        (("p", "q", "v"), models.values),
    ):
        columns |= {
            name: getattr(fitted.model, name) if isinstance(fitted, ModelFit) else None
            for name in names
        }
    return columns


KINDS: Final = {
    **dict.fromkeys(
        ("alive_probability", "expected_order_count", "expected_order_value"), pa.float64()
    ),
    "lifetime_value_amount": pa.decimal128(38, 4),
    **dict.fromkeys(("no_model_reason", "no_order_value_reason"), pa.string()),
    **dict.fromkeys(("r", "alpha", "a", "b", "p", "q", "v"), pa.float64()),
    **dict.fromkeys(("horizon_days", "value_months"), pa.int64()),
    "discount_rate": pa.float64(),
}


def _with_columns(table: pa.Table, columns: dict[str, Any]) -> pa.Table:
    for name, kind in KINDS.items():
        value = columns.get(name)
        is_column = isinstance(value, np.ndarray | pa.Array | pa.ChunkedArray)
        column = value if is_column else pa.repeat(pa.scalar(value, kind), table.num_rows)
        table = table.append_column(
            name, pa.array(column, kind) if isinstance(column, np.ndarray) else column
        )
    return table


def _numbers(table: pa.Table, name: str) -> Floats:
    return np.asarray(table[name].to_numpy(), dtype=np.float64)


def _repeat_amounts(table: pa.Table) -> Floats:
    """Return the repeat amounts, divided from ten-thousandths,
    which are the same whole numbers on every engine.
    """
    amounts = table["repeat_amount"].cast(pa.decimal128(28, 4))
    whole = pc.multiply(amounts, pa.scalar(10_000, pa.decimal128(5, 0)))
    parts: Floats = whole.cast(pa.decimal128(38, 0)).cast(pa.float64()).to_numpy()
    return parts / 10_000


def _money(amounts: Floats, currency: str) -> pa.Array:
    """Return amounts rounded to the digits of their currency."""
    unit = unit_of(currency)
    units = pa.array(np.round(amounts / float(unit))).cast(pa.decimal128(30, 0))
    return pc.multiply(units, pa.scalar(unit)).cast(pa.decimal128(38, 4))
