"""The question of a trend: what its model takes, refuses and says of itself."""

from typing import Any

import pytest

from ecom_assets.behaviour.trends.question import TrendQuestion
from ecom_assets.core.errors import DefinitionError
from ecom_assets_tests.each import each


def test_a_series_is_text_or_a_mapping_and_without_one_every_event_counts() -> None:
    text = TrendQuestion.from_mapping({"series": ["purchase:sum(cart_amount):first_ever"]})
    series = {
        "event_type": "purchase",
        "measure": "sum",
        "of": "cart_amount",
        "occurrence": "first_ever",
    }
    assert text == TrendQuestion.from_mapping({"series": [series]})
    assert text.file() == {"series": [series]}
    assert TrendQuestion.from_mapping({}) == TrendQuestion.from_mapping({"series": ["*"]})
    assert (
        TrendQuestion.from_mapping({"series": [{"event_type": None}]}).series[0].counted_type
        is None
    )


def test_a_preset_says_what_is_not_given() -> None:
    asked = TrendQuestion.from_mapping({"preset": "posthog", "limit": 3})
    assert (asked.week_start, asked.limit, asked.period) == ("sunday", 3, "day")


def test_event_types_are_translated_wherever_they_stand() -> None:
    asked = TrendQuestion.from_mapping(
        {"series": ["view", "*"], "where": ["event_type != view"], "formula": "A / B"}
    )
    trend = asked.translated(lambda name: {"view": "page_view"}.get(name, name))
    assert [series.counted_type for series in trend.series] == ["page_view", None]
    assert "page_view" in str(trend.where)


def test_it_reads_all_days_where_earlier_ones_matter_and_names_its_columns() -> None:
    plain = TrendQuestion.from_mapping(
        {"series": ["purchase:max(properties.fee)"], "by": ["brand", "price:bins=3"]}
    )
    assert (plain.reads_all, sorted(plain.columns)) == (False, ["brand", "price", "properties.fee"])
    assert all(
        TrendQuestion.from_mapping(definition).reads_all
        for definition in (
            {"kind": "lifecycle"},
            {"series": ["*:wau"]},
            {"series": ["purchase:first_time"]},
        )
    )


@each(
    "definition, sentence",
    [
        ({"perod": "day"}, "Unknown key 'perod' in a trend; did you mean 'period'?"),
        (
            {"series": [{"event": "purchase"}]},
            "Unknown key 'event' in a series; did you mean 'event_type'?",
        ),
        ({"kind": "sticky"}, "The kind of trend 'sticky' is unknown; did you mean 'stickiness'?"),
        (
            {"period": "decade"},
            "The period of a trend 'decade' is unknown; known: minute, hour, day",
        ),
        ({"series": []}, "`series` of a trend has 1 or more values, not 0"),
        ({"moving_average": 1_001}, "`moving_average` of a trend is at most 1000"),
        (
            {"kind": "lifecycle", "by": "brand"},
            "A lifecycle counts visitors, so it has no breakdown; leave it out.",
        ),
        ({"formula": "A / B"}, "The formula 'A / B' names the series B"),
    ],
)
def test_a_wrong_definition_is_refused_in_a_sentence(
    definition: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DefinitionError) as refused:
        TrendQuestion.from_mapping(definition)
    assert str(refused.value).startswith(sentence)


def test_its_schema_has_the_choices_the_bounds_and_the_text_form() -> None:
    schema = TrendQuestion.model_json_schema()
    assert schema["properties"]["kind"]["enum"] == ["trend", "stickiness", "lifecycle"]
    assert schema["properties"]["period"]["enum"][0] == "minute"
    assert schema["properties"]["series"]["maxItems"] == 26
    assert {schema.get("type") for schema in schema["$defs"]["TrendSeries"]["anyOf"]} == {
        "object",
        "string",
    }
    assert schema["properties"]["limit"]["maximum"] == 1_000
