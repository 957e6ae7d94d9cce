"""The identity rule against the truth of the simulated shop;
docs/metrics/identity.md has the figures.
"""

import pytest

from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets_tests.markdown import Line, definition
from ecom_assets_tests.sandbox.people_found import VARIANTS, Found, found_by
from ecom_assets_tests.sandbox.shop_recount import Recount

pytestmark = pytest.mark.xdist_group("shop_month")


def as_shown(name: str, found: Found) -> Line:
    right, wrong, unknown = (f"{share:.1%}" for share in found.shares)
    return {
        "rule": name,
        "given to the person": right,
        "to somebody else": wrong,
        "left to the device": unknown,
        "visitors": f"{found.visitors:,}",
        "with a cart": f"{found.shoppers:,}",
        "people joined": str(found.joined),
        "back in week 1": f"{found.week_1_rate:.1%}",
    }


@pytest.mark.slow
def test_no_two_people_are_joined_and_the_shares_are_within_their_bounds(month: Recount) -> None:
    found, truth = found_by(month, IdentityRule()), month.truth["identity"]
    right, wrong, _ = found.shares
    assert found.joined == 0
    assert right > 0.64
    assert wrong < 0.025
    assert found.right + found.wrong + found.unknown == truth["userless_events"]
    assert 1 <= found.shoppers / truth["funnel_people"]["add_to_cart"] < 1.15
    # People on a second device or with a new cookie, who never sign in on it, cannot be known
    # again.
    assert 0 < truth["weekly_retention"]["week_1_rate"] - found.week_1_rate < 0.08


@pytest.mark.slow
def test_the_rule_is_the_best_of_those_that_could_be_instead(month: Recount) -> None:
    """To guess between two users of a device is right more often than wrong."""
    guesses, ahead_first, does_not = (
        found_by(month, rule)
        for rule in (
            IdentityRule(),
            IdentityRule(looks_ahead_first=True),
            IdentityRule(guesses_if_shared=False),
        )
    )
    assert guesses.right > ahead_first.right
    assert guesses.right - does_not.right > guesses.wrong - does_not.wrong > 0
    assert guesses.week_1_rate > does_not.week_1_rate


@pytest.mark.slow
def test_every_rule_finds_what_the_page_says(month: Recount) -> None:
    (expected,) = definition("How well people are found").tables
    assert expected == [as_shown(name, found_by(month, rule)) for name, rule in VARIANTS.items()]
