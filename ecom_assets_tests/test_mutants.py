"""Changes of a small package, and what its tests find of them."""

from pathlib import Path

import pytest

from ecom_assets_tests import mutants

PRICES = b"""# Preise f\xc3\xbcr K\xc3\xa4ufer
def is_free(total: int | None, weight: int = 0) -> bool:
    return total is not None and not (total < 50 or weight > 3)
"""
LAST = "return total is not None and not (total < 50 or weight > 3)"
A_TEST = """
from ecom_assets.prices import is_free


def test_fifty_are_sent_for_nothing():
    assert is_free(50) and not is_free(49) and not is_free(None)
"""


@pytest.mark.slow
def test_conditions_and_numbers_are_changed_and_tests_find_what_they_are_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No test is about the weight: to compare it with >= survives."""
    checkout, about = tmp_path / "ecom_assets", tmp_path / "ecom_assets_tests"
    for folder, name, text in (
        (checkout, "prices.py", PRICES),
        (about, "test_prices.py", A_TEST.encode()),
    ):
        folder.mkdir()
        (folder / name).write_bytes(text)
        (folder / "__init__.py").touch()
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    monkeypatch.setattr(mutants, "TESTS", about)
    changes = mutants.mutants_of("ecom_assets/prices.py", PRICES)
    shown = {change.shown.partition(" → ")[2] for change in changes}
    assert shown >= {
        LAST.replace("is not", "is"),
        LAST.replace(" and", " or"),
        LAST.replace("and not", "and"),
        LAST.replace("<", "<="),
        LAST.replace(" or ", " and "),
        LAST.replace(">", ">="),
    }
    assert len(shown) == 12, "and the three numbers: 0, 50 and 3, one more and one less"
    monkeypatch.setattr("sys.argv", ["mutants", "--seed", "31", "--count", "3"])
    assert mutants.main() == 0
    *lines, last = capsys.readouterr().out.splitlines()
    place = f"ecom_assets/prices.py:3: {LAST} → "
    assert f"{place}{LAST.replace('>', '>=')}: survived" in lines
    killed = "killed by ecom_assets_tests/test_prices.py::test_fifty_are_sent_for_nothing"
    assert f"{place}{LAST.replace('<', '<=')}: {killed}" in lines
    assert last == "3 mutants: 2 killed, 0 timed out, 1 survived."
    assert (checkout / "prices.py").read_bytes() == PRICES
