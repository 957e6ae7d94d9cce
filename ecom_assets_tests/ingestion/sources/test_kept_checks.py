"""Checks of files' rows are kept in a file that says nothing of what was asked."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import duckdb
import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.files.kept_checks import (
    FILE,
    KeptChecks,
    forget_user_checks,
    user_file,
)
from ecom_assets.ingestion.sources.files.row_check import RowCheck
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.orchestration.privacy import other_files
from ecom_assets.orchestration.privacy.person import Person
from ecom_assets_tests.command import HEADER, ecom

KEY, OTHER = b"k" * 16, b"o" * 16
COUNTS = '{"read": 3, "rejected": {"malformed_row": 1}}'
STEPS = ("page_view", "purchase")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in the cache folder of a user, which nothing has made yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = user_file()
    assert path == tmp_path / "cache" / "ecom_assets" / FILE
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_counts_are_found_by_their_key_in_a_file_that_only_its_owner_reads(cache: Path) -> None:
    kept = KeptChecks(cache)
    assert kept.read(KEY) is None
    assert not cache.parent.exists(), "nothing is made for looking"
    kept.keep_counts(KEY, COUNTS)
    assert (kept.read(KEY), kept.read(OTHER)) == (COUNTS, None)
    assert (mode(cache), mode(cache.parent)) == (0o600, 0o700)
    cache.chmod(0o644)
    assert kept.read(KEY) == COUNTS
    assert mode(cache) == 0o600


def test_beyond_its_bound_the_older_half_goes(cache: Path) -> None:
    kept, keys = KeptChecks(cache, most_bytes=40_000), [b"%16d" % n for n in range(600)]
    for key in keys:
        kept.keep_counts(key, COUNTS)
        assert cache.stat().st_size <= kept.most_bytes
    are_kept = [kept.read(key) is not None for key in keys]
    assert are_kept == sorted(are_kept), "no older check outlives a newer one"
    assert (are_kept[0], are_kept[-1]) == (False, True)
    # A hundred checks take some 20,000 bytes.
    assert 100 <= sum(are_kept) < 400


@pytest.mark.parametrize("damage", ["counts", "file"])
def test_damaged_counts_are_not_taken_and_a_damaged_file_is_replaced(
    cache: Path, damage: str
) -> None:
    kept = KeptChecks(cache)
    kept.keep_counts(KEY, COUNTS)
    data = cache.read_bytes()
    other = data.replace(b'"read": 3', b'"read": 4')
    assert other != data
    cache.write_bytes(other if damage == "counts" else b"no database" * 400)
    assert kept.read(KEY) is None
    for _ in range(2):  # the first one finds the damage
        kept.keep_counts(KEY, COUNTS)
    assert kept.read(KEY) == COUNTS


def test_without_a_file_that_can_be_used_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    real = KeptChecks(tmp_path / FILE)
    real.keep_counts(KEY, COUNTS)
    (tmp_path / "link").symlink_to(real.path)
    for path in (tmp_path / "file" / FILE, tmp_path / "link"):
        KeptChecks(path).keep_counts(OTHER, COUNTS)
        assert KeptChecks(path).read(KEY) is None, "a link may lead to somebody else's counts"
    assert (real.read(KEY), real.read(OTHER)) == (COUNTS, None)


def test_several_can_write_at_once(cache: Path) -> None:
    keys = [b"%16d" % n for n in range(24)]
    with ThreadPoolExecutor(8) as workers:
        list(workers.map(lambda key: KeptChecks(cache).keep_counts(key, COUNTS), keys))
    assert {KeptChecks(cache).read(key) for key in keys} <= {COUNTS, None}
    assert KeptChecks(cache).read(keys[0]) == COUNTS


def test_a_home_has_a_file_of_its_own_and_a_setting_switches_both_off(
    tmp_path: Path, cache: Path
) -> None:
    def file_of(home: Path, cache: str) -> Path | None:
        kept = KeptChecks.from_settings(Settings(home=home, cache=cache))
        return kept.path if kept else None

    there, missing = tmp_path, tmp_path / "missing"
    assert file_of(there, "on") == there / FILE
    assert file_of(missing, "on") == cache
    assert file_of(there, "off") is file_of(missing, "off") is None


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a Parquet file in which Ann views and buys, as if written a while ago."""
    monkeypatch.setattr("ecom_assets.ingestion.sources.files.row_check.TICK", timedelta(-1))
    folder = tmp_path / "shop-4711"
    folder.mkdir()
    lines = [
        f"e{n},ann-4711,{step},2026-01-01T10:0{n}:00Z,p1,hats,s1,https://shop.example/,,"
        for n, step in enumerate(STEPS)
    ]
    (folder / "events.csv").write_text("\n".join([HEADER, *lines]) + "\n")
    rows = f"FROM read_csv('{folder}/events.csv', all_varchar = true)"
    duckdb.sql(f"COPY ({rows}) TO '{folder}/events.parquet'")
    return folder


def converted(folder: Path, cache: str) -> list[int]:
    """Ask for a funnel in a folder without a home, and return its counts."""
    answer = ecom(
        *("funnel", "--events", "events.parquet", "--steps", ",".join(STEPS), "--within", "1h"),
        *("--where", "product_category=hats", "--json"),
        home=folder / ".ecom",
        cwd=folder,
        env={"ECOM_CACHE": cache},
    )
    assert answer.exit_code == 0, answer.err
    assert not (folder / ".ecom").exists()
    return [step["count"] for step in answer.json["steps"]]


def test_a_question_without_a_home_keeps_counts_and_nothing_of_what_was_asked(
    shop: Path, cache: Path
) -> None:
    assert converted(shop, "off") == [1, 1]
    assert not cache.parent.exists()
    assert converted(shop, "on") == [1, 1]
    data = cache.read_bytes()
    for word in ("SELECT *", "4711", "hats", *STEPS, str(shop), "parquet"):
        assert word.encode() not in data, word
    assert b'"read":2' in data.replace(b" ", b"")
    with patch.object(RowCheck, "_check", autospec=True) as checked:
        assert converted(shop, "on") == [1, 1]
    assert not checked.called
    assert forget_user_checks() == [cache]
    assert forget_user_checks() == []


def test_other_questions_and_identity_rules_do_not_take_the_same_counts(
    shop: Path, cache: Path
) -> None:
    """The key has how rows are read and whose they are; the question asks after the check."""
    assert converted(shop, "on") == [1, 1]
    with patch.object(RowCheck, "_check", autospec=True, side_effect=RowCheck._check) as checked:  # noqa: SLF001
        for identity in ("user", "user", "stitched"):
            answer = ecom(
                *("trend", "--events", "events.parquet", "--series", "purchase", "--json"),
                *("--identity", identity),
                home=shop / ".ecom",
                cwd=shop,
                env={"ECOM_CACHE": "on"},
            )
            assert answer.exit_code == 0, answer.err
    assert checked.call_count == 1, "by `user`, once"
    assert cache.exists()


def test_an_erasure_empties_both_files(tmp_path: Path, cache: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    settings.home.mkdir()
    for path in (cache, settings.home / FILE):
        KeptChecks(path).keep_counts(KEY, COUNTS)
    nobody = Person.requested(["nobody-4711"], [])
    removed = other_files.clean(settings, nobody, BoardStore(settings))
    assert removed == sorted(map(str, (cache, settings.home / FILE)))
    assert not cache.exists()
