"""Thousands of records through tools that answer by a script: in order, once, and never what must not be repeated."""

from pathlib import Path

import pytest

from ecom_assets_tests.delivery.scripted_answers import Played, play

CASES = [
    pytest.param("amplitude", {"amplitude_api": "batch"}, id="amplitude-batch"),
    pytest.param("amplitude", {"amplitude_api": "http_v2"}, id="amplitude-http-v2"),
    pytest.param("heap", {}, id="heap"),
    pytest.param("mixpanel", {}, id="mixpanel"),
    pytest.param("ga4", {}, id="ga4"),
]


def check(tool: str, result: Played) -> None:
    """Every promise, on the journal."""
    assert result.out_of_order() == []
    assert result.actual.doubled == {}
    assert result.sent_after_success() == []
    assert result.sent_after_refusal() == []
    assert result.too_soon() == []
    assert (result.again.sent, result.again.changed, result.again.pending) == (0, 0, 0)
    is_silent = tool == "ga4"  # it reports no faults
    assert {result.due[one] for one in result.lost} <= (result.refused if is_silent else set())
    rejected = {result.due[one] for one, outcome in result.outcomes.items() if outcome == "rejected"}
    assert rejected == result.refused_alone - (result.refused if is_silent else set())
    in_doubt = {one for one, outcome in result.outcomes.items() if outcome == "in_doubt"}
    assert is_silent or in_doubt == set()


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("tool", "more"), CASES)
def test_four_hundred_records_through_scripted_answers(tool: str, more: dict[str, str], tmp_path: Path) -> None:
    check(tool, play(tool, tmp_path, records=400, seed=1, **more))


@pytest.mark.slow
@pytest.mark.parametrize(("tool", "more"), CASES)
def test_forty_thousand_records_through_scripted_answers(tool: str, more: dict[str, str], tmp_path: Path) -> None:
    for seed in range(2, 6):
        check(tool, play(tool, tmp_path / str(seed), records=2_000, seed=seed, **more))
