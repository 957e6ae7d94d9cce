"""A question is declared once: what its model takes, refuses and says of itself."""

from typing import Annotated, Any, ClassVar, cast

import pytest

from ecom_assets.behaviour.questions.answer import answer
from ecom_assets.behaviour.questions.fields import (
    NEEDS_FIRST_DAY,
    Choices,
    CommandOption,
    Conditions,
    Count,
    Duration,
    EventType,
    FormField,
    commas,
    field,
    where_field,
)
from ecom_assets.behaviour.questions.model import (
    Definition,
    Question,
    QuestionPart,
    definition_of,
    fields_of,
    preset_field,
    presets_of,
)
from ecom_assets.core.errors import DefinitionError
from ecom_assets.interfaces.all_questions import question_named
from ecom_assets_tests.each import each

PRESETS = {"posthog": {"within": "14d", "limit": 25}, "amplitude": {}}


class Step(QuestionPart):
    """A step, by its event type alone too."""

    CALLED: ClassVar[str] = "a step"

    event_type: EventType = field(..., "Event type", "What happens")
    where: Conditions = where_field()

    @classmethod
    def from_text(cls, text: str) -> dict[str, str]:
        """Return the event type."""
        return {"event_type": text}


class Walk(Definition):
    """A question that nobody asks."""

    CALLED: ClassVar[str] = "a walk"
    ABOUT: ClassVar[str] = "walks"
    PRESETS = PRESETS

    steps: tuple[Step, ...] = field(
        ...,
        "Steps",
        "In order",
        min_length=1,
        parts=commas,
        line=lambda text: {"event_type": text},
        option=CommandOption(is_one=True),
    )
    within: Duration = field("7d", "Window", "How long", form=FormField(hint="7d"))
    pace: Annotated[
        str, Choices("pace of a walk", {"slow": "Slowly", "fast": "Quickly"}, {"rapid": "fast"})
    ] = field("slow", "Pace", "How fast")
    limit: Count = field(10, "At most", "How many", ge=1, le=100)
    preset: Annotated[str | None, presets_of(PRESETS)] = preset_field()


class WalkQuestion(Walk, Question):
    """A walk of some days."""


class Pair(Question):
    """A question with a definition inside it."""

    CALLED: ClassVar[str] = "a pair"

    walk: Walk = field(..., "Walk", "The walk", only=("steps", "pace"))
    properties: tuple[str, ...] = field(
        [], "Properties", "Which", parts=commas, option=CommandOption("--property")
    )


@pytest.mark.parametrize(
    ("name", "asked"),
    [("funnel", {"steps": ["a", "b"]}), ("trend", {"series": ["a"]}), ("sessions", {})],
)
def test_a_comparison_without_a_first_day_is_refused_before_an_event_is_read(
    name: str, asked: dict[str, Any]
) -> None:
    kind, unread = question_named(name), cast("Any", None)
    with pytest.raises(DefinitionError, match=NEEDS_FIRST_DAY):
        answer(kind, kind.question.from_mapping({**asked, "compare": "before"}), unread)


def test_what_is_not_given_has_its_default_and_what_is_null_is_not_given() -> None:
    walk = Walk.from_mapping(
        {"steps": ["a", {"event_type": "b", "where": "price > 3"}], "limit": None}
    )
    assert (walk.within, walk.pace, walk.limit) == (7 * 86_400, "slow", 10)
    assert walk.to_mapping() == {
        "steps": [
            {"event_type": "a", "where": {"all_of": []}},
            {"event_type": "b", "where": {"column": "price", "operator": "greater", "value": 3}},
        ],
        "within": "7d",
        "pace": "slow",
        "limit": 10,
    }


@each(
    "wrong, sentence",
    [
        ({"stepps": ["a"]}, "Unknown key 'stepps' in a walk; did you mean 'steps'?"),
        ({}, "A walk needs `steps`; add it."),
        ({"steps": []}, "`steps` of a walk has 1 or more values, not 0"),
        ({"steps": [{"event": "a"}]}, "Unknown key 'event' in a step; did you mean 'event_type'?"),
        ({"steps": ["a"], "pace": "rapid"}, "The pace of a walk 'rapid' is called fast here."),
        (
            {"steps": ["a"], "pace": "fats"},
            "The pace of a walk 'fats' is unknown; did you mean 'fast'?",
        ),
        ({"steps": ["a"], "limit": True}, "True stands where a number is expected"),
        ({"steps": ["a"], "limit": 101}, "`limit` of a walk is at most 100, not 101."),
        ({"steps": ["a"], "within": 7}, "The duration 7 is not understood"),
        (
            {"steps": ["a"], "preset": "clickhouse"},
            "ClickHouse has no walks that a preset could follow",
        ),
        ("steps", "A walk maps steps, within, pace, limit, preset to values; got 'steps'."),
    ],
)
def test_a_wrong_definition_is_refused_in_a_sentence(wrong: object, sentence: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        Walk.from_mapping(wrong)
    assert str(refused.value).startswith(sentence)


def test_a_preset_says_what_is_not_given() -> None:
    walk = Walk.from_mapping({"steps": ["a"], "preset": "posthog", "limit": 3})
    assert (walk.within, walk.limit) == (14 * 86_400, 3)


def test_event_types_are_translated_wherever_they_stand() -> None:
    walk = Walk.from_mapping({"steps": [{"event_type": "view", "where": "event_type = view"}]})
    translated = walk.translated({"view": "page_view"}.get)  # type: ignore[arg-type]  # every type is known
    assert translated.to_mapping()["steps"] == [
        {
            "event_type": "page_view",
            "where": {"column": "event_type", "operator": "equals", "value": "page_view"},
        }
    ]


def test_texts_become_a_definition_also_of_what_is_inside_it() -> None:
    assert [field.name for field in fields_of(Pair) if field.path[0] == "walk"] == ["steps", "pace"]
    assert definition_of(Pair, {"steps": "a,b", "pace": "fast", "properties": ["p", "q"]}) == {
        "walk": {"steps": [{"event_type": "a"}, {"event_type": "b"}], "pace": "fast"},
        "properties": ["p", "q"],
    }


def test_its_schema_has_the_choices_the_bounds_and_the_text_form() -> None:
    schema = Walk.model_json_schema()
    assert schema["properties"]["pace"]["enum"] == ["slow", "fast"]
    assert (schema["properties"]["limit"]["minimum"], schema["properties"]["limit"]["maximum"]) == (
        1,
        100,
    )
    assert {step.get("type") for step in schema["$defs"]["Step"]["anyOf"]} == {"object", "string"}


def test_days_are_given_in_one_way() -> None:
    asked_for = WalkQuestion.from_mapping({"steps": ["a"], "end_date": "2026-01-10", "last": "3d"})
    assert [str(day) for day in asked_for.ends(asked_for.end_date or asked_for.days.within)] == [  # type: ignore[arg-type]  # a day
        "2026-01-08",
        "2026-01-10",
    ]
    with pytest.raises(DefinitionError, match="both say where the days begin"):
        _ = WalkQuestion.from_mapping(
            {"steps": ["a"], "start_date": "2026-01-01", "last": "3d"}
        ).days
    with pytest.raises(DefinitionError, match="is after end_date=2026-01-01; swap them"):
        _ = WalkQuestion.from_mapping(
            {"steps": ["a"], "start_date": "2026-01-02", "end_date": "2026-01-01"}
        ).days
