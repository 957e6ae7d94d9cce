"""What an owner reads: plain names, where what is missing is brought in, and who opens a link."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ecom_assets.behaviour.correlation.text import times_as_often
from ecom_assets.behaviour.events.names import Named, event_name
from ecom_assets.core.http_server.callers import CALLER, Scope
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.queries import NEEDED
from ecom_assets.interfaces.api.routes import behaviour
from ecom_assets.interfaces.dashboard import value_names
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets.interfaces.dashboard.blocks import DataTable, is_lacking
from ecom_assets.interfaces.dashboard.form_inputs import columns_offered, lists_offered
from ecom_assets.interfaces.dashboard.formats import Kind, formatted
from ecom_assets.interfaces.dashboard.page import View
from ecom_assets.interfaces.dashboard.pages import searches
from ecom_assets.interfaces.dashboard.wording import lacking, needs_key
from ecom_assets.orchestration.rules import event_labels
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import read

MAPPING = """
extends: ecommerce
labels: {quiz_done: Quiz finished, purchase: Sold, properties.size: Size}
"""


@pytest.mark.parametrize(
    ("event_type", "name"),
    [
        ("product_view", "Product viewed"),
        ("quiz_done", "Quiz finished"),
        ("purchase", "Sold"),
        ("gift_wrap_chosen", "Gift wrap chosen"),
        ("Quiz Done", "Quiz Done"),
        ("a: b", "a: b"),
    ],
)
def test_an_event_is_called_by_the_label_of_the_mapping_else_by_plain_words(
    tmp_path: Path, event_type: str, name: str
) -> None:
    mapping = tmp_path / "own.yaml"
    mapping.write_text(MAPPING)
    labels = event_labels(Settings(home=tmp_path, events_mapping=str(mapping)))
    called = event_name(event_type, labels)
    assert called == name
    assert (called.technical if isinstance(called, Named) else called) == event_type


@each(
    "factor, text",
    [
        (3.5, "3.5 times as often"),
        (12.4, "12 times as often"),
        (1234.0, "1,234 times as often"),
        (1.04, "about as often"),
        (0.8, "0.8 times as often"),
        (0.25, "1/4 as often"),
        (1 / 150, "1/150 as often"),
    ],
)
def test_a_factor_is_written_as_people_say_it(factor: float, text: str) -> None:
    assert times_as_often(factor) == text


@each(
    "value, kind, text",
    [
        (-12, "count", "\N{MINUS SIGN}12"),
        ("-14.500000", "quantity", "\N{MINUS SIGN}14.5"),
        (-0.5, "times", "\N{MINUS SIGN}0.50"),
        ("-3.00", "money", "\N{MINUS SIGN}$3.00"),
        ("2026-11-27", "date", "2026-11-27"),
        ("north-east", "text", "north-east"),
    ],
)
def test_numbers_below_zero_have_a_minus_sign(value: object, kind: Kind, text: str) -> None:
    assert formatted(value, kind, "USD") == text


def test_what_is_missing_leads_to_the_page_that_brings_it_in() -> None:
    block = lacking(NEEDED["events"])
    assert block is not None
    assert block.text == "There are no events to count this from."
    assert block.remedy == "Set ECOM_EVENTS, and run `ecom run`."
    assert block.brought == "events"
    assert lacking("No visitor segment is declared; set ECOM_VISITOR_SEGMENTS to a file.") is None
    assert lacking("Days end before they start.") is None


@each(
    "part,whole,expected",
    [(8, 2, True), (None, 2, True), (8, None, True), (8, 0, False), (0, 0, False), (8, -1, False)],
)
def test_a_ratio_that_is_not_known_is_no_ratio_of_nothing(
    part: int | None, whole: int | None, *, expected: bool
) -> None:
    """Revenue by a spend of 0 is nothing to look for; a ratio of two known amounts is."""
    numbers = {"revenue": part, "spend": whole}
    assert is_lacking(None, ("revenue", "spend"), numbers) == expected
    assert not is_lacking(4, ("revenue", "spend"), numbers)


def test_a_key_that_lacks_a_scope_is_told_what_it_is_for_and_how_one_is_made() -> None:
    assert needs_key("Which carts these are", Scope.PERSONAL) == (
        "Which carts these are needs a key that may see people. Who looks after the platform makes "
        "one: `ecom api-key create --name NAME --scope personal`."
    )


def test_a_builder_shows_plain_names_with_the_technical_ones_and_who_opens_its_link(
    client: Client,
) -> None:
    page = read(client.get("/dashboard/funnel?step1=product_view&step2=purchase").text)
    names = [step.text for step in page.all("span", class_="term")]
    assert names == ["Product viewed product_view", "Purchase purchase"]
    assert "Opens on this machine only" in page.text


def test_who_has_a_key_hears_that_others_need_one_to_open_a_link(settings: Settings) -> None:
    request = SimpleNamespace(scope={CALLER: object()})
    context = SimpleNamespace(settings=settings)
    view = cast("View", SimpleNamespace(request=request, context=context))
    assert View.who_opens(view) == "Opens for everybody who has a key for these pages."


def test_fields_offer_what_the_mapping_calls_types_and_properties() -> None:
    labels = {"quiz_done": "Quiz finished", "properties.size": "Size", "page_url": "Address"}
    columns = columns_offered((), labels, with_people=False)
    size = {
        "value": "properties.size",
        "label": "Size",
        "note": "properties.size",
        "about": "events",
        "kind": "property",
    }
    assert columns[0] == size
    called = {column["value"]: column["label"] for column in columns}
    assert called["page_url"] == "Address"
    types = [{"event_type": "quiz_done", "event_count": 1200}]
    (offered,) = lists_offered(types, columns, (), labels)["types"]
    assert offered == {
        "value": "quiz_done",
        "label": "Quiz finished",
        "note": "quiz_done · 1,200 events",
    }


def test_products_are_called_by_their_names_and_two_of_one_name_keep_their_ids(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = {"p1": "Mug", "p2": "Mug", "p3": "Fern"}
    monkeypatch.setattr(value_names, "product_names", lambda _reading, _values: names)
    view = cast("View", SimpleNamespace(context=SimpleNamespace(reading=None)))
    for by in ("product_id", ["first_product"]):
        assert value_names.names_of(view, by, names) == {
            "p1": "Mug (p1)",
            "p2": "Mug (p2)",
            "p3": "Fern",
        }
    assert value_names.names_of(view, ["product_id", "device"], ["p1 / mobile"]) == {}


def test_searches_that_found_nothing_have_a_column_where_events_say_it() -> None:
    def columns(count: int | None) -> list[str]:
        row = dict.fromkeys(behaviour.Search.model_fields) | {"empty_search_count": count}
        answer = {"searches": [row], "total_count": 1, "definition": {}}
        view = SimpleNamespace(
            filters=searches.SearchFilters(),
            answer=lambda *_, **_asked: answer,
            csv=lambda *_, **_asked: "",
            here=lambda **_asked: "",
        )
        table = searches.terms(cast("View", view))
        assert isinstance(table, DataTable)
        return [column.label for column in table.columns]

    assert "Found nothing" in columns(0)
    assert "Found nothing" not in columns(None)


def test_a_server_for_others_says_that_it_asks_nobody_for_a_key(settings: Settings) -> None:
    open_to_all = settings.model_copy(update={"api_host": "0.0.0.0"})  # noqa: S104 (not listened on)
    with served(build_dashboard_app(open_to_all)) as answer:
        text = Client(answer.address).get("/dashboard/funnel?step1=a&step2=b").text
    assert "it asks nobody for a key" in text
