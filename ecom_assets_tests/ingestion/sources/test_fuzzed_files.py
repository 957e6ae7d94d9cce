"""Thousands of generated files, sound, odd and broken: no traceback, no hang,
and every row of them is accounted for.

What a file must give is known from making it, and by Python's own `csv` and `json`. Each file has a
number, from which alone it is made; a failure prints the number and how to make the file again.
"""

import csv
import gzip
import io
import json
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from ecom_assets.core.errors import EcomError
from ecom_assets.ingestion.sources.files.mapping import load_mapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.hypothesis_settings import seeds

COLUMNS = (
    "event_id",
    "user_id",
    "event_type",
    "event_timestamp",
    "product_id",
    "product_category",
    "session_id",
    "page_url",
    "referrer_url",
    "cart_value",
    "received_at",
)
TEXTS = (
    "",
    "x",
    "é",
    "日本",
    "a,b",
    'say "hi"',
    "two\nlines",
    "two\r\nlines",
    "lone\rreturn",
    " blanks ",
    "\t",
    "'",
    "\\",
    "\\n",
    "NULL",
    "null",
    "0",
    "-1",
    "1e400",
    "\u2028",
    "\ufeff",
    "\x7f",
    "\x01\x02\x03\x04",
    "\ufdd1",
    "%s",
    "{}",
    "[[[",
    "=1+1",
    "x" * 3000,
    "☃" * 500,
)
TIMES = (
    "2026-01-05T10:00:00Z",
    "2026-01-05 10:00:00",
    "2026-01-05T10:00:00+14:00",
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    "2999-01-01",
    "infinity",
    "-infinity",
    "epoch",
    "yesterday",
    "",
    "2026-02-30",
    "2026-01-05T24:00:00Z",
    "2026-01-05T10:00:00.999999999Z",
    "294247-01-10T04:00:54Z",
)
DAMAGED_CSV = (
    b"x",
    b"1,2",
    b"," * 40 + b"z",
    b'"open',
    b'a,"b"c,d',
    b"\xff\xfe",
    b"a,\xc3,c",
    b"nul\x00",
)
DAMAGED_JSON = (
    b"{",
    b"[1]",
    b"null",
    b'{"a":',
    b"x",
    b'"text"',
    b'{"event_id": "\xff"}',
    b'{"a": "\x00"}',
    b"{}}",
    b"\x00",
)
SECONDS = 20


@dataclass(frozen=True)
class Made:
    """A file, and how many rows and damaged lines it must give; `None` where it may
    also be refused as a whole.
    """

    name: str
    content: bytes
    rows: int | None
    damaged: int = 0


def made(number: int) -> Made:
    """Make the file of a number."""
    dice = random.Random(number)  # noqa: S311 (no secret)
    make: Callable[[random.Random], Made] = dice.choice(
        [_csv, _csv, _csv, _ndjson, _ndjson, _deep, _bytes, _broken]
    )
    return make(dice)


def _rows(dice: random.Random) -> list[dict[str, str]]:
    rows = []
    for number in range(dice.choice([0, 1, 2, 5, 30])):
        row = {name: dice.choice(TEXTS) for name in COLUMNS}
        row |= {
            "event_id": f"e{number}",
            "event_timestamp": dice.choice(TIMES),
            "received_at": dice.choice(TIMES),
        }
        rows.append(row)
    return rows


def _csv(dice: random.Random) -> Made:
    end = dice.choice(["\n", "\r\n", "\r", "\r\r\n"])
    is_tab = dice.random() < 0.2
    lines = []
    for values in [list(COLUMNS), *([*row.values()] for row in _rows(dice))]:
        written = io.StringIO()
        style = (
            csv.excel if dice.random() < 0.5 else csv.unix_dialect
        )  # the latter quotes every value
        csv.writer(
            written, delimiter="\t" if is_tab else ",", dialect=style, lineterminator="\r\n"
        ).writerow(values)
        lines.append(written.getvalue().removesuffix("\r\n").encode())
    rows, damaged = len(lines) - 1, 0
    if not is_tab:
        for _ in range(dice.choice([0, 0, 1, 3])):
            # At the end: before another row, an open quote may become a value together with that
            # row.
            lines.append(dice.choice(DAMAGED_CSV))
            damaged += 1
    start = dice.choice([b"", b"", b"\xef\xbb\xbf", b"\n", b"\r\n\r\n"])
    body = start + end.encode().join(lines) + dice.choice([b"", end.encode(), end.encode() * 3])
    if not damaged:
        text = body.decode("utf-8-sig")
        actual = [
            row
            for row in csv.reader(io.StringIO(text, newline=""), delimiter="\t" if is_tab else ",")
            if row
        ]
        assert len(actual) == rows + 1
    return _packed(dice, "e.tsv" if is_tab else "e.csv", body, rows, damaged)


def _ndjson(dice: random.Random) -> Made:
    lines = []
    for row in _rows(dice):
        values: dict[str, object] = {**row}
        if dice.random() < 0.3:
            values[dice.choice(["user_id", "product_id"])] = dice.choice(
                [1, 2**70, 1.5, None, -0.0]
            )
        lines.append(json.dumps(values, ensure_ascii=dice.random() < 0.5).encode())
    assert all(isinstance(json.loads(line), dict) for line in lines)
    rows, damaged = len(lines), 0
    for _ in range(dice.choice([0, 0, 1, 3])):
        lines.insert(dice.randint(0, len(lines)), dice.choice(DAMAGED_JSON))
        damaged += 1
    end = dice.choice([b"\n", b"\r\n", b"\r", b"\r\r\n"])
    return _packed(
        dice, "e.ndjson", dice.choice([b"", b"\xef\xbb\xbf"]) + end.join(lines), rows, damaged
    )


