"""Boards by e-mail: their tiles as HTML with pictures and as a PDF."""

import base64
import re
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from functools import cache
from typing import Any, ClassVar, Final

from starlette.applications import Starlette
from starlette.requests import Request

from ecom_assets.core.errors import MailError, SettingError, WorkError
from ecom_assets.core.http_server.callers import CALLER, Caller, Scope
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.parameters import RequestContext
from ecom_assets.interfaces.api.store.served_data import open_store
from ecom_assets.interfaces.api.visible_saved import asks_about_costs
from ecom_assets.interfaces.boards.model import Board, BoardMail, SavedQuestion, shop_numbers
from ecom_assets.interfaces.boards.store import BoardStore, KeptVersion
from ecom_assets.interfaces.dashboard.blocks import Block, Chart, DataTable, Several
from ecom_assets.interfaces.dashboard.charts import plain
from ecom_assets.interfaces.dashboard.formats import day_range, formatted, sign_of
from ecom_assets.interfaces.dashboard.page import View
from ecom_assets.interfaces.dashboard.pages.board import BOARD, BoardChoices, contents_of
from ecom_assets.interfaces.dashboard.static_files import all_files
from ecom_assets.interfaces.report.page import TEMPLATES, print_pdf
from ecom_assets.interfaces.watching.messages import picture_of
from ecom_assets.orchestration.automation.mail import MailServer, divided_by_costs, new_message

MOST_ROWS: Final = 12
"""Rows of a table in a message; the dashboard has them all."""
READERS: Final = {
    with_costs: Caller(
        "e-mail of a board", frozenset({Scope.READ, *([Scope.COSTS] if with_costs else [])})
    )
    for with_costs in (False, True)
}
"""As whom a board is read: with costs, or without."""
VARIABLE: Final = re.compile(r"--([\w-]+):\s*(#[0-9a-fA-F]{3,8})")


@dataclass(frozen=True)
class Picture(Block):
    """A chart as a picture, which stands beside the page under its name."""

    template: ClassVar[str] = "picture.html"
    name: str
    description: str
    note: str = ""


@dataclass(frozen=True)
class BoardPage:
    """A board as HTML whose pictures stand beside it, by their names."""

    name: str
    days: str
    currency: str
    contents: Sequence[tuple[str, Block]]
    pictures: Mapping[str, bytes]

    def html(self, address_of_picture: Mapping[str, str], link: str) -> str:
        """Return the page, with an address for each picture."""
        values = {
            "address_of_picture": address_of_picture,
            "most_rows": MOST_ROWS,
            "formatted": formatted,
        }
        return TEMPLATES.get_template("board.html").render(page=self, link=link, **values)

    @property
    def embedded_pictures(self) -> Mapping[str, str]:
        """The pictures as addresses that need no other file."""
        return {
            name: f"data:image/png;base64,{base64.b64encode(picture).decode()}"
            for name, picture in self.pictures.items()
        }


def board_page(settings: Settings, slug: str, *, with_costs: bool = False) -> BoardPage:
    """Return a board with the numbers that are published now; those about costs for readers who may
    see them.

    Raises:
        NotKeptError: There is no such board.
        NothingPublishedError: Nothing is published yet.
    """
    board = BoardStore(settings).get(Board, slug).item
    with closing(open_store(settings)) as store, store.reading() as reading:
        # A request of the shop's own process, as the pages of the dashboard read it. It has no
        # right to see people: nobody knows whether the readers of an e-mail may.
        app = Starlette()
        app.state.settings = settings
        scope = {
            "type": "http",
            "app": app,
            "headers": [],
            "path": BOARD.address,
            CALLER: READERS[with_costs],
        }
        view = View(BOARD, BoardChoices(board=slug), RequestContext(Request(scope), reading))
        pictures: dict[str, bytes] = {}
        contents = [
            (name, _still(block, pictures, reading.currency)) for name, block in contents_of(view)
        ]
        ranges = [(days["start_date"], days["end_date"]) for days in view.ranges]
        return BoardPage(
            board.name,
            day_range(*ranges[0]) if ranges else "",
            reading.currency,
            contents,
            pictures,
        )


def _still(block: Block, pictures: dict[str, bytes], currency: str) -> Block:
    """Return a block whose charts are pictures, which are added to the others,
    or tables where they cannot be drawn.
    """
    if isinstance(block, Several):
        return Several([_still(inner, pictures, currency) for inner in block.blocks])
    if not isinstance(block, Chart):
        return block
    picture = chart_picture(block, currency) if block.rows else None
    if picture is None:
        return DataTable(block.rows, block.columns, note=block.note, empty=block.empty)
    name = f"chart-{len(pictures) + 1}"
    pictures[name] = picture
    return Picture(name, block.description, block.note)


