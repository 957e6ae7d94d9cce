"""The questions that cut events into sessions, as definitions: sessions,
journeys and attribution.
"""

from typing import Any

import ibis
import pytest

from ecom_assets.behaviour.journeys.question import JourneyQuestion
from ecom_assets.behaviour.questions.model import Question
from ecom_assets.behaviour.sessions.question import SessionQuestion, known_session_rule
from ecom_assets.commerce.attribution.question import AttributionQuestion
from ecom_assets.core.errors import DefinitionError
from ecom_assets_tests.behaviour.questions.events_in_engine import EventsInEngine
from ecom_assets_tests.each import each

QUESTIONS = (SessionQuestion, JourneyQuestion, AttributionQuestion)


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_session_rules_are_the_same_everywhere(question: type[Question]) -> None:
    with pytest.raises(
        DefinitionError, match=r"session rule 'ga' is unknown; did you mean 'ga4'\?"
    ):
        question.from_mapping({"session_rule": "ga"})
    rules = question.model_json_schema()["properties"]["session_rule"]["enum"]
    assert rules == ["ga4", "universal_analytics", "mixpanel", "amplitude", "snowplow", "source"]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_preset_sets_what_the_definition_does_not(question: type[Question]) -> None:
    assert question.from_mapping({"preset": "mixpanel"}).session_rule == "mixpanel"  # type: ignore[attr-defined]
    asked_question = question.from_mapping({"preset": "mixpanel", "session_rule": "source"})
    assert asked_question.session_rule == "source"  # type: ignore[attr-defined]
    with pytest.raises(DefinitionError, match="ClickHouse has no"):
        question.from_mapping({"preset": "clickhouse"})


@each(
    "question, definition, why",
    [
        (SessionQuestion, {"idel": "5m"}, r"'idel' in a session definition; did you mean 'idle'\?"),
        (SessionQuestion, {"idle": "soon"}, "The duration 'soon' is not understood"),
        (SessionQuestion, {"idle": "20h"}, "An idle timeout of 72000 s cannot be"),
        (
            JourneyQuestion,
            {"by": "pages"},
            r"The step of a journey 'pages' is unknown; did you mean 'page",
        ),
        (JourneyQuestion, {"group": ["/a/*"]}, "Patterns group pages, and steps are by page_type"),
        (JourneyQuestion, {"top": 1_001}, "`top` of a journey definition is at most 1000"),
        (
            AttributionQuestion,
            {"model": "linaer"},
            r"There is no attribution model 'linaer'; did you mean 'linear'\?",
        ),
        (AttributionQuestion, {"lookback": "2y"}, "The duration '2y' is not understood"),
        (AttributionQuestion, {"lookback": "367d"}, "at most 366 d"),
        (
            AttributionQuestion,
            {"two_touches": "both"},
            "The way to share two touches 'both' is unknown",
        ),
    ],
)
def test_what_a_definition_cannot_say_is_refused(
    question: type[Question], definition: dict[str, Any], why: str
) -> None:
    with pytest.raises(DefinitionError, match=why):
        question.from_mapping(definition)


def test_the_ids_of_the_source_cut_no_sessions_where_a_source_lacks_them() -> None:
    without_ids = EventsInEngine(
        ibis.duckdb.connect(),
        ibis.table({"event_id": "string"}, name="events"),
        lacking=("source_session_id",),
    )
    assert known_session_rule("ga4", without_ids) == "ga4"
    assert known_session_rule(None, without_ids) == without_ids.settings.session_rule
    with pytest.raises(
        DefinitionError, match="have no session ids of the source; use another rule"
    ):
        known_session_rule("source", without_ids)


def test_a_silence_of_its_own_changes_the_rule_that_is_asked_for() -> None:
    question = SessionQuestion.from_mapping({"session_rule": "mixpanel", "idle": "45m"})
    assert (question.rule.idle_timeout_s, question.rule.midnight_split) == (2_700, True)


def test_a_model_is_found_by_what_people_call_it() -> None:
    assert AttributionQuestion.from_mapping({"model": "U-Shape"}).model == "position"
    assert AttributionQuestion.from_mapping({"model": "Time decay"}).model == "time_decay"


def test_only_steps_that_are_event_types_are_translated() -> None:
    translations = {"view": "product_view", "buy": "purchase"}
    definition = {
        "from_step": "view",
        "to_step": "buy",
        "exclude": ["view"],
        "where": ["event_type != view"],
    }
    by_type = JourneyQuestion.from_mapping(definition).translated(
        lambda name: translations.get(name, name)
    )
    assert (by_type.from_step, by_type.to_step, by_type.exclude) == (
        "product_view",
        "purchase",
        ("product_view",),
    )
    assert "product_view" in str(by_type.where)
    by_category = JourneyQuestion.from_mapping({**definition, "by": "category"}).translated(
        lambda name: translations[name]
    )
    assert (by_category.from_step, by_category.to_step, by_category.exclude) == (
        "view",
        "buy",
        ("product_view",),
    )
