"""One name is one number: of one period, without a filter, what pages and answers call alike has
one value, wherever it stands.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets.interfaces.dashboard.page import all_pages
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.api.shop_files import DAYS, FIRST
from ecom_assets_tests.interfaces.api.test_examples_of_marketing import home_until, line
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import read, tiles_of
from ecom_assets_tests.interfaces.dashboard.test_crawl import NEEDS

PERIOD = {
    "time_range": "custom",
    "start_date": str(FIRST.date() + timedelta(days=10)),
    "end_date": str(FIRST.date() + timedelta(days=DAYS - 5)),
}
Places = dict[str, dict[str, set[str]]]
"""Where each value of each label stands."""
Row = dict[str, Any]
Named = tuple[str, Any, str]
"""A label, its value, and where both stand."""
OF_ONE = {"product", "board-tile", "person"}
"""Pages about one product, tile or person."""
NUMBERS = {"count", "money", "rate"}


@pytest.mark.slow
def test_what_is_called_alike_has_one_value_on_all_pages_and_answers(client: Client) -> None:
    met = labels_in_several_places(client, PERIOD)
    assert {"Revenue", "Orders", "Sessions"} <= met, "what stands in one place proves nothing"


@pytest.mark.slow
def test_so_it_is_in_a_shop_with_ads_free_orders_and_renewals(tmp_path: Path) -> None:
    """In January Dan and Sue pay for a first order. Eve's is free, and Tom's is a renewal."""
    free = line("free", "2026-01-07T12:00", "eve", "0", "5")
    home = home_until("2026-02-28", tmp_path, free)
    january = {"time_range": "custom", "start_date": "2026-01-01", "end_date": "2026-01-31"}
    settings = Settings(home=home, events=str(tmp_path / "events.csv"))
    with served(build_dashboard_app(settings)) as dashboard:
        client = Client(dashboard.address)
        met = labels_in_several_places(client, january)
        named = list(of_pages(client, january))
    assert {"New customers", "Customers", "Revenue"} <= met, (
        "what stands in one place proves nothing"
    )
    new = {(where, value) for label, value, where in named if label == "New customers"}
    assert {value for _, value in new} == {"2"}


def labels_in_several_places(client: Client, period: Mapping[str, str]) -> set[str]:
    """Return what several pages and answers say of a period; what they call alike has one value."""
    places: Places = defaultdict(lambda: defaultdict(set))
    for label, value, where in (*of_pages(client, period), *of_answers(client, period)):
        places[label][f"{Decimal(str(value)):.6f}"].add(where)  # 12.5 is 12.50
    assert {label: dict(found) for label, found in places.items() if len(found) > 1} == {}
    return {label for label, found in places.items() for where in found.values() if len(where) > 1}


def of_pages(client: Client, period: Mapping[str, str]) -> Iterator[Named]:
    """Yield the tiles of pages that are of the whole shop."""
    for page in all_pages():
        if page.path in OF_ONE:
            continue
        answer = client.get(f"{page.address}?{urlencode({**period, **NEEDS.get(page.path, {})})}")
        if answer.status_code == 422:  # it has other days, or none
            continue
        assert answer.status_code == 200, page.address
        for label, value in tiles_of(read(answer.text)).items():
            if value:
                yield label, value, page.address


def of_answers(client: Client, period: Mapping[str, str]) -> Iterator[Named]:
    """Yield the numbers of each answer about a period that asks for nothing else, but those of
    rows.
    """
    api = client.get("/openapi.json").json()
    for path, methods in api["paths"].items():
        asked = methods.get("get", {}).get("parameters", [])
        is_needed = any(one["required"] for one in asked)
        if "start_date" not in {one["name"] for one in asked} or is_needed:
            continue
        content = methods["get"]["responses"]["200"]["content"]
        if "application/json" in content:
            answer = client.get(f"{path}?{urlencode(period)}")
            if answer.status_code == 409:  # the shop lacks what it is about
                continue
            assert answer.status_code == 200, f"{path}: {answer.text}"
            schema = content["application/json"]["schema"]
            for label, value in numbers_in(answer.json(), schema, api["components"]["schemas"]):
                yield label, value, path


def numbers_in(
    answer: Row, schema: Mapping[str, Any], schemas: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Yield the known numbers of an answer that are of no row of a list, by their names for people;
    not those of the period before.
    """
    for option in (schema, *schema.get("anyOf", ())):
        if "$ref" in option:
            yield from numbers_in(answer, schemas[option["$ref"].rpartition("/")[2]], schemas)
    for name, field in schema.get("properties", {}).items():
        value = answer.get(name)
        if name.startswith("previous"):
            continue
        if isinstance(value, dict):
            yield from numbers_in(value, field, schemas)
        elif field.get("format") in NUMBERS and value is not None:
            yield field["title"], value
