"""`ecom funnel --who`: the list of who is at each step, by several columns."""

import json
from pathlib import Path

import pyarrow.csv
import pytest

from ecom_assets_tests.command import ecom


@pytest.mark.slow
def test_who_is_at_a_step_by_several_columns_has_a_column_for_each(home: Path, tmp_path: Path) -> None:
    events, who = tmp_path / "events.jsonl", tmp_path / "who.csv"
    acts = [
        ("ann", "page_view", "Shoes", "mobile"),
        ("ann", "purchase", None, "desktop"),
        ("bob", "page_view", "Hats", None),
    ]
    rows = [
        {"event_id": f"e{n}", "user_id": user, "event_type": kind, "event_timestamp": f"2026-03-01T10:0{n}:00Z",
         "product_id": "p", "product_category": category, "properties": {"device": device} if device else {}}
        for n, (user, kind, category, device) in enumerate(acts)
    ]  # fmt: skip
    events.write_text("\n".join(json.dumps(row) for row in rows))
    by = ("--by", "product_category", "--by", "properties.device")
    options = ("--events", events, "--steps", "page_view,purchase", *by, "--who", who)
    ecom("funnel", *options, home=home)
    assert "\x1f" not in who.read_text()
    listed = pyarrow.csv.read_csv(who).to_pylist()
    names = [f"{of}.{column}" for of in ("by_value", "label") for column in ("product_category", "properties.device")]
    assert [*listed[0]][-4:] == names
    assert [[row[name] for name in names] for row in listed] == [
        ["Shoes", "mobile", "Shoes", "mobile"],
        ["Hats", "(none)", "Hats", "(none)"],
        ["(none)", "desktop", "Shoes", "mobile"],
    ]
    ecom("funnel", *options, "--limit", "1", home=home)
    assert [row["label.properties.device"] for row in pyarrow.csv.read_csv(who).to_pylist()].count("Other") > 0
