"""How far chance may have moved a share: against scipy, and against the numbers of the papers."""

import pytest
from scipy.stats import binomtest

from ecom_assets.core.tables.intervals import (
    differences_from_rest,
    differs,
    interval_of_difference,
    interval_of_share,
)
from ecom_assets_tests.each import each


@each("part, whole", [(0, 3), (3, 3), (1, 29), (15, 148), (81, 263), (500, 10_000)])
@each("confidence", [0.95, 0.99])
def test_the_interval_of_a_share_is_wilson_s(part: int, whole: int, confidence: float) -> None:
    expected = binomtest(part, whole).proportion_ci(confidence, method="wilson")
    assert interval_of_share(part, whole, confidence) == pytest.approx(expected, abs=1e-9)


def test_a_share_of_nothing_can_be_anything() -> None:
    assert interval_of_share(0, 0) == (0, 1)


def test_the_interval_of_a_difference_is_newcombe_s() -> None:
    """His example (a): 56 of 70 against 48 of 80, method 10 of his table II."""
    assert interval_of_difference((56, 70), (48, 80)) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_shares_differ_where_the_interval_leaves_out_0() -> None:
    assert differs((56, 70), (48, 80)) == 1
    assert differs((48, 80), (56, 70)) == -1
    assert differs((56, 70), (53, 80)) == 0


def test_of_many_differences_each_has_to_be_greater() -> None:
    assert differs((56, 70), (48, 80), looks=1) == 1
    assert differs((56, 70), (48, 80), looks=40) == 0


def test_nothing_is_said_of_few() -> None:
    assert differs((29, 29), (0, 1_000)) == 0
    assert differs((30, 30), (0, 1_000)) == 1


def test_each_share_is_compared_with_all_others_together() -> None:
    """By hand: 56 of 70 against 48 of 80 differ, and 29 of 29 are too few to say so."""
    assert differences_from_rest([(56, 70), (48, 80)], 2) == [1, -1]
    assert differences_from_rest([(56, 70), (20, 40), (28, 40)], 1) == [1, -1, 0]
    assert differences_from_rest([(29, 29), (0, 1_000)], 1) == [0, 0]
    assert differences_from_rest([(56, 70), (48, 80)], 40) == [0, 0]
    assert differences_from_rest([(56, 70)], 1) == [0], "there is no other"
    assert differences_from_rest([], 1) == []
