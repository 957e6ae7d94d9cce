"""The message about an incident: as e-mail with its chart, as Slack's blocks,
Teams' card, or plain JSON.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from html import escape
from typing import Any, Final
from unicodedata import category
from urllib.parse import quote

from requests.exceptions import RequestException

from ecom_assets.core.errors import MailError
from ecom_assets.core.http.retry import EndlessResponseError, ResponseBounds, bounded_session
from ecom_assets.core.retrying import retrying
from ecom_assets.core.rows import Answer, NamedValues
from ecom_assets.interfaces.boards.incidents import Incident
from ecom_assets.interfaces.boards.model import NumberAlert
from ecom_assets.interfaces.watching.causes import Cause
from ecom_assets.interfaces.watching.numbers import Watched
from ecom_assets.interfaces.watching.rule import AlertFinding, WatchedPoint, when_of
from ecom_assets.orchestration.automation.mail import new_message

BARS: Final = "▁▂▃▄▅▆▇█"
SHOWN_POINTS: Final = 28
"""How many periods the chart shows."""
TIMEOUT_S: Final = 10.0
ANSWER: Final = ResponseBounds(TIMEOUT_S, most_mb=1.0)
"""How long the answer of a webhook may take, and how much of it is read."""
PAUSES_S: Final = (1.0, 3.0)
LATER: Final = frozenset({429, *range(500, 600)})
CHART: Final = "chart"
WAS: Final = "was "
"""What begins `said_of`."""


def finding_of(
    watched: Watched, finding: AlertFinding, points: Sequence[WatchedPoint], causes: Sequence[Cause]
) -> Answer:
    """Return what an incident keeps of what was found in its first period, as JSON can hold it.

    Beside the `sentence` it keeps of what it is made: `name`, `of_value` and `said`, as not all who
    read it may see the value.
    """
    value_text, every = watched.shown, watched.alert.every
    said = said_of(watched, finding)
    return {
        "title": watched.title,
        "name": watched.name,
        "of_value": watched.alert.value,
        "value": value_text(finding.point.value or 0.0),
        "said": said,
        "sentence": f"{watched.title} {said}",
        "low": finding.low,
        "high": finding.high,
        "usual": finding.usual,
        "compared_with": when_of(finding.base, every) if finding.base else None,
        "points": [
            {"starts_at": point.starts_at.isoformat(), "value": point.value}
            for point in points
            if point.starts_at <= finding.point.starts_at and point.is_complete
        ][-SHOWN_POINTS:],
        "causes": [
            {
                "by": cause.by.removeprefix("properties.").replace("_", " "),
                "value": cause.value,
                "now": value_text(cause.now),
                "before": value_text(cause.before),
                "change": f"{'+' if cause.change > 0 else '-'}{value_text(abs(cause.change))}",
            }
            for cause in causes
        ],
    }


def said_of(watched: Watched, finding: AlertFinding) -> str:
    """Return what is said of a number in a period, after its title, such as `was 3 on Tue
    2026-11-17: as expected.`.
    """
    value = watched.shown(finding.point.value or 0.0)
    tail = finding.reason if finding.is_breach else "as expected"
    return f"{WAS}{value} {when_of(finding.point.starts_at, watched.alert.every)}: {tail}."


@dataclass(frozen=True)
class IncidentMessage:
    """What is said about an incident, wherever it goes.

    Attributes:
        slug: The id of the alert.
        alert: The alert.
        incident: The incident.
        address: Where people reach the dashboard.
    """

    slug: str
    alert: NumberAlert
    incident: Incident
    address: str

    @property
    def headline(self) -> str:
        """The subject of the e-mail."""
        return one_line(f"{self.alert.name}: {self.incident.finding['value']}")

    @property
    def link(self) -> str:
        """The page of the alert."""
        return f"{self.address}/dashboard/alert?alert={quote(self.slug)}"

    @property
    def lines(self) -> list[str]:
        """What is said, a line each."""
        finding = self.incident.finding
        over = (
            [f"It is over since {when_of(self.incident.over_in, self.alert.every)}."]
            if self.incident.over_in
            else []
        )
        return [
            one_line(finding["sentence"]),
            *over,
            *([self.alert.description] if self.alert.description else []),
        ]

    @property
    def causes(self) -> list[str]:
        """The largest contributions, a line each."""
        return [
            one_line(
                f"{cause['by']} {cause['value']}: {cause['before']} → {cause['now']} "
                f"({cause['change']})"
            )
            for cause in self.incident.finding["causes"]
        ]

    @property
    def cause_title(self) -> str:
        """What the contributions are compared with."""
        return f"Largest contributions, against {self.incident.finding['compared_with']}"

    def email(self, sender: str, recipients: Sequence[str]) -> EmailMessage:
        """Return the e-mail; sent again, it has the same Message-ID."""
        name = f"{self.slug}.{self.incident.first_period:%Y%m%dT%H%M}.incident"
        parts = [*self.lines, "", sparkline(self.incident.finding["points"])]
        if self.causes:
            parts += ["", f"{self.cause_title}:", *(f"  {line}" for line in self.causes)]
        message = new_message(
            sender, recipients, self.headline, name, "\n".join([*parts, "", self.link, ""])
        )
        picture = picture_of(chart_spec(self.incident.finding))
        message.add_alternative(self._html(has_picture=picture is not None), subtype="html")
        if picture is not None:
            html = message.get_payload()[1]  # type: ignore[index]  # the alternative that was just added
            html.add_related(picture, "image", "png", cid=f"<{CHART}>")  # type: ignore[union-attr]
        return message

    def _html(self, *, has_picture: bool) -> str:
        picture = (
            f'<p><img src="cid:{CHART}" '
            f'alt="{escape(sparkline(self.incident.finding["points"]))}" width="560"></p>'
        )
        causes = "".join(f"<li>{escape(line)}</li>" for line in self.causes)
        return (
            '<!doctype html><html lang="en">'
            '<body style="font: 15px/1.5 sans-serif; color: #1a202c">'
            f'<h2 style="margin: 0">{escape(self.headline)}</h2>'
            f"{''.join(f'<p>{escape(line)}</p>' for line in self.lines)}"
            f"{picture if has_picture else ''}"
            f"{f'<p><b>{escape(self.cause_title)}</b></p><ul>{causes}</ul>' if causes else ''}"
            f'<p><a href="{escape(self.link)}">Open in the dashboard</a></p></body></html>'
        )

    def slack(self) -> Answer:
        """Return the payload of Slack's incoming webhooks: blocks, with a text for notifications.

        What events and people say is in elements of rich text, which Slack shows as they are: a
        mention, a link or a star in a value is only its characters. The text for notifications has
        no such elements, so it is escaped.
        """
        points = sparkline(self.incident.finding["points"])
        parts = [*(_slack_text(f"{line}\n") for line in self.lines), _slack_text(points, code=True)]
        if self.causes:
            parts.append(_slack_text(f"\n{self.cause_title}", bold=True))
            parts += [_slack_text(f"\n• {line}") for line in self.causes]
        return {
            "text": _slack(self.headline),
            "mrkdwn": False,
            "blocks": [
                {
                    "type": "header",
                    "text": {"type": "plain_text", "text": self.headline[:150], "emoji": False},
                },
                {
                    "type": "rich_text",
                    "elements": [{"type": "rich_text_section", "elements": parts}],
                },
                {
                    "type": "section",
                    "text": {"type": "mrkdwn", "text": f"<{self.link}|Open in the dashboard>"},
                },
            ],
        }

    def teams(self) -> Answer:
        """Return the payload of Teams' workflows: a message with an adaptive card.

        Its texts are runs of text, in which Markdown is not read, so that no value of an event
        becomes a link.
        """
        points = sparkline(self.incident.finding["points"])
        blocks = [
            _teams_text(self.headline, weight="Bolder", size="Medium"),
            *map(_teams_text, self.lines),
            _teams_text(points, fontType="Monospace"),
        ]
        if self.causes:
            blocks.append(_teams_text(self.cause_title, weight="Bolder"))
            blocks += [_teams_text(f"• {line}") for line in self.causes]
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": blocks,
            "actions": [
                {"type": "Action.OpenUrl", "title": "Open in the dashboard", "url": self.link}
            ],
        }
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
        return {"type": "message", "attachments": [attachment]}

    def json(self) -> Answer:
        """Return the message for programs."""
        return {
            "alert": self.slug,
            "name": self.alert.name,
            "first_period": self.incident.first_period.isoformat(),
            "is_over": self.incident.over_in is not None,
            "link": self.link,
            **self.incident.finding,
        }


def post(message: IncidentMessage, style: str, url: str) -> None:
    """Post a message to a webhook, in the style `slack`, `teams` or `json`.

    Raises:
        MailError: It was not taken; the sentence does not contain the address, which is a secret.
    """
    payload = getattr(message, style)()

    def once() -> None:
        try:
            answer = session.post(url, json=payload, timeout=TIMEOUT_S, allow_redirects=False)
        except EndlessResponseError as error:
            if error.response is None:
                raise
            answer = error.response  # its status says whether the message was taken
        if answer.status_code >= 300:  # noqa: PLR2004 (beyond success)
            raise _NotTakenError(answer.status_code)

    try:
        with bounded_session(ANSWER) as session:
            retrying(PAUSES_S, _may_succeed_later)(once)
    except _NotTakenError as error:
        raise MailError(
            f"The webhook answered {error.status}; see whether its address is still right."
        ) from None
    except RequestException as error:
        raise MailError(
            f"The webhook cannot be reached ({type(error).__name__}); see ECOM_WEBHOOKS."
        ) from None


class _NotTakenError(Exception):
    """The webhook refused a message."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


