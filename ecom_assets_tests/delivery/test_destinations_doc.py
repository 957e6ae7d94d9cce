"""docs/destinations.md held against the code: its example comes out, its reasons and limits are those of the code."""

import ast
import json
import re
from datetime import datetime
from pathlib import Path

import pytest

from ecom_assets.delivery.tools.amplitude import client as amplitude_client
from ecom_assets.delivery.tools.ga4 import client as ga4_client
from ecom_assets.delivery.tools.ga4 import payload as ga4
from ecom_assets.delivery.tools.heap import client as heap_client
from ecom_assets.delivery.tools.mixpanel import client as mixpanel_client
from ecom_assets_tests.delivery.mart_rows import SENT_AT, events, tool
from ecom_assets_tests.markdown import ROOT, section

PAGE = "docs/destinations.md"
MODULES = [ROOT / "ecom_assets" / "destinations" / f"{name}.py" for name in ("amplitude", "heap", "mixpanel", "ga4")]
SHARED = [ROOT / "ecom_assets" / "destinations" / f"{name}.py" for name in ("event_properties", "serializing")]


@pytest.mark.parametrize(
    ("place", "name"),
    [(1, "amplitude_events"), (2, "heap_events"), (3, "mixpanel_events"), (4, "ga4_events")],
)
def test_the_purchase_of_the_page_becomes_what_the_page_says(place: int, name: str) -> None:
    code = section(PAGE, "What becomes of an event").code
    row = json.loads(code[0])
    row["event_at"] = datetime.fromisoformat(row["event_at"]).replace(tzinfo=None)
    row["cart_amount"] = f"{row['cart_amount']:.2f}"
    (payload,) = tool(name).payloads(events(row), SENT_AT)["payload"].to_pylist()
    assert json.loads(payload) == json.loads(code[place])


def reasons_in(path: Path) -> set[str]:
    """Return the first text of each refusal in a module."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in {"Refusal", "_UnfitError"}]
    firsts = [call.args[0] for call in named if call.args]
    return {str(first.value) for first in firsts if isinstance(first, ast.Constant)} - {"None"}


def test_every_reason_is_on_the_page_and_no_other() -> None:
    (table,) = section(PAGE, "What does not go").tables
    told = {reason for line in table for reason in line["reason"].split(", ")}
    assert told == set.union(*map(reasons_in, [*MODULES, *SHARED])) | {"too_large"}


def test_limits_of_requests_are_those_that_are_kept() -> None:
    (table,) = section(PAGE, "How it is sent").tables
    told = {line[""]: {name: cell for name, cell in line.items() if name} for line in table}
    apis = amplitude_client.APIS
    assert {
        name: re.sub(r"\D", "", cell.partition(" of ")[0]) for name, cell in told["events in a request"].items()
    } == {
        "Amplitude Batch": str(apis["batch"].most_records),
        "Amplitude HTTP V2": str(apis["http_v2"].most_records),
        "Heap": str(heap_client.MOST_RECORDS),
        "Mixpanel": str(mixpanel_client.MOST_RECORDS),
        "GA4": str(ga4_client.MOST_EVENTS),
    }
    rates = {
        "Amplitude Batch": apis["batch"].per_s,
        "Amplitude HTTP V2": apis["http_v2"].per_s,
        "Heap": heap_client.PER_S,
        "Mixpanel": mixpanel_client.PER_S,
        "GA4": 0.0,
    }
    assert told["events per second"] == {name: f"{rate:,.0f}" if rate else "no bound" for name, rate in rates.items()}
    assert f"{ga4.PROPERTIES.most} (GA4)" in (ROOT / PAGE).read_text(encoding="utf-8")
