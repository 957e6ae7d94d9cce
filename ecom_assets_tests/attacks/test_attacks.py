"""A few seconds of the attacks of `python -m ecom_assets_tests.attacks` on real servers."""

from pathlib import Path

import pytest

from ecom_assets_tests.attacks.attacks import ATTACKS
from ecom_assets_tests.attacks.running import attack_all

MOST_MB = 600


@pytest.mark.slow
@pytest.mark.parametrize("server", ATTACKS)
def test_every_attack_leaves_health_checks_answered_and_memory_bounded(
    server: str, tmp_path: Path
) -> None:
    """Pipelined requests took 1.3 GB; half-sent heads and streams each held all of the 500
    connections of the API.
    """
    results = list(attack_all(tmp_path, 1, [server], turn_s=2))
    assert {result.attack for result in results} == ATTACKS[server].keys()
    assert {result.attack: result.failures for result in results if result.failures} == {}
    assert max(result.peak_mb for result in results) < MOST_MB
