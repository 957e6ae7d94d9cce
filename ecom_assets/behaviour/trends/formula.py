"""The formula of a trend: arithmetic over its series."""

import ast
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from ecom_assets.core.errors import DefinitionError, did_you_mean

MAX_LENGTH: Final = 200
MAX_SIZE: Final = 1e300
"""The greatest size of numbers and results, which can still be multiplied to be drawn;
above it results are unknown.
"""
_OPERATIONS: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True)
class Formula:
    """Arithmetic over series, such as `A / B * 100`;
    an unknown value or a division by zero gives an unknown result.
    """

    text: str

    def __post_init__(self) -> None:
        """Parse the text; raise `DefinitionError` if it is not a formula, or too long."""
        object.__setattr__(self, "text", self.text.strip())
        try:
            self.names  # noqa: B018 (parses it)
        except (SyntaxError, ValueError, RecursionError) as error:
            raise DefinitionError(
                f"The formula {self.text!r} is not understood; write arithmetic over series, such "
                "as A / B * 100."
            ) from error
        if len(self.text) > MAX_LENGTH:
            raise DefinitionError(
                f"The formula is longer than {MAX_LENGTH} characters; shorten it."
            )
        numbers = [part.value for part in ast.walk(self._tree) if isinstance(part, ast.Constant)]
        if any(abs(value) > MAX_SIZE for value in numbers if isinstance(value, int | float)):
            raise DefinitionError(
                f"The formula {self.text!r} has a number above {MAX_SIZE:g}; write a smaller one."
            )

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of series."""
        return frozenset(_names(self._tree))

    @cached_property
    def _tree(self) -> ast.expr:
        return ast.parse(self.text.upper()[:MAX_LENGTH], mode="eval").body

    def check(self, series: Collection[str]) -> None:
        """Raise `DefinitionError` for a formula with a name that no series has;
        the message names it.
        """
        for name in sorted(self.names - set(series)):
            raise DefinitionError(
                f"The formula {self.text!r} names the series {name}; {did_you_mean(name, series)}."
            )

    def value(self, values: Mapping[str, float | None]) -> float | None:
        """Return the result for the values of the series in one period; None if it is unknown."""
        try:
            result = _evaluated(self._tree, values)
        except (_UnknownError, ZeroDivisionError, OverflowError):
            return None
        return result if abs(result) <= MAX_SIZE else None


class _UnknownError(Exception):
    """A value that a formula needs is unknown."""


def _names(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Name) and len(node.id) == 1:
        return [node.id]
    if isinstance(node, ast.Constant) and type(node.value) in {int, float}:
        return []
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        return _names(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return [*_names(node.left), *_names(node.right)]
    raise ValueError(ast.dump(node))


def _evaluated(node: ast.expr, values: Mapping[str, float | None]) -> float:
    if isinstance(node, ast.Name):
        value = values.get(node.id)
        if value is None:
            raise _UnknownError
        return value
    if isinstance(node, ast.UnaryOp):
        operand = _evaluated(node.operand, values)
        return -operand if isinstance(node.op, ast.USub) else operand
    if isinstance(node, ast.BinOp):
        return _OPERATIONS[type(node.op)](
            _evaluated(node.left, values), _evaluated(node.right, values)
        )
    return float(ast.literal_eval(node))
