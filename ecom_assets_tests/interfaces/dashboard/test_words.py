"""What an owner reads: plain names, where what is missing is brought in, and who opens a link."""

from pathlib import Path

import pytest

from ecom_assets.behaviour.events.names import Named, event_name
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.queries import NEEDED
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets.interfaces.dashboard.pages.correlation import times_as_often
from ecom_assets.interfaces.dashboard.wording import lacking, needs_key
from ecom_assets.orchestration.rules import event_labels
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


@pytest.mark.parametrize(
    ("factor", "text"),
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


def test_what_is_missing_leads_to_the_page_that_brings_it_in() -> None:
    block = lacking(NEEDED["events"])
    assert block is not None
    assert block.text == "There are no events to count this from."
    assert block.remedy == "Set ECOM_EVENTS, and run `ecom run`."
    assert block.brought == "events"
    assert lacking("No visitor segment is declared; set ECOM_VISITOR_SEGMENTS to a file.") is None
    assert lacking("Days end before they start.") is None


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


def test_a_server_for_others_says_that_it_asks_nobody_for_a_key(settings: Settings) -> None:
    open_to_all = settings.model_copy(update={"api_host": "0.0.0.0"})  # noqa: S104 (not listened on)
    with served(build_dashboard_app(open_to_all)) as answer:
        text = Client(answer.address).get("/dashboard/funnel?step1=a&step2=b").text
    assert "it asks nobody for a key" in text
