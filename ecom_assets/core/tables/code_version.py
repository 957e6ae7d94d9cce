"""The version of a table's definition, by which Dagster shows tables as stale.

It is made from what the definition does: the bytecode of its functions and of those of this package
that they use, and the values of its rules. Names of files and modules, comments, docstrings and
line numbers are not in it. docs/adr/0043 says why it is not made from the SQL.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from inspect import isclass, isfunction, ismodule
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

from ecom_assets.core.rows import NamedValues

PACKAGE: Final = "ecom_assets"
LENGTH: Final = 12
"""Hexadecimal digits of a version: 48 bits, which is plenty for the versions of one table."""
PLAIN: Final = (str, bytes, bool, int, float, Decimal, date, timedelta, type(None))


def code_version(functions: list[Callable[..., Any]], rules: NamedValues) -> str:
    """Return the version of a definition: of its functions, those they use, and its rules."""
    reached: set[str] = set()
    seen: set[int] = set()
    waiting: list[Any] = [*functions, *(type(rule) for rule in rules.values())]
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isfunction(item):
            own, used = _function(item)
            reached.add(own)
            waiting += used
        elif isclass(item) and _is_ours(item):
            waiting += _methods(item)
        elif isinstance(item, partial):
            waiting += [item.func, *item.args, *item.keywords.values()]
        elif not isinstance(item, PLAIN) and hasattr(item, "function"):  # a declared table
            waiting.append(item.function)
    values = [f"{name}={_text(rule)}" for name, rule in sorted(rules.items())]
    return hashlib.sha256("\n".join([*sorted(reached), *values]).encode()).hexdigest()[:LENGTH]


@lru_cache(maxsize=4096)
def _function(function: FunctionType) -> tuple[str, list[Any]]:
    """Return a digest of a function's own code, and what of this package it uses."""
    names: set[str] = set()
    parts = list(_code(function.__code__, {function.__doc__}, names))
    used = []
    cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    for value in [*_globals(function.__globals__, names), *cells, *(function.__defaults__ or ())]:
        if isinstance(value, (*PLAIN, tuple, frozenset, dict)):
            parts.append(_text(value))
        elif _is_ours(value):
            used.append(value)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest(), used


def _code(code: CodeType, docs: set[str | None], names: set[str]) -> Iterator[str]:
    """Yield what a code object does, without where it is, and add the names that it looks up."""
    names |= set(code.co_names)
    yield f"{code.co_code.hex()} {tuple(map(_unmoved, code.co_names))} {code.co_varnames}"
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code(
                constant, {constant.co_consts[0]} if constant.co_consts else set(), names
            )
        elif constant not in docs:
            yield _text(constant)


def _unmoved(name: str) -> str:
    """Return a name that a function looks up.

    It is the same for each module of this package, as modules may move.
    """
    return PACKAGE if name.startswith(f"{PACKAGE}.") else name


def _globals(module_globals: NamedValues, names: set[str]) -> Iterator[Any]:
    """Yield the globals of some names, and attributes of such names of this package's modules.

    Names such as `__name__` are left out: they say which module it is, and are attributes of
    classes in most functions.
    """
    names = {name for name in names if not name.startswith("__")}
    for name in sorted(names & module_globals.keys()):
        value = module_globals[name]
        if isinstance(value, ModuleType):
            if _is_ours(value):
                yield from (vars(value)[part] for part in sorted(names & vars(value).keys()))
        else:
            yield value


def _methods(kind: type) -> list[Any]:
    """Return the functions of a class and of its bases in this package."""
    functions = []
    for base in kind.__mro__:
        if _is_ours(base):
            # A copy: a model that was not used yet is built as soon as its parts are looked at.
            for value in [*vars(base).values()]:
                plain = getattr(value, "__func__", getattr(value, "fget", value))
                if isfunction(plain):
                    functions.append(plain)
    return functions


def _is_ours(value: Any) -> bool:  # noqa: ANN401 (whatever a name stands for)
    if isinstance(value, partial):
        return _is_ours(value.func)
    owner = value.__name__ if ismodule(value) else getattr(value, "__module__", None)
    return isinstance(owner, str) and owner.partition(".")[0] == PACKAGE


def _is_filled(cell: Any) -> bool:  # noqa: ANN401 (types.CellType, whose content may be missing)
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _text(value: Any) -> str:  # noqa: ANN401 (a rule, or a part of one)
    """Return a value in one spelling in every process; the type of what has none.

    A function has none, for example.
    """
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, Mapping):
        value = frozenset((_text(key), _text(part)) for key, part in value.items())
    elif is_dataclass(value) and not isclass(value):
        value = tuple((field.name, getattr(value, field.name)) for field in fields(value))
    elif hasattr(value, "model_dump") and not isclass(value):
        return _text(value.model_dump())
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(_text, value)))}}}"
    # Not of subclasses: an asset key is a tuple that refuses iteration.
    return (
        f"[{', '.join(map(_text, value))}]"
        if type(value) in {list, tuple}
        else type(value).__name__
    )
