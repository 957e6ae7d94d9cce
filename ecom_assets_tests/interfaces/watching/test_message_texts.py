"""What strangers put into events stays text in messages: no mention, no link, no formatting,
no line of its own.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from ecom_assets.interfaces.boards.incidents import Incident
from ecom_assets.interfaces.boards.model import NumberAlert
from ecom_assets.interfaces.watching.messages import LONGEST_LINE, IncidentMessage

EVIL: Final = (
    "<!channel> *free* [gift](https://evil.example) <https://evil.example|here> `x`\r\n"
    "Subject: x\u2028& <b>"
)
ONE_LINE: Final = EVIL.replace("\r", " ").replace("\n", " ").replace("\u2028", " ")


@pytest.fixture
def message() -> IncidentMessage:
    at = datetime(2026, 3, 3, tzinfo=UTC)
    cause = {"by": "channel", "value": EVIL, "now": "1", "before": "9", "change": "-8"}
    finding = {
        "title": EVIL,
        "value": "1",
        "sentence": f"{EVIL} was 1.",
        "low": None,
        "high": None,
        "usual": None,
        "compared_with": "2026-03-02",
        "points": [{"starts_at": at.isoformat(), "value": 1.0}],
        "causes": [cause],
    }
    # As a version before kept it; saved today, such a name is refused.
    alert = NumberAlert.from_mapping({"name": EVIL, "measure": "revenue_amount"})
    return IncidentMessage(
        "orders", alert, Incident("orders", at, at, None, at, finding), "https://shop.example"
    )


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects of a payload."""
    if isinstance(value, dict):
        yield value
    for member in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from objects(member)


def test_slack_reads_no_markup_in_values(message: IncidentMessage) -> None:
    payload = message.slack()
    read_as_markup = [each["text"] for each in objects(payload) if each.get("type") == "mrkdwn"]
    assert read_as_markup == [
        "<https://shop.example/dashboard/alert?alert=orders|Open in the dashboard>"
    ]
    assert "<" not in payload["text"]
    assert "&lt;!channel&gt;" in payload["text"]
    literal = "".join(each["text"] for each in objects(payload) if each.get("type") == "text")
    assert f"• channel {ONE_LINE}: 9 → 1 (-8)" in literal
    assert literal.count("\n") == 3  # the sentence, the chart, the title, the cause


def test_teams_reads_no_markdown_in_values(message: IncidentMessage) -> None:
    card = message.teams()["attachments"][0]["content"]
    kinds = {each["type"] for each in objects(card["body"])}
    assert kinds == {"RichTextBlock", "TextRun"}, "in a TextBlock and a FactSet, Markdown is read"
    assert f"• channel {ONE_LINE}: 9 → 1 (-8)" in [
        each.get("text") for each in objects(card["body"])
    ]


def test_mails_have_one_line_for_each_value_and_escape_it(message: IncidentMessage) -> None:
    mail = message.email("a@shop.example", ["b@shop.example"])
    assert "\n" not in mail["Subject"]
    plain, html = (
        part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"
    )
    assert f"  channel {ONE_LINE}: 9 → 1 (-8)\n" in plain
    assert "<b>" not in html.replace(f"<b>{message.cause_title}</b>", "")
    assert "&lt;https://evil.example|here&gt;" in html


def test_a_long_value_does_not_fill_a_message(message: IncidentMessage) -> None:
    message.incident.finding["causes"][0]["value"] = "x" * 30_000
    assert len(message.causes[0]) == LONGEST_LINE
    assert len(json.dumps(message.slack())) < 5_000
