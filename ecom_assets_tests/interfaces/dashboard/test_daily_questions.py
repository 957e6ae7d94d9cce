"""The questions of every day that docs/dashboard.md begins with: each address answers."""

import re

import pytest

from ecom_assets.interfaces.api.routes import findings
from ecom_assets.interfaces.dashboard.page import all_pages
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.markdown import ROOT

LISTED = re.search(
    r"Questions of every day.*?\n\n(.*?)\n\n",
    (ROOT / "docs" / "dashboard.md").read_text(),
    re.DOTALL,
)
assert LISTED
LINES = LISTED[1].splitlines()
ADDRESSES = [address for line in LINES for address in re.findall(r"`([^`]+)`", line)]


def test_there_are_twenty_questions_and_each_has_its_place() -> None:
    assert len(LINES) >= 20
    assert [line for line in LINES if "`" not in line and "](" not in line] == []


def test_an_address_that_names_a_section_names_one_of_its_page() -> None:
    """Those of the documentation, and those that what to look at leads to."""
    sections = {page.path: {section.key for section in page.sections} for page in all_pages()}
    named = [address for address in (*ADDRESSES, *findings.PAGES.values()) if "#" in address]
    assert len(named) >= 3
    for address in named:
        page, _, anchor = address.partition("#")
        assert anchor in sections[page.partition("?")[0]], address
    assert {
        path for path in findings.PAGES.values() if re.split("[?#]", path)[0] not in sections
    } == set()


@pytest.mark.sampled(4)
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_question_of_every_day_is_answered_at_its_address(client: Client, address: str) -> None:
    path = address if address.startswith("/") else f"/dashboard/{address}"
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert "could not be rendered" not in answer.text
