"""A few layouts by chance, of `python -m benchmarks.layouts`, which tries as many as one likes."""

from pathlib import Path

import pytest

from benchmarks.layouts.__main__ import orders_outcome


@pytest.mark.slow  # some 4 CPU s each
@pytest.mark.parametrize("seed", [101, 102, 203, 205, 1010, 1017, 1092, 1117, 1213, 1226, 8390])
def test_orders_in_a_layout_by_chance_come_out_to_the_cent(seed: int, tmp_path: Path) -> None:
    assert orders_outcome(seed, tmp_path).wrong == ()
