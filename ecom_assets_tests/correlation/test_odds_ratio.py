"""The odds ratio: the published example, SciPy's own, and when there are enough data."""

import math

import pytest
import scipy  # loads scipy.stats where it is called
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.correlation.odds_ratio import odds_ratio
from ecom_assets_tests.hypothesis_settings import examples


def test_the_example_of_bland_and_altman_is_reproduced() -> None:
    """Of 561 children with eczema 141 have hay fever too, of 14,453 without it 928: 4.89, from 4.00 to 5.99."""
    actual = odds_ratio((141, 420), (928, 13_525), 0.95)
    assert [f"{one:.2f}" for one in (actual.value, actual.low, actual.high)] == ["4.89", "4.00", "5.99"]
    assert actual.is_enough


COUNTS = st.tuples(st.integers(1, 10_000), st.integers(1, 10_000))


@examples(40)
@given(having=COUNTS, lacking=COUNTS, confidence=st.floats(0.5, 0.999))
def test_the_ratio_is_scipy_s(having: tuple[int, int], lacking: tuple[int, int], confidence: float) -> None:
    theirs = scipy.stats.contingency.odds_ratio([having, lacking], kind="sample")
    low, high = theirs.confidence_interval(confidence)
    actual = odds_ratio(having, lacking, confidence)
    for ours, expected in ((actual.value, theirs.statistic), (actual.low, low), (actual.high, high)):
        assert math.isclose(ours, expected, rel_tol=1e-9)


@examples(40)
@given(having=COUNTS, lacking=COUNTS)
def test_lacking_it_is_the_opposite_of_having_it(having: tuple[int, int], lacking: tuple[int, int]) -> None:
    one, other = odds_ratio(having, lacking, 0.95), odds_ratio(lacking, having, 0.95)
    assert math.isclose(one.value * other.value, 1)
    assert math.isclose(one.low * other.high, 1)


def test_an_empty_cell_has_half_a_visitor() -> None:
    actual = odds_ratio((3, 0), (5, 10), 0.95)
    assert actual.value == pytest.approx((3.5 * 10.5) / (0.5 * 5.5))
    assert not actual.is_enough


@pytest.mark.parametrize(
    ("having", "lacking"),
    [((5, 5), (5, 5)), ((10, 90), (10, 90))],  # 10 · 10 / 20 = 5 in each cell, and 100 · 20 / 200 = 10
)
def test_data_are_enough_if_chance_gives_five_in_each_cell(having: tuple[int, int], lacking: tuple[int, int]) -> None:
    assert odds_ratio(having, lacking, 0.95).is_enough


@pytest.mark.parametrize(
    ("having", "lacking"),
    [((9, 0), (1, 10)), ((1, 9), (9, 81)), ((0, 0), (0, 0))],  # 9 · 10 / 20 = 4.5, and 10 · 10 / 100 = 1
)
def test_there_are_too_few_data_if_chance_gives_fewer(having: tuple[int, int], lacking: tuple[int, int]) -> None:
    assert not odds_ratio(having, lacking, 0.95).is_enough
