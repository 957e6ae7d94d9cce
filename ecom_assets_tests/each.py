"""A claim about many values in one test: a loop in place of a case per value.

pytest collects, sends and reports a test instead of hundreds, and what the test opens is opened
once. All values are tried whatever fails, and each that fails is named.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from inspect import Parameter, signature
from reprlib import Repr
from typing import Any, Final

import pytest

Test = Callable[..., None]
CASES: Final = "cases_of_each"
"""The attribute of a test that has its function and the values that it is tried with."""
_SHORT: Final = Repr()
_SHORT.maxstring = _SHORT.maxother = 200


def each(names: str, values: Iterable[Any]) -> Callable[[Test], Test]:
    """Return a decorator, by which one test tries all values; two of them try all pairs.

    Fixtures of the test are those of all values: a folder or a patch is shared by them.

    Args:
        names: The parameters that have a value, separated by commas, as pytest's `parametrize` has
            them.
        values: A value for each time; with several names, a sequence of as many.
    """
    named = [name.strip() for name in names.split(",")]
    given = [_arguments(named, value) for value in values]
    if not given:
        raise ValueError(f"There is no value for {names}: a test without one cannot fail.")

    def looping(function: Test) -> Test:
        within: Sequence[Mapping[str, Any]]
        tried, within = getattr(function, CASES, (function, [{}]))
        cases = [{**more, **arguments} for more in given for arguments in within]

        @wraps(tried)
        def test(*, subtests: pytest.Subtests, **fixtures: Any) -> None:
            for arguments in cases:
                with subtests.test(_said(arguments)):
                    tried(**fixtures, **arguments)

        own = signature(tried)
        parameters = [one for name, one in own.parameters.items() if name not in cases[0]]
        parameters.append(Parameter("subtests", Parameter.KEYWORD_ONLY))
        setattr(test, "__signature__", own.replace(parameters=parameters))  # noqa: B010 (no stub knows it)
        setattr(test, CASES, (tried, cases))
        return test

    return looping


def _arguments(names: Sequence[str], value: Any) -> Mapping[str, Any]:
    return dict(zip(names, value if len(names) > 1 else (value,), strict=True))


def _said(arguments: Mapping[str, Any]) -> str:
    """Return the values by name, shortened: some are files of megabytes."""
    return ", ".join(f"{name}={_SHORT.repr(value)}" for name, value in arguments.items())
