"""Alternatives in the SQL of mappings: an empty value does not hide the next one,
nor a capital letter a member.

Exports write what they do not have as `""`, or as a placeholder such as `null`, in a member before
the one that is filled. And senders spell the members of an object each in their own way: `revenue`,
`Revenue`, `REVENUE`.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Final

from ecom_assets.core.tables.placeholders import MARKS
from ecom_assets.core.warehouse.sql_text import text, texts

NO_COUNTRY: Final = "na"
"""A placeholder everywhere but among countries, where it is Namibia."""
NOTHING: Final = ('""', *MARKS)
"""What stands for no value, in lower case and without blanks around it;
the first is the JSON of an empty text.
"""
OF_PLACES: Final = frozenset({"country", "region", "city_id", "city_name"})
"""Fields in which `NO_COUNTRY` is a value."""
_COALESCE = re.compile(r"coalesce\s*\(", re.IGNORECASE)
_COLUMN = re.compile(r'"[^"]+"|[A-Za-z_]\w*')
_SEPARATED = re.compile("[ _-]+")
_CLOSING = {"(": ")", "[": "]", "{": "}"}


def filled_sql(value: str, *, is_place: bool = False) -> str:
    """Return the SQL of a value of any type; NULL if it stands for no value."""
    nothing = tuple(name for name in NOTHING if not (is_place and name == NO_COUNTRY))
    is_filled = f"NOT list_contains({texts(nothing)}, lower(trim(filled::VARCHAR)))"
    return f"list_filter([{value}], lambda filled: {is_filled})[1]"


def first_filled(values: Collection[str], *, is_place: bool = False) -> str:
    """Return the SQL of the first of some values that stands for a value."""
    return f"coalesce({', '.join(filled_sql(value, is_place=is_place) for value in values)})"


def with_filled_alternatives(
    expression: str, *, any_case: Collection[str] = (), is_place: bool = False
) -> str:
    """Return an SQL expression in which `coalesce` takes the first value that is filled,
    not the first that exists.

    Columns and members of JSON are tested; what is computed of them is a value as it is. Members of
    the objects in some columns are found whatever their capitals, blanks and underscores; one that
    is spelled as in the expression goes before others.

    Args:
        expression: SQL with members as `column->>'name'` or `column->'name'`; `/name` is a pointer
            of JSON.
        any_case: The columns of those objects.
        is_place: Whether the value is the name or code of a place.
    """
    parts, position = [], 0
    while match := _next_call(expression, position):
        end, arguments = _arguments(expression, match.end())
        tested = _alternatives(
            [argument.strip() for argument in arguments], any_case, is_place=is_place
        )
        parts += [
            _with_members(expression[position : match.start()], any_case),
            match[0],
            ", ".join(tested),
        ]
        position = end
    return "".join([*parts, _with_members(expression[position:], any_case)])


def _alternatives(
    arguments: Sequence[str], any_case: Collection[str], *, is_place: bool
) -> Iterator[str]:
    """Yield the arguments of a call, tested;
    members of one column that follow each other are tested together.
    """
    complete = partial(with_filled_alternatives, any_case=any_case, is_place=is_place)
    for column, group in groupby(arguments, key=partial(_column_of, any_case=any_case)):
        alternatives = [*group]
        tested = [
            _tested(argument, complete(argument), column, is_place=is_place)
            for argument in alternatives
        ]
        if column and len(tested) > 1:
            names = [
                name for argument in alternatives for *_, name in _member(column).findall(argument)
            ]
            # Most objects have none of a chain's members, and one test takes as long as extracting
            # one of them.
            yield f"CASE WHEN {_may_have(column, names)} THEN coalesce({', '.join(tested)}) END"
        else:
            yield from tested


def _column_of(argument: str, any_case: Collection[str]) -> str | None:
    """Return the column with the objects of which an argument is a member."""
    return next((column for column in any_case if _member(column).match(argument)), None)


def _tested(argument: str, completed: str, column: str | None, *, is_place: bool) -> str:
    is_member = (
        column is not None and (match := _member(column).fullmatch(argument)) and match[1] == "->>"
    )
    is_value = _COLUMN.fullmatch(argument) is not None or "->" in argument
    return filled_sql(completed, is_place=is_place) if is_value and not is_member else completed


def _member(column: str) -> re.Pattern[str]:
    """Return the pattern of a member that is named,
    not of one that is found by a path (`$.name`).
    """
    return re.compile(rf"(?<![\w\"'.>]){re.escape(column)}\s*(->>?)\s*'(/|(?!\$))([^'/]+)'")


def _with_members(sql: str, any_case: Collection[str]) -> str:
    """Return SQL with the members of columns in place of their names."""
    for column in any_case:
        sql = _member(column).sub(partial(_in_any_case, column=column), sql)
    return sql


def _in_any_case(member: re.Match[str], column: str) -> str:
    """Return the SQL of a member of the objects in a column, however it is spelled."""
    arrow, pointer, name = member.groups()
    exact = filled_sql(f"{column}{arrow}{text(pointer + name)}")
    # Looking at all names of an object takes several times as long as this test.
    return (
        f"CASE WHEN {_may_have(column, [name])} THEN coalesce({exact}, "
        f"{_loose(column, arrow, name)}) END"
    )


def _loose(column: str, arrow: str, name: str) -> str:
    """Return the SQL of the first filled member whose name differs in capitals,
    blanks and underscores only.
    """
    extract = "json_extract_string" if arrow == "->>" else "json_extract"
    loose = "".join(_SEPARATED.split(name.lower()))
    own = f"translate(lower(member), {text(' _-')}, '') = {text(loose)}"
    names = f"list_filter(json_keys({column}), lambda member: {own})"
    pointer = "'/' || replace(replace(member, '~', '~0'), '/', '~1')"
    value = filled_sql(f"{extract}({column}, {pointer})")
    values = f"list_transform({names}, lambda member: {value})"
    return f"list_filter({values}, lambda value: value IS NOT NULL)[1]"


def _may_have(column: str, names: Iterable[str]) -> str:
    """Return the SQL of whether the text of an object may have a member of one
    of some names, in any case.
    """
    between = "[ _-]*"
    patterns = dict.fromkeys(between.join(map(re.escape, _SEPARATED.split(name))) for name in names)
    pattern = f'(?i)"{between}({"|".join(patterns)}){between}"'
    return f"regexp_matches({column}, {text(pattern)})"


def _next_call(sql: str, start: int) -> re.Match[str] | None:
    """Return the next call of `coalesce` that is not inside a quoted text."""
    for position, sign in _outside_of_quotes(sql, start):
        if sign in "cC" and (match := _COALESCE.match(sql, position)):
            is_name = position > 0 and (sql[position - 1].isalnum() or sql[position - 1] in "_.")
            if not is_name:
                return match
    return None


def _arguments(sql: str, start: int) -> tuple[int, list[str]]:
    """Return where the arguments of a call end, which begin at `start`, and each of them."""
    arguments: list[str] = []
    begin, closing = start, list[str]()
    for position, sign in _outside_of_quotes(sql, start):
        if not closing and sign in ",)":
            arguments.append(sql[begin:position])
            begin = position + 1
            if sign == ")":
                return position, arguments
        elif sign in _CLOSING:
            closing.append(_CLOSING[sign])
        elif closing and sign == closing[-1]:
            closing.pop()
    return len(sql), [*arguments, sql[begin:]]  # not SQL, which the engine says in its own words


def _outside_of_quotes(sql: str, start: int) -> Iterator[tuple[int, str]]:
    quote = ""
    for position in range(start, len(sql)):
        sign = sql[position]
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        else:
            yield position, sign
