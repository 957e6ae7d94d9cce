"""A file without device ids: every place with numbers of returning visitors says so,
and none does of one with them.
"""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.interfaces.api.app import create_app
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets_tests.command import FEW_TABLES, ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.api.small_run import run
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import read
from ecom_assets_tests.patience import PATIENCE_S

START = datetime(2026, 3, 2, 10, tzinfo=UTC)
SENTENCE = "numbers of returning visitors cannot be trusted"
HAS_DEVICES = pytest.mark.parametrize(
    "has_devices", [False, True], ids=["without devices", "with devices"]
)


def visits(file: Path, *, has_devices: bool) -> Path:
    """Write 100 people who come once, and again a day later, in a source session each,
    without signing in.
    """
    rows = [
        {
            "event_id": f"e{day}-{person}",
            "event_type": "page_view",
            "event_timestamp": (START + timedelta(days=day, minutes=person)).isoformat(),
            "session_id": f"s{day}-{person}",
            **({"anonymous_id": f"d{person}"} if has_devices else {}),
        }
        for day in range(2)
        for person in range(100)
    ]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return file


@pytest.mark.slow
@HAS_DEVICES
@pytest.mark.parametrize(
    ("question", "visitors"), [("sessions", "visitors"), ("retention", "cohorts")]
)
def test_commands_warn(
    home: Path,
    tmp_path: Path,
    question: str,
    visitors: str,
    has_devices: bool,  # noqa: FBT001 (a parameter)
) -> None:
    file = visits(tmp_path / "events.ndjson", has_devices=has_devices)
    result = ecom(question, "--events", file, home=home)
    assert (SENTENCE in result.err) is not has_devices
    answer = ecom(question, "--events", file, "--json", home=home).json
    assert [SENTENCE in text for text in answer["warnings"]] == ([] if has_devices else [True])
    found = answer[visitors]
    people = found if isinstance(found, int) else sum(cohort["size"] for cohort in found)
    assert people == (100 if has_devices else 200)


@pytest.mark.slow
@HAS_DEVICES
def test_the_run_s_summary_warns(home: Path, tmp_path: Path, has_devices: bool) -> None:  # noqa: FBT001 (a parameter)
    file = visits(tmp_path / "events.ndjson", has_devices=has_devices)
    result = ecom("run", "--events", file, *FEW_TABLES, home=home)
    assert result.exit_code == 0, result.err
    assert (
        "WARNING staging/events visitors_have_devices: 100% of the sessions" in result.out
    ) is not has_devices


@pytest.fixture(scope="module", params=[False, True], ids=["without devices", "with devices"])
def published(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Settings, bool]:
    """The settings of a shop whose events were run and published, and whether they have devices."""
    folder = tmp_path_factory.mktemp("devices")
    file = visits(folder / "events.ndjson", has_devices=request.param)
    (folder / "customers.json").write_text("[]", encoding="utf-8")
    settings = Settings(
        home=folder / "home",
        events=str(file),
        api_timeout_s=PATIENCE_S,
        adhoc_timeout_s=PATIENCE_S,
    )
    run(settings, Days.between(date(2026, 3, 2), date(2026, 3, 4)))
    return settings, request.param


@pytest.mark.slow
@each("question", ["sessions", "retention"])
def test_the_api_warns(published: tuple[Settings, bool], question: str) -> None:
    settings, has_devices = published
    with served(create_app(settings)) as api:
        answer = api.post(f"/analytics/{question}", {}).json()
    assert [SENTENCE in text for text in answer["warnings"]] == ([] if has_devices else [True])


@pytest.mark.slow
@each("question", ["sessions", "retention"])
def test_the_dashboard_warns_once_below_the_question(
    published: tuple[Settings, bool], question: str
) -> None:
    settings, has_devices = published
    with served(build_dashboard_app(settings)) as answer:
        page = read(Client(answer.address).get(f"/dashboard/{question}").text)
    notices = [notice.text for notice in page.all("p", class_="bad")]
    assert [SENTENCE in text for text in notices] == ([] if has_devices else [True])
