"""`ecom sandbox data`: what it says of the shop that it made."""

import json
from pathlib import Path

from ecom_assets_tests.command import ecom


def test_its_size_is_said_in_a_few_lines_and_the_truth_has_the_rest(home: Path) -> None:
    shop = home / "shop"
    made = ecom("sandbox", "data", "--days", "1", "--visitors", "20", "--out", shop, home=home)
    truth = json.loads((shop / "truth.json").read_text(encoding="utf-8"))
    lines = made.out.splitlines()
    assert len(lines) == 4, made.out  # the truth has a line for each person
    assert lines[0] == "1 day from 2026-01-01"
    assert f"{truth['events']['clean']:,} count" in lines[1]
    assert f"revenue {float(truth['orders']['revenue']):,.2f}" in lines[3]
    assert f"{shop}/truth.json has what a run must find" in made.err
