"""What `ecom funnel` warns of: types and properties that no event has. Not here: numbers (`cli/test_funnel.py`)."""

from pathlib import Path

import pytest

from ecom_assets_tests.cli.test_funnel import STEPS, STORY, counts
from ecom_assets_tests.command import HEADER, ecom


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "story.csv"
    path.write_text(f"{HEADER}\n{STORY}")
    return path


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("words", "expected", "warning"),
    [
        (("--steps", "product_view,add_to_card"), [3, 0], "did you mean 'add_to_cart'?"),
        (("--steps", "buy,product_view"), [0, 0], "there are add_to_cart, product_view, remove_from_cart."),
        (("--steps", "product_view,purchase", "--by", "product_id"), [3, 0], "there are add_to_cart"),
        (("--steps", "product_view,purchase", "--order", "any"), [3, 0], "there are add_to_cart"),
        ((*STEPS, "--exclude", "remove_from_card"), [3, 2], "did you mean 'remove_from_cart'?"),
    ],
)
def test_a_type_that_no_event_has_counts_0_with_a_warning(
    home: Path, events: Path, words: tuple[str, ...], expected: list[int], warning: str
) -> None:
    result = ecom("funnel", "--events", events, *words, "--json", home=home)
    assert (counts(result), result.err) == (expected, "")
    (sentence,) = result.json["warnings"]
    assert sentence.startswith("No event has the type '")
    assert warning in sentence
    answer = ecom("funnel", "--events", events, *words, home=home)
    assert (answer.exit_code, answer.err) == (0, f"ecom: warning: {sentence}\n")


def test_a_warning_names_the_types_in_the_words_of_the_file(home: Path, tmp_path: Path) -> None:
    columns = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
    path = tmp_path / "day.csv"
    path.write_text(columns + "2019-10-01 00:00:00 UTC,view,1,2,,,3.00,ann,s1\n")
    result = ecom("funnel", "--events", path, "--mapping", "rees46", "--steps", "view,purchase", "--json", home=home)
    assert counts(result) == [1, 0]
    assert result.json["warnings"] == ["No event has the type 'purchase', so it counts 0; there are view."]


@pytest.mark.slow
def test_values_that_no_event_has_in_its_properties_are_warned_of(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    rows = [("a1", "product_view", 0), ("a2", "add_to_cart", 1)]
    line = '{{"event_id":"{}","event_type":"{}","event_timestamp":"2026-01-01T10:0{}:00Z","user_id":"ann"'
    line += ',"product_id":"p"{}}}'
    mapping = tmp_path / "own.yaml"
    fields = ("event_id", "event_type", "event_timestamp", "user_id", "product_id")
    mapping.write_text("name: own\nfields: {" + ", ".join(f"{name}: {name}" for name in fields) + "}\n")
    words = ("funnel", "--events", path, "--mapping", mapping, *STEPS, "--by", "properties.plan", "--json")
    path.write_text("\n".join(line.format(*row, "") for row in rows))
    nowhere = (
        "No event has properties, so none has properties.plan; a mapping keeps them with `other_columns: properties`."
    )
    assert ecom(*words, home=home).json["warnings"] == [nowhere]
    mapping.write_text(mapping.read_text() + "other_columns: properties\n")
    path.write_text("\n".join(line.format(*row, ',"plam":"pro"') for row in rows))
    misspelt = "No event has properties.plan; look at the properties of one of them for its name."
    assert ecom(*words, home=home).json["warnings"] == [misspelt]
    path.write_text("\n".join(line.format(*row, ',"plan":"pro"') for row in rows))
    assert ecom(*words, home=home).json["warnings"] == []
