"""How variants compare: published examples reproduced, other ways to the same number,
and what intervals promise.
"""

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy  # loads scipy.stats where it is called
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaln

from ecom_assets.behaviour.experiments.comparison import (
    Interval,
    Sample,
    beta_posterior,
    credible_difference,
    credible_interval,
    normal_posterior,
    posterior_of_mean,
    probability_best,
    sample_ratio,
    sequential,
)
from ecom_assets_tests.hypothesis_settings import examples

PIAZZA, AARON = (2127, 6911), (3771, 12364)
BATTERS = (76.451, 218.639)
"""The prior of the batters in D.

Robinson, "Understanding Bayesian A/B testing (using baseball statistics)", 2016.
"""


def is_near(interval: Interval, low: float, high: float, by: float) -> bool:
    """Return whether both ends are as expected."""
    return abs(interval.low - low) <= by and abs(interval.high - high) <= by


def rounded(interval: Interval | None, digits: int = 5) -> tuple[float, float]:
    """Return the ends of an interval as a page shows them."""
    assert interval is not None
    return round(interval.low, digits), round(interval.high, digits)


# Published examples


def test_the_sequential_interval_of_means_is_that_of_growthbook_s_example() -> None:
    """GrowthBook's `TestSequentialTTest.test_sequential_test_runs`:
    equation 9 of the paper on relative differences.
    """
    control = Sample.from_sums(Fraction("1396.87"), Fraction("52377.9767"), 3000)
    other = Sample.from_sums(Fraction("2422.7"), Fraction("134698.29"), 3461)
    actual = sequential(control, other, 0.95, 1_000)
    assert actual is not None
    assert (rounded(actual.relative), actual.p_value) == ((-0.55844, 1.56516), 1)
    assert round(other.mean / control.mean - 1, 5) == 0.50336


def test_the_sequential_interval_of_shares_is_that_of_growthbook_s_example() -> None:
    """GrowthBook's `TestSequentialTTest.test_sequential_test_runs_prop`."""
    actual = sequential(
        Sample.from_successes(1396, 3000), Sample.from_successes(2422, 3461), 0.95, 5_000
    )
    assert actual is not None
    assert (rounded(actual.relative), round(actual.p_value, 5)) == ((0.40098, 0.60675), 0)


def test_the_probability_to_be_best_is_that_of_robinson_s_batters() -> None:
    """He gives 0.606 by integration, 0.607 by simulation, and -0.0152 to
    0.0115 for Aaron minus Piazza.
    """
    piazza, aaron = (beta_posterior(*person, prior=BATTERS) for person in (PIAZZA, AARON))
    assert probability_best([piazza, aaron])[0] == pytest.approx(0.607, abs=0.001)
    assert is_near(credible_difference(piazza, aaron, 0.95), -0.0152, 0.0115, by=1e-4)


@pytest.mark.slow
def test_the_credible_interval_of_means_is_that_of_growthbook_s_example() -> None:
    """GrowthBook's `test_bayesian_effect_ab_test`, a flat prior: 0.536512,
    from 0.457256 to 0.615769.
    """
    ends = {"a": (7.098780136176828, 7.157987489967789, 7.217194843758751)}
    ends["b"] = (7.64180598628119, 7.694499927525767, 7.747193868770344)
    a, b = (
        normal_posterior(middle, (high - low) / 2 / scipy.stats.norm.ppf(0.975))
        for low, middle, high in ends.values()
    )
    assert is_near(credible_difference(a, b, 0.95), 0.457256, 0.615769, by=5e-6)


def test_the_split_is_tested_as_in_the_books() -> None:
    """Kohavi, Tang and Xu (2020), chapter 3: 821,588 and 815,482 users of a 50 :
    50 split have p = 1.8e-6.
    """
    actual = sample_ratio([821_588, 815_482], [50, 50])
    assert actual is not None
    assert (f"{actual.p_value:.1e}", actual.is_mismatch) == ("1.8e-06", True)


# Other ways to the same number


