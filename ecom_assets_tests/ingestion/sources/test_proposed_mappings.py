"""What `ecom mapping init` proposes by names and values, for files as shops of
several countries write them.
"""

import json
from decimal import Decimal
from pathlib import Path

import pytest
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

NARROW, WIDE = "\u202f", "\u00a0"


def orders(space: str) -> str:
    """Return an export in French: a chair is paid for, and two that were paid back;
    a third order was cancelled.
    """
    return f"""Commande;Date;Client;Produit;Quantité;Prix TTC;Devise;Statut
C1;31/07/2026 09:00;ann@ex.fr;Chaise;1;1{space}234,50 €;EUR;payée
C2;31/07/2026 10:00;bob@ex.fr;Chaise;2;1{space}234,50 €;EUR;remboursée
C3;31/07/2026 11:00;bob@ex.fr;Table;1;20,00 €;EUR;annulée
"""


def rows_by(search: MappingSearch, proposal: MappingProposal, folder: Path) -> list[Row]:
    """Return the rows of the files as the proposal reads them."""
    with read_by(search, proposal, folder) as reading:
        assert isinstance(reading, FileReading)
        rows: list[Row] = reading.files.classified().to_pyarrow().to_pylist()
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("space", [NARROW, WIDE, " "])
def test_french_orders_need_the_zone_only(tmp_path: Path, space: str) -> None:
    file = tmp_path / "commandes.csv"
    file.write_text(orders(space), encoding="utf-8")
    search = MappingSearch([str(file)], Settings(home=tmp_path))
    assert [question.key for question in search.proposal({}, OWN).questions] == ["timezone"]
    proposal = search.proposal({"timezone": "Europe/Paris"}, OWN)
    assert yaml.safe_load(proposal.text)["thousands"] == " ", "whatever blank it is"
    rows = rows_by(search, proposal, tmp_path)
    kept = {row["uniq_id"]: row for row in rows if row["reject_reason"] is None}.values()
    amounts = sorted((str(row["status"]), row["payment_amount"]) for row in kept)
    assert amounts == [
        ("refunded", Decimal("2469.00")),
        ("shipped", Decimal("1234.50")),
        ("shipped", Decimal("2469.00")),
    ]
    assert {str(row["ordered_at"]) for row in kept} == {
        "2026-07-31 07:00:00",
        "2026-07-31 08:00:00",
    }


def test_events_deep_in_an_answer_have_ids_that_another_answer_has_too(tmp_path: Path) -> None:
    """Two answers overlap: the view is at another place in the second one, and the same event."""
    view = {
        "ts": 1767189900,
        "actor": {"anonId": "a1", "uid": None},
        "name": "view_product",
        "props": {"sku": "S1"},
    }
    basket = {
        "ts": 1767189960,
        "actor": {"anonId": "a1", "uid": "u1"},
        "name": "add_to_basket",
        "props": {"sku": "S1"},
    }
    for name, events in (("a.json", [view, basket]), ("b.json", [basket, view])):
        (tmp_path / name).write_text(
            json.dumps({"data": {"events": events}, "meta": {"took_ms": 3}})
        )
    search = MappingSearch(
        [str(tmp_path / "a.json"), str(tmp_path / "b.json")], Settings(home=tmp_path / "home")
    )
    proposal = search.proposal({}, OWN)
    mapping = yaml.safe_load(proposal.text)
    assert (mapping["records"], proposal.questions) == ("data.events", ())
    assert mapping["event_types"] == {
        "add_to_basket": "add_to_cart",
        "view_product": "product_view",
    }
    rows = rows_by(search, proposal, tmp_path)
    assert (len(rows), len({row["event_id"] for row in rows})) == (4, 2)
    assert {row["anonymous_id"] for row in rows} == {"a1"}


def test_a_single_record_with_a_list_is_one_record(tmp_path: Path) -> None:
    order = {
        "order": {
            "id": "1",
            "placed": "2026-07-01T10:00:00Z",
            "mail": "a@x.example",
            "items": [{"sku": "S1", "qty": 2, "price": 5}],
        }
    }
    (tmp_path / "one.json").write_text(json.dumps(order))
    assert (
        MappingSearch([str(tmp_path / "one.json")], Settings(home=tmp_path)).look.lists.records
        == ""
    )
