"""Which region and country a city is in: by its country first,
never by its name alone where that is another city.
"""

import json
from pathlib import Path

import ibis
import pytest

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.sales.dimensions import city
from ecom_assets.commerce.sales.sales import purchases_and_refunds
from ecom_assets.core.errors import SettingError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.places import Places, folded
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.files.places import known_places
from ecom_assets.orchestration.rules import places_of
from ecom_assets_tests.builders import as_table, at
from ecom_assets_tests.each import each

Address = tuple[str | None, str | None, str | None]


def placed(*addresses: Address, places: Places | None = None) -> list[tuple[str, str]]:
    """Return region and country of order lines with a country, a region and a city, in order."""
    empty = dict.fromkeys(UserOrderLog.columns)
    lines = [
        empty
        | {
            "city_id": f"{n:02}",
            "country": country,
            "region": region,
            "city_name": name,
            "ordered_at": at("09:00"),
        }
        for n, (country, region, name) in enumerate(addresses)
    ]
    rows = connect().create_table("lines", as_table(lines, UserOrderLog))
    result = city(rows, places or known_places()).order_by("city_id").to_pyarrow().to_pylist()
    return [(row["region"], row["country"]) for row in result]


@pytest.mark.slow
@each(
    "address, expected",
    [
        (("Canada", None, "London"), ("Ontario", "Canada")),
        (("United Kingdom", None, "London"), ("England", "United Kingdom")),
        (("United States", None, "Paris"), ("Texas", "United States")),
        (("FR", None, "paris"), ("Île-de-France", "France")),
        (
            ("US", None, "Springfield"),
            ("unknown", "United States"),
        ),  # in several states, none of them much larger
        (
            ("US", None, "Portland"),
            ("Oregon", "United States"),
        ),  # ten times as large as the one in Maine
        (("Deutschland", None, "MÜNCHEN"), ("Bavaria", "Germany")),
        (("DE", None, "Koeln"), ("North Rhine-Westphalia", "Germany")),
        (("US", None, "St. Louis"), ("Missouri", "United States")),
        (("Atlantis", None, "Berlin"), ("unknown", "Atlantis")),
        (("France", None, "Nowhere"), ("unknown", "France")),
        (("France", None, None), ("unknown", "France")),
        ((None, None, "London"), ("England", "United Kingdom")),
        (("", None, "Москва"), ("Moscow", "Russia")),
        ((None, None, "Birmingham"), ("unknown", "unknown")),  # in England, or in Alabama
        ((None, None, "Nowhere"), ("unknown", "unknown")),
        ((None, None, None), ("unknown", "unknown")),
        (("US", "Maine", "Portland"), ("Maine", "United States")),  # the source says it
    ],
)
def test_the_country_comes_first(address: Address, expected: tuple[str, str]) -> None:
    assert placed(address) == [expected]


def test_rows_are_looked_up_each_by_itself() -> None:
    assert placed(
        ("CA", None, "London"),
        ("GB", None, "London"),
        (None, None, "Nowhere"),
        ("CA", None, "Ottawa"),
    ) == [
        ("Ontario", "Canada"),
        ("England", "United Kingdom"),
        ("unknown", "unknown"),
        ("Ontario", "Canada"),
    ]


def test_a_code_and_a_name_are_one_country_and_one_region() -> None:
    """Toronto is in Ontario, so `ON` is; a code of which no city is known stays what it is."""
    rows = placed(
        ("CA", "ON", "Toronto"),
        ("Canada", "ON", "Tinyville"),
        ("CAN", None, "Ottawa"),
        ("Kanada", "Ontario", None),
        ("US", "CA", "Nowhere"),
        ("US", None, "Los Angeles"),
        ("CA", "XX", "Nowhere"),
    )
    assert rows == [
        *[("Ontario", "Canada")] * 4,
        *[("California", "United States")] * 2,
        ("XX", "Canada"),
    ]


