"""What a funnel definition may say: durations, definition files, and each refusal with what to do about it.

What a funnel counts is tested in `test_funnel.py`.
"""

import pytest

from ecom_assets.errors import DefinitionError
from ecom_assets.transforms.funnel_definition import FIVE_STEP_FUNNEL, Funnel, FunnelStep, parse_duration


def test_the_shipped_funnel_has_five_steps_in_seven_days() -> None:
    steps = [step.event_type for step in FIVE_STEP_FUNNEL.steps]
    assert steps == ["page_view", "product_view", "add_to_cart", "checkout_start", "purchase"]
    assert FIVE_STEP_FUNNEL.within_s == 7 * 24 * 3600


@pytest.mark.parametrize(("text", "seconds"), [("45s", 45), ("30m", 1_800), ("12h", 43_200), ("7d", 604_800)])
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["7", 7, "7 days", "-1d", "", None, "1.5h"])
def test_any_other_duration_is_refused(text: object) -> None:
    with pytest.raises(DefinitionError, match="7d"):
        parse_duration(text)


def test_a_definition_file_gives_the_funnel_and_the_funnel_gives_it_back() -> None:
    raw = {
        "steps": ["view", {"event_type": "cart", "where": {"price": 2}}],
        "within": "30m",
        "order": "strict_increase",
        "per": "session",
    }
    made = Funnel.from_mapping(raw)
    assert made.unit_column == "session_id"
    assert made.within_s == 1_800
    assert made.steps == (FunnelStep("view"), FunnelStep("cart", {"price": 2}))
    assert Funnel.from_mapping(made.to_mapping()) == made


REFUSED = [
    ({"steps": ["a"]}, "2 to 64 steps, this one has 1"),
    ({"steps": [f"e{n}" for n in range(65)]}, "2 to 64 steps, this one has 65"),
    ({"steps": ["a", "b"], "order": "orderd"}, "did you mean 'ordered'"),
    ({"steps": ["a", "b"], "per": "users"}, "did you mean 'user'"),
    ({"steps": ["a", "b"], "withn": "7d"}, "did you mean 'within'"),
    ({"steps": ["a", "b"], "hold": ["session_id"]}, "`hold` in a funnel definition is not supported yet"),
    ({"steps": ["a", "b"], "exclude": []}, "`exclude` in a funnel definition is not supported yet"),
    ({"steps": ["a", "b"], "by_attribution": "first"}, "`by_attribution` in a funnel definition is not"),
    ({"steps": ["a", {"event": "b"}]}, "did you mean 'event_type'"),
    ({"steps": ["a", ""]}, "needs an event type"),
    ({"steps": ["a", 5]}, "a funnel step is an event type"),
    ({"steps": ["a", {"event_type": "b", "where": {"x": [1]}}]}, "one text, number or boolean"),
    ({"steps": ["a", {"event_type": "b", "where": {"x": None}}]}, "one text, number or boolean"),
    ({"steps": ["a", {"event_type": "b", "where": {"x.y": 1}}]}, "only properties has keys"),
    ({"steps": ["a", {"event_type": "b", "where": {"x'": 1}}]}, "write a column or properties.key"),
    ({"steps": ["a", {"event_type": "b", "where": {"x": 2**60}}]}, "keep such a value as text"),
    ({"steps": "a,b"}, "needs `steps`"),
    ([], "maps steps"),
]


@pytest.mark.parametrize(("raw", "words"), REFUSED)
def test_a_definition_that_cannot_be_computed_is_refused_with_what_to_do(raw: object, words: str) -> None:
    with pytest.raises(DefinitionError, match=f"(?i){words}"):
        Funnel.from_mapping(raw)