def _deep(dice: random.Random) -> Made:
    depth = dice.choice([10, 499, 500, 1000, 100_000])
    opening, closing = dice.choice([("[", "]"), ('{"k":', "}")])
    sound = json.dumps(dict.fromkeys(COLUMNS, "x"))
    deep = sound[:-1] + ', "properties": ' + opening * depth + "1" + closing * depth + "}"
    lines = [sound, sound, deep]
    dice.shuffle(lines)
    is_too_deep = depth + 1 > 500
    return _packed(dice, "e.ndjson", "\n".join(lines).encode(), 3 - is_too_deep, int(is_too_deep))


def _packed(dice: random.Random, name: str, body: bytes, rows: int, damaged: int) -> Made:
    # A file with many NULs is not text at all.
    is_text = 8 * body[:4096].count(b"\x00") <= len(body[:4096])
    expected = rows if body and is_text else None
    is_gzip = dice.random() < 0.3
    return Made(
        f"{name}.gz" if is_gzip else name,
        gzip.compress(body, 1, mtime=0) if is_gzip else body,
        expected,
        damaged,
    )


def _bytes(dice: random.Random) -> Made:
    """Whatever it is, it may be refused, but only in a sentence."""
    alphabet = dice.choice([bytes(range(256)), b'a,"\n', b'a,"\r\n ', b'{"a":1}[]\n,', b"\x00\n,a"])
    body = bytes(dice.choices(alphabet, k=dice.choice([0, 1, 10, 300, 3000])))
    if dice.random() < 0.5:
        body = ",".join(COLUMNS).encode() + b"\n" + body
    return Made(
        dice.choice(["e.csv", "e.ndjson", "e.tsv", "e.csv.gz", "e.parquet", "e.json"]), body, None
    )


def _broken(dice: random.Random) -> Made:
    """A file of another kind here, with bits flipped or its end cut off."""
    sound = dice.choice([_csv, _ndjson])(dice)
    content = bytearray(sound.content)
    for _ in range(dice.choice([0, 1, 5])):
        if content:
            content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    return Made(
        sound.name,
        bytes(content[: dice.choice([len(content), len(content) // 2, max(0, len(content) - 5)])]),
        None,
    )


class Hang(BaseException):
    """Raised in the middle of what takes too long; no `except Exception` holds it."""


@contextmanager
def no_longer_than(seconds: int) -> Iterator[None]:
    """Interrupt what takes longer."""

    def interrupt(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def check(number: int, folder: Path, con: duckdb.DuckDBPyConnection) -> None:
    """Read the file of a number, and hold what comes of it against what it was made of."""
    file = made(number)
    path = folder / f"{number}_{file.name}"
    path.write_bytes(file.content)
    again = f'from {__name__} import made; open("{file.name}", "wb").write(made({number}).content)'
    how = f"file {number}: python -c '{again}'"
    mapping = load_mapping("ecommerce").model_copy(update={"other_columns": "properties"})
    try:
        with no_longer_than(SECONDS):
            files = RecordFiles.open(con, [path], mapping)
            days = files.received_days()
            sql = files.received_sql()
            rows, damaged, without_day = con.execute(
                f"SELECT count(*) FILTER (WHERE malformed_row IS NULL), count(malformed_row),"
                f" count(*) FILTER (WHERE received_date IS NULL) FROM ({sql})"
            ).fetchone() or (0, 0, 0)
            counted = _on_days(con, files)
            [looked_at] = files.file_rows()
    except EcomError as refusal:
        if file.rows is None and "\n" not in str(refusal):
            return
        raise AssertionError(f"{how}\nwas refused: {refusal}") from refusal
    except BaseException as error:
        raise AssertionError(f"{how}\nended with {type(error).__name__}: {error}") from error
    assert (without_day, counted) == (0, rows + damaged), how
    assert (looked_at.row_count, sum(looked_at.by_day.values())) == (
        rows + damaged,
        rows + damaged,
    ), how
    if days:
        assert 1990 <= days[0].year <= days[1].year <= 2099, how
    if file.rows is not None:
        assert (rows, damaged) == (file.rows, file.damaged), how


def _on_days(con: duckdb.DuckDBPyConnection, files: RecordFiles) -> int:
    """Count the rows on the days that the files say they cover, as a run takes them."""
    days = files.received_days()
    if days is None:
        return 0
    sql = files.received_sql(days[0])
    actual = con.execute(
        f"SELECT count(*) FROM ({sql}) WHERE received_date <= DATE '{days[1]}'"
    ).fetchone()
    return int(actual[0]) if actual else 0


@pytest.mark.slow
def test_generated_files_are_read_to_the_row_or_refused_in_a_sentence(tmp_path: Path) -> None:
    with fresh_duckdb() as con:
        for number in seeds(range(2_000)):
            check(number, tmp_path, con)
