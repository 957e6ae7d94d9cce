"""The list of uploads: a file is kept whole or not at all, and found by who may see it."""

import shutil
from collections import namedtuple
from datetime import timedelta
from pathlib import Path

import pytest

from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.errors import UsageError, WorkError
from ecom_assets.core.http_server.callers import Caller, Scope
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import UploadSettings
from ecom_assets.ingestion.uploads import store
from ecom_assets.ingestion.uploads.packed import MOST_TIMES
from ecom_assets.ingestion.uploads.store import (
    LEAST_FREE_BYTES,
    LOADED,
    LOADING,
    ORIGINALS,
    UNLOADED_HOURS,
    Uploads,
    name_as_sent,
)
from ecom_assets.orchestration.automation.upload_job import MOST_TRIES
from ecom_assets_tests.ingestion.uploads.shop_exports import MOST_BYTES, WEEK_1, export, sent
from ecom_assets_tests.markdown import ROOT

CLOCK = "ecom_assets.ingestion.uploads.store.now_utc_without_zone"
DiskUsage = namedtuple("DiskUsage", "total used free")


def give(home: Path, *blocks: bytes, most_bytes: int = MOST_BYTES, is_cut: bool = False) -> None:
    """Send the blocks of a file; one that is cut off ends as a browser does that goes away."""
    with Uploads(home).begin("orders.csv", "ann", most_bytes=most_bytes) as writer:
        for block in blocks:
            writer.write(block)
        if is_cut:
            raise ConnectionError
        writer.finish()


def kept_folders(home: Path) -> list[str]:
    folder = home / "uploads" / ORIGINALS
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_file_is_kept_as_it_was_sent_and_only_its_sender_finds_it(tmp_path: Path) -> None:
    path = export(tmp_path / "orders march.csv", WEEK_1)
    upload = sent(tmp_path / "home", path, owner="ann")
    ann, bob = (Caller(name, frozenset({Scope.WRITE})) for name in ("ann", "bob"))
    uploads = Uploads(tmp_path / "home")
    assert (upload.number, upload.name, upload.state) == (1, "orders march.csv", "kept")
    assert upload.byte_count == path.stat().st_size
    assert uploads.original(upload).read_bytes() == path.read_bytes()
    assert uploads.of(upload.id, ann) == upload
    assert [mine.number for mine in uploads.newest(ann)] == [1]
    assert uploads.newest(bob) == []
    with pytest.raises(UsageError, match="not there any more"):
        uploads.of(upload.id, bob)
    assert uploads.of(upload.id, Caller("root", frozenset({Scope.ADMIN}))), "who is to load it"
    uploads.note(upload, state=LOADED)
    assert uploads.of(upload.id, bob).state == "loaded", "what is loaded all may see"


def test_what_is_cancelled_too_large_empty_or_of_no_format_leaves_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    uploads = Uploads(home)
    with pytest.raises(ConnectionError):
        give(home, b"a,b\n", is_cut=True)
    with pytest.raises(UsageError, match="larger than 0 MB"):
        give(home, b"a,b\n", b"1,2\n", most_bytes=5)
    with pytest.raises(UsageError, match="is empty"):
        give(home)
    with pytest.raises(UsageError, match=r"holiday.jpg has a format that is not read"):
        uploads.begin("holiday.jpg", "ann", most_bytes=5)
    with pytest.raises(UsageError, match="larger than 500 MB"):
        uploads.begin("orders.csv", "ann", most_bytes=MOST_BYTES, expected_bytes=2_000_000_000)
    assert uploads.every() == []
    assert kept_folders(home) == []


def test_a_disk_that_fills_up_meanwhile_is_a_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [store.LEAST_FREE_BYTES + 1_000, store.LEAST_FREE_BYTES + 1_000, 10]
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: DiskUsage(0, 0, free.pop(0)))
    with pytest.raises(WorkError, match="nearly full"):
        give(tmp_path / "home", b"a,b\n", b"1,2\n")
    uploads = Uploads(tmp_path / "home")
    assert (kept_folders(tmp_path / "home"), uploads.every()) == ([], [])


def test_rows_are_named_by_the_file_as_it_was_sent(tmp_path: Path) -> None:
    home = tmp_path / "home"
    path = tmp_path / "orders.csv"
    path.write_text("a,b\n1,2\n")
    assert name_as_sent(home, "upload-000001-001.parquet") == "upload-000001-001.parquet"
    sent(home, path)
    assert name_as_sent(home, "upload-000001-001.parquet") == "orders.csv (upload 1)"
    assert name_as_sent(home, "upload-000002-001.parquet") == "upload-000002-001.parquet"
    assert name_as_sent(home, "orders/march.csv") == "orders/march.csv"


def test_two_people_send_files_of_one_name_at_once(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "home")
    with (
        uploads.begin("orders.csv", "ann", most_bytes=MOST_BYTES) as hers,
        uploads.begin("orders.csv", "bob", most_bytes=MOST_BYTES) as his,
    ):
        hers.write(b"hers\n")
        his.write(b"his\n")
        both = [hers.finish(), his.finish()]
    assert [upload.number for upload in both] == [1, 2]
    assert [uploads.original(upload).read_bytes() for upload in both] == [b"hers\n", b"his\n"]


def test_files_go_after_a_day_or_a_month_and_never_while_a_run_is_at_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    uploads = Uploads(home)
    path = export(tmp_path / "orders.csv", WEEK_1)
    unloaded, loaded, loading = (sent(home, path) for _ in range(3))
    uploads.note(loaded, state=LOADED)
    uploads.note(loading, state=LOADING)
    now = now_utc_without_zone()
    monkeypatch.setattr(CLOCK, lambda: now + timedelta(hours=25))
    uploads.remove_old(keep_days=30)
    assert [upload.number for upload in uploads.every()] == [3, 2]
    assert kept_folders(home) == sorted([loaded.id, loading.id]), f"not {unloaded.id}"
    monkeypatch.setattr(CLOCK, lambda: now + timedelta(days=31))
    uploads.remove_old(keep_days=30)
    assert kept_folders(home) == [loading.id]
    with pytest.raises(UsageError, match="is not kept any more, only its rows are"):
        uploads.original(uploads.numbered(loaded.number))


def test_the_page_about_uploads_has_the_bounds_of_the_code() -> None:
    page = " ".join((ROOT / "docs" / "uploads.md").read_text(encoding="utf-8").split())
    defaults = {name: Settings.model_fields[name].default for name in UploadSettings.model_fields}
    assert (
        f"`ECOM_UPLOAD_KEEP_DAYS` ({defaults['upload_keep_days']}); {UNLOADED_HOURS} hours" in page
    )
    assert f"`ECOM_UPLOAD_MAX_MB` ({defaults['upload_max_mb']})" in page
    assert f"{MOST_TIMES} times its size" in page
    assert f"while {LEAST_FREE_BYTES // 1_000_000} MB of the disk stay free" in page
    assert MOST_TRIES == 3
    assert "begun anew, three times at most" in page
