"""Which texts are event types: every well-formed one, or those of a list."""

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets_tests.behaviour.events.test_clean import fate
from ecom_assets_tests.each import each
from ecom_assets_tests.platform import Platform


@pytest.fixture(scope="module")
def shop(opened: Platform) -> Platform:
    return opened


@pytest.mark.slow
@each(
    "event_type, expected",
    [
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
    ],
)
def test_every_text_that_can_have_been_meant_is_a_type(
    shop: Platform, event_type: str | None, expected: str
) -> None:
    assert fate(shop, event_type=event_type) == expected


@pytest.mark.slow
def test_a_list_of_types_is_the_list_outside_of_which_a_type_is_refused() -> None:
    shop = Platform(Settings(event_types=("$pageview", "buy")))
    assert fate(shop, event_type="$pageview") == "clean"
    assert fate(shop, event_type="buy") == "clean"
    assert fate(shop, event_type="page_view") == "unknown_event_type"
    assert fate(shop, event_type="Buy") == "unknown_event_type"
    shop.close()


@pytest.mark.slow
def test_a_list_of_types_may_use_the_words_of_the_source() -> None:
    # REES46 calls a product view `view`, and the mapping translates it before anything else sees
    # it.
    shop = Platform(
        Settings(events="x.csv", events_mapping="rees46", event_types=("view", "purchase"))
    )
    assert fate(shop, event_type="product_view") == "clean"
    assert fate(shop, event_type="add_to_cart") == "unknown_event_type"
    shop.close()
