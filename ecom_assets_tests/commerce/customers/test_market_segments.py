"""Which market an address is in: by the shipped file, and by a shop's own."""

from collections.abc import Iterable
from pathlib import Path

import ibis
import pytest

from ecom_assets.commerce.customers.customers import MarketSegments
from ecom_assets.core.errors import DefinitionError, SettingError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.files.places import known_places, market_segments
from ecom_assets.orchestration.rules import segments_of

EU = (
    "AT",
    "BE",
    "BG",
    "CY",
    "CZ",
    "DE",
    "DK",
    "EE",
    "ES",
    "FI",
    "FR",
    "GR",
    "HR",
    "HU",
    "IE",
    "IT",
    "LT",
    "LU",
    "LV",
    "MT",
    "NL",
    "PL",
    "PT",
    "RO",
    "SE",
    "SI",
    "SK",
)
OWN = """
segments:
  Nordics: {countries: [DK, SE, "NO"], cities: [oslo]}
  East Canada: {regions: {CA: ["ON", QC]}, cities: [Toronto]}
written: {SE: [Sverige]}
"""


Address = tuple[str | None, str | None, str | None]


def segments_by_address(
    addresses: Iterable[Address], markets: MarketSegments | None = None
) -> dict[Address, str]:
    """Return the segment of each address; the segments are the shipped ones unless given."""
    columns, segments = ("country", "region", "city"), markets or market_segments()
    rows = ibis.memtable(
        [dict(zip(columns, address, strict=True)) for address in addresses],
        schema=dict.fromkeys(columns, "string"),
    )
    reported = segments.add_to(rows, rows, known_places())
    return {
        (row["country"], row["region"], row["city"]): row["market_segment"]
        for row in connect().to_pyarrow(reported).to_pylist()
    }


def segment_of(markets: MarketSegments, *address: str | None) -> str:
    country, region, city = address
    [segment] = segments_by_address([(country, region, city)], markets).values()
    return segment


def test_the_address_gives_the_market() -> None:
    expected = {
        ("US", "CA", "Los Angeles"): "US-West",
        ("us", "ny", None): "US-East",
        ("US", None, "Seattle"): "US-West",
        ("US", None, "New York"): "US-East",
        ("United States", "wa", None): "US-West",
        ("US", None, "Berlin"): "other",
        ("US", None, None): "other",
        ("DE", None, None): "EU-Central",
        ("FR", None, "Paris"): "EU-Central",
        ("france", None, None): "EU-Central",
        ("SWE", None, None): "EU-Central",
        ("CH", None, None): "EU-Central",
        ("GB", None, "London"): "other",
        ("AU", "NSW", "Sydney"): "APAC",
        ("CA", "ON", "Toronto"): "other",
        (None, None, "Tokyo"): "APAC",
        ("Allemagne", None, "BERLIN"): "EU-Central",
        ("Atlantis", None, "Berlin"): "other",
        ("US", "California", None): "US-West",
        ("US", None, "Portland"): "US-West",
        ("US", None, "Springfield"): "other",  # of several states
        ("US", "TX", "Seattle"): "US-East",
        ("US", None, "Paris"): "US-East",
        ("CA", None, "Vancouver"): "other",
        ("UK", None, "Boston"): "other",
        (None, None, "Vienna"): "EU-Central",
        (None, None, "Lyon"): "EU-Central",
        (None, None, "Neustadt"): "other",
        (None, "Atlantis", None): "other",
        (None, None, None): "unknown",
        ("", None, ""): "unknown",
    }
    assert segments_by_address(expected) == expected


def test_every_country_of_the_european_union_is_in_its_segment() -> None:
    addresses = [(country, None, None) for country in EU]
    assert segments_by_address(addresses) == dict.fromkeys(addresses, "EU-Central")


def test_the_shipped_segments_are_four_and_what_is_left() -> None:
    shipped = market_segments()
    assert len(EU) == 27
    assert shipped.names == ("US-West", "US-East", "EU-Central", "APAC", "other")
    assert sum(len(segment.regions.get("US", ())) for segment in shipped.segments) == 51, (
        "all states, and Washington, D.C."
    )


@pytest.mark.slow
def test_a_shop_has_segments_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "markets.yaml"
    file.write_text(OWN)
    markets = segments_of(Settings(home=tmp_path, market_segments=file))
    assert markets.names == ("Nordics", "East Canada", "other")
    assert segment_of(markets, "no", None, None) == "Nordics"
    assert segment_of(markets, "sverige", None, None) == "Nordics"
    assert segment_of(markets, "CA", "qc", None) == "East Canada"
    assert segment_of(markets, "CA", None, "Toronto") == "East Canada"
    assert segment_of(markets, "DE", None, "Oslo") == "other", (
        "a country that is known and in no segment"
    )
    assert segment_of(markets, None, None, "Oslo") == "Nordics"
    assert segment_of(markets, None, None, "Stockholm") == "Nordics", "by the lists"
    assert segment_of(markets, "CA", None, "Ottawa") == "other", (
        "the lists have regions of Canada by name"
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("segments: {A: {countries: [DE]}, B: {countries: [DE]}}", "The country de is named twice"),
        (
            "segments: {A: {countries: [DE]}, B: {regions: {DE: [BY]}}}",
            "The country de is named twice",
        ),
        ("segments: {A: {cities: [Ulm, ulm]}}", "The city ulm is named twice"),
        ("segments: {other: {countries: [DE]}}", "`other` is what is left"),
        ("segments: {A: {countries: [NO]}}", 'YAML reads NO as "false"; write "NO" in quotes'),
        ("segments: {A: {country: [DE]}}", "`segments.A.country`: Extra inputs are not permitted"),
        ("segments: {}", "`segments`: Dictionary should have at least 1 item"),
        ("[", "cannot be read as YAML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_name(
    tmp_path: Path, content: str, sentence: str
) -> None:
    file = tmp_path / "markets.yaml"
    file.write_text(content)
    with pytest.raises(DefinitionError) as refused:
        market_segments(file)
    assert str(file) in str(refused.value)
    assert sentence.lower() in str(refused.value).lower()


def test_a_file_that_is_not_there_names_its_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"ECOM_MARKET_SEGMENTS: .*nowhere.yaml cannot be read"):
        segments_of(Settings(home=tmp_path, market_segments=tmp_path / "nowhere.yaml"))
