"""How rules of costs are read: lists of tables in `ecom.toml`, or JSON in a variable."""

import json
from collections.abc import Callable, Sequence
from datetime import date
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import NoDecode

from ecom_assets.core.errors import did_you_mean
from ecom_assets.core.tables.cost_rules import (
    AnyRule,
    CommissionRule,
    CostRule,
    OtherCostRule,
    PaymentFeeRule,
    ShippingCostRule,
)

MOST_RULES: Final = 200
"""Each is a case of one expression, which every order is compared with."""


def read_rules(kind: type[AnyRule], value: object) -> tuple[AnyRule, ...]:
    """Return the rules of a list of tables, or of one as JSON.

    Raises:
        ValueError: It is no list of such rules, or two of them contradict each other.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError("is not a JSON list of rules") from error
    if not isinstance(value, Sequence):
        raise ValueError(  # noqa: TRY004 (pydantic takes no other)
            "is not a list of rules, each below its own [[line]] in ecom.toml"
        )
    if len(value) > MOST_RULES:
        raise ValueError(f"has more than {MOST_RULES} rules")
    rules = tuple(_rule(kind, number, raw) for number, raw in enumerate(value, start=1))
    seen: dict[tuple[str, date | None], int] = {}
    for number, rule in enumerate(rules, start=1):
        if (first := seen.setdefault(rule.identity, number)) != number:
            raise ValueError(
                f"rules {first} and {number} are for the same {kind.condition} and first day"
            )
    return rules


def _rule(kind: type[AnyRule], number: int, raw: object) -> AnyRule:
    if isinstance(raw, kind):
        return raw
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise ValueError(f"rule {number} {_reason(kind, error.errors()[0])}") from error


def _reason(kind: type[CostRule], refused: ErrorDetails) -> str:
    """Return what is wrong with a rule, as the end of a sentence that begins with its number."""
    message = str(refused["msg"]).removeprefix("Value error, ")
    if not refused["loc"]:
        return message if message.startswith(("has ", "ends ")) else "is not a table of its fields"
    name = str(refused["loc"][0])
    if refused["type"] == "missing":
        return f"has no {name}"
    if refused["type"] == "extra_forbidden":
        return f"has the key {name!r}; {did_you_mean(name, kind.model_fields)}"
    wrong = message.removeprefix("Input ").removeprefix("Decimal input ").removeprefix("String ")
    return f"has {name} = {refused['input']!r}, which {wrong[:1].lower()}{wrong[1:]}"


def _rules_of(kind: type[AnyRule]) -> Callable[[Any], tuple[AnyRule, ...]]:
    def read(value: object) -> tuple[AnyRule, ...]:
        return read_rules(kind, value)

    return read


PaymentFeeRules = Annotated[
    tuple[PaymentFeeRule, ...], NoDecode, BeforeValidator(_rules_of(PaymentFeeRule))
]
ShippingCostRules = Annotated[
    tuple[ShippingCostRule, ...], NoDecode, BeforeValidator(_rules_of(ShippingCostRule))
]
CommissionRules = Annotated[
    tuple[CommissionRule, ...], NoDecode, BeforeValidator(_rules_of(CommissionRule))
]
OtherCostRules = Annotated[
    tuple[OtherCostRule, ...], NoDecode, BeforeValidator(_rules_of(OtherCostRule))
]
