"""Boards by e-mail: their tiles as HTML with pictures and as a PDF."""

import base64
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from functools import cache
from html import escape
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request

from ecom_assets.api.parameters import RequestContext
from ecom_assets.api.store.served_data import open_store
from ecom_assets.api.store.store import StoreReading
from ecom_assets.automation.mail import MailServer, new_message
from ecom_assets.boards.model import Board, BoardMail
from ecom_assets.boards.store import BoardStore, KeptVersion
from ecom_assets.dashboard.blocks import Block, Chart, DataTable, Notice, Several, TableColumn, Tiles
from ecom_assets.dashboard.charts import plain
from ecom_assets.dashboard.formats import day_range, formatted, sign_of
from ecom_assets.dashboard.page import View
from ecom_assets.dashboard.pages.board import BOARD, BoardChoices, contents_of
from ecom_assets.dashboard.static_files import all_files
from ecom_assets.errors import MailError, SettingError, WorkError
from ecom_assets.report.page import print_pdf
from ecom_assets.settings.settings import Settings
from ecom_assets.watching.messages import picture_of

MOST_ROWS: Final = 12
"""Rows of a table in a message; the dashboard has them all."""
VARIABLE: Final = re.compile(r"--([\w-]+):\s*(#[0-9a-fA-F]{3,8})")


@dataclass
class BoardPage:
    """A board as HTML whose pictures stand beside it, by their names."""

    name: str
    days: str
    parts: list[str] = field(default_factory=list)
    pictures: dict[str, bytes] = field(default_factory=dict)

    def html(self, address_of_picture: Mapping[str, str], link: str) -> str:
        """Return the page, with an address for each picture."""
        body = "".join(self.parts)
        for name, address in address_of_picture.items():
            body = body.replace(f'src="{name}"', f'src="{address}"')
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><style>'
            "body { font: 15px/1.5 sans-serif; color: #1a202c; max-width: 720px; margin: 0 auto; padding: 16px } "
            "h1 { margin: 0 } h2 { font-size: 17px; margin: 24px 0 4px } table { border-collapse: collapse } "
            "th, td { text-align: left; padding: 3px 12px 3px 0; border-bottom: 1px solid #e2e8f0 } "
            "section { break-inside: avoid } .number { font-size: 26px; font-weight: bold } img { max-width: 100% } "
            ".alone { display: inline-block; min-width: 210px; margin-right: 16px }"
            f"</style></head><body><h1>{escape(self.name)}</h1><p>{escape(self.days)}</p>{body}"
            f'<p><a href="{escape(link)}">Open in the dashboard</a></p></body></html>'
        )

    @property
    def alone(self) -> Mapping[str, str]:
        """The pictures as addresses that need no other file."""
        return {
            name: f"data:image/png;base64,{base64.b64encode(picture).decode()}"
            for name, picture in self.pictures.items()
        }


def board_page(settings: Settings, slug: str) -> BoardPage:
    """Return a board with the numbers that are published now.

    Raises:
        NotKeptError: There is no such board.
        NothingPublishedError: Nothing is published yet.
    """
    board = BoardStore(settings).get(Board, slug).item
    with closing(open_store(settings)) as store, store.reading() as reading:
        view = View(BOARD, BoardChoices(board=slug), _context(settings, reading))
        contents = list(contents_of(view))
        ranges = [(days["start_date"], days["end_date"]) for days in view.ranges]
        page = BoardPage(board.name, day_range(*ranges[0]) if ranges else "")
        for name, block in contents:
            page.parts.append(_section(name, block, page, reading.currency))
    return page


def _context(settings: Settings, reading: StoreReading) -> RequestContext:
    """Return a request of the shop's own process, as the pages of the dashboard read it."""
    app = Starlette()
    app.state.settings = settings
    return RequestContext(Request({"type": "http", "app": app, "headers": [], "path": BOARD.address}), reading)


def _section(name: str, block: Block, page: BoardPage, currency: str) -> str:
    is_alone = isinstance(block, Tiles) and len(block.tiles) == 1
    drawn = "".join(_drawn(block, page, currency))
    return (
        f'<section class="alone">{drawn}</section>'
        if is_alone
        else f"<section><h2>{escape(name)}</h2>{drawn}</section>"
    )


