"""A test that tries many values tries all of them, and names each that fails."""

import pytest

from ecom_assets_tests.each import each

pytest_plugins = ["pytester"]
TESTS = """
import pytest
from ecom_assets_tests.each import each

@pytest.fixture
def least():
    return 2

@each("number", [1, 2, 3])
def test_a_number_is_large(least, number):
    assert number > least

@each("one", [1, 2])
@each("other, text", [(1, "a"), (2, "b")])
def test_two_numbers_differ(one, other, text):
    assert one != other, text
"""


def test_each_value_that_fails_is_named_and_the_others_are_tried(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    result = pytester.runpytest("-q", "-p", "no:xdist", "-p", "no:randomly")
    result.stdout.fnmatch_lines_random(
        [
            "*test_a_number_is_large*number=1*",
            "*test_a_number_is_large*number=2*",
            "*test_two_numbers_differ*one=1, other=1, text='a'*",
            "*test_two_numbers_differ*one=2, other=2, text='b'*",
        ]
    )
    failed = [line for line in result.outlines if line.startswith("SUBFAILED")]
    assert len(failed) == 4
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_no_value_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="There is no value for number"):
        each("number", [])
