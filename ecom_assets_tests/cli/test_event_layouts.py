"""From a tool's own export to a funnel by one command, with a shipped mapping
and no key written by hand.
"""

from pathlib import Path

import duckdb
import pytest

from ecom_assets.ingestion.sources.files.mapping import load_mapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets_tests.command import ecom
from ecom_assets_tests.ingestion.sources.event_layouts import LAYOUTS


@pytest.mark.slow
def test_hits_without_consent_are_a_reason_of_their_own_and_no_fault_of_the_export(
    tmp_path: Path, home: Path
) -> None:
    path = LAYOUTS["ga4 json"].write(tmp_path)
    arguments = (
        "funnel",
        "--events",
        path,
        "--mapping",
        "ga4_export",
        "--steps",
        "product_view,purchase",
        "--json",
    )
    # One of 17 rows is 6 %. The user who is known without a device is no visitor without consent.
    result = ecom(*arguments, "--strict", home=home)
    assert result.json["rows"]["rejected"] == {"duplicate": 3, "without_consent": 1}
    assert (result.exit_code, "warning" in result.err) == (0, False)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_an_export_becomes_a_funnel(name: str, tmp_path: Path, home: Path) -> None:
    layout, folder = LAYOUTS[name], tmp_path / "export"
    folder.mkdir()
    path = layout.write(folder)
    steps = "product_view,add_to_cart,purchase" if layout.has_cart else "product_view,purchase"
    funnel = ecom(
        "funnel",
        "--events",
        path,
        "--mapping",
        layout.mapping,
        "--steps",
        steps,
        "--json",
        home=home,
    ).json
    # Ann is one visitor before and after she signs in, so her purchase follows her view.
    assert [step["count"] for step in funnel["steps"]] == ([3, 2, 1] if layout.has_cart else [3, 1])
    assert funnel["rows"]["read"] == layout.row_count
    assert funnel["rows"]["counted"] == layout.row_count - layout.copies - layout.rejected
    with duckdb.connect() as con:
        files = RecordFiles.open(con, [path], load_mapping(layout.mapping))
        columns = "event_type, anonymous_id, event_at::VARCHAR, product_id, cart_value"
        rows = con.execute(f"SELECT DISTINCT {columns} FROM ({files.received_sql()})").fetchall()
    assert {row[1:4] for row in rows if row[0] == "product_view"} == {
        ("d-ann", "2026-03-02 10:01:00", "lamp"),
        ("d-bob", "2026-03-02 10:10:00", "lamp"),
        ("d-cem", "2026-03-02 10:20:00", "lamp"),
    }
    assert [row[4] for row in rows if row[0] == "purchase"] == ["19.9"]
