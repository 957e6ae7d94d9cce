"""A delivery may be killed at any moment, and run again: each record is counted once,
and what is in doubt is listed.

The receivers' request logs say so, not our ledger. 0 failures in n kills means less than 3/n of
them may fail.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from ecom_assets.outputs.delivery.tools.all import TOOLS
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.outputs.delivery.killing import (
    PHASES,
    Deliverer,
    Killed,
    Killer,
    most_in_doubt,
    receivers,
)

WITH_STAND_INS = [name for name, tool in TOOLS.items() if tool.has_stand_in]
KILLS = max(2 * len(PHASES), len(seeds(range(30))))
"""Two in each phase; thirty where all random examples are tried."""
pytestmark = pytest.mark.xdist_group("killed_deliveries")


@pytest.fixture(scope="module")
def deliverer() -> Iterator[Deliverer]:
    with Deliverer.running() as running:
        yield running


def killed(
    tool: str, times: int, home: Path, deliverer: Deliverer, seed: int, **more: str
) -> Killed:
    with receivers(home / "request_logs") as stand_ins:
        return Killer(tool, home, stand_ins, deliverer, Random(seed), more=more).kill(times)  # noqa: S311 (chance that repeats)


def check(tool: str, result: Killed) -> None:
    """Lost 0, doubled 0; where the tool never confirms, what is lost is in doubt,
    a batch per kill at most.
    """
    assert result.doubled == set()
    if tool != "ga4":
        assert result.lost == set()
        return
    assert result.lost <= result.in_doubt
    assert len(result.in_doubt) <= most_in_doubt(result.kills)


def test_a_few_kills_lose_and_double_nothing(tmp_path: Path, deliverer: Deliverer) -> None:
    tool = WITH_STAND_INS[0]
    result = killed(tool, len(PHASES), tmp_path, deliverer, seed=1)
    check(tool, result)
    assert sum(result.kills.values()) == len(PHASES)


@pytest.mark.slow
def test_where_a_shop_chose_so_ga4_gets_events_twice_rather_than_not(
    tmp_path: Path, deliverer: Deliverer
) -> None:
    result = killed(
        "ga4", len(PHASES), tmp_path, deliverer, seed=3, ga4_unconfirmed="at_least_once"
    )
    assert (result.lost, result.in_doubt) == (set(), set())
    assert result.doubled != set()


@pytest.mark.slow
@pytest.mark.parametrize("tool", WITH_STAND_INS)
def test_many_kills_per_tool_lose_and_double_nothing(
    tool: str, tmp_path: Path, deliverer: Deliverer
) -> None:
    result = killed(tool, KILLS, tmp_path, deliverer, seed=2)
    check(tool, result)
    assert min(result.kills.values()) >= KILLS // len(PHASES) - 1, "one may have come too late"
