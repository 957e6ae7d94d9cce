"""A file of another encoding than UTF-8 loses no row: it is recognized,
read as its mapping states, or refused.
"""

import logging
from datetime import date
from pathlib import Path

import pytest

from ecom_assets.core.errors import MappingError, SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.ingestion.sources.files.catalogue import categories_sql, products_sql
from ecom_assets.ingestion.sources.files.mapping import EventMapping
from ecom_assets.ingestion.sources.files.text_blocks import encoding_of_lines, known_encoding
from ecom_assets.ingestion.sources.stock_reading import FileStock
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.ingestion.sources.conftest import SHOP, Read, csv_text, ndjson_text, write

WESTERN = [
    "Küche",
    "Straße",
    "Crème brûlée",
    "Señor 50 €",
    "it\u2019s \u2013 fine",
    "Smørrebrød",
    "Ångström",
    "plain",
]


def events_in(categories: list[str]) -> list[dict[str, str]]:
    return [
        {**SHOP[0], "event_id": f"e{n}", "product_category": category}
        for n, category in enumerate(categories)
    ]


def own_mapping(folder: Path, **more: str) -> Path:
    fields = "".join(f"  {name}: {name}\n" for name in SHOP[0])
    keys = "".join(f"{name}: {value}\n" for name, value in more.items())
    return write(folder / "own.yaml", f"{keys}fields:\n{fields}")


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig", "utf-8"])
def test_every_row_is_read_with_its_letters(
    tmp_path: Path, read: Read, encoding: str, ending: str
) -> None:
    text = csv_text(events_in(WESTERN)).encode(encoding)
    rows = read(write(tmp_path / f"e.csv{ending}", text))
    assert [row["malformed_row"] for row in rows] == [None] * len(WESTERN)
    assert [row["product_category"] for row in rows] == WESTERN


def test_json_with_a_byte_order_mark_is_read(tmp_path: Path, read: Read) -> None:
    for encoding in ("utf-16", "utf-8-sig"):
        rows = read(write(tmp_path / "e.ndjson", ndjson_text(events_in(WESTERN)).encode(encoding)))
        assert [row["product_category"] for row in rows] == WESTERN


def test_letters_far_from_the_beginning_are_recognized(tmp_path: Path, read: Read) -> None:
    rows = read(
        write(
            tmp_path / "e.csv", csv_text(events_in(["plain"] * 5_000 + ["Küche"])).encode("cp1252")
        )
    )
    assert [row["product_category"] for row in rows].count("Küche") == 1
    assert len(rows) == 5_001


def test_the_header_is_read_in_the_encoding_too(tmp_path: Path, read: Read) -> None:
    mapping = own_mapping(tmp_path)
    write(
        mapping,
        mapping.read_text(encoding="utf-8").replace(
            "cart_value: cart_value", "cart_value: Preis (€)"
        ),
    )
    text = csv_text(SHOP).replace("cart_value", "Preis (€)", 1)
    for encoding in ("cp1252", "utf-16", "utf-8"):
        rows = read(write(tmp_path / "e.csv", text.encode(encoding)), mapping)
        assert [row["cart_value"] for row in rows] == [None, "19.90", None]


def test_what_was_recognized_is_said_once(
    tmp_path: Path, read: Read, caplog: pytest.LogCaptureFixture
) -> None:
    file = write(tmp_path / "said-once.csv", csv_text(events_in(WESTERN)).encode("cp1252"))
    with caplog.at_level(logging.WARNING):
        read(file)
        read(file)
    [record] = caplog.records
    assert record.getMessage() == (
        "said-once.csv is not UTF-8 and is read as Windows-1252; if its letters come out wrong, "
        "state its `encoding` in the mapping (docs/mappings.md)."
    )


@pytest.mark.parametrize(
    ("encoding", "categories"),
    [
        ("windows-1250", ["Łódź", "Żółw", "książka"]),
        ("windows-1251", ["Москва", "кухня"]),
        ("shift_jis", ["東京都", "台所"]),
        ("latin-1", ["Küche"]),
        ("utf-16-le", ["Küche", "Москва"]),
    ],
)
def test_a_stated_encoding_is_taken(
    tmp_path: Path, read: Read, encoding: str, categories: list[str]
) -> None:
    mapping = own_mapping(tmp_path, encoding=encoding)
    for name, text in (
        ("e.csv", csv_text(events_in(categories))),
        ("e.ndjson", ndjson_text(events_in(categories))),
    ):
        rows = read(write(tmp_path / name, text.encode(encoding)), mapping)
        assert [row["product_category"] for row in rows] == categories


