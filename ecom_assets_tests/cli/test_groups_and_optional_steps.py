"""Optional steps, groups and numbers per visitor, as commands answer with them over a small file.

The questions are of the kind that PostHog, Mixpanel and Amplitude show; each number is found by
looking at the rows.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from ecom_assets_tests.command import ecom
from ecom_assets_tests.each import each

MAPPING = "name: mine\ndescription: A story.\nfields:\n" + "".join(
    f"  {name}: {name}\n"
    for name in ("event_id", "user_id", "event_type", "event_timestamp", "properties")
)
STORY = (
    ("ann", "view", "01T10:00:00", {"org": "acme", "item": "hat"}),
    ("ann", "coupon", "01T10:01:00", {"org": "acme", "item": "bag"}),
    ("ann", "pay", "01T10:02:30", {"org": "acme", "item": "hat", "paid": 20}),
    ("ben", "coupon", "01T09:00:00", {"org": "acme"}),
    ("ben", "view", "01T10:00:00", {"org": "acme", "item": "hat"}),
    ("ben", "coupon", "01T10:00:30", {"org": "acme", "item": "hat"}),
    ("ben", "refund", "01T10:00:40", {"org": "acme"}),
    ("ben", "pay", "01T10:01:00", {"org": "acme", "item": "hat", "paid": 5}),
    ("ben", "pay", "02T10:00:00", {"org": "acme", "item": "bag", "paid": 7}),
    ("cara", "view", "02T10:00:00", {"org": "bolt", "item": "bag"}),
    ("dora", "view", "03T10:00:00", {"item": "bag"}),
)
STEPS = ("funnel", "--steps", "view,coupon?,pay")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("story")
    rows = [
        {
            "event_id": f"e{number}",
            "user_id": who,
            "event_type": kind,
            "event_timestamp": f"2026-06-{at}Z",
            "properties": properties,
        }
        for number, (who, kind, at, properties) in enumerate(STORY)
    ]
    (folder / "story.ndjson").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (folder / "mine.yaml").write_text(MAPPING, encoding="utf-8")
    return folder


def numbers(answer: Any) -> Any:
    """Return the counts of steps, the values of the first series, or who returned, by cohort."""
    if "steps" in answer:
        return [step["count"] for step in answer["steps"]]
    return (
        answer["series"][0]["values"]
        if "series" in answer
        else [cohort["returned"] for cohort in answer["cohorts"]]
    )


@pytest.mark.slow
@each(
    "arguments, expected",
    [
        (STEPS, [4, 2, 2]),
        ((*STEPS, "--per", "properties.org"), [2, 1, 1]),
        # Ann's coupon is of a bag, her view of a hat; Ben's first coupon of all came before his
        # view.
        ((*STEPS, "--hold", "properties.item"), [4, 1, 2]),
        ((*STEPS, "--occurrence", "2:first_ever"), [4, 1, 2]),
        ((*STEPS, "--exclude", "refund", "--preset", "posthog"), [3, 1, 1]),
        (("trend", "--series", "*:visitors", "--per", "properties.org"), [1, 2, 0]),
        (
            ("trend", "--series", "pay:mean_per_visitor(properties.paid)", "--period", "quarter"),
            [16.0],
        ),
        (("trend", "--series", "view:distinct(properties.item)"), [1, 1, 1]),
        (("retention", "--period", "day", "--per", "properties.org"), [[1, 1, 0], [1, 0]]),
    ],
)
def test_each_question_has_the_number_of_its_rows(
    files: Path, arguments: tuple[str, ...], expected: Any
) -> None:
    command, *options = arguments
    input_options = ("--events", files / "story.ndjson", "--mapping", files / "mine.yaml")
    result = ecom(command, *input_options, *options, "--json", home=files / "home")
    assert result.exit_code == 0, result.err
    assert numbers(result.json) == expected


def test_orders_have_no_groups(files: Path) -> None:
    orders = files / "orders.csv"
    orders.write_text(
        "id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,quantity,"
        "payment_amount,status\n"
        "1,u1,2026-06-01T10:00:00Z,1,Berlin,7,Ann,Lee,3,Hat,1,25.00,shipped\n",
        encoding="utf-8",
    )
    result = ecom("retention", "--orders", orders, "--per", "properties.org", home=files / "home")
    assert (result.exit_code, result.sentence) == (
        2,
        (
            "--per properties.org is a key of events, which orders do not have; ask with --events "
            "PATH."
        ),
    )
