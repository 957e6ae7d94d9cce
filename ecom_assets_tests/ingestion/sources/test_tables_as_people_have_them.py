"""Workbooks, titles above the header, totals below the rows, headers of two lines:
what comes out of each.
"""

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from ecom_assets.core.errors import SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.files.formats import find_files
from ecom_assets.ingestion.sources.files.mapping import OrderMapping
from ecom_assets.ingestion.sources.files.table_heads import TableKeys
from ecom_assets.ingestion.sources.files.unpacked import unpacked
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import OWN, MappingSearch, read_by
from ecom_assets.ingestion.sources.reading import CustomerFileReading, FileReading
from ecom_assets_tests.builders import Row
from ecom_assets_tests.ingestion.sources.test_order_files import read
from ecom_assets_tests.ingestion.sources.workbook import Rows, write_ods, write_xlsx

HEADER = ("Bestellnummer", "Datum", "Kunde", "Artikel", "Menge", "Summe")
LINES: Rows = (
    ("R1", datetime(2026, 3, 2, 9, 30, 15), 100, "Lampe", 2, 1234.5),  # noqa: DTZ001 (a cell has no zone)
    ("R2", datetime(2026, 3, 3), 101, "Tisch", 1, 0.1),  # noqa: DTZ001 (as above)
    ("R3", datetime(2026, 3, 4, 23, 59, 59), 102, "Tisch", 1, -3),  # noqa: DTZ001 (as above)
)


def orders_by_init(path: Path, **answers: str) -> tuple[dict[str, object], list[Row]]:
    """Return the mapping that is proposed for a file of orders, and the rows as it reads them."""
    search = MappingSearch([str(path)], Settings(home=path.parent), MappingKind.ORDERS)
    proposal = search.proposal({"timezone": "UTC", **answers}, OWN)
    assert [
        question.key
        for question in proposal.questions
        if question.key not in {"timezone", *answers}
    ] == []
    with read_by(search, proposal) as reading:
        assert isinstance(reading, FileReading)
        rows: list[Row] = reading.files.classified().to_pyarrow().to_pylist()
    return yaml.safe_load(proposal.text), sorted(rows, key=lambda row: str(row["order_id"]))


@pytest.mark.slow
def test_cells_of_a_workbook_are_read_as_they_are_stored(tmp_path: Path) -> None:
    """A title over merged cells, a header in row 3, a total at the end,
    and a second sheet that is no table.
    """
    rows = [
        ("Umsatz 2026",),
        (),
        HEADER,
        *LINES,
        ("Gesamt", None, None, None, 4, "=SUM(F4:F6) is 1231.6"),
    ]
    file = write_xlsx(
        tmp_path / "umsatz.xlsx", {"Info": [("Export vom 31.10.",)], "Daten": rows}, ["A1:F1"]
    )
    mapping, (total, *lines) = orders_by_init(file)
    assert [(str(row["ordered_at"]), row["customer_id"], row["quantity"]) for row in lines] == [
        ("2026-03-02 09:30:15", "100", 2),
        ("2026-03-03 00:00:00", "101", 1),
        ("2026-03-04 23:59:59", "102", 1),
    ]
    assert [row["received_payment_amount"] for row in lines][:2] == ["1234.5", "0.1"]
    assert (total["order_id"], total["reject_reason"]) == ("Gesamt", "unparseable_date_time")
    assert not {"decimal", "thousands", "delimiter", "sheet"} & mapping.keys()
    [opened] = unpacked(find_files([file]))
    assert (
        opened.note
        == "umsatz.xlsx is read from sheet 'Daten', header in row 3, below 'Umsatz 2026'"
    )


@pytest.mark.slow
def test_numbers_of_cells_stay_what_they_are_beside_texts_with_commas(tmp_path: Path) -> None:
    rows = [
        (*HEADER, "Rabatt"),
        *(
            (*line[:5], text, 1.5)
            for line, text in zip(LINES, ("1.234,50 €", "0,10 €", "7,00 €"), strict=True)
        ),
    ]
    file = write_xlsx(tmp_path / "o.xlsx", {"Daten": rows})
    mapping, lines = orders_by_init(file)
    assert mapping["decimal"] == ","
    assert [row["payment_amount"] for row in lines] == [
        Decimal("1234.50"),
        Decimal("0.10"),
        Decimal("7.00"),
    ]
    assert {row["currency"] for row in lines} == {"EUR"}
    own = OrderMapping.model_validate({**mapping, "name": "own"})
    by_number = own.model_copy(
        update={"fields": own.fields.model_copy(update={"payment_amount": own.fields.quantity})}
    )
    assert {row["payment_amount"] for row in read(file, by_number)} == {Decimal(2), Decimal(1)}


def test_ids_and_booleans_of_cells(tmp_path: Path) -> None:
    """100 is not 100.0, a long number has no exponent; one of more digits than cells
    keep is refused as an id.
    """
    rows = [
        ("id", "at", "who", "item", "paid", "flag"),
        (7, "2026-03-02", 4006381333931, "a", 12, True),
    ]
    file = write_xlsx(tmp_path / "o.xlsx", {"Sheet": rows})
    fields = {
        "uniq_id": "id",
        "date_time": "at",
        "customer_id": "who",
        "item_id": "flag",
        "quantity": "id",
        "payment_amount": "paid",
    }
    own = OrderMapping.model_validate({"name": "o", "fields": fields, "other_columns": "ignore"})
    [row] = read(file, own)
    assert (row["uniq_id"], row["customer_id"], row["item_id"]) == ("7", "4006381333931", "true")
    write_xlsx(file, {"Sheet": [rows[0], (7, "2026-03-02", 12345678901234567, "a", 12, True)]})
    with pytest.raises(
        Exception, match=r"'who' of o\.xlsx is text and holds numbers that this type rounds"
    ):
        read(file, own)


