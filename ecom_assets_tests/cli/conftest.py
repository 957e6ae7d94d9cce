"""The story of a test file as a file of events."""

from pathlib import Path

import pytest

from ecom_assets_tests.command import HEADER


@pytest.fixture
def events(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The `STORY` of the test's module as a CSV file, beside its home."""
    path = tmp_path / "story.csv"
    path.write_text(f"{HEADER}\n{request.module.STORY}")
    return path
