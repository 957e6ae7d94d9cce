"""Files as they were sent, searched for a person: packed in each other, damaged, and deadly."""

import bz2
import gzip
import html
import io
import json
import random
import time
import zipfile
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.written_forms import readings_of, texts_of
from ecom_assets.ingestion.uploads.store import Uploads
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.orchestration.privacy import file_search
from ecom_assets.orchestration.privacy.file_search import Found, search
from ecom_assets.orchestration.privacy.other_files import clean, naming
from ecom_assets.orchestration.privacy.person import Person
from ecom_assets.orchestration.privacy.person_pattern import PersonPattern
from ecom_assets.orchestration.privacy.sample_files import UNREADABLE_PREFIX
from ecom_assets_tests.ingestion.sources.workbook import write_xlsx
from ecom_assets_tests.ingestion.uploads.shop_exports import sent

ANN, BOB = "c1003@shop.example", "c1001@shop.example"
ANNAS = Person(users=(ANN,))


def pattern_of(*ids: str) -> PersonPattern:
    pattern = PersonPattern.of_person(Person(users=ids))
    assert pattern is not None
    return pattern


def found_in(path: Path, pattern: PersonPattern) -> Found:
    steps = search(path, pattern)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Found = end.value
            return found


def as_csv(who: str, _: Path) -> bytes:
    return f"Email\n{who}\n".encode()


def as_xlsx(who: str, folder: Path) -> bytes:
    return write_xlsx(folder / "book.xlsx", {"orders": [["Email"], [who]]}).read_bytes()


def as_parquet(who: str, _: Path) -> bytes:
    table = io.BytesIO()
    pq.write_table(pa.table({"Email": [who]}), table, compression="zstd")
    return table.getvalue()


def zipped(name: str, content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)
    return archive.getvalue()


CONTENTS = {".csv": as_csv, ".xlsx": as_xlsx, ".parquet": as_parquet}


@pytest.mark.parametrize("ending", CONTENTS)
@pytest.mark.parametrize("layers", [(), ("gz",), ("zip",), ("gz", "zip"), ("zip", "zip", "gz")])
@pytest.mark.parametrize("who", [ANN, BOB])
def test_a_person_is_found_through_every_layer_and_nobody_else(
    tmp_path: Path, ending: str, layers: tuple[str, ...], who: str
) -> None:
    name, content = f"orders{ending}", CONTENTS[ending](who, tmp_path)
    for layer in layers:
        content = gzip.compress(content) if layer == "gz" else zipped(name, content)
        name = f"{name}.{layer}"
    (tmp_path / name).write_bytes(content)
    expected = Found.NAMED if who == ANN else Found.ABSENT
    assert found_in(tmp_path / name, pattern_of(ANN)) is expected


def test_an_ending_that_says_nothing_hides_nobody(tmp_path: Path) -> None:
    (tmp_path / "orders.zip").write_bytes(
        zipped("orders.dat", gzip.compress(as_csv(ANN, tmp_path)))
    )
    assert found_in(tmp_path / "orders.zip", pattern_of(ANN)) is Found.NAMED
    (tmp_path / "named.zip").write_bytes(zipped(f"{ANN}.csv", b"x"))
    assert found_in(tmp_path / "named.zip", pattern_of(ANN)) is Found.NAMED


def test_what_nobody_can_search_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_search, "ALWAYS_BYTES", 1_000_000)
    text, deep = as_csv(BOB, tmp_path), as_csv(BOB, tmp_path)
    for _ in range(8):
        deep = zipped("a.zip", deep)
    contents = {
        "cut.csv.gz": gzip.compress(text)[:-4],
        "cut.zip": zipped("orders.csv", text)[:-9],
        "entry.zip": zipped("orders.csv.bz2", bz2.compress(text)),
        "book.zip": zipped("orders.xlsx", b"no workbook"),
        "rows.zip": zipped("orders.parquet", b"PAR1 no rows"),
        "deep.zip": deep,
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert found_in(tmp_path / name, pattern_of(ANN)) is Found.UNREADABLE, name
    huge = zipped("a.zip", zipped("zeros.csv", b"0" * 9) + b"0" * 2_000_000)
    (tmp_path / "huge.zip").write_bytes(huge)
    assert found_in(tmp_path / "huge.zip", pattern_of(ANN)) is Found.UNREADABLE


CELL = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    '<row r="1"><c r="A1"><v>1</v></c></row>'
    '<row r="1048576"><c r="XFD1048576"><v>2</v></c></row></sheetData></worksheet>'
)
REPEATS = (
    '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" office:version="1.2">'
    '<office:body><office:spreadsheet><table:table table:name="a">'
    '<table:table-row table:number-rows-repeated="1000000">'
    '<table:table-cell table:number-columns-repeated="16000" office:value-type="string">'
    "<text:p>x</text:p></table:table-cell></table:table-row></table:table>"
    "</office:spreadsheet></office:body></office:document-content>"
)


def far_cell(folder: Path) -> bytes:
    """Return a workbook of 2 kB with a cell at the end of the sheet."""
    path = write_xlsx(folder / "far.xlsx", {"a": [["1"]]})
    with zipfile.ZipFile(path) as file:
        entries = {entry: file.read(entry) for entry in file.namelist()}
    sheet = next(entry for entry in entries if "worksheets/" in entry)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for entry, content in {**entries, sheet: CELL.encode()}.items():
            file.writestr(entry, content)
    return archive.getvalue()


