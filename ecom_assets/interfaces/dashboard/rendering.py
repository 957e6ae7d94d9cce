"""Templates, and the pages made with them: the blocks of a page, an error, the login."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, get_args

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from starlette.requests import Request
from starlette.responses import HTMLResponse

from ecom_assets.behaviour.events.names import Named
from ecom_assets.behaviour.questions.source import QuestionTooLargeError
from ecom_assets.commerce.costs.queries import NoCostsError
from ecom_assets.core.errors import EcomError, UsageError
from ecom_assets.core.http_server.callers import CALLER, Scope, ScopeNeededError, may
from ecom_assets.core.http_server.problems import RequestRefusal
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.intervals import FEW
from ecom_assets.core.tables.queries import NoSourceError
from ecom_assets.interfaces.api.store.store import public_sentence
from ecom_assets.interfaces.boards.model import Annotation
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import Block, Chart, Nothing, Notice
from ecom_assets.interfaces.dashboard.charts import marked, marks_of, sentence_of_marks
from ecom_assets.interfaces.dashboard.form_inputs import comparisons, conditions_of
from ecom_assets.interfaces.dashboard.formats import (
    Kind,
    chance,
    day_range,
    exact,
    formatted,
    in_words,
    sign_of,
)
from ecom_assets.interfaces.dashboard.page import (
    GROUPS,
    DashboardPage,
    Filters,
    Section,
    View,
    all_pages,
)
from ecom_assets.interfaces.dashboard.sessions import MESSAGE, PREFIX, message_for, token_of
from ecom_assets.interfaces.dashboard.static_files import address_of_file
from ecom_assets.interfaces.dashboard.wording import Lacking, lacking, needs_key
from ecom_assets.outputs.delivery.queries import NoLedgerError
from ecom_assets.outputs.serving.places import shows_sample

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src "
        "'self' data: blob:; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
}
"""Scripts and styles come from files of this server only: no inline script,
no `eval`, no other host.
"""
PUBLIC_ERRORS: Final = (
    NoSourceError,
    NoLedgerError,
    QuestionTooLargeError,
    ScopeNeededError,
    UsageError,
)
"""Errors whose sentence is for the person who asks; of others it may name files of the server."""
SAID_ONCE: Final = (NoLedgerError, NoCostsError)
"""Errors that all sections of a page have in common, so that one of them says it."""


@dataclass(frozen=True)
class Shown:
    """A section with its block."""

    section: Section
    block: Block


def build_sections(view: View) -> Iterator[Shown]:
    """Yield each section with its block; a section that fails shows its error."""
    notices: list[Block] = []
    for section in view.page.sections:
        try:
            block = section.block(view)
        except EcomError as error:
            block = _missing(error)
        if isinstance(block, Nothing):
            continue
        if isinstance(block, Notice | Lacking) and block.is_shown_once:
            if block in notices:
                continue
            notices.append(block)
        yield Shown(section, block)


def _missing(error: EcomError) -> Block:
    """Return the message of an error, with the page that brings in what is missing."""
    is_shown_once = isinstance(error, SAID_ONCE)
    sentence = sentence_of(error)
    block = lacking(sentence, is_shown_once=is_shown_once) if _is_source(error) else None
    return block or Notice(sentence, is_shown_once=is_shown_once)


def _is_source(error: EcomError) -> bool:
    return isinstance(error, NoSourceError) and not isinstance(error, NoLedgerError)


def sentence_of(error: EcomError) -> str:
    """Return the message of an error for people; the log has the details."""
    return str(error) if isinstance(error, PUBLIC_ERRORS) else public_sentence(error)


def render_page(view: View) -> HTMLResponse:
    """Return a page."""
    shown = list(build_sections(view))
    return _response(
        "page.html",
        view.request,
        view=view,
        page=view.page,
        heading=view.page.title_of(view) if view.page.title_of else view.page.title,
        filters=view.filters,
        shown=shown,
        lead=Shown(view.page.lead, view.page.lead.block(view)) if view.page.lead else None,
        choices=choices_of(view.filters, view.may),
        has_charts=any("chart.html" in _templates_of(section.block) for section in shown),
        range=next(iter(view.ranges), None),
    )


def render_message(
    request: Request,
    status: HTTPStatus,
    title: str,
    text: str,
    page: DashboardPage | None = None,
) -> HTMLResponse:
    """Return a page with a sentence, such as an error,
    and a link to the page without its parameters; in place of a `page` that has nothing to show
    yet, a link to where files are brought in.
    """
    plain = (
        request.url.path if request.url.query and status == HTTPStatus.UNPROCESSABLE_ENTITY else ""
    )
    return _response(
        "message.html",
        request,
        status,
        title=title,
        text=text,
        plain=plain,
        page=page,
        wait_s="",
    )


def render_refusal(request: Request, refusal: RequestRefusal) -> HTMLResponse:
    """Return the page of a request that is refused. One that may come again does so by itself, and
    lists no other pages: who asks may not be known yet.
    """
    wait_s = refusal.headers.get("retry-after", "")
    values = {"title": "Please wait", "groups": []} if wait_s else {"title": "This cannot be shown"}
    page = _response(
        "message.html",
        request,
        refusal.status,
        text=refusal.detail,
        plain="",
        page=None,
        wait_s=wait_s if request.method == "GET" else "",
        **values,
    )
    page.headers.update(refusal.headers)
    return page


def render_login(request: Request, status: HTTPStatus, message: str, target: str) -> HTMLResponse:
    """Return the form that asks for a key; the pages behind it are not listed before."""
    return _response(
        "login.html",
        request,
        status,
        title="Log in",
        message=message,
        target=target,
        page=None,
        groups=[],
    )


@dataclass(frozen=True)
class Choice:
    """A choice of a page as a field of its form.

    `options` are pairs of value and label; without them it is a text field, or hidden.
    """

    name: str
    label: str
    value: str
    options: tuple[tuple[str, str], ...]
    is_typed: bool = False


def choices_of(filters: BaseModel, has_scope: Callable[[Scope], bool]) -> list[Choice]:
    """Return the choices of a page but for its days and those that start over with another: those
    with a `Literal` type are selects, the others are hidden. Values that need a scope are for those
    who have it.
    """
    return [
        _choice(name, field, str(getattr(filters, name)), has_scope)
        for name, field in type(filters).model_fields.items()
        if name not in Filters.DAYS
        and not declared_of(field).get("starts_over")
        and getattr(filters, name) is not None
    ]


def declared_of(field: FieldInfo) -> NamedValues:
    """Return what a field declares of its choice in the form."""
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _choice(name: str, field: FieldInfo, value: str, has_scope: Callable[[Scope], bool]) -> Choice:
    """Return a choice; a field may declare that it `is_typed`, or of its `Literal` the `labels`,
    and the `scopes` that some values need.
    """
    declared = declared_of(field)
    labels, scopes = declared.get("labels", {}), declared.get("scopes", {})
    values = [
        option
        for option in get_args(field.annotation)
        if isinstance(option, str) and has_scope(scopes.get(option, Scope.READ))
    ]
    options = tuple((option, labels.get(option) or in_words(option)) for option in values)
    return Choice(
        name, field.title or in_words(name), value, options, bool(declared.get("is_typed"))
    )


def _templates_of(block: Block) -> list[str]:
    inside = [name for inner in getattr(block, "blocks", ()) for name in _templates_of(inner)]
    return [block.template, *getattr(block, "later", ()), *inside]


def _response(
    template: str,
    request: Request,
    status: HTTPStatus = HTTPStatus.OK,
    **values: Any,  # noqa: ANN401 (what the template names)
) -> HTMLResponse:
    caller, notice = request.scope.get(CALLER), message_for(request)
    token = token_of(request) if caller else ""
    if "groups" not in values:
        values["groups"] = _listed_pages(request, values.get("view"))
    text = TEMPLATES.get_template(template).render(
        caller=caller,
        notice=notice,
        token=token,
        prefix=PREFIX,
        shop=request.app.state.settings.shop_name or "ecom_assets",
        is_sample="view" in values and shows_sample(request.app.state.settings),
        **values,
    )
    response = HTMLResponse(text, status, HEADERS)
    if notice:
        response.delete_cookie(MESSAGE)
    return response


def _listed_pages(
    request: Request, view: View | None
) -> list[tuple[str, list[tuple[DashboardPage, str]]]]:
    """Return the groups of the pages that the caller may see, each page with its address: with the
    days of this page, if there is one.
    """
    listed = [
        (page, view.link(page.path) if view else page.address)
        for page in all_pages()
        if page.is_listed and may(request.scope, page.scope)
    ]
    by_group = [(group, [entry for entry in listed if entry[0].group == group]) for group in GROUPS]
    return [(group, entries) for group, entries in by_group if entries]


def _chart(block: Chart, marks: Sequence[Annotation], currency: str) -> Markup:
    spec = {**block.spec, "height": block.height, "description": block.description}
    shown = charts.in_digits(marked(spec, marks), currency)
    chart = {"spec": shown, "rows": charts.plain(block.rows), "currencySign": sign_of(currency)}
    return htmlsafe_json_dumps(chart, separators=(",", ":"), default=str)


def _bar_width(rows: Sequence[NamedValues], name: str, row: NamedValues) -> str:
    """Return the width of a bar in percent, where the largest value of the column is the whole."""
    most = max((float(other[name]) for other in rows if other[name] is not None), default=0.0)
    return f"{max(0.0, 100 * float(row[name]) / most):.2f}" if most else "0"


def _shown(value: Any, kind: Kind, currency: str = "") -> str:  # noqa: ANN401 (any cell of an answer)
    """Return a value as `formatted`; what has a technical name shows it on hover, focus and tap."""
    if isinstance(value, Named):
        return Markup('<span class="term" tabindex="0">{}<span>{}</span></span>').format(
            value, value.technical
        )
    return formatted(value, kind, currency)


def _with_code(text: str) -> Markup:
    """Return a sentence whose commands, which stand in backticks, are set as code."""
    return Markup("").join(  # each part is escaped
        Markup("<code>{}</code>").format(part) if position % 2 else part
        for position, part in enumerate(text.split("`"))
    )


TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals.update(
    needs_key=lambda what, scope: needs_key(what, Scope(scope)),
    file=address_of_file,
    chart_json=_chart,
    bar_width=_bar_width,
    marks_of=marks_of,
    sentence_of_marks=sentence_of_marks,
    comparisons=comparisons,
    conditions_of=conditions_of,
    day_range=day_range,
    chance=chance,
    FEW=FEW,
)
TEMPLATES.filters.update(
    exact=exact, formatted=formatted, shown=_shown, day_range=day_range, with_code=_with_code
)
