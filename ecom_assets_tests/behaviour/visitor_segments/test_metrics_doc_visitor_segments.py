"""What `docs/metrics/` says about visitor segments, recomputed from its own input."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import yaml

from ecom_assets.behaviour.visitor_segments.queries import COUNTS
from ecom_assets.behaviour.visitor_segments.segment import PARTS, VisitorSegment, visitors_in
from ecom_assets.behaviour.visitor_segments.stays import daily_counts, stays
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.experiments.experiment_reference import SCHEMA
from ecom_assets_tests.markdown import Line, section
from ecom_assets_tests.test_metrics_doc import PAGE, tables


def test_the_example_is_what_the_page_says() -> None:
    _, lines, expected, _ = tables("Visitor segments")
    events, segments = example(lines)
    reported = []
    for segment in segments:
        actual = visitors_in(events, segment, date(2026, 3, 9))
        names = sorted(actual.to_pyarrow()["visitor_id"].to_pylist())
        reported.append({"segment": segment.name, "visitors": ", ".join(names)})
    assert reported == expected


def test_the_days_are_what_the_page_says() -> None:
    _, lines, _, expected = tables("Visitor segments")
    events, segments = example(lines)
    only = [segment for segment in segments if segment.name == "frequent"]
    rows = (
        daily_counts(stays(events, only), events, only)
        .order_by("as_of_date")
        .to_pyarrow()
        .to_pylist()
    )
    reported = [
        {"day": str(row.pop("as_of_date"))} | {name: str(row[name]) for name in COUNTS}
        for row in rows
    ]
    assert reported[-4:] == expected


def example(lines: list[Line]) -> tuple[ir.Table, list[VisitorSegment]]:
    """Return the events and the segments of the page."""
    rows = []
    for number, line in enumerate(lines):
        at = datetime.fromisoformat(line["event_at"]).replace(tzinfo=UTC)
        properties = json.dumps({"plan": line["plan"]}) if line["plan"] else None
        amount = Decimal(line["cart_amount"]) if line["cart_amount"] else None
        row: dict[str, Any] = {
            "event_id": f"e{number}",
            "visitor_id": line["visitor"],
            "event_type": line["event_type"],
        }
        rows.append(
            row
            | {
                "event_at": at,
                "event_date": at.date(),
                "cart_amount": amount,
                "properties": properties,
            }
        )
    con = connect()
    con.con.register("acts", pa.Table.from_pylist(rows, schema=SCHEMA))
    (text,) = section(PAGE, "Visitor segments").code
    segments = [
        VisitorSegment.from_definition(name, raw) for name, raw in yaml.safe_load(text).items()
    ]
    return con.table("acts"), segments


def test_every_part_stands_on_the_page_and_can_be_read() -> None:
    shown, *_ = tables("Visitor segments")
    written = " ".join(line["part"] for line in shown)
    assert [part for part in PARTS if f"{part}:" not in written] == []
    for line in shown[:4]:
        for part in line["part"].split("}, {"):
            whole = "{" * (not part.startswith("{")) + part
            whole += "}" * (whole.count("{") - whole.count("}"))
            VisitorSegment.from_definition("shown", yaml.safe_load(whole))