@pytest.mark.parametrize(
    ("encoding", "categories"),
    [("cp1250", ["książka", "Łódź"]), ("cp1251", ["Москва"]), ("shift_jis", ["東京都"])],
)
def test_another_encoding_is_refused_with_the_remedy(
    tmp_path: Path, read: Read, encoding: str, categories: list[str]
) -> None:
    file = write(tmp_path / "e.csv", csv_text(events_in(categories)).encode(encoding))
    with pytest.raises(
        SourceError, match=r"lines of e\.csv are neither UTF-8 .* state the encoding in its mapping"
    ):
        read(file)
    file = write(
        tmp_path / "e.csv", csv_text(SHOP).replace("cart_value", categories[0], 1).encode(encoding)
    )
    with pytest.raises(
        SourceError, match=r"the header of e\.csv is neither UTF-8 nor .* state the encoding"
    ):
        read(file)


def test_damaged_lines_of_utf_8_stay_damaged_lines(tmp_path: Path, read: Read) -> None:
    lines = csv_text(events_in(["Küche", "Straße", "Ærø"])).encode().splitlines()
    lines[2] = lines[2].replace("ß".encode(), b"\xdf")
    rows = read(write(tmp_path / "e.csv", b"\n".join(lines)))
    assert [row["product_category"] for row in rows] == ["Küche", "Ærø", None]
    assert "Stra\\xdfe" in rows[2]["malformed_row"]


def test_bytes_that_a_stated_encoding_does_not_have_damage_their_line_only(
    tmp_path: Path, read: Read
) -> None:
    text = csv_text(events_in(["Küche", "Xer"])).encode("cp1252").replace(b"Xer", b"X\x81er")
    rows = read(write(tmp_path / "e.csv", text), own_mapping(tmp_path, encoding="windows-1252"))
    assert [row["product_category"] for row in rows] == ["Küche", None]
    assert "X\\x81er" in rows[1]["malformed_row"]


def test_text_that_is_cut_within_a_character_is_refused(tmp_path: Path, read: Read) -> None:
    file = write(tmp_path / "e.csv", csv_text(SHOP).encode("utf-16")[:-1])
    with pytest.raises(SourceError, match=r"e\.csv is not utf-16 to its end"):
        read(file)


def test_an_encoding_must_be_one_of_text(tmp_path: Path, read: Read) -> None:
    assert [known_encoding(name) for name in ("UTF8", "windows-1252", "ascii")] == [
        "utf-8",
        "cp1252",
        "utf-8",
    ]
    for name in ("klingon", "hex", "x\x00"):
        with pytest.raises(ValueError, match="is not a text encoding; give one like"):
            known_encoding(name)
    with pytest.raises(
        MappingError, match=r"own\.yaml: `encoding`: 'klingon' is not a text encoding"
    ):
        read(write(tmp_path / "e.csv", csv_text(SHOP)), own_mapping(tmp_path, encoding="klingon"))
    assert EventMapping.model_fields["encoding"].default is None


def test_a_few_lines_of_an_unknown_encoding_are_damaged_lines() -> None:
    lines = [b"plain"] * 100
    assert encoding_of_lines([*lines, b"a\x81b"], "e.csv") is None
    with pytest.raises(SourceError, match=r"6 of 106 lines of e\.csv"):
        encoding_of_lines([*lines, *[b"a\x81b"] * 6], "e.csv")


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig"])
def test_a_catalogue_is_read_in_its_encoding(tmp_path: Path, encoding: str) -> None:
    path = write(
        tmp_path / "catalogue.csv",
        "product_id,category,stock\n1,Küche,5\n2,Straße,6\n".encode(encoding),
    )
    with fresh_duckdb() as con:
        rows = con.execute(categories_sql(products_sql(con, path))).fetchall()
    assert sorted(rows) == [("1", "Küche", None), ("2", "Straße", None)]
    stock = FileStock(Settings(catalogue=str(path))).received(Days((date(2026, 2, 3),)))
    assert sorted(stock.rows.to_pyarrow()["product_category"].to_pylist()) == ["Küche", "Straße"]
