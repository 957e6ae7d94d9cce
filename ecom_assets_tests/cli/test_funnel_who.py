"""`ecom funnel --who`: the list of who is at each step, and by several columns."""

import json
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest

from ecom_assets_tests.cli.test_funnel import STEPS, STORY, counts  # noqa: F401 (`events` writes the module's story)
from ecom_assets_tests.command import ecom


@pytest.mark.slow
def test_who_is_at_a_step_by_several_columns_has_a_column_for_each(
    home: Path, tmp_path: Path
) -> None:
    events, who = tmp_path / "events.jsonl", tmp_path / "who.csv"
    acts = [
        ("ann", "page_view", "Shoes", "mobile"),
        ("ann", "purchase", None, "desktop"),
        ("bob", "page_view", "Hats", None),
    ]
    rows = [
        {
            "event_id": f"e{n}",
            "user_id": user,
            "event_type": kind,
            "event_timestamp": f"2026-03-01T10:0{n}:00Z",
            "product_id": "p",
            "product_category": category,
            "properties": {"device": device} if device else {},
        }
        for n, (user, kind, category, device) in enumerate(acts)
    ]
    events.write_text("\n".join(json.dumps(row) for row in rows))
    by = ("--by", "product_category", "--by", "properties.device")
    options = ("--events", events, "--steps", "page_view,purchase", *by, "--who", who)
    ecom("funnel", *options, home=home)
    assert "\x1f" not in who.read_text()
    listed = pyarrow.csv.read_csv(who).to_pylist()
    names = [
        f"{of}.{column}"
        for of in ("by_value", "label")
        for column in ("product_category", "properties.device")
    ]
    assert [*listed[0]][-4:] == names
    assert [[row[name] for name in names] for row in listed] == [
        ["Shoes", "mobile", "Shoes", "mobile"],
        ["Hats", "(none)", "Hats", "(none)"],
        ["(none)", "desktop", "Shoes", "mobile"],
    ]
    ecom("funnel", *options, "--limit", "1", home=home)
    assert [row["label.properties.device"] for row in pyarrow.csv.read_csv(who).to_pylist()].count(
        "Other"
    ) > 0


@pytest.mark.parametrize("name", ["who.csv", "who.parquet"])
def test_the_list_of_who_is_at_each_step_is_as_long_as_its_number(
    home: Path, events: Path, name: str
) -> None:
    path = events.with_name(name)
    assert counts(
        ecom("funnel", "--events", events, *STEPS, "--json", "--who", path, home=home)
    ) == [3, 2]
    table = pyarrow.csv.read_csv(path) if name.endswith("csv") else pyarrow.parquet.read_table(path)
    assert table.column_names == ["visitor_id", "step", "event_at", "event_id"]
    actual = [(row["step"], row["visitor_id"], row["event_id"]) for row in table.to_pylist()]
    assert actual == [
        (1, "ann", "a1"),
        (1, "bob", "b1"),
        (1, "cid", "c1"),
        (2, "ann", "a3"),
        (2, "bob", "b2"),
    ]
