"""Dead letters of a person: found by whole words, and taken out of their files."""

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.landing import DEAD_LETTERS, day_folder, dead_letter_folder, land
from ecom_assets.orchestration.privacy.other_files import find_letters, letter_files, remove_letters
from ecom_assets.orchestration.privacy.person import Person

AT = datetime(2026, 3, 1, tzinfo=UTC)


def letters(folder: Path, day: date, *values: bytes) -> Path:
    rows = [{"received_at": AT, "reason": "unreadable", "value": value} for value in values]
    path = day_folder(dead_letter_folder(folder), day) / "collect-1-1.parquet"
    assert land(pa.Table.from_pylist(rows, schema=DEAD_LETTERS), path)
    return path


def test_letters_that_name_a_person_are_taken_out_and_no_others(tmp_path: Path) -> None:
    landing = tmp_path / "events"
    landing.mkdir()
    first, second = date(2026, 3, 1), date(2026, 3, 2)
    mixed = letters(landing, first, b'{"user_id":"u-1234","x', b"u-12345", b"\xffu-1234\xff", b"")
    only = letters(landing, second, b"u-1234")
    settings = Settings(home=tmp_path / "home", events=str(landing))
    assert list(letter_files(settings)) == [(mixed, first), (only, second)]
    person = Person(users=("u-1234",))
    assert [(file.path, file.record_count) for file in find_letters(settings, person)] == [
        (str(mixed), 2),
        (str(only), 1),
    ]
    remove_letters(settings, person)
    assert find_letters(settings, person) == []
    assert pq.read_table(mixed, partitioning=None)["value"].to_pylist() == [b"u-12345", b""]
    assert not only.exists()


def test_an_id_of_few_characters_is_in_most_texts_by_chance(tmp_path: Path) -> None:
    landing = tmp_path / "events"
    landing.mkdir()
    letters(landing, date(2026, 3, 1), b"7")
    assert find_letters(Settings(home=tmp_path, events=str(landing)), Person(users=("7",))) == []


def test_letters_of_any_encoding_and_escapes_keep_the_bytes_of_the_rest(tmp_path: Path) -> None:
    landing, id_ = tmp_path / "events", "jürgen+1@exämple.de"
    landing.mkdir()
    line = f'{{"user_id":"{id_}","x'
    named = [
        line.encode("utf-16"),
        line.encode("utf-16-le"),
        line.encode("utf-16-be"),
        b"x" + line.encode("utf-16-be"),
        b'{"user_id":"j\\u00FCrgen+1@ex\\u00e4mple.de","x',
        b"?u=j%c3%bcrgen%2B1%40ex%C3%A4mple.de",
        "ju\u0308rgen+1@exa\u0308mple.de".encode(),
    ]
    others = [line.replace("jürgen", "jörgen").encode("utf-16"), b"\xff\x00\xfe", b"\xff\xfe"]
    path = letters(landing, date(2026, 3, 1), *named, *others)
    settings, person = Settings(home=tmp_path / "home", events=str(landing)), Person(users=(id_,))
    assert [file.record_count for file in find_letters(settings, person)] == [len(named)]
    remove_letters(settings, person)
    assert find_letters(settings, person) == []
    assert pq.read_table(path, partitioning=None)["value"].to_pylist() == others