def of_purchases(*addresses: Address) -> list[tuple[str, str, str]]:
    """Return country, region and city of purchase events with a country,
    a region and a city, in order.
    """
    names = ("country", "region", "city")
    rows = [
        {
            "event_id": f"{number:02}",
            "event_type": "purchase",
            "event_at": at("09:00"),
            "properties": json.dumps(dict(zip(names, address, strict=True))),
        }
        for number, address in enumerate(addresses)
    ]
    events = ibis.memtable(
        as_table([dict.fromkeys(CleanEvents.columns) | row for row in rows], CleanEvents)
    )
    bought = purchases_and_refunds(events, known_places()).order_by("event_id")
    return [
        (row["country"], row["region"], row["city_name"]) for row in bought.to_pyarrow().to_pylist()
    ]


def test_places_of_purchase_events_have_the_names_of_those_of_orders() -> None:
    addresses: list[Address] = [
        ("CA", "ON", "Toronto"),
        ("Canada", "Ontario", "Toronto"),
        ("CAN", None, "Toronto"),
        (None, None, "Toronto"),
        ("Kanada", None, None),
        ("Atlantis", "Deep", "Nowhere"),
        ("", "", ""),
        (None, None, None),
    ]
    rows = of_purchases(*addresses)
    assert [(region, country) for country, region, _ in rows] == placed(*addresses)
    assert rows == [
        *[("Canada", "Ontario", "Toronto")] * 4,
        ("Canada", "unknown", "unknown"),
        ("Atlantis", "Deep", "Nowhere"),
        *[("unknown", "unknown", "unknown")] * 2,
    ]


def test_the_place_of_an_event_does_not_depend_on_the_others() -> None:
    """Of order lines, `ON` is Ontario since another line of the table says so;
    days of events are computed alone.
    """
    assert of_purchases(("CA", "ON", "Tinyville")) == [("Canada", "ON", "Tinyville")]
    assert of_purchases(("CA", "ON", "Tinyville"), ("CA", "ON", "Toronto"))[0] == (
        "Canada",
        "ON",
        "Tinyville",
    )


def test_a_code_whose_cities_are_in_two_regions_stays_as_it_is() -> None:
    """A shop's own territory `N` has cities of two states, so it is the code of neither."""
    rows = placed(("DE", "N", "Hamburg"), ("DE", "N", "Bremen"), ("DE", "North", "Kiel"))
    assert rows == [("N", "Germany"), ("N", "Germany"), ("North", "Germany")]


def test_a_shop_names_cities_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "cities.csv"
    file.write_text(
        "city,region,country\n"
        "Springfield,Illinois,US\n"
        "Entenhausen,Calisota,United States\n"
        "Paris,,FR\n"
    )
    places = places_of(Settings(home=tmp_path, cities=file))()
    rows = placed(
        ("US", None, "Springfield"),
        (None, None, "entenhausen"),
        ("FR", None, "Paris"),
        ("US", None, "Paris"),
        places=places,
    )
    assert rows == [
        ("Illinois", "United States"),
        ("Calisota", "United States"),
        ("unknown", "France"),
        ("Texas", "United States"),
    ]
    assert places.version == f"{known_places().version} and own"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("city,country\nUlm,DE\n", "has no column 'region'"),
        ("", "is empty (0 bytes)"),
        ("country,city,region\nXX,Ulm,Here\n", "the country 'XX' in line 2 is unknown"),
        (
            "country,city,region\nDE,Ulm,Here,There\n",
            "has a line that is no row of its table, 'DE,Ulm,Here,There'",
        ),
    ],
)
def test_a_file_that_is_wrong_names_setting_and_fault(
    tmp_path: Path, content: str, sentence: str
) -> None:
    file = tmp_path / "cities.csv"
    file.write_text(content)
    with pytest.raises(SettingError, match="ECOM_CITIES") as refused:
        places_of(Settings(home=tmp_path, cities=file))
    assert sentence in str(refused.value)


def test_the_lists_are_whole() -> None:
    """Every city has a country of the list, every name is folded, and both lists
    have what they are made from.
    """
    places = known_places()
    assert len(places.countries) > 240
    assert len(places.cities) > 70_000
    assert {place.country_code for place in places.cities.values()} <= set(places.countries)
    assert all(name == folded(name) for _, name in places.cities)
    assert places.region_names["US", "CA"] == "California"