def _drawn(block: Block, page: BoardPage, currency: str) -> Iterator[str]:
    if isinstance(block, Several):
        for inner in block.blocks:
            yield from _drawn(inner, page, currency)
    elif isinstance(block, Tiles):
        for tile in block.tiles:
            before = f" (before: {formatted(tile.previous, tile.kind, currency)})" if tile.previous is not None else ""
            value = formatted(tile.value, tile.kind, currency)
            yield f'<p>{escape(tile.label)}<br><span class="number">{escape(value)}</span>{escape(before)}</p>'
    elif isinstance(block, Chart):
        picture = chart_picture(block, currency) if block.rows else None
        if picture is None:
            yield _table(block.rows, block.columns, currency) if block.rows else f"<p>{escape(block.empty)}</p>"
        else:
            name = f"chart-{len(page.pictures) + 1}"
            page.pictures[name] = picture
            yield f'<p><img src="{name}" alt="{escape(block.description)}"></p>'
    elif isinstance(block, DataTable):
        yield _table(block.rows, block.columns, currency) if block.rows else f"<p>{escape(block.empty)}</p>"
    elif isinstance(block, Notice):
        yield f"<p>{escape(block.text)}</p>"


def _table(rows: Any, columns: Any, currency: str) -> str:  # noqa: ANN401 (as the blocks have them)
    shown: list[TableColumn] = list(columns)
    head = "".join(f"<th>{escape(column.label)}</th>" for column in shown)
    cells = (
        "".join(f"<td>{escape(formatted(row[column.name], column.kind, currency))}</td>" for column in shown)
        for row in rows[:MOST_ROWS]
    )
    more = f"<p>{len(rows) - MOST_ROWS:,} more in the dashboard.</p>" if len(rows) > MOST_ROWS else ""
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>{more}"


def chart_picture(chart: Chart, currency: str) -> bytes | None:
    """Return a chart as a PNG; None without the extra `pictures`, or if it cannot be drawn without a browser."""
    spec = _themed(dict(chart.spec))
    rows = plain(chart.rows)
    if "/vega/" in spec.get("$schema", ""):
        spec = {**spec, "data": [{"name": "table", "values": rows}, *spec.get("data", [])], "width": 640}
    else:
        sign = {"name": "currencySign", "value": sign_of(currency)}
        size = {"width": 640, "height": chart.height, "background": "white"}
        more = {"params": [sign, *spec.get("params", [])], "data": spec.get("data") or {"values": rows}}
        spec = {**size, **spec, **more}
    with suppress(ValueError):  # what Vega says of a specification that needs more than there is here
        return picture_of(spec)
    return None


def _themed(value: Any) -> Any:  # noqa: ANN401 (any part of a specification)
    """Return a specification with the colours of the light theme in place of their names."""
    if isinstance(value, str):
        return _colours().get(value.removeprefix("theme."), "#2f5fb3") if value.startswith("theme.") else value
    if isinstance(value, list | tuple):
        return [_themed(part) for part in value]
    return {name: _themed(part) for name, part in value.items()} if isinstance(value, dict) else value


@cache
def _colours() -> dict[str, str]:
    css = all_files()["dashboard.css"].content.decode()
    return dict(reversed(VARIABLE.findall(css)))  # the first of each name is the light theme's


def board_message(settings: Settings, kept: KeptVersion[BoardMail], due: datetime) -> EmailMessage:
    """Return the message with a board; sent again, it has the same Message-ID."""
    mail = kept.item
    page = board_page(settings, mail.board)
    link = f"{settings.dashboard_url.rstrip('/')}/dashboard/board?board={mail.board}"
    name = f"{kept.slug}.{due:%Y%m%dT%H%M}.board"
    message = new_message(
        settings.alert_sender or mail.emails[0], mail.emails, page.name, name, f"{page.name}, {page.days}\n\n{link}\n"
    )
    message.add_alternative(page.html({name: f"cid:{name}" for name in page.pictures}, link), subtype="html")
    html: Any = message.get_payload()[1]  # type: ignore[index]  # the alternative that was just added
    for picture_name, picture in page.pictures.items():
        html.add_related(picture, "image", "png", cid=f"<{picture_name}>")
    with suppress(WorkError):  # without a browser there is no PDF
        pdf = print_pdf(page.html(page.alone, link))
        message.add_attachment(pdf, maintype="application", subtype="pdf", filename=f"{mail.board}.pdf")
    return message


def send_board(settings: Settings, slug: str, due: datetime) -> str:
    """Send a board to those who get it, and return a line about it.

    Raises:
        SettingError: ECOM_SMTP_URL is not set.
        MailError: The server did not take it.
    """
    url = settings.smtp_url.get_secret_value()
    if not url:
        raise SettingError("ECOM_SMTP_URL is not set, which boards by e-mail need; set it.")
    kept = BoardStore(settings).get(BoardMail, slug)
    refused = MailServer.parse(url).send(board_message(settings, kept, due))
    if refused:
        raise MailError(
            f"The mail server refused {', '.join(refused)}; correct who gets the board {kept.item.board!r}."
        )
    return f"Sent the board {kept.item.board!r} to {', '.join(kept.item.emails)}."