def miller(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Return the probability that B is better, by E. Miller's sum."""
    (alpha_a, beta_a), (alpha_b, beta_b) = (
        (1 + successes, 1 + count - successes) for successes, count in (a, b)
    )
    logs = [
        betaln(alpha_a + i, beta_a + beta_b)
        - math.log(beta_b + i)
        - betaln(1 + i, beta_b)
        - betaln(alpha_a, beta_a)
        for i in range(alpha_b)
    ]
    return math.fsum(math.exp(log) for log in logs)


SUCCESSES = st.integers(0, 3_000).flatmap(
    lambda count: st.tuples(st.integers(0, count), st.just(count))
)


@examples(60)
@given(a=SUCCESSES, b=SUCCESSES)
def test_the_probability_to_be_best_is_miller_s_closed_form(
    a: tuple[int, int], b: tuple[int, int]
) -> None:
    actual = probability_best([beta_posterior(*a), beta_posterior(*b)])
    assert actual == [
        pytest.approx(1 - miller(a, b), abs=1e-7),
        pytest.approx(miller(a, b), abs=1e-7),
    ]


@examples(40)
@given(variants=st.lists(SUCCESSES, min_size=2, max_size=6))
def test_one_of_the_variants_is_best(variants: list[tuple[int, int]]) -> None:
    assert sum(
        probability_best([beta_posterior(*variant) for variant in variants])
    ) == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("sizes", [(100, 10_000_000), (10_000_000, 100), (5_000_000, 6_000_000)])
def test_variants_of_very_different_sizes_lose_no_digits(sizes: tuple[int, int]) -> None:
    """As many units as these make normal distributions of the posteriors,
    but for the one of 100 units.
    """
    a, b = (beta_posterior(round(size * 0.3), size) for size in sizes)
    actual = credible_difference(a, b, 0.95)
    means = [(round(size * 0.3) + 1) / (size + 2) for size in sizes]
    spreads = [mean * (1 - mean) / (size + 3) for mean, size in zip(means, sizes, strict=True)]
    near = scipy.stats.norm(means[1] - means[0], math.sqrt(sum(spreads))).interval(0.95)
    assert is_near(actual, near[0], near[1], by=0.03 * (near[1] - near[0]))
    assert sum(probability_best([a, b])) == pytest.approx(1, abs=1e-6)


def test_the_interval_of_a_difference_holds_as_many_draws_as_it_says() -> None:
    control, other = beta_posterior(3, 40), beta_posterior(9, 50)
    dice = np.random.default_rng(1)
    drawn = dice.beta(10, 42, 200_000) - dice.beta(4, 38, 200_000)
    actual = credible_difference(control, other, 0.9)
    assert (drawn < actual.low).mean() == pytest.approx(0.05, abs=0.003)
    assert (drawn > actual.high).mean() == pytest.approx(0.05, abs=0.003)
    assert rounded(credible_interval(other, 0.9)) == rounded(
        Interval(*scipy.stats.beta(10, 42).ppf([0.05, 0.95]))
    )


def test_the_difference_of_means_is_normal() -> None:
    control, other = (
        posterior_of_mean(Sample(400, 10.0, 100.0)),
        posterior_of_mean(Sample(400, 11.0, 100.0)),
    )
    assert control is not None
    assert other is not None
    assert rounded(credible_difference(control, other, 0.95), 6) == (-0.385904, 2.385904), (
        "1 ± 1.959964 · √0.5"
    )
    assert probability_best([control, other])[1] == pytest.approx(
        scipy.stats.norm.cdf(1 / math.sqrt(0.5))
    )


@examples(40)
@given(
    p=st.floats(0.2, 0.8),
    difference=st.floats(0.001, 0.3),
    counts=st.tuples(*[st.integers(100, 10**6)] * 2),
)
def test_p_is_the_alpha_whose_interval_ends_at_zero(
    p: float, difference: float, counts: tuple[int, int]
) -> None:
    control = Sample(counts[0], p, p * (1 - p))
    other = Sample(counts[1], p + difference, 0.1)
    at_five_percent = sequential(control, other, 0.95, 5_000)
    assert at_five_percent is not None
    assert (at_five_percent.difference.low > 0) == (at_five_percent.p_value < 0.05)


# What the intervals promise


def test_looking_every_day_finds_no_more_differences_than_the_confidence_allows() -> None:
    """400 experiments without a difference, looked at 40 times: the fixed interval
    finds 1 in 4, ours 1 in 20.
    """
    dice = np.random.default_rng(20_261_121)
    actual = {"ours": 0, "fixed": 0}
    for _ in range(400):
        successes = np.cumsum(dice.binomial(250, 0.1, (40, 2)), axis=0)
        wrong = {"ours": False, "fixed": False}
        for day, (a, b) in enumerate(successes.tolist(), start=1):
            count = 250 * day
            control, other = Sample.from_successes(a, count), Sample.from_successes(b, count)
            looked = sequential(control, other, 0.95, 5_000)
            assert looked is not None
            wrong["ours"] |= not looked.difference.low <= 0 <= looked.difference.high
            error = math.sqrt((control.variance + other.variance) / count)
            wrong["fixed"] |= abs(other.mean - control.mean) > 1.96 * error
        actual = {name: actual[name] + is_wrong for name, is_wrong in wrong.items()}
    assert actual["ours"] <= 400 * 0.05
    assert actual["fixed"] > 400 * 0.2


def test_where_nothing_varies_nothing_is_said_of_the_difference() -> None:
    nobody = Sample.from_successes(0, 500)
    assert sequential(nobody, nobody, 0.95, 5_000) is None
    one_unit = Sample.from_sums(Fraction(5), Fraction(25), 1)
    assert (sequential(one_unit, one_unit, 0.95, 5_000), posterior_of_mean(one_unit)) == (
        None,
        None,
    )


def test_a_control_of_zero_has_no_relative_difference() -> None:
    actual = sequential(Sample.from_successes(0, 500), Sample.from_successes(5, 500), 0.95, 5_000)
    assert actual is not None
    assert actual.relative is None


def test_one_variant_or_no_units_have_no_ratio() -> None:
    assert (sample_ratio([5], [1]), sample_ratio([0, 0], [1, 1])) == (None, None)
