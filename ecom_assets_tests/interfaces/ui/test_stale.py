"""What Dagster's pages show as stale: days of tables whose definition has changed since."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ecom_assets_tests.interfaces.ui.served_ui import DAGSTER_S_OWN, CodeLocation, loaded

DAY = "2026-03-10"
ASKED = f"""
{{ assetNodes(
    assetKeys: [{{path: ["mart", "cart_abandonment"]}}, {{path: ["mart", "sessions"]}}]) {{
    assetKey {{ path }} staleStatus(partition: "{DAY}")
    staleCauses(partition: "{DAY}") {{ category reason }} }} }}"""


def shown(location: CodeLocation) -> dict[str, tuple[str, list[dict[str, Any]]]]:
    """Return what the page of a day shows, by table."""
    nodes = location.ask(ASKED)["assetNodes"]
    return {
        node["assetKey"]["path"][-1]: (
            node["staleStatus"],
            [cause for cause in node["staleCauses"] if cause["category"] == "CODE"],
        )
        for node in nodes
    }


def compute(location: CodeLocation) -> None:
    """Record both tables as computed by the definition of now."""
    graph = location.process.create_request_context().asset_graph
    for name in ("cart_abandonment", "sessions"):
        key = dg.AssetKey(["mart", name])
        tags = {
            "dagster/code_version": graph.get(key).code_version or "",
            "dagster/data_version": "1",
        }
        location.instance.report_runless_asset_event(
            dg.AssetMaterialization(key, partition=DAY, tags=tags)
        )


@pytest.mark.slow
@DAGSTER_S_OWN
def test_a_changed_rule_shows_its_tables_as_stale_and_no_others(tmp_path: Path) -> None:
    with loaded(tmp_path, {}) as location:
        assert {status for status, _ in shown(location).values()} == {"MISSING"}
        compute(location)
        assert [causes for _, causes in shown(location).values()] == [[], []]
    with loaded(tmp_path, {"ECOM_CART_VALUE": "item"}) as location:
        changed = shown(location)
    assert changed["cart_abandonment"] == (
        "STALE",
        [{"category": "CODE", "reason": "has a new code version"}],
    )
    assert changed["sessions"][1] == []