@pytest.mark.slow
def test_sheets_with_one_header_are_one_table_and_another_is_named(tmp_path: Path) -> None:
    months = {"Januar": [HEADER, LINES[0]], "Februar": [HEADER, *LINES[1:]]}
    people = [
        ("Kundennummer", "E-Mail", "Vorname"),
        *((100 + n, f"p{n}@ex.de", f"P{n}") for n in range(5)),
    ]
    file = write_xlsx(tmp_path / "shop.xlsx", {**months, "Kunden": people})
    mapping, lines = orders_by_init(file)
    assert [row["order_id"] for row in lines] == ["R1", "R2", "R3"] or mapping["sheet"], (
        "months are one table"
    )
    search = MappingSearch([str(file)], Settings(home=tmp_path), MappingKind.CUSTOMERS)
    proposal = search.proposal({}, OWN)
    assert yaml.safe_load(proposal.text)["sheet"] == "Kunden"
    with read_by(search, proposal) as reading:
        assert isinstance(reading, CustomerFileReading)
        assert [str(record.customer.id) for record in reading.records if record.customer] == [
            str(100 + n) for n in range(5)
        ]
    own = OrderMapping.model_validate({**mapping, "name": "own", "sheet": "Marz"})
    with pytest.raises(
        SourceError, match="no sheet 'Marz' with a table, but 'Kunden', 'Februar', 'Januar'"
    ):
        read(file, own)


@pytest.mark.slow
def test_open_document_and_cells_that_are_merged_over_rows(tmp_path: Path) -> None:
    _, by_ods = orders_by_init(
        write_ods(tmp_path / "o.ods", "Daten", [("Umsatz",), HEADER, *LINES])
    )
    merged = [HEADER, LINES[0], (None, None, None, "Tisch", 1, 5.5), *LINES[1:]]
    file = write_xlsx(tmp_path / "o.xlsx", {"Daten": merged}, ["A2:A3", "B2:B3", "C2:C3"])
    _, by_xlsx = orders_by_init(file)
    assert [row["order_id"] for row in by_ods] == ["R1", "R2", "R3"]
    assert [(row["order_id"], row["customer_id"]) for row in by_xlsx][:2] == [("R1", "100")] * 2
    assert {row["reject_reason"] for row in by_xlsx} == {None}


@pytest.mark.slow
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_titles_above_the_header_of_a_report(tmp_path: Path, delimiter: str, encoding: str) -> None:
    """Two orders of 12.50 and 7.25 below a title, a line of the period and an empty one;
    a total that is none.
    """
    head = ["Umsatz für Köln" + delimiter * 4, f"Zeitraum{delimiter}März{delimiter * 3}", ""]
    rows = [
        ("Bestellung", "Datum", "Kunde", "Artikel", "Betrag"),
        ("R1", "2026-03-02", "köb", "Lampe", "12.50"),
        ("R2", "2026-03-03", "ann", "Tisch", "7.25"),
        ("Gesamt", "", "", "", "19.75"),
    ]
    file = tmp_path / "report.csv"
    file.write_text("\r\n".join([*head, *map(delimiter.join, rows), ""]), encoding=encoding)
    mapping, (total, *lines) = orders_by_init(file)
    assert [(row["order_id"], row["customer_id"], row["payment_amount"]) for row in lines] == [
        ("R1", "köb", Decimal("12.50")),
        ("R2", "ann", Decimal("7.25")),
    ]
    assert total["reject_reason"] == "unparseable_date_time"
    assert mapping.get("delimiter", ",") == delimiter


def test_a_header_of_two_lines_and_columns_without_a_name(tmp_path: Path) -> None:
    lines = [
        "Order;;;;Sale;;Refund;",
        "No;Date;Customer;SKU;Qty;Net;Qty;Net",
        "R1;2026-03-02;ann;hat;1;9.50;0;0",
    ]
    file = tmp_path / "two.csv"
    file.write_text("\n".join(lines))
    [opened] = unpacked(find_files([file]), keys=TableKeys(delimiter=";"))
    first = Path(opened.path).read_text().splitlines()[0]
    assert first == "No;Date;Customer;SKU;Sale Qty;Sale Net;Refund Qty;Refund Net"
    (tmp_path / "frame.csv").write_text(",order,who,paid\n0,R1,ann,5\n1,R2,bob,6\n")
    [framed] = unpacked(find_files([tmp_path / "frame.csv"]))
    assert Path(framed.path).read_text() == "column 1,order,who,paid\n0,R1,ann,5\n1,R2,bob,6\n"


def test_usual_files_are_read_where_they_are(tmp_path: Path) -> None:
    """A header that is there is never passed over: no copy, whatever the rows look like."""
    for number, content in enumerate(
        ("a,b\n1,2\n", "only\n1\n2\n", "a;b;c\nx;y;z\n", "id,a b\n", "a,b\nc\nd,e,f\n")
    ):
        (tmp_path / f"{number}.csv").write_text(content)
    assert [file.packed_in for file in unpacked(find_files([tmp_path]))] == [None] * 5
