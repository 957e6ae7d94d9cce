"""Ids of any letters, in every form that the platform writes: found where they are,
and only there.
"""

import csv
import gzip
import html
import io
import json
import sqlite3
import unicodedata
import zipfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_plus, urlencode

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from markupsafe import escape

from ecom_assets.core.json_text import json_text
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.erased_people import words_of
from ecom_assets.ingestion.sources.landing import DEAD_LETTERS, day_folder, dead_letter_folder, land
from ecom_assets.ingestion.sources.written_forms import forms_of
from ecom_assets.interfaces.api.auth.guard import AuditLog
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.orchestration.privacy.other_files import clean, naming
from ecom_assets.orchestration.privacy.person import LEAST_CHARACTERS, Person
from ecom_assets.orchestration.privacy.person_pattern import PersonPattern
from ecom_assets_tests.command import HEADER, ecom
from ecom_assets_tests.hypothesis_settings import examples

JURGEN: Final = "jürgen+1@exämple.de"
LETTERS: Final = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])
IDS: Final = st.text(LETTERS, min_size=LEAST_CHARACTERS, max_size=12).map(str.strip)


def in_csv(text: str) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(["e1", text, "page_view"])
    return written.getvalue()


WRITERS: Final[dict[str, Callable[[str], str]]] = {
    "as it is": str,
    "JSON in ASCII": lambda text: json.dumps({"user_id": text}),
    "JSON in UTF-8": lambda text: json_text({"user_id": text}),
    "JSON of the collector": lambda text: orjson.dumps({"user_id": text}).decode(),
    "CSV": in_csv,
    "a path": lambda text: f"/v1/explain/{quote(text, safe='')}/rows",
    "a query": lambda text: urlencode({"visitor": text}),
    "a form": lambda text: f"visitor={quote_plus(text)}&x=1",
    "HTML": lambda text: f"<b>{html.escape(text)}</b>",
    "a page": lambda text: f"<b>{escape(text)}</b>",
    "SQL": lambda text: "x = '" + text.replace("'", "''") + "'",
}
"""What writes a text into a file, by the platform's own libraries."""


@examples(60)
@given(
    IDS,
    st.sampled_from([*WRITERS]),
    st.sampled_from([*WRITERS]),
    st.sampled_from(["utf-8", "utf-16", "utf-16-be"]),
)
def test_an_id_is_found_in_whatever_writes_it_and_writes_that_again(
    id_: str, inner: str, outer: str, encoding: str
) -> None:
    assume(len(id_) >= LEAST_CHARACTERS)
    pattern = PersonPattern.of_person(Person(users=(id_,)))
    assert pattern is not None
    written = WRITERS[outer](WRITERS[inner](f" {id_} "))
    data = written.encode(encoding)
    assert pattern.data.is_in(data), written
    assert pattern.is_in(b"\xff" + data), "whatever comes before it"
    masked = pattern.hidden(written)
    assert not pattern.text.search(masked)
    assert masked != written


@examples(40)
@given(IDS, st.sampled_from([*WRITERS]))
def test_an_id_within_a_longer_one_is_somebody_else_s(id_: str, writer: str) -> None:
    assume(len(id_) >= LEAST_CHARACTERS)
    pattern = PersonPattern.of_person(Person(users=(id_,)))
    assert pattern is not None
    for other in (f" x{id_} ", f" {id_}x "):
        # A word begins or ends where an id does: one such as `-- -` is found in `x-- -`, too.
        if id_[0].isalnum() and id_[0].isascii() and id_[-1].isalnum() and id_[-1].isascii():
            assert not pattern.text.search(WRITERS[writer](other)), other


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_the_forms_of_an_address(form: Any) -> None:
    assert {
        JURGEN,
        "j\\u00fcrgen+1@ex\\u00e4mple.de",
        "j%C3%BCrgen%2B1%40ex%C3%A4mple.de",
        "j%25C3%25BCrgen%252B1%2540ex%25C3%25A4mple.de",
        "JÜRGEN+1@EXÄMPLE.DE",
        "ju\u0308rgen+1@exa\u0308mple.de",
        "j%C3%BCrgen+1@ex%C3%A4mple.de",
    } <= forms_of(unicodedata.normalize(form, JURGEN))
    assert forms_of("u-1234") == {"u-1234"}, "what nothing escapes has one form"


def test_words_of_a_line_that_could_not_be_read_have_their_escapes_undone() -> None:
    assert JURGEN in words_of('{"user_id": "j\\u00FCrgen+1@ex\\u00e4mple.de", ')
    assert JURGEN in words_of("https://shop.example/?u=j%c3%bcrgen%2B1%40ex%C3%A4mple.de")


def write_log(home: Path, text: str) -> None:
    log = AuditLog(home)
    scope = {"method": "GET", "path": f"/v1/explain/{text}", "client": ("127.0.0.1", 1)}
    log.denied(scope, "missing_key", 401)
    log.denied({**scope, "path": "/v1/analytics/sales"}, "missing_key", 401)
    log.close()


