"""A file is the one of before or the new one, whole; what fails halfway leaves nothing behind."""

import stat
from pathlib import Path

import pytest

from ecom_assets.atomic_files import replace_bytes, replacing_text


def test_a_writer_that_fails_halfway_leaves_the_file_of_before_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "numbers.json"
    path.write_text("before")

    def half_a_file() -> None:
        with replacing_text(path) as file:
            file.write("half")
            assert path.read_text() == "before"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_a_file()
    assert [one.name for one in tmp_path.iterdir()] == ["numbers.json"]
    assert path.read_text() == "before"


def test_a_new_file_takes_the_place_with_the_mode_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"before")
    path.chmod(0o644)
    replace_bytes(path, b"secret", 0o600)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"secret", 0o600)
    assert [one.name for one in tmp_path.iterdir()] == ["key"]
