"""Objects and lists as Python writes them, `{'a': None}`: what is in a cell that pandas saved, or a
program wrote with `str`. They are read as the JSON that they should have been.
"""

from typing import Final

from ecom_assets.core.warehouse.sql_text import text

_START: Final = r"^\s*[\[{(]+\s*(u?'|[0-9]+\s*:)"
"""How such a text begins, and no JSON does."""
_VALUE: Final = r"\b(?:Decimal|UUID|ObjectId|Timestamp|str_)\('([^'\\]*)'\)"
"""A value that Python writes as a call, with its text."""
_PIECE: Final = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^'"]+"""
"""A text in either quotes, or what is between texts."""
_WORDS: Final = {
    "None": "null",
    "nan": "null",
    "NaT": "null",
    "NA": "null",
    "True": "true",
    "False": "false",
}
_HELD: Final = chr(1)
"""Stands for two backslashes, which are one, while others are looked at."""
_QUOTE, _DOUBLE, _BACKSLASH = "'", '"', "\\"


def as_json_sql(value: str) -> str:
    """Return the SQL of a text, as JSON if it is an object or a list as Python writes it; what
    cannot be read stays as it is.
    """
    return (
        f"CASE WHEN regexp_matches({value}, {text(_START)}) THEN list_transform([{value}], "
        f"lambda written: {_converted('written')})[1] ELSE {value} END"
    )


def _converted(value: str) -> str:
    tokens = f"regexp_extract_all({_by_pattern(value, _VALUE, _INSIDE)}, {text(_PIECE)})"
    each = (
        f"CASE WHEN starts_with(token, {text(_QUOTE)}) THEN {_single_quoted('token')} "
        f"WHEN starts_with(token, {text(_DOUBLE)}) THEN {_coded('token')} "
        f"ELSE {_between('token')} END"
    )
    joined = f"array_to_string(list_transform({tokens}, lambda token: {each}), '')"
    chosen = f"CASE WHEN json_valid(result) THEN result ELSE {value} END"
    return f"list_transform([{joined}], lambda result: {chosen})[1]"


_INSIDE: Final = r"'\1'"
_BYTE, _CODE = r"\\x([0-9a-fA-F]{2})", r"\\u00\1"


def _single_quoted(token: str) -> str:
    """Return the SQL of a JSON text for one in single quotes."""
    result = _replaced(f"{token}[2:-2]", _BACKSLASH * 2, _HELD)
    result = _replaced(result, _BACKSLASH + _QUOTE, _QUOTE)
    result = _replaced(result, _DOUBLE, _BACKSLASH + _DOUBLE)
    result = _replaced(result, _HELD, _BACKSLASH * 2)
    return f"{text(_DOUBLE)} || {_coded(result)} || {text(_DOUBLE)}"


def _coded(value: str) -> str:
    """Return the SQL of a text with the codes of signs as JSON writes them."""
    result = _by_pattern(_replaced(value, _BACKSLASH * 2, _HELD), _BYTE, _CODE)
    return _replaced(result, _HELD, _BACKSLASH * 2)


def _between(token: str) -> str:
    """Return the SQL of the JSON of what is between texts: numbers, words and brackets."""
    result = _by_pattern(token, "(^|[^A-Za-z])[ub]$", r"\1")  # before a text, as in u'a'
    for word, json_word in _WORDS.items():
        result = _by_pattern(result, r"\b" + word + r"\b", json_word)
    return f"translate({_by_pattern(result, '[A-Za-z_.]+[(]', '(')}, '()', '[]')"


def _replaced(value: str, old: str, new: str) -> str:
    return f"replace({value}, {text(old)}, {text(new)})"


def _by_pattern(value: str, pattern: str, new: str) -> str:
    return f"regexp_replace({value}, {text(pattern)}, {text(new)}, 'g')"