def chart_picture(chart: Chart, currency: str) -> bytes | None:
    """Return a chart as a PNG; None without the extra `pictures`,
    or if it cannot be drawn without a browser.
    """
    spec = _themed(dict(chart.spec))
    rows = plain(chart.rows)
    if "/vega/" in spec.get("$schema", ""):
        spec = {
            **spec,
            "data": [{"name": "table", "values": rows}, *spec.get("data", [])],
            "width": 640,
        }
    else:
        sign = {"name": "currencySign", "value": sign_of(currency)}
        size = {"width": 640, "height": chart.height, "background": "white"}
        more = {
            "params": [sign, *spec.get("params", [])],
            "data": spec.get("data") or {"values": rows},
        }
        spec = {**size, **spec, **more}
    with suppress(
        ValueError
    ):  # what Vega says of a specification that needs more than there is here
        return picture_of(spec)
    return None


def _themed(value: Any) -> Any:  # noqa: ANN401 (any part of a specification)
    """Return a specification with the colours of the light theme in place of their names."""
    if isinstance(value, str):
        return (
            _colours().get(value.removeprefix("theme."), "#2f5fb3")
            if value.startswith("theme.")
            else value
        )
    if isinstance(value, list | tuple):
        return [_themed(part) for part in value]
    return (
        {name: _themed(part) for name, part in value.items()} if isinstance(value, dict) else value
    )


@cache
def _colours() -> dict[str, str]:
    css = all_files()["dashboard.css"].content.decode()
    return dict(reversed(VARIABLE.findall(css)))  # the first of each name is the light theme's


def board_message(
    settings: Settings,
    kept: KeptVersion[BoardMail],
    due: datetime,
    recipients: Sequence[str],
    *,
    with_costs: bool,
) -> EmailMessage:
    """Return the message with a board; sent again, it has the same Message-ID."""
    mail = kept.item
    page = board_page(settings, mail.board, with_costs=with_costs)
    link = f"{settings.dashboard_url.rstrip('/')}/dashboard/board?board={mail.board}"
    name = f"{kept.slug}.{due:%Y%m%dT%H%M}.{'costs.' if with_costs else ''}board"
    message = new_message(
        settings.alert_sender or mail.emails[0],
        recipients,
        page.name,
        name,
        f"{page.name}, {page.days}\n\n{link}\n",
    )
    message.add_alternative(
        page.html({name: f"cid:{name}" for name in page.pictures}, link), subtype="html"
    )
    html: Any = message.get_payload()[1]  # type: ignore[index]  # the alternative that was just added
    for picture_name, picture in page.pictures.items():
        html.add_related(picture, "image", "png", cid=f"<{picture_name}>")
    with suppress(WorkError):  # without a browser there is no PDF
        pdf = print_pdf(page.html(page.embedded_pictures, link))
        message.add_attachment(
            pdf, maintype="application", subtype="pdf", filename=f"{mail.board}.pdf"
        )
    return message


def send_board(settings: Settings, slug: str, due: datetime) -> str:
    """Send a board to those who get it, with numbers about costs to those only who may see them,
    and return a line about it.

    Raises:
        SettingError: ECOM_SMTP_URL is not set.
        MailError: The server did not take it.
    """
    url = settings.smtp_url.get_secret_value()
    if not url:
        raise SettingError("ECOM_SMTP_URL is not set, which boards by e-mail need; set it.")
    kept = BoardStore(settings).get(BoardMail, slug)
    mail, server = kept.item, MailServer.parse(url)
    refused, costs = list[str](), ""
    for recipients, with_costs in divided_by_costs(
        mail.emails, settings.costs_email, is_about_costs=shows_costs(settings, mail.board)
    ):
        message = board_message(settings, kept, due, recipients, with_costs=with_costs)
        refused += server.send(message)
        costs += f", with costs to {', '.join(recipients)}" if with_costs else ""
    if refused:
        raise MailError(
            f"The mail server refused {', '.join(refused)}; correct who gets the board "
            f"{mail.board!r}."
        )
    return f"Sent the board {mail.board!r} to {', '.join(mail.emails)}{costs}."


def shows_costs(settings: Settings, slug: str) -> bool:
    """Return whether a board has a tile about costs, or conditions on them."""
    store = BoardStore(settings)
    board = store.get(Board, slug).item
    questions = (store.find(SavedQuestion, tile.question) for tile in board.tiles if tile.question)
    return (
        asks_about_costs(board, store)
        or any(shop_numbers()[tile.measure].is_cost for tile in board.tiles if tile.measure)
        or any(asks_about_costs(saved.item, store) for saved in questions if saved)
    )
