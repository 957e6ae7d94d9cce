"""What `ecom mapping init` proposes for events as trackers of several makers write them."""

from decimal import Decimal
from pathlib import Path

import yaml

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.proposal.proposal import (
    OWN,
    MappingProposal,
    MappingSearch,
    read_by,
)
from ecom_assets.ingestion.sources.reading import FileReading
from ecom_assets_tests.builders import Row

PRICES = """ts,uid,action,sku,price,qty,order_no,order_total
2026-03-01T09:00:00Z,ann,view,hat,10.00,,,
2026-03-01T09:05:00Z,ann,purchase,hat,10.00,2,1001,25.00
2026-03-01T09:05:00Z,ann,purchase,pen,5.00,1,1001,25.00
2026-03-01T10:05:00Z,bob,purchase,pen,5.00,3,1002,15.00
"""
COPIES = """Event Name,Time,Distinct ID,Insert ID,Amount,Order ID
Page View,2026-03-01T09:00:00Z,ann,i1,,
Purchase,2026-03-01T09:05:00Z,ann,i2,45,1001
Purchase,2026-03-01T09:05:00Z,ann,i2,45,1001
Refund,2026-03-02T10:05:00Z,ann,i3,45,1001
"""
FLATTENED = """event_date,event_timestamp,event_name,user_pseudo_id,ga_session_id,purchase_revenue
20260301,1772355600000000,session_start,c1.1,177,
20260301,1772355900000000,purchase,c1.1,177,45.5
20260301,1772359500000000,purchase,c2.2,178,1200
"""
CODES = """session_id,event_id,url_path,event_type,event_name,created_at
s1,e1,/,1,,2026-03-01 09:00:00Z
s1,e2,/p/hat,1,,2026-03-01 09:01:00Z
s1,e3,/p/hat,2,add_to_cart,2026-03-01 09:02:00Z
"""
GERMAN = """Zeitpunkt;Besucher-ID;Ereignis;Umsatz
2026-03-01T09:05:00Z;b1;Kauf;1.234,50 €
2026-03-02T09:05:00Z;b1;Rückgabe;45,00 €
"""


def search_of(folder: Path, content: str) -> MappingSearch:
    file = folder / "events.csv"
    file.write_text(content, encoding="utf-8")
    return MappingSearch([str(file)], Settings(home=folder))


def asked(proposal: MappingProposal) -> list[str]:
    return [question.key for question in proposal.questions if not question.is_optional]


def kept(search: MappingSearch, proposal: MappingProposal, folder: Path) -> list[Row]:
    """Return the rows that count, in the order of their times."""
    with read_by(search, proposal, folder) as reading:
        assert isinstance(reading, FileReading)
        rows: list[Row] = reading.files.classified().to_pyarrow().to_pylist()
    counted = [row for row in rows if row["reject_reason"] is None]
    return sorted(counted, key=lambda row: (row["event_timestamp"], str(row["product_id"])))


def test_prices_beside_the_total_of_the_order_are_asked_with_what_adds_up(tmp_path: Path) -> None:
    """Two hats and a pen are 2 * 10.00 + 5.00 = 25.00, three pens are 15.00: prices alone would
    come to 20.00, totals on each row to 65.00.
    """
    search = search_of(tmp_path, PRICES)
    proposal = search.proposal({}, OWN)
    (question,) = [one for one in proposal.questions if one.key == "cart_value"]
    assert (asked(proposal), question.guess) == (["cart_value"], "price times qty")
    answered = search.proposal({"cart_value": "price times qty"}, OWN)
    assert asked(answered) == []
    rows = kept(search, answered, tmp_path)
    amounts = [row["cart_amount"] for row in rows if row["event_type"] == "purchase"]
    assert amounts == [Decimal(20), Decimal(5), Decimal(15)]


def test_an_id_is_one_though_a_row_was_exported_twice(tmp_path: Path) -> None:
    search = search_of(tmp_path, COPIES)
    proposal = search.proposal({}, OWN)
    assert yaml.safe_load(proposal.text)["fields"]["event_id"] == "Insert ID"
    rows = kept(search, proposal, tmp_path)
    assert {row["event_id"] for row in rows} == {"i1", "i2", "i3"}


def test_columns_of_ga4_are_known_without_its_records(tmp_path: Path) -> None:
    search = search_of(tmp_path, FLATTENED)
    proposal = search.proposal({}, OWN)
    assert asked(proposal) == []
    rows = kept(search, proposal, tmp_path)
    found = [(row["anonymous_id"], row["session_id"], row["cart_amount"]) for row in rows]
    assert found == [
        ("c1.1", "177", None),
        ("c1.1", "177", Decimal("45.5")),
        ("c2.2", "178", Decimal(1200)),
    ]


def test_a_code_without_a_name_is_asked(tmp_path: Path) -> None:
    search = search_of(tmp_path, CODES)
    assert asked(search.proposal({}, OWN)) == ["event_type_1"]
    answered = search.proposal({"event_type_1": "page_view"}, OWN)
    types = [row["event_type"] for row in kept(search, answered, tmp_path)]
    assert types == ["page_view", "page_view", "add_to_cart"]


def test_what_came_back_is_a_refund_in_german(tmp_path: Path) -> None:
    search = search_of(tmp_path, GERMAN)
    rows = kept(search, search.proposal({}, OWN), tmp_path)
    assert [(row["event_type"], row["cart_amount"]) for row in rows] == [
        ("purchase", Decimal("1234.50")),
        ("refund", Decimal(45)),
    ]


def test_no_time_is_guessed_to_be_the_visitor(tmp_path: Path) -> None:
    rows = "".join(f"20260301,view,2026-03-01T09:0{n}:00Z,x{n}\n" for n in range(2))
    search = search_of(tmp_path, f"day,event,at,who_knows\n{rows}")
    (question,) = [one for one in search.proposal({}, OWN).questions if one.key == "user_id"]
    assert question.guess == "who_knows"
