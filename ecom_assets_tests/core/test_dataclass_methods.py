"""Dataclasses whose methods are shared are those of Python's own library, told apart by nothing."""

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from ecom_assets.core.dataclass_methods import WRITERS, share_methods

Declare = Callable[[], Any]
"""Declares a class, and returns it."""


def without_fields() -> Any:
    @dataclass(frozen=True)
    class Line:
        """An order line."""

    return Line


def with_one_field() -> Any:
    @dataclass(frozen=True)
    class Line:
        """An order line."""

        order_id: str = "o1"

    return Line


def with_several_fields() -> Any:
    @dataclass(frozen=True)
    class Line:
        """An order line."""

        order_id: str = "o1"
        quantity: float = float("nan")
        note: str = field(default="left out", repr=False, compare=False)
        parts: tuple[str, ...] = field(default=("a", "b"), hash=False)

    return Line


def with_an_order() -> Any:
    @dataclass(order=True, frozen=True)
    class Line:
        """An order line."""

        order_id: str = "o1"
        quantity: int = 2

    return Line


def that_may_change() -> Any:
    @dataclass(slots=True)
    class Line:
        """An order line, which is equal to others by its values and has no hash."""

        order_id: str = "o1"
        quantity: int = 2

    return Line


def with_slots() -> Any:
    @dataclass(frozen=True, slots=True)
    class Line:
        """An order line."""

        order_id: str = "o1"
        quantity: int = 2

    return Line


def that_is_one_of_another() -> Any:
    parent: Any = with_several_fields()

    @dataclass(frozen=True)
    class Line(parent):  # type: ignore[misc]  # made by a function
        """A line of another kind."""

        is_gift: bool = False

    return Line


def by_identity() -> Any:
    @dataclass(eq=False)
    class Line:
        """An order line that is only equal to itself."""

        order_id: str = "o1"

    return Line


def within_itself() -> Any:
    @dataclass
    class Line:
        """An order line that may hold itself."""

        order_id: str = "o1"
        bundle: Any = None

        def __post_init__(self) -> None:
            self.bundle = self

    return Line


KINDS = (
    without_fields,
    with_one_field,
    with_several_fields,
    with_an_order,
    that_may_change,
    with_slots,
    that_is_one_of_another,
    by_identity,
)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Callable[[Declare], Any]:
    """Declare a class with shared methods."""

    def declared(declare: Declare) -> Any:
        with monkeypatch.context() as patch:
            for name in WRITERS:
                if hasattr(dataclasses, name):
                    patch.setattr(dataclasses, name, getattr(dataclasses, name))
            share_methods()
            return declare()

    return declared


def said_of(ask: Callable[[], Any]) -> str:
    """Return what is answered, or which error is raised, as text."""
    try:
        return repr(ask())
    except (AttributeError, TypeError) as error:
        return f"{type(error).__name__}: {error}"


def all_said(line_type: Any) -> list[str]:
    """Return what a class and its lines say to whatever they may be asked."""
    line, same = line_type(), line_type()
    other = dataclasses.replace(line, **dict.fromkeys(line.__dataclass_fields__, "else"))
    quantity = next(iter(line.__dataclass_fields__), "none")
    child = type("Child", (line_type,), {})
    asked: list[Callable[[], Any]] = [
        lambda: line,
        lambda: (line == same, line == other, line != other, line == "o1"),
        lambda: line.__eq__("o1"),
        lambda: hash(line) == hash(line_type(*dataclasses.astuple(line))),
        lambda: line_type.__hash__ is None,
        lambda: len({line, other}),
        lambda: line < other,
        lambda: line < "o1",
        lambda: setattr(line, quantity, "new"),
        lambda: setattr(line, "no_field", "new"),
        lambda: delattr(line, quantity),
        lambda: line,
        child,
        lambda: setattr(child(), "no_field", 1),
        lambda: setattr(child(), quantity, 1),
    ]
    answers = [said_of(ask) for ask in asked]
    for name in ("__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__"):
        method = getattr(line_type, name)
        if inspect.isfunction(method):
            names = [*inspect.signature(method).parameters]
            answers.append(f"{method.__module__} {method.__qualname__} {names}")
    return answers


@pytest.mark.parametrize("declare", KINDS)
def test_a_class_says_what_it_would_say_with_compiled_methods(
    declare: Declare, shared: Callable[[Declare], Any]
) -> None:
    assert all_said(shared(declare)) == all_said(declare())


def test_hashes_are_those_of_the_values(shared: Callable[[Declare], Any]) -> None:
    line = shared(with_an_order)("o7", 3)
    assert hash(line) == hash(("o7", 3))
    assert hash(shared(with_one_field)("o7")) == hash(("o7",))
    assert hash(shared(without_fields)()) == hash(())


def test_a_line_that_holds_itself_is_written_once(shared: Callable[[Declare], Any]) -> None:
    assert repr(shared(within_itself)()).endswith("Line(order_id='o1', bundle=...)")


def test_an_amount_that_is_no_number_is_the_same_only_as_itself(
    shared: Callable[[Declare], Any],
) -> None:
    line_type = shared(with_several_fields)
    amount = float("nan")
    assert line_type(quantity=amount) == line_type(quantity=amount)
    assert line_type(quantity=amount) != line_type(quantity=float("nan"))