def write_escaped_log(home: Path, text: str) -> None:
    """Write a line as earlier versions did, in ASCII."""
    home.mkdir(exist_ok=True)
    line = json.dumps({"path": f"/v1/explain/{text}"})
    (home / "api.log").write_text(f"{line}\n{json.dumps({'path': '/'})}\n")


def write_history(home: Path, text: str) -> None:
    """Write a text into a database of Dagster's, whose JSON is in ASCII."""
    folder = home / "dagster" / "history"
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / "runs.db")) as con, con:
        con.execute("CREATE TABLE runs (body TEXT)")
        con.execute(
            "INSERT INTO runs VALUES (?)", [json.dumps({"body": json.dumps({"tag": text})})]
        )


def write_samples(home: Path, text: str) -> None:
    """Upload what names somebody, in each format, and what names nobody."""
    content = f"user_id\n{text}\n"
    archive, table = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("events.csv", content)
    pq.write_table(pa.table({"user_id": [text]}), table)
    samples = {
        "a.csv": content.encode("utf-16"),
        "b.csv.gz": gzip.compress(content.encode()),
        "c.zip": archive.getvalue(),
        "d.parquet": table.getvalue(),
        "e.csv": b"user_id\nbob-4712\n",
    }
    for name, sample in samples.items():
        folder = home / "samples" / (name[0] * 64)
        (folder / "copies").mkdir(parents=True)
        (folder / name).write_bytes(sample)


@examples(6)
@given(IDS)
def test_erasing_finds_and_removes_every_form_in_every_file_of_the_home(
    tmp_path_factory: pytest.TempPathFactory, id_: str
) -> None:
    assume(len(id_) >= LEAST_CHARACTERS and not id_.startswith("anon-"))
    home = tmp_path_factory.mktemp("home")
    settings, person = Settings(home=home), Person(users=(id_,))
    kept = BoardStore(settings)
    for write in (write_log, write_escaped_log, write_history, write_samples):
        write(home, id_)
    before = naming(settings, person, kept)
    names = {Path(path).name for path in before.cleaned}
    assert names == {"api_audit.jsonl", "api.log", "runs.db", *(name * 64 for name in "abcd")}
    assert before.others == []
    clean(settings, person, kept)
    after = naming(settings, person, kept)
    assert (after.cleaned, after.others, after.tables) == ([], [], [])
    assert [path.name for path in (home / "samples").iterdir()] == ["e" * 64]
    assert "/v1/analytics/sales" in (home / "api_audit.jsonl").read_text()
    assert (home / "api.log").read_text() == '{"path": "/"}\n'


def test_json_is_written_in_utf_8_and_half_a_pair_stays_an_escape() -> None:
    assert json_text({"user_id": JURGEN}) == f'{{"user_id": "{JURGEN}"}}'
    assert json_text("\ud800ü") == '"\\ud800ü"'
    assert json.loads(json_text("\ud800ü")) == "\ud800ü"


@pytest.mark.slow
def test_an_address_with_umlauts_is_erased_and_verified_by_the_commands(tmp_path: Path) -> None:
    home, landing, day = tmp_path / "home", tmp_path / "landing", date(2026, 1, 1)
    letters = day_folder(dead_letter_folder(landing), day) / "collect-1-1.parquet"
    (landing / "received_date=2026-01-01").mkdir(parents=True)
    rows = [
        f"e{n},{who},page_view,2026-01-01T10:0{n}:00Z,p1,hats,s-{n},https://shop.example/,,"
        for n, who in enumerate((JURGEN, "bob-4712"))
    ]
    file = landing / "received_date=2026-01-01" / "events.csv"
    file.write_text("\n".join([HEADER, *rows]) + "\n")
    assert ecom("run", "--events", landing, home=home).exit_code == 0
    write_log(home, JURGEN)
    write_samples(home, JURGEN)
    refused = [json.dumps({"user_id": JURGEN}).encode(), JURGEN.encode("utf-16-be"), b"bob-4712"]
    at = datetime(2026, 1, 1, tzinfo=UTC)
    received = [{"received_at": at, "reason": "unreadable", "value": value} for value in refused]
    assert land(pa.Table.from_pylist(received, schema=DEAD_LETTERS), letters)
    before = ecom("erase", "--customer", JURGEN, "--verify", "--json", home=home)
    assert before.exit_code == 1
    assert before.json["left"]["files"] == {str(file): 1, str(letters): 2}
    named = {Path(path).name for path in before.json["left"]["other_files"]}
    assert {"api_audit.jsonl", "a" * 64, "b" * 64, "c" * 64, "d" * 64} <= named
    assert ecom("erase", "--customer", JURGEN, "--yes", "--json", home=home).exit_code == 0
    after = ecom("erase", "--customer", JURGEN, "--verify", home=home)
    assert (after.exit_code, after.out) == (0, "Nothing of the person is left.\n")
    assert pq.read_table(letters, partitioning=None)["value"].to_pylist() == [b"bob-4712"]
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert not any(form.encode() in kept for form in forms_of(JURGEN))
