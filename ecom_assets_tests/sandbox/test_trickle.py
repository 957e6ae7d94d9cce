"""The day in progress of the living shop:
what arrives by and by is what its file holds in the end.
"""

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.ingestion.sources.sandbox_shop import grows, sandbox_days
from ecom_assets.orchestration.sandbox import Today
from ecom_assets_tests.command import small_shop
from ecom_assets_tests.outputs.serving.conftest import real_time
from ecom_sandbox.shop.living import DayInProgress, LivingShop

pytestmark = pytest.mark.xdist_group("living_shop")
FIRST, YESTERDAY, TODAY = date(2026, 1, 1), date(2026, 3, 3), date(2026, 3, 4)
MIDNIGHT = datetime(2026, 3, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop of some 200 events a day, which ended yesterday."""
    folder = tmp_path_factory.mktemp("living") / "sandbox"
    LivingShop(folder, YESTERDAY, new_people=60).grow()
    return folder


@pytest.fixture
def settings(shop: Path, tmp_path: Path) -> Settings:
    """Settings of a platform over a copy of it."""
    shutil.copytree(shop, tmp_path / "sandbox")
    return Settings(home=tmp_path)


def landed(settings: Settings, day: date) -> pa.Table:
    """Return the rows of a day's files, in the order of their names."""
    files = sorted((settings.sandbox_folder / "events" / f"received_date={day}").iterdir())
    return pa.concat_tables([pq.read_table(file, partitioning=None) for file in files])


@pytest.mark.slow
def test_what_arrives_during_a_day_is_what_its_file_holds_afterwards(settings: Settings) -> None:
    today = Today(settings)
    # Somebody looks every seven minutes, from half past nine on; at noon the process is started
    # again.
    times = [MIDNIGHT + timedelta(hours=9, minutes=30 + 7 * n) for n in range(124)]
    counts = [today.arrive(at) for at in times[:22]]
    again = Today(settings)
    counts += [again.arrive(times[22]) - sum(counts), *(again.arrive(at) for at in times[23:])]
    in_progress = landed(settings, TODAY)
    assert len(in_progress) == sum(counts)
    assert sandbox_days(settings).dates[-1] == YESTERDAY, "a day in progress is not over"
    again.arrive(MIDNIGHT + timedelta(days=1, minutes=1))
    assert sandbox_days(settings) == Days.between(FIRST, TODAY + timedelta(days=1))
    whole = landed(settings, TODAY)
    assert [
        path.name
        for path in (settings.sandbox_folder / "events" / f"received_date={TODAY}").iterdir()
    ] == ["part-00000.parquet"]
    assert whole.slice(0, len(in_progress)) == in_progress, "the same rows in the same order"
    after = [at.as_py() for at in whole.slice(len(in_progress))["received_at"]]
    assert all(at > times[-1].isoformat() for at in after), (
        "the rest came between 23:51 and midnight"
    )


@pytest.mark.slow
def test_nothing_arrives_before_its_time_or_twice(settings: Settings) -> None:
    today, at = Today(settings), MIDNIGHT + timedelta(hours=18)
    assert today.arrive(at) > 0
    assert today.arrive(at) == 0
    newest = max(at.as_py() for at in landed(settings, TODAY)["received_at"])
    assert newest <= "2026-03-04T18:00:00"


def test_a_day_that_has_its_file_gets_no_row_more(settings: Settings) -> None:
    today = DayInProgress(LivingShop.in_folder(settings.sandbox_folder, TODAY), TODAY)
    LivingShop.in_folder(settings.sandbox_folder, TODAY).grow()
    assert today.arrive(MIDNIGHT + timedelta(hours=25)) == 0
    assert not list((settings.sandbox_folder / "events").glob("*/live-*"))


def _readable_time(text: str) -> datetime | None:
    """Return a time as the simulated shop writes it; None of those that it damages on purpose."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


@pytest.mark.slow
def test_real_time_lives(settings: Settings) -> None:
    Today(settings).arrive(MIDNIGHT + timedelta(hours=20))
    rows = landed(settings, TODAY).to_pylist()
    happened = {
        row["event_id"]: at
        for row in rows
        if row["event_id"] and (at := _readable_time(row["event_timestamp"])) is not None
    }
    now = max(at for at in happened.values() if at < MIDNIGHT + timedelta(hours=20)) + timedelta(
        seconds=8
    )
    lately = [at for at in happened.values() if now - timedelta(minutes=30) < at <= now]
    answer = real_time(settings, now)
    assert answer["windows"][-1]["event_count"] == len(lately) > 0
    assert answer["lag_s"] == 8


def test_only_a_shop_that_grows_has_a_day_in_progress(tmp_path: Path) -> None:
    assert grows(Settings(home=tmp_path))
    assert not grows(Settings(home=tmp_path, sandbox_until=TODAY))
    assert not grows(Settings(home=tmp_path, events="some/events"))
    small_shop(tmp_path, days=1, visitors=5)
    assert not grows(Settings(home=tmp_path))
