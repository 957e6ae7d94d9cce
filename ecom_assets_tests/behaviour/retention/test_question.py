"""The question of retention: what a definition, the options of the command and a form become."""

from datetime import date
from typing import Any

import pytest

from ecom_assets.behaviour.questions.model import definition_of
from ecom_assets.behaviour.retention.question import RetentionQuestion
from ecom_assets.core.errors import DefinitionError, EcomError
from ecom_assets_tests.each import each


def field(**definition: Any) -> RetentionQuestion:
    return RetentionQuestion.from_mapping(definition)


def test_texts_become_the_values_of_a_definition() -> None:
    texts = {
        "brackets": "0,1-3",
        "by": "product_category, cart_amount:edges=20,50",
        "start_where": "cart_amount > 5",
    }
    question = field(**definition_of(RetentionQuestion, texts), last_period="12", mode="bracket")
    assert question.brackets == ((0, 0), (1, 3))
    assert question.by == ("product_category", "cart_amount:edges=20,50")
    assert (question.last_period, question.cells(40)) == (12, ((0, 0), (1, 3)))
    assert question.columns == ["cart_amount", "product_category", "cart_amount"]


def test_a_file_holds_the_definition_without_what_it_is_asked_of() -> None:
    question = field(
        period="day",
        start="*",
        range_of="starts",
        whole_until="2026-03-15",
        start_date="2026-03-01",
    )
    assert question.file() == {"period": "day", "start": "*"}
    assert (question.start_type, question.whole_until) == (None, date(2026, 3, 15))


def test_days_limit_the_starts_for_the_command_and_all_events_elsewhere() -> None:
    assert not field().reads_all
    assert RetentionQuestion.from_command({"last": "7d"}, {}).reads_all
    assert not RetentionQuestion.from_command(
        {"last": "7d", "range_of": "events"}, {"period": "day"}
    ).reads_all
    assert field(starting="first_ever").reads_all, "the first event in all data needs all data"


def test_only_event_types_are_translated() -> None:
    question = field(start="view", returning="buy", sum_of="view", start_where="event_type = view")
    ours = {"view": "product_view", "buy": "purchase"}
    result = question.translated(lambda name: ours.get(name, name))
    assert (result.start, result.returning, result.sum_of) == ("product_view", "purchase", "view")
    assert result.to_mapping()["start_where"]["value"] == "product_view"


@each(
    "definition, sentence",
    [
        ({"strat": "purchase"}, "Unknown key 'strat' in a retention; did you mean 'start'?"),
        (
            {"mode": "bracket", "brackets": "3-1"},
            "The brackets '3-1' overlap, go backwards or pass 3660",
        ),
        (
            {"clock": "rolling", "period": "year"},
            "A year has no fixed length, so the rolling clock has none",
        ),
        (
            {"starting": "first_ever", "range_of": "events"},
            "starting=first_ever is known of all data",
        ),
        ({"preset": "snowplow"}, "The preset 'snowplow' of retention is unknown"),
        ({"last_period": True}, "True stands where a number is expected"),
    ],
)
def test_what_cannot_be_asked_is_refused(definition: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        field(**definition)
    assert str(refused.value).startswith(sentence)


def test_options_that_need_another_are_refused() -> None:
    with pytest.raises(EcomError, match="--brackets belong to --mode bracket, not to on"):
        RetentionQuestion.from_command({"brackets": "0,1", "mode": "on"}, {})
    assert RetentionQuestion.from_command({"brackets": "0,1"}, {}).mode == "bracket"


def test_the_schema_has_the_choices_and_bounds() -> None:
    fields = RetentionQuestion.model_json_schema()["properties"]
    assert fields["mode"]["enum"] == ["on", "on_or_after", "bracket"]
    assert fields["period"]["enum"] == ["hour", "day", "week", "month", "quarter", "year"]
    assert (fields["limit"]["minimum"], fields["limit"]["maximum"]) == (1, 1_000)
    assert "n_day" in str(fields["preset"])
