"""What `docs/metrics/` says about real time, recomputed from its own input."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets_tests.command import HEADER
from ecom_assets_tests.markdown import definition
from ecom_assets_tests.outputs.serving.conftest import real_time
from ecom_assets_tests.test_metrics_doc import as_shown

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.mark.slow
def test_the_windows_of_the_page_are_those_of_its_events(tmp_path: Path) -> None:
    page = definition("Real time")
    events, windows = page.tables
    names = HEADER.split(",")
    landed = tmp_path / "landing.csv"
    landed.write_text(
        "\n".join([HEADER, *(",".join(event.get(name, "") for name in names) for event in events)])
        + "\n"
    )
    os.utime(landed, (NOON.timestamp(), NOON.timestamp()))
    answer = real_time(Settings(home=tmp_path, events=str(landed)), NOON)
    assert as_shown(answer["windows"], windows) == windows
    assert f"`lag_s` is {answer['lag_s']:.0f}." in page.text
