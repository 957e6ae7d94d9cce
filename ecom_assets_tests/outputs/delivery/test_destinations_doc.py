"""docs/destinations.md held against the code: its example comes out,
its reasons and limits are those of the code.
"""

import ast
import json
import re
from datetime import datetime, timedelta
from pathlib import Path

from ecom_assets.core.settings.settings import Settings
from ecom_assets.outputs.delivery.sender import Limits
from ecom_assets.outputs.delivery.tools.all import TOOLS
from ecom_assets.outputs.delivery.tools.ga4 import payload as ga4
from ecom_assets_tests.each import each
from ecom_assets_tests.markdown import ROOT, section
from ecom_assets_tests.outputs.delivery.mart_rows import SENT_AT, events, tool

PAGE = "docs/destinations.md"
DELIVERY = ROOT / "ecom_assets" / "outputs" / "delivery"
MODULES = [DELIVERY / "tools" / name / "payload.py" for name in TOOLS]
REFUSING = {"Refusal", "_UnfitError", "id_length"}
SHARED = [DELIVERY / f"{name}.py" for name in ("event_properties", "payloads")]


@each(
    "position, name",
    [(1, "amplitude_events"), (2, "heap_events"), (3, "mixpanel_events"), (4, "ga4_events")],
)
def test_the_purchase_of_the_page_becomes_what_the_page_says(position: int, name: str) -> None:
    code = section(PAGE, "Event payloads").code
    row = json.loads(code[0])
    row["event_at"] = datetime.fromisoformat(row["event_at"]).replace(tzinfo=None)
    row["cart_amount"] = f"{row['cart_amount']:.2f}"
    row["session_started_at"] = row["event_at"].replace(minute=0, second=0) - timedelta(minutes=2)
    (payload,) = tool(name).payloads(events(row), SENT_AT)["payload"].to_pylist()
    assert json.loads(payload) == json.loads(code[position])


def reasons_in(path: Path) -> set[str]:
    """Return the first text of each refusal in a module."""
    calls = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]
    named = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in REFUSING]
    firsts = [call.args[0] for call in named if call.args]
    return {str(first.value) for first in firsts if isinstance(first, ast.Constant)} - {"None"}


def test_every_reason_is_on_the_page_and_no_other() -> None:
    (table,) = section(PAGE, "Records that are not sent").tables
    answer = {reason for line in table for reason in line["reason"].split(", ")}
    assert answer == set.union(*map(reasons_in, [*MODULES, *SHARED])) | {"too_large"}


def limits(name: str, **settings: str) -> Limits:
    """Return what a tool takes of events."""
    tool = TOOLS[name]
    actual: Limits = tool.events.limits(tool.tool_settings(Settings(**settings)))  # type: ignore[arg-type]  # pydantic reads them
    return actual


def test_limits_of_requests_are_those_that_are_kept() -> None:
    (table,) = section(PAGE, "Sending").tables
    answer = {line[""]: {name: cell for name, cell in line.items() if name} for line in table}
    kept = {
        "Amplitude Batch": limits("amplitude", amplitude_api="batch"),
        "Amplitude HTTP V2": limits("amplitude", amplitude_api="http_v2"),
        "Heap": limits("heap"),
        "Mixpanel": limits("mixpanel"),
        "GA4": limits("ga4"),
    }
    requests = {
        name: re.sub(r"\D", "", cell.partition(" of ")[0])
        for name, cell in answer["events in a request"].items()
    }
    assert requests == {name: str(limit.most_records) for name, limit in kept.items()}
    assert answer["events per second"] == {
        name: f"{limit.per_s:,.0f}" if limit.per_s else "no limit" for name, limit in kept.items()
    }
    assert f"{ga4.PROPERTIES.most} (GA4)" in (ROOT / PAGE).read_text(encoding="utf-8")