def _may_succeed_later(error: BaseException) -> bool:
    return (
        error.status in LATER
        if isinstance(error, _NotTakenError)
        else isinstance(error, RequestException)
    )


LONGEST_LINE: Final = 500
"""Characters of a line in a message; the value of an event may have thousands."""


def one_line(text: str) -> str:
    """Return a text as one line of a message,
    so that a value with line breaks adds no lines of its own.
    """
    line = "".join(" " if category(character) in _NO_LINE else character for character in text)
    return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}…"


_NO_LINE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""The categories of characters that end lines, or that no message can hold."""


def _slack(text: str) -> str:
    """Return a text as Slack shows it: three characters are escaped,
    which would else be links and mentions.
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _slack_text(text: str, **style: bool) -> Answer:
    """Return an element of Slack's rich text."""
    return {"type": "text", "text": text, **({"style": style} if style else {})}


def _teams_text(text: str, **style: str) -> Answer:
    """Return a block of an adaptive card with one run of text."""
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}


def sparkline(points: Sequence[NamedValues]) -> str:
    """Return the points as a line of block characters; a space where the number is not known."""
    values = [point["value"] for point in points if point["value"] is not None]
    least, most = min(values, default=0.0), max(values, default=0.0)
    step = (most - least) / (len(BARS) - 1) or 1.0
    return "".join(
        " " if point["value"] is None else BARS[round((point["value"] - least) / step)]
        for point in points
    )


