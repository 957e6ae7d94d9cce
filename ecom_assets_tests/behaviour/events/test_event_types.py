"""Which texts are event types: every well-formed one, or those of a list."""

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets_tests.behaviour.events.test_clean import fates
from ecom_assets_tests.builders import at, received
from ecom_assets_tests.platform import Platform


@pytest.fixture(scope="module")
def shop(opened: Platform) -> Platform:
    return opened


TYPES = [
    (None, "malformed_event_type"),
    ("", "malformed_event_type"),
    (" ", "malformed_event_type"),
    ("page_view ", "malformed_event_type"),
    (" page_view", "malformed_event_type"),
    ("page\tview", "malformed_event_type"),
    ("page_view\n", "malformed_event_type"),
    ("\x7f", "malformed_event_type"),
    ("page\x85view", "malformed_event_type"),
    ("x" * 256, "malformed_event_type"),
    ("é" * 255, "clean"),
    ("x", "clean"),
    ("$pageview", "clean"),
    ("Page_View", "clean"),
    ("商品 を 見た 🛒", "clean"),
]


def test_every_text_that_can_have_been_meant_is_a_type(
    shop: Platform, subtests: pytest.Subtests
) -> None:
    for actual, (event_type, expected) in zip(
        fates_of_types(shop, *(event_type for event_type, _ in TYPES)), TYPES, strict=True
    ):
        with subtests.test(repr(event_type)):
            assert actual == expected


def fates_of_types(shop: Platform, *event_types: str | None) -> list[str]:
    """Return what becomes of a row of each type."""
    rows = [
        received(f"e{number}", at("09:00"), event_type=event_type)
        for number, event_type in enumerate(event_types)
    ]
    return fates(shop, rows)


@pytest.mark.slow
def test_a_list_of_types_is_the_list_outside_of_which_a_type_is_refused() -> None:
    shop = Platform(Settings(event_types=("$pageview", "buy")))
    actual = fates_of_types(shop, "$pageview", "buy", "page_view", "Buy")
    assert actual == ["clean", "clean", "unknown_event_type", "unknown_event_type"]
    shop.close()


@pytest.mark.slow
def test_a_list_of_types_may_use_the_words_of_the_source() -> None:
    # REES46 calls a product view `view`, and the mapping translates it before anything else sees
    # it.
    shop = Platform(
        Settings(events="x.csv", events_mapping="rees46", event_types=("view", "purchase"))
    )
    actual = fates_of_types(shop, "product_view", "add_to_cart")
    assert actual == ["clean", "unknown_event_type"]
    shop.close()
