"""Conditions on rows: the `where` of questions, read from text or JSON.

An operator has its name here, in `OPERATORS`, and what it does to a column in `columns.py`.

A condition is never null: a missing value meets no condition but `is_not_set` and the negated ones
(`not_equals`, `not_one_of`, `not_contains`, `not_matches`), each of which is the exact opposite of
the one that it negates.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ecom_assets.core.errors import DefinitionError, check_keys, did_you_mean, quoted_value
from ecom_assets.core.tables.values import COLUMN, Scalar, check_column, check_value

if TYPE_CHECKING:
    import duckdb


MAX_PATTERN_LENGTH: Final = 1_000
"""The maximum number of characters of a pattern."""
MAX_PATTERN_SIZE: Final = 1_000
"""The most characters and classes in a pattern, each as often as it may be repeated."""
CLASS_SIZE: Final = 20
"""What a class of Unicode counts, because it stands for hundreds of ranges."""
_TOKEN: Final = re.compile(
    r"\\Q(?P<literal>.*?)(?:\\E|\Z)|(?P<unicode>\\[pP](?:\{[^}]*\}|.))|\\."
    r"|\[\^?\]?(?:\[:\^?\w+:\]|(?P<among>\\[pP])|\\[^pP]|[^\]\\])*\]|\{(?P<least>\d+)(?:,(?P<most>\d*))?\}|.",
    re.DOTALL,
)


def check_pattern(subject: str, pattern: str) -> None:
    """Raise unless a pattern can be searched for: `subject` begins the message.

    Raises:
        DefinitionError: It is too long, too large once its repetitions are written out, or not in
            RE2's syntax.
    """
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise DefinitionError(
            f"{subject} matches {pattern[:80]!r}, which is longer than {MAX_PATTERN_LENGTH} "
            "characters; look for less."
        )
    if (size := pattern_size(pattern)) > MAX_PATTERN_SIZE:
        raise DefinitionError(
            f"{subject} matches {pattern[:80]!r}, which has {size} parts with its repetitions "
            f"written out, and may have {MAX_PATTERN_SIZE}; repeat less, such as with `*` instead "
            "of `{0,1000}`."
        )
    if fault := _pattern_fault(pattern):
        raise DefinitionError(
            f"{subject} matches {pattern[:80]!r}, which is not a regular expression in RE2's "
            f"syntax ({fault}); write it without look-around, back references and possessive "
            "repeats."
        )


def pattern_size(pattern: str) -> int:
    """Return how many characters and classes a pattern has with its repetitions written out."""
    groups: list[list[int]] = [[]]
    for token in _TOKEN.finditer(pattern):
        text, parts = token[0], groups[-1]
        if text == "(":
            groups.append([])
        elif text == ")" and len(groups) > 1:
            groups[-2].append(1 + sum(groups.pop()))
        elif token["least"]:
            if parts:
                parts[-1] *= max(1, int(token["most"] or token["least"]))
        elif token["literal"]:
            parts += [1] * len(token["literal"])
        else:
            parts.append(CLASS_SIZE if token["unicode"] or token["among"] else 1)
    return sum(map(sum, groups))


@cache
def _pattern_engine() -> "duckdb.DuckDBPyConnection":
    import duckdb  # noqa: PLC0415 (loaded with the first pattern)

    return duckdb.connect(config={"threads": 1})


def _pattern_fault(pattern: str) -> str:
    """Return what DuckDB, which searches by RE2, says is wrong with a pattern; empty if nothing."""
    with _pattern_engine().cursor() as cursor:
        try:
            cursor.execute("SELECT regexp_matches('', $1, 's')", [pattern])
        except Exception as error:  # noqa: BLE001 (whatever it is, the pattern cannot be searched for)
            return str(error).partition("Error: ")[2].partition("\n")[0] or "it cannot be read"
    return ""


MAX_DEPTH, MAX_PARTS, MAX_VALUES = 10, 200, 10_000
"""Limits on conditions that other people may send."""
NEGATED: Final = {
    "not_equals": "equals",
    "not_one_of": "one_of",
    "not_contains": "contains",
    "not_matches": "matches",
    "is_not_set": "is_set",
}
WHOLE: Final = ("equals", "one_of", "not_equals", "not_one_of")
"""Operators that compare with whole values, not with parts or patterns of them."""
ORDERED: Final = ("greater", "greater_or_equal", "less", "less_or_equal", "between")
OPERATORS: Final = ("equals", "one_of", "contains", "matches", "is_set", *ORDERED, *NEGATED)
SYMBOLS: Final = {
    "=": "equals",
    "==": "equals",
    "!=": "not_equals",
    ">=": "greater_or_equal",
    "<=": "less_or_equal",
    ">": "greater",
    "<": "less",
    "is not set": "is_not_set",
    "is set": "is_set",
    "not in": "not_one_of",
    "in": "one_of",
    "not contains": "not_contains",
    "contains": "contains",
    "not matches": "not_matches",
    "matches": "matches",
    "between": "between",
}
"""How operators are written on the command line, longer ones before those that they begin with."""
_WORD_OPERATORS: Final = "|".join(
    re.escape(symbol).replace(r"\ ", r"\s+") for symbol in SYMBOLS if symbol[0].isalpha()
)
_SIGNS: Final = "|".join(
    re.escape(symbol)
    for symbol in sorted(SYMBOLS, key=len, reverse=True)
    if not symbol[0].isalpha()
)
_WRITTEN: Final = re.compile(
    rf"\s*({COLUMN})\s*(?:({_SIGNS})|\s({_WORD_OPERATORS})(?=\s|$))\s*(.*?)\s*",
    re.IGNORECASE | re.DOTALL,
)
_OR: Final = re.compile(r"""\s+or\s+(?=(?:[^'"]|'[^']*'|"[^"]*")*$)""", re.IGNORECASE)
"""` or ` outside quotes."""
_VALUE: Final = re.compile(r"""\s*(?:'([^']*)'|"([^"]*)"|([^,'"]+?))\s*(?:,|$)""")
_EXAMPLES: Final = (
    "\"product_category = shoes\", 'cart_amount between 10 and 50' or 'page_url contains /sale'"
)


@dataclass(frozen=True)
class Condition:
    """One condition on one column.

    Attributes:
        column: A column, or `properties.key`; a key with dots stands in double quotes
            (`properties."a.b"`).
        operator: One of `OPERATORS`.
        values: What the column is compared with: none for `is_set`, two for `between`, any number
            for `one_of`.
    """

    column: str
    operator: str
    values: tuple[Scalar, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an unknown operator, and values that do not go with it.

        Raises:
            DefinitionError: It names the column and what is wrong.
        """
        subject = f"The condition on {self.column!r}"
        check_column("The condition", self.column)
        if self.operator not in OPERATORS:
            raise DefinitionError(
                f"{subject} has the unknown operator {self.operator!r}; "
                f"{did_you_mean(self.operator, OPERATORS)}."
            )
        wanted = {"is_set": 0, "is_not_set": 0, "between": 2}.get(self.operator, 1)
        if self.operator in {"one_of", "not_one_of"}:
            if not self.values:
                raise DefinitionError(f"{subject} needs at least one value to be one of.")
        elif len(self.values) != wanted:
            raise DefinitionError(
                f"{subject} ({self.operator}) needs {wanted} values and has {len(self.values)}."
            )
        for value in self.values:
            check_value(f"{subject} compares it", value)
            if self.operator in {"matches", "not_matches"}:
                check_pattern(subject, str(value))

    def to_mapping(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        mapping: dict[str, Any] = {"column": self.column, "operator": self.operator}
        if self.operator in {"one_of", "not_one_of", "between"}:
            return mapping | {"value": list(self.values)}
        return mapping | ({"value": self.values[0]} if self.values else {})


@dataclass(frozen=True)
class Group:
    """Conditions of which all or any must hold."""

    kind: str
    parts: tuple["Where", ...]

    def to_mapping(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {self.kind: [part.to_mapping() for part in self.parts]}


Where = Condition | Group


def conditions_in(where: Where) -> list[Condition]:
    """Return the single conditions."""
    return (
        [where]
        if isinstance(where, Condition)
        else [condition for part in where.parts for condition in conditions_in(part)]
    )


def columns_of(where: Where) -> list[str]:
    """Return the columns that conditions name."""
    return [condition.column for condition in conditions_in(where)]


def number_columns_of(where: Where) -> list[str]:
    """Return the columns that conditions compare with numbers."""
    return [
        condition.column
        for condition in conditions_in(where)
        if any(type(value) in {int, float} for value in condition.values)
    ]


def has_negation(where: Where) -> bool:
    """Return whether a condition holds for a missing value."""
    return any(condition.operator in NEGATED for condition in conditions_in(where))


def with_event_types(where: Where, translate: Callable[[str], str]) -> Where:
    """Return the conditions with each event type translated that is compared as a whole."""
    if isinstance(where, Group):
        return replace(
            where, parts=tuple(with_event_types(part, translate) for part in where.parts)
        )
    if where.column != "event_type" or where.operator not in WHOLE:
        return where
    return replace(
        where,
        values=tuple(
            translate(value) if isinstance(value, str) else value for value in where.values
        ),
    )


EVERYTHING: Final = Group("all_of", ())


def where_mapping(where: Where) -> dict[str, Any]:
    """Return the conditions as the entry `where` of a definition; nothing if everything counts."""
    return {} if where == EVERYTHING else {"where": where.to_mapping()}


def parse_where(texts: Sequence[str]) -> Where:
    """Return the conditions of `--where`, all of which must hold.

    ` or ` within one text means any of its parts.

    Raises:
        DefinitionError: A text is not a condition.
    """
    parts = tuple(_any_of(text) for text in texts)
    return parts[0] if len(parts) == 1 else Group("all_of", parts)


def where_from(raw: object) -> Where:
    """Return the conditions of a definition file or of a request.

    Args:
        raw: `{column, operator, value}`, `{any_of: […]}`, `{all_of: […]}`, `{column: value}` for
            plain equality, a text as for `--where`, or a list of these, all of which must hold.

    Raises:
        DefinitionError: It is none of these.
    """
    result = _where_from(raw, MAX_DEPTH)
    conditions = conditions_in(result)
    if len(conditions) > MAX_PARTS:
        raise DefinitionError(f"There are more than {MAX_PARTS} conditions; ask with fewer.")
    if sum(len(condition.values) for condition in conditions) > MAX_VALUES:
        raise DefinitionError(
            f"The conditions name more than {MAX_VALUES:,} values; ask about fewer."
        )
    return result


def _where_from(raw: object, depth: int) -> Where:
    if depth < 0:
        raise DefinitionError(
            f"Conditions stand more than {MAX_DEPTH} deep in each other; ask with fewer levels."
        )
    if isinstance(raw, str):
        return parse_where([raw])
    if isinstance(raw, list | tuple):
        return Group("all_of", tuple(_where_from(part, depth - 1) for part in raw))
    if not isinstance(raw, Mapping):
        raise DefinitionError(
            f"A condition is {{column, operator, value}}, any_of or all_of; got "
            f"{quoted_value(raw)}."
        )
    for kind in ("any_of", "all_of"):
        if kind in raw:
            if len(raw) > 1 or not isinstance(raw[kind], list | tuple):
                raise DefinitionError(
                    f"`{kind}` stands alone and holds a list of conditions; got "
                    f"{quoted_value(raw)}."
                )
            return Group(kind, tuple(_where_from(part, depth - 1) for part in raw[kind]))
    if "operator" in raw or set(raw) == {"column", "value"}:
        return _condition_from(raw)
    return Group(
        "all_of", tuple(Condition(str(column), "equals", (value,)) for column, value in raw.items())
    )


def _any_of(text: str) -> Where:
    parts = [_condition_of(part) for part in _OR.split(text)]
    return parts[0] if len(parts) == 1 else Group("any_of", tuple(parts))


def _condition_of(text: str) -> Condition:
    match = _WRITTEN.fullmatch(text)
    if not match:
        raise DefinitionError(f"{text!r} is not a condition; write one as in {_EXAMPLES}.")
    column, sign, word, rest = match.groups()
    operator = SYMBOLS[sign or " ".join(word.lower().split())]
    if operator in {"is_set", "is_not_set"} and rest:
        raise DefinitionError(
            f"{text!r} has more after {(word or '').lower()!r}; write one condition, as in "
            f"{_EXAMPLES}."
        )
    if operator == "between":
        ends = re.fullmatch(r"(.+?)\s+and\s+(.+)", rest, re.IGNORECASE | re.DOTALL)
        if not ends:
            raise DefinitionError(
                f"{text!r} needs two values, as in 'cart_amount between 10 and 50'."
            )
        return Condition(column, operator, tuple(_value(end) for end in ends.groups()))
    if operator in {"one_of", "not_one_of"}:
        listed = [match.group(0).strip() for match in _VALUE.finditer(rest)]
        return Condition(
            column, operator, tuple(_value(text.removesuffix(",")) for text in listed if text)
        )
    plain = operator in {"contains", "matches", "not_contains", "not_matches"}
    return Condition(
        column, operator, (_unquoted(rest),) if plain else (_value(rest),) if rest else ()
    )


def _unquoted(text: str) -> str:
    match = re.fullmatch(r"'(.*)'|\"(.*)\"", text, re.DOTALL)
    return next(part for part in match.groups() if part is not None) if match else text


def _value(text: str) -> Scalar:
    """Return a number or boolean if it is written as one, else text, as in quotes."""
    text = text.strip()
    if (unquoted := _unquoted(text)) != text:
        return unquoted
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    return float(text) if re.fullmatch(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?", text) else text


def _condition_from(raw: Mapping[Any, Any]) -> Condition:
    check_keys(raw, ("column", "operator", "value"), "a condition")
    value = raw.get("value")
    values = tuple(value) if isinstance(value, list | tuple) else () if value is None else (value,)
    return Condition(str(raw.get("column", "")), str(raw.get("operator", "equals")), values)
