"""Small files that would take gigabytes, or end the process, of whoever reads them as a whole."""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from ecom_assets_tests.ingestion.sources.workbook import write_ods, write_xlsx

HEADER: Final = ("order_id", "amount")


def _with_rows(path: Path, rows: str, texts: str = "") -> Path:
    """Write a workbook of Excel's with rows of XML below its header, and texts to refer to."""
    write_xlsx(path, {"Orders": [HEADER]})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    sheet, links = "xl/worksheets/sheet1.xml", "xl/_rels/workbook.xml.rels"
    parts[sheet] = parts[sheet].replace("</sheetData>", f"{rows}</sheetData>")
    if texts:
        main = parts[sheet].partition('xmlns="')[2].partition('"')[0]
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{main}">{texts}</sst>'
        relation = parts[links].partition('Type="')[2].partition('/worksheet"')[0]
        named = f'Id="t" Type="{relation}/sharedStrings" Target="sharedStrings.xml"'
        parts[links] = parts[links].replace(
            "</Relationships>", f"<Relationship {named}/></Relationships>"
        )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def last_cell(folder: Path) -> Path:
    """Write a workbook with a cell in the last row and column that there are."""
    row = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    return _with_rows(folder / "last.xlsx", row)


def far_cell(folder: Path) -> Path:
    """Write a workbook with a cell so far away that 70 million places are before it; its row does
    not say which it is.
    """
    return _with_rows(folder / "far.xlsx", '<row><c r="AAA100000"><v>1</v></c></row>')


def one_text(folder: Path) -> Path:
    """Write a workbook whose 100,000 cells refer to one text of 32 kB."""
    cells = "".join(f'<c r="{letter}{{0}}" t="s"><v>0</v></c>' for letter in "ABCDEFGHIJ")
    rows = "".join(f'<row r="{at}">{cells.format(at)}</row>' for at in range(2, 10_002))
    return _with_rows(folder / "text.xlsx", rows, f"<si><t>{'x' * 32_000}</t></si>")


def repeated_rows(folder: Path) -> Path:
    """Write an OpenDocument workbook of which a row is repeated a million times."""
    path = write_ods(folder / "repeated.ods", "Orders", [HEADER, (1, 2)])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    head, row, tail = parts["content.xml"].rpartition("<table:table-row>")
    row = '<table:table-row table:number-rows-repeated="1000000">'
    tail = tail.replace(
        "<table:table-cell ", '<table:table-cell table:number-columns-repeated="40" '
    )
    parts["content.xml"] = head + row + tail
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def one_value(folder: Path) -> Path:
    """Write a Parquet file whose 20,000 rows refer to one text of 200 kB."""
    path, row_count = folder / "value.parquet", 20_000
    note = pa.DictionaryArray.from_arrays(pa.array([0] * row_count, pa.int32()), ["x" * 200_000])
    pq.write_table(pa.table({"order_id": range(row_count), "note": note}), path)
    return path


BOUND_FILES: Final[Mapping[str, Callable[[Path], Path]]] = {
    "last cell": last_cell,
    "far cell": far_cell,
    "one text": one_text,
    "repeated rows": repeated_rows,
    "one value": one_value,
}
