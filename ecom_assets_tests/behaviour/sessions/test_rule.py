"""The peers' rules, one story each: where the presets cut, and which of them
the daily tables can keep.

Times are UTC clock times of 2026-03-10; `+1` is the day after.
"""

import pytest

from ecom_assets.behaviour.sessions.rule import PRESETS, SessionRule
from ecom_assets.core.errors import DefinitionError
from ecom_assets_tests.builders import Step
from ecom_assets_tests.each import each
from ecom_assets_tests.visits import SUMMER, WINTER, spans, views, visits


def test_every_preset_has_thirty_minutes_and_can_have_another_timeout() -> None:
    assert {SessionRule.preset(name).idle_timeout_s for name in PRESETS} == {1800}
    assert SessionRule.preset("amplitude", idle_timeout_s=300).idle_timeout_s == 300


def test_an_unknown_preset_says_what_is_near() -> None:
    with pytest.raises(DefinitionError, match="did you mean mixpanel"):
        SessionRule.preset("mixpanle")


@pytest.mark.parametrize("name", ["ga4", "amplitude"])
def test_ga4_and_amplitude_go_on_over_midnight_and_campaigns(name: str) -> None:
    steps: list[Step] = [
        ("23:50", "page_view", {"page_url": SUMMER}),
        ("+1 00:10", "page_view", {"page_url": WINTER}),
    ]
    assert len(visits(steps, SessionRule.preset(name))) == 1


def test_universal_analytics_splits_at_midnight() -> None:
    actual = visits(views("23:59:59.999999", "+1 00:00"), SessionRule.preset("universal_analytics"))
    assert spans(actual) == [("23:59:59.999999", "23:59:59.999999"), ("+1 00:00", "+1 00:00")]


def test_universal_analytics_splits_when_another_campaign_arrives_and_not_when_it_goes() -> None:
    pages = ((0, None), (1, SUMMER), (2, None), (3, SUMMER), (4, WINTER), (5, WINTER))
    steps: list[Step] = [(f"09:0{n}", "page_view", {"page_url": page}) for n, page in pages]
    actual = visits(steps, SessionRule.preset("universal_analytics"))
    assert spans(actual) == [("09:00", "09:00"), ("09:01", "09:03"), ("09:04", "09:05")]


def test_two_campaigns_of_one_instant_are_one_session() -> None:
    steps: list[Step] = [("09:00", "page_view", {"page_url": page}) for page in (SUMMER, WINTER)]
    (session,) = visits(steps, SessionRule.preset("universal_analytics"))
    assert session["event_count"] == 2


def test_two_campaigns_within_a_second_have_two_session_ids() -> None:
    steps: list[Step] = [
        ("09:00:00.1", "page_view", {"page_url": SUMMER}),
        ("09:00:00.2", "page_view", {"page_url": WINTER}),
    ]
    actual = visits(steps, SessionRule.preset("universal_analytics"))
    assert [row["session_id"] for row in actual] == ["anna-1773133200", "anna-1773133200-2"]


def test_a_longest_session_is_cut_at_exactly_its_length() -> None:
    rule = SessionRule(max_length_s=3600)
    assert spans(visits(views("09:00", "09:30", "09:59:59.999999", "10:00", "10:30"), rule)) == [
        ("09:00", "09:59:59.999999"),
        ("10:00", "10:30"),
    ]


def test_mixpanel_cuts_at_midnight_so_its_twenty_four_hours_cut_only_a_day_of_twenty_five() -> None:
    actual = visits(views("23:50", "+1 00:10"), SessionRule.preset("mixpanel"))
    assert len(actual) == 2


def test_snowplow_trusts_the_source_s_session_id_however_long_the_silence() -> None:
    steps: list[Step] = [
        ("09:00", "page_view", {"session_id": "s1"}),
        ("09:00", "page_view", {"session_id": "s2"}),
        ("15:00", "page_view", {"session_id": "s1"}),
        ("15:01", "page_view"),
    ]
    actual = visits(steps, SessionRule.preset("snowplow"))
    assert spans(actual) == [("09:00", "15:00"), ("09:00", "09:00"), ("15:01", "15:01")]
    assert len({row["session_id"] for row in actual}) == 3


@pytest.mark.parametrize("name", ["snowplow"])
def test_a_rule_that_needs_all_of_history_cannot_feed_the_daily_tables(name: str) -> None:
    with pytest.raises(DefinitionError, match="all of a visitor's history"):
        SessionRule.preset(name).require_incremental()


@each("name", ["ga4", "amplitude", "universal_analytics", "mixpanel"])
def test_the_other_presets_can(name: str) -> None:
    assert SessionRule.preset(name).require_incremental() is SessionRule.preset(name)


@pytest.mark.parametrize("idle_timeout_s", [0, -1, 20 * 3600])
def test_a_timeout_that_makes_no_session_or_skips_a_day_is_refused(idle_timeout_s: int) -> None:
    with pytest.raises(DefinitionError, match="idle timeout"):
        SessionRule(idle_timeout_s=idle_timeout_s)
