"""The scripts that renew shipped lists: what they read, and what they refuse."""

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
LISTED = ROOT / "ecom_assets" / "ingestion" / "sources" / "google_channel_sources.csv"


@pytest.fixture(scope="module")
def sources() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "renew" / "channel_sources.py"))


@pytest.fixture(scope="module")
def places() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "renew" / "places.py"))


def test_the_text_of_the_pdf_and_the_csv_file_give_the_same_list(sources: dict[str, Any]) -> None:
    text = LISTED.read_text(encoding="utf-8")
    pdf = (
        "Sources and categories\n\n"
        + text.replace(",", "      ").replace("\n", "  \n  ")
        + "\fPage 2\n"
    )
    assert sources["read"](pdf) == sources["read"](text)
    assert sources["read"](pdf)["Google Shopping"] == "SOURCE_CATEGORY_SHOPPING"
    assert len(sources["read"](pdf)) == 819


def test_half_a_list_and_a_new_category_are_refused(sources: dict[str, Any]) -> None:
    text = LISTED.read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match="Only 399 sources"):
        sources["read"]("\n".join(text.splitlines()[:400]))
    with pytest.raises(SystemExit, match="SOURCE_CATEGORY_ASSISTANT is new"):
        sources["read"](f"{text}chatgpt.com,SOURCE_CATEGORY_ASSISTANT\n")


def city(
    name: str, region: str, population: int, country: str = "US", *others: str
) -> dict[str, Any]:
    return {
        "name": name,
        "countrycode": country,
        "admin1code": region,
        "population": population,
        "alternatenames": list(others),
    }


def test_a_name_of_several_regions_is_that_of_the_much_larger_city(places: dict[str, Any]) -> None:
    """Portland, Oregon, has five times the people of the one in Maine;
    one of the Springfields has not.
    """
    cities = [
        city("Portland", "OR", 650_000),
        city("Portland", "ME", 130_000),
        city("Springfield", "MO", 169_000),
        city("Springfield", "MA", 155_000),
        city("Cologne", "07", 963_000, "DE", "Köln", "CGN"),
        city("Salem", "OR", 170_000),
        city("Paris", "11", 2_100_000, "FR"),
        city("Paris", "TX", 24_000),
    ]
    names = {"US.OR": "Oregon", "US.ME": "Maine", "DE.07": "NRW", "FR.11": "IDF", "US.TX": "Texas"}
    rows = list(
        places["region_rows"](cities, names | {"US.MO": "Missouri", "US.MA": "Massachusetts"})
    )
    assert rows == [
        ("DE", "07", "NRW", "*cologne|*koln"),
        ("FR", "11", "IDF", "*paris"),
        ("US", "OR", "Oregon", "portland|salem"),
        ("US", "TX", "Texas", "paris"),
    ]
