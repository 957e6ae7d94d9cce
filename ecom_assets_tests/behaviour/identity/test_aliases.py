"""Aliases join users whatever their order: chains, cycles, and groups that are too large."""

import json
import random
from datetime import date
from itertools import pairwise

import pytest

from ecom_assets.behaviour.identity.links import Alias, identity_aliases, merged_users
from ecom_assets.core.tables.spellings import KeyKind
from ecom_assets_tests.builders import at
from ecom_assets_tests.each import each


def groups(*aliases: Alias, most: int = 1_000) -> tuple[dict[str, list[str]], list[list[str]]]:
    """Return the groups of (new, old) aliases in the order of time,
    and those that are too large.
    """
    named, too_large = merged_users(aliases, most)
    return dict(named), too_large


def test_a_chain_is_one_person_by_the_latest_id() -> None:
    assert groups(("b", "a"), ("c", "b"), ("d", "c")) == ({"d": ["a", "b", "c", "d"]}, [])


def test_a_cycle_is_one_person_by_the_new_id_of_the_last_alias() -> None:
    assert groups(("b", "a"), ("c", "b"), ("a", "c")) == ({"a": ["a", "b", "c"]}, [])


def test_two_pairs_stay_two_people() -> None:
    assert groups(("b", "a"), ("y", "x")) == ({"b": ["a", "b"], "y": ["x", "y"]}, [])


@pytest.mark.parametrize(("users", "joined"), [(1_000, 1), (1_001, 0)])
def test_a_group_of_more_than_a_thousand_users_stays_separate(users: int, joined: int) -> None:
    chain = [(new, old) for old, new in pairwise(f"u{n}" for n in range(users))]
    named, too_large = groups(*chain)
    assert (len(named), len(too_large)) == (joined, 1 - joined)


def test_a_long_chain_in_any_order_is_found_in_one_pass() -> None:
    chain = [(new, old) for old, new in pairwise(f"u{n}" for n in range(100_000))]
    random.Random(1).shuffle(chain)  # noqa: S311 (an order, not a secret)
    named, _ = groups(*chain, most=200_000)
    assert [len(users) for users in named.values()] == [100_000]
    assert list(named) == ["u99999"]


@each(
    "previous, user_key, expected",
    [
        (" Ann@X.de", "address", "ann@x.de"),
        ("Ann@X.de", "text", "Ann@X.de"),
        (100, None, "100"),
        ("100.0", "number", "100"),
        ("'100", None, "100"),
        (" ", "address", None),
        ("ben", "address", None),
        ("Undefined", "address", None),
    ],
)
def test_both_ids_of_an_alias_have_one_spelling(
    previous: object, user_key: KeyKind | None, expected: str | None
) -> None:
    """Files and streams spell the user of an alias as they read it;
    the id until now is in its properties.
    """
    event = (date(2026, 3, 9), "e1", at("09:00"), "ben", json.dumps({"previous_id": previous}))
    rows = identity_aliases([event], user_key)
    assert [row[-1] for row in rows] == ([expected] if expected else [])
