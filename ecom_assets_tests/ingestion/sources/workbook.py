"""Workbooks of a few cells, written by hand:
what a test reads is not by the library that reads it.
"""

import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from xml.sax.saxutils import escape

Rows = Sequence[Sequence[object]]
_DAY_0 = datetime(1899, 12, 30)  # noqa: DTZ001 (as spreadsheets count)
_TYPES = "http://schemas.openxmlformats.org"
_MAIN = f'xmlns="{_TYPES}/spreadsheetml/2006/main"'
_STYLES = (
    f'<styleSheet {_MAIN}><fonts count="1"><font/></fonts><fills count="1"><fill/></fills>'
    '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="2"><xf/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>'
)


def write_xlsx(path: Path, sheets: Mapping[str, Rows], merged: Sequence[str] = ()) -> Path:
    """Write sheets, with numbers as numbers and times as times; `merged`
    are ranges of the first one.
    """
    relation = f"{_TYPES}/officeDocument/2006/relationships"
    names = list(sheets)
    listed = "".join(
        f'<sheet name="{escape(n)}" sheetId="{i}" r:id="r{i}"/>' for i, n in enumerate(names, 1)
    )
    links = "".join(
        f'<Relationship Id="r{i}" Type="{relation}/worksheet" Target="worksheets/sheet{i}.xml"/>'
        for i in range(1, len(names) + 1)
    )
    links += f'<Relationship Id="s" Type="{relation}/styles" Target="styles.xml"/>'
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "[Content_Types].xml",
            (
                f'<Types xmlns="{_TYPES}/package/2006/content-types"><Default Extension="xml" '
                'ContentType="text/xml"/><Default Extension="rels" ContentType="text/xml"/></Types>'
            ),
        )
        archive.writestr(
            "_rels/.rels",
            (
                f'<Relationships xmlns="{package}"><Relationship Id="w" '
                f'Type="{relation}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
            ),
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook {_MAIN} xmlns:r="{relation}"><sheets>{listed}</sheets></workbook>',
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{package}">{links}</Relationships>',
        )
        archive.writestr("xl/styles.xml", _STYLES)
        for number, rows in enumerate(sheets.values(), start=1):
            ranges = "".join(f'<mergeCell ref="{area}"/>' for area in merged if number == 1)
            tail = f"<mergeCells>{ranges}</mergeCells>" if ranges else ""
            body = "".join(_row(at, row) for at, row in enumerate(rows, start=1))
            archive.writestr(
                f"xl/worksheets/sheet{number}.xml",
                f"<worksheet {_MAIN}><sheetData>{body}</sheetData>{tail}</worksheet>",
            )
    return path


def _row(number: int, cells: Sequence[object]) -> str:
    written = (
        _cell(f"{chr(ord('A') + at)}{number}", cell)
        for at, cell in enumerate(cells)
        if cell is not None
    )
    return f'<row r="{number}">{"".join(written)}</row>'


def _cell(place: str, cell: object) -> str:
    if isinstance(cell, bool):
        return f'<c r="{place}" t="b"><v>{int(cell)}</v></c>'
    if isinstance(cell, int | float):
        return f'<c r="{place}"><v>{cell!r}</v></c>'
    if isinstance(cell, datetime):
        days = (cell - _DAY_0).total_seconds() / 86400
        return f'<c r="{place}" s="1"><v>{days!r}</v></c>'
    if isinstance(cell, str) and cell.startswith("="):  # with the value that it had
        formula, value = cell[1:].split(" is ")
        return f'<c r="{place}"><f>{escape(formula)}</f><v>{value}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t>{escape(str(cell))}</t></is></c>'


def write_ods(path: Path, name: str, rows: Rows) -> Path:
    """Write one sheet of texts and numbers as OpenDocument."""
    space = "urn:oasis:names:tc:opendocument:xmlns"
    head = " ".join(f'xmlns:{short}="{space}:{short}:1.0"' for short in ("office", "table", "text"))
    body = "".join(
        f"<table:table-row>{''.join(map(_ods_cell, row))}</table:table-row>" for row in rows
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", '<manifest:manifest xmlns:manifest="urn:m"/>')
        archive.writestr(
            "content.xml",
            f"<office:document-content {head}><office:body><office:spreadsheet>"
            f'<table:table table:name="{name}">{body}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        )
    return path


def _ods_cell(cell: object) -> str:
    if cell is None:
        return "<table:table-cell/>"
    if isinstance(cell, datetime):
        shown = f'office:value-type="date" office:date-value="{cell.isoformat()}"'
    elif isinstance(cell, int | float):
        shown = f'office:value-type="float" office:value="{cell}"'
    else:
        shown = 'office:value-type="string"'
    return f"<table:table-cell {shown}><text:p>{escape(str(cell))}</text:p></table:table-cell>"
