"""Methods of dataclasses that are not compiled one by one.

Python 3.11 and 3.12 compile the text of six methods for each dataclass: our modules with DuckDB's,
Ibis' and Dagster's have hundreds, a tenth of what a short command takes. All but `__init__` are
the same function with other names of fields.
"""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final, cast

Method = Callable[..., Any]
Values = Callable[[Any], tuple[Any, ...]]
WRITERS: Final = ("_repr_fn", "_frozen_get_del_attr", "_cmp_fn", "_hash_fn")
"""What `dataclasses` makes these methods with; 3.13 compiles all six at once."""


def share_methods() -> None:
    """Make the methods of dataclasses that are declared from now on without compiling them."""
    if sys.version_info < (3, 13):
        own = (_repr_of, _frozen_attributes_of, _comparison_of, _hash_of)
        for name, writer in zip(WRITERS, own, strict=True):
            setattr(dataclasses, name, writer)


_compiled_comparison: Final = cast("Method", getattr(dataclasses, "_cmp_fn", None))
_once_within_itself: Final = cast("Method", getattr(dataclasses, "_recursive_repr", None))


def _values_of(names: Sequence[str]) -> Values:
    """Return what gives the values of fields as a tuple."""
    if not names:
        return lambda _: ()
    get = attrgetter(*names)
    return cast("Values", get) if len(names) > 1 else lambda self: (get(self),)


def _placed(method: Method, globals: dict[str, Any]) -> Method:  # noqa: A002 (as `dataclasses` has it)
    method.__module__ = globals.get("__name__", method.__module__)
    return method


def _repr_of(
    fields: Sequence[dataclasses.Field[Any]],
    globals: dict[str, Any],  # noqa: A002 (as above)
) -> Method:
    names = [field.name for field in fields]

    def __repr__(self: object) -> str:  # noqa: N807 (the method of a class)
        values = ", ".join([f"{name}={getattr(self, name)!r}" for name in names])
        return f"{self.__class__.__qualname__}({values})"

    once: Method = _once_within_itself(_placed(__repr__, globals))
    return once


def _frozen_attributes_of(
    cls: Any,  # noqa: ANN401 (a class)
    fields: Sequence[dataclasses.Field[Any]],
    globals: dict[str, Any],  # noqa: A002 (as above)
) -> tuple[Method, Method]:
    names = frozenset(field.name for field in fields)

    def __setattr__(self: object, name: str, value: object) -> None:  # noqa: N807 (as above)
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def __delattr__(self: object, name: str) -> None:  # noqa: N807 (as above)
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    return _placed(__setattr__, globals), _placed(__delattr__, globals)


def _comparison_of(
    name: str,
    operator: str,
    own: str,
    others: str,
    globals: dict[str, Any],  # noqa: A002 (as above)
) -> Method:
    """Return a comparison; `own` is the text of a tuple, such as `(self.x,self.y,)`."""
    if operator != "==":
        return cast("Method", _compiled_comparison(name, operator, own, others, globals))
    values_of = _values_of([part.removeprefix("self.") for part in own[1:-1].split(",") if part])

    def __eq__(self: object, other: object) -> Any:  # noqa: ANN401, N807 (as above; may be `NotImplemented`)
        if other.__class__ is self.__class__:
            return values_of(self) == values_of(other)
        return NotImplemented

    return _placed(__eq__, globals)


def _hash_of(
    fields: Sequence[dataclasses.Field[Any]],
    globals: dict[str, Any],  # noqa: A002 (as above)
) -> Method:
    values_of = _values_of([field.name for field in fields])

    def __hash__(self: object) -> int:  # noqa: N807 (as above)
        return hash(values_of(self))

    return _placed(__hash__, globals)
