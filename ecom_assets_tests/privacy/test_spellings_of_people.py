"""A person is found by any spelling of their id."""

import pytest

from ecom_assets.privacy.person import Person
from ecom_assets.sources.erased_people import spellings_of


@pytest.mark.parametrize(
    ("named", "stored"), [("Anna@X.de", "anna@x.de"), ("100.0", "100"), ("'100", "100"), ("cus_Ab", "cus_Ab")]
)
def test_the_requested_id_is_looked_for_as_tables_spell_it(named: str, stored: str) -> None:
    assert stored in Person.requested([], [named]).users
    assert stored in spellings_of(named)
