"""Amounts as people write them, where they say what their shop's admin shows."""

from decimal import Decimal

import pytest

from ecom_assets.core.errors import DefinitionError
from ecom_assets.interfaces.dashboard.pages.mapping_compare import amount_of
from ecom_assets_tests.each import each


@each(
    "text, expected",
    [
        ("1234.50", "1234.50"),
        ("1,234.50", "1234.50"),
        ("1.234,50 €", "1234.50"),
        ("1 234,5", "1234.5"),
        ("€12,345", "12345"),
        ("1.234.567", "1234567"),
        ("-20", "-20"),
        ("0", "0"),
    ],
)
def test_amounts_are_read_as_people_write_them(text: str, expected: str) -> None:
    assert amount_of(text) == Decimal(expected)


def test_what_is_no_amount_is_said() -> None:
    assert amount_of(" ") is None
    with pytest.raises(DefinitionError, match="is not an amount; write it as 1234"):
        amount_of("a lot")