def repeats() -> bytes:
    """Return a table of sixteen billion cells in under 1 kB."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        file.writestr("content.xml", REPEATS)
    return archive.getvalue()


def test_a_file_that_ends_its_reader_goes_and_all_others_are_searched(tmp_path: Path) -> None:
    """The reader of each deadly file dies or has no memory; the search of the next one goes on."""
    home, deadly = tmp_path / "home", far_cell(tmp_path)
    contents = {
        "far.xlsx": deadly,
        "far.zip": zipped("far.xlsx", deadly),
        "repeats.ods": repeats(),
        "zeros.csv.gz": gzip.compress(as_csv(ANN, tmp_path)),
        "others.csv": as_csv(BOB, tmp_path),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        sent(home, tmp_path / name)
    settings = Settings(home=home)
    kept = BoardStore(settings)
    assert len(naming(settings, ANNAS, kept).cleaned) == 4
    changed = clean(settings, ANNAS, kept)
    unreadable = [path for path in changed if path.startswith(UNREADABLE_PREFIX)]
    assert (len(unreadable), sum("originals" in path for path in changed)) == (3, 4)
    left = {upload.name for upload in Uploads(home).every() if upload.has_original}
    assert left == {"others.csv"}
    assert naming(settings, ANNAS, kept).cleaned == []


def test_a_removal_that_is_killed_between_list_and_file_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "orders.csv").write_bytes(as_csv(ANN, tmp_path))
    home = tmp_path / "home"
    sent(home, tmp_path / "orders.csv")
    settings = Settings(home=home)
    kept = BoardStore(settings)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Uploads, "forget_original", killed)
        with pytest.raises(KeyboardInterrupt):
            clean(settings, ANNAS, kept)
    clean(settings, ANNAS, kept)
    (upload,) = Uploads(home).every()
    assert not upload.has_original
    assert naming(settings, ANNAS, kept).cleaned == []


def test_the_search_of_a_large_file_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of nine megabytes, it says so after each four, in blocks of 4,194,304 bytes."""
    monkeypatch.setattr(file_search, "STEP_BYTES", 4_000_000)
    path = tmp_path / "orders.csv.gz"
    path.write_bytes(gzip.compress(b"x" * 9_000_000, 1))
    said = list(search(path, pattern_of(ANN)))
    assert [searched // 1_000_000 for searched in said] == [4, 8]


ODD = ("jürgen+1@exämple.de", "o'neil & co", "анна иванова", "#1001", "ann-4711", 'a"b/c d')


def hexed(text: str) -> str:
    return "".join(f"\\u{ord(letter):04x}" for letter in text)


WRITERS = (
    str,
    json.dumps,
    quote,
    html.escape,
    hexed,
    lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    lambda text: "".join(f"&#{ord(letter)};" for letter in text),
    lambda text: text[:1] + hexed(text[1:]),
    lambda text: text.replace('"', '""'),
    lambda text: text.replace(" ", "+"),
    lambda text: text.upper(),
    lambda text: f"x&copy{text}",
    lambda text: f"x{text}y",
)
NOISE = ("?a=1&b=2", "%20", '\\"', "&amp;x=1", " ", "\\u0026", "ann", "%26", "1001", "ü", "é")


def test_parts_are_read_as_the_whole_would_be() -> None:
    """Three layers of escapes in random noise: found if and only if all readings of all show it."""
    chance = random.Random(11)  # noqa: S311 (no secret)
    counts = {True: 0, False: 0}
    for _ in range(150):
        id_ = chance.choice(ODD)
        pattern, text = pattern_of(id_), id_
        for writer in chance.choices(WRITERS, k=chance.randrange(1, 4)):
            text = writer(text)
        before, behind = ("".join(chance.choices(NOISE, k=chance.randrange(40))) for _ in "ab")
        encoding = chance.choice(["utf-8", "utf-8", "utf-16-le"])
        data = f"{before} {text} {behind}".encode(encoding)
        whole = pattern.data.is_in(data) or any(
            pattern.text.search(reading) for each in texts_of(data) for reading in readings_of(each)
        )
        assert pattern.is_in(data) == whole, (id_, text)
        counts[whole] += 1
    assert min(counts.values()) > 10


@pytest.mark.slow
def test_gzip_is_searched_in_a_few_times_what_unpacking_takes(tmp_path: Path) -> None:
    """2.5 times where this was written. By the time of the processor, which a busy machine
    does not change much.
    """
    chance = random.Random(5)  # noqa: S311 (no secret)
    lines = [
        f"{n},customer{chance.randrange(10**6)}@shop.example,2026-03-01 10:00:00 +0100,"
        f"{chance.randrange(9999) / 100},EUR,https://shop.example/p/{n}?a=1&utm_source=mail\n"
        for n in range(400_000)
    ]
    text = "".join(lines).encode() * 4
    path = tmp_path / "orders.csv.gz"
    path.write_bytes(gzip.compress(text, 6))
    began = time.process_time()
    gzip.decompress(path.read_bytes())
    unpacked = time.process_time()
    assert found_in(path, pattern_of(ANN)) is Found.ABSENT
    assert time.process_time() - unpacked < 8 * (unpacked - began)