def picture_of(spec: dict[str, Any]) -> bytes | None:
    """Return the chart of a Vega or Vega-Lite specification as a PNG;
    None without the extra `pictures`.
    """
    try:
        import vl_convert  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError:
        return None
    draw = (
        vl_convert.vega_to_png
        if "/vega/" in spec.get("$schema", "")
        else vl_convert.vegalite_to_png
    )
    result: bytes = draw(spec, scale=2)
    return result


def chart_spec(finding: NamedValues) -> Answer:
    """Return the chart of a finding as a Vega-Lite specification: the number, its bounds,
    and the last point marked.
    """
    points = [
        {**point, "is_last": number == len(finding["points"]) - 1}
        for number, point in enumerate(finding["points"])
    ]
    time = {"field": "starts_at", "type": "temporal", "title": None}
    number = {"field": "value", "type": "quantitative", "title": None}
    bounds = [{"bound": finding[name]} for name in ("low", "high") if finding[name] is not None]
    rules = {
        "data": {"values": bounds},
        "mark": {"type": "rule", "strokeDash": [4, 4], "color": "#64748b"},
        "encoding": {"y": {"field": "bound", "type": "quantitative"}},
    }
    last = {
        "mark": {"type": "point", "filled": True, "size": 90, "color": "#b91c1c"},
        "transform": [{"filter": "datum.is_last"}],
        "encoding": {"x": time, "y": number},
    }
    line = {"mark": {"type": "line", "color": "#2f5fb3"}, "encoding": {"x": time, "y": number}}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 520,
        "height": 180,
        "background": "white",
        "data": {"values": points},
        "layer": [*([rules] if bounds else []), line, last],
    }
